// PUID, PGID, UMASK and TZ, and users that have no entry in /etc/passwd
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Container, derive, docker, runContainer, uniqueName } from "../support/container.ts";

/** The image with a user app, whose home has a file; /etc/passwd belongs to the root group, too. */
function withApp() {
  return derive(
    "RUN useradd -m -u 9999 app && touch /home/app/file && chown app:app /home/app/file && chmod g=u /etc/passwd",
  );
}

async function run(script: string, ...options: string[]) {
  await using image = await withApp();
  return await runContainer(["my_init", "--quiet", "--", "sh", "-c", script], {
    from: image.name,
    options,
  });
}

Deno.test("PUID and PGID are the numbers of app, of its group, and of what it owned in its home", async () => {
  const { stdout } = await run(
    "id app; getent group app; stat -c %u:%g /home/app /home/app/file; setuser app id -u",
    ...["-e", "PUID=1234", "-e", "PGID=555"],
  );
  assertEquals(
    stdout,
    "uid=1234(app) gid=555(app) groups=555(app)\napp:x:555:\n1234:555\n1234:555\n1234\n",
  );
});

Deno.test("PUID may be a number that somebody has, and PUSER names another user than app", async () => {
  const { stdout } = await run("id -u app; id -u nobody", "-e", "PUID=9999", "-e", "PUSER=nobody");
  assertEquals(stdout, "9999\n9999\n");
});

Deno.test("a second start with the same PUID changes nothing, and is under --init alike", async () => {
  await using image = await withApp();
  await using container = new Container(uniqueName());
  const options = ["--init", "--name", container.name, "-e", "PUID=77"];
  const command = ["my_init", "--quiet", "--", "sh", "-c", "id -u app; wc -l </etc/passwd"];
  const first = await docker(["run", ...options, image.name, ...command]);
  const second = await docker(["start", "--attach", container.name]);
  assertEquals(first.stdout.split("\n")[0], "77");
  assertEquals(second.stdout, first.stdout);
});

Deno.test("UMASK is the umask of the command and of services", async () => {
  const ofServices = "grep -l '^Name:.runsv' /proc/[0-9]*/status | xargs grep -h Umask | sort -u";
  const { stdout } = await run(`umask; ${ofServices}`, "-e", "UMASK=027");
  assertEquals(stdout, "0027\nUmask:\t0027\n");
});

Deno.test("TZ is the zone of programs that do not read it, too", async () => {
  const { stdout } = await run(
    "env -u TZ date +%Z; cat /etc/timezone",
    ...["-e", "TZ=Asia/Tokyo"],
  );
  assertEquals(stdout, "JST\nAsia/Tokyo\n");
});

Deno.test("TZ works for the command on a read-only root; a warning says for whom it does not", async () => {
  const { stdout, stderr } = await run("date +%Z", "--read-only", "-e", "TZ=Asia/Tokyo");
  assertEquals(stdout, "JST\n");
  assertStringIncludes(stderr, "*** Cannot write /etc/localtime: programs that do not read TZ");
});

Deno.test("a TZ that is no zone gets a warning, and the command runs", async () => {
  const { status, stderr } = await run("true", "-e", "TZ=Nowhere/City");
  assertEquals(status, 0);
  assertStringIncludes(stderr, "TZ=Nowhere/City is no zone in /usr/share/zoneinfo; use a name");
});

const impossible: [string, string[], string][] = [
  ["PUID=abc", ["-e", "PUID=abc"], "PUID=abc is no uid: use a number from 0"],
  ["PGID=4294967295", ["-e", "PGID=4294967295"], "PGID=4294967295 is no gid: use a number from 0"],
  ["an empty PUID", ["-e", "PUID="], "PUID= is no uid: use a number from 0"],
  ["UMASK=999", ["-e", "UMASK=999"], "UMASK=999 is no umask: use an octal number"],
  ["PUSER=joe", ["-e", "PUID=5", "-e", "PUSER=joe"], "there is no user joe in /etc/passwd"],
  [
    "a read-only root",
    ["-e", "PUID=5", "--read-only"],
    "Read-only file system; leave --read-only out",
  ],
  ["another user", ["-e", "PUID=5", "--user", "1001:1001"], "the container runs as 1001:1001"],
  ["no capabilities", ["-e", "PUID=5", "--cap-drop", "ALL"], "it takes --cap-add CHOWN"],
];
for (const [what, options, message] of impossible) {
  Deno.test(`PUID, PGID or UMASK that cannot be had end the boot before the command: ${what}`, async () => {
    const { status, stdout, stderr } = await run("echo up", ...options);
    assertEquals([status, stdout], [1, ""]);
    assertStringIncludes(stderr, message);
  });
}

Deno.test("PUID that is the container's user already is no error", async () => {
  const { status, stdout } = await run("id -u", "-e", "PUID=1001", "--user", "1001:1001");
  assertEquals([status, stdout], [0, "1001\n"]);
});

Deno.test("a user without a name gets one where the root group may write to /etc/passwd", async () => {
  const { stdout } = await run("whoami; tail -n 1 /etc/passwd", "--user", "1000680000:0");
  assertEquals(stdout, "1000680000\n1000680000:x:1000680000:0::/:/bin/sh\n");
});
