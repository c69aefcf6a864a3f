// Where services that cannot be written to are run. Instead of runsvdir there is a script that shows what it is given.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Result, runInit, type Setting } from "../support/namespace.ts";

const RUN = "#!/bin/sh\nexec sleep 1000\n";
const RUNSVDIR = `#!/bin/sh
echo "directory $(stat -c '%n %a %u' "$2")"
for service in "$2"/*; do
  [ -L "$service" ] && echo "$service -> $(readlink "$service")" || echo "$service: $(echo $(ls "$service"))"
done
kill -TERM $PPID
exec sleep 1000
`;

/** Runs my_init once, with places of its own; `before` is done when the service `a` can no longer be written to. */
function show(
  { files = {}, before = "", ...setting }: Setting,
  command: string[] = [],
): Promise<Result> {
  return runInit(["--quiet", "--skip-startup-files", ...command], {
    files: {
      "etc/service/a/run": RUN,
      "etc/service/b/run": RUN,
      "mnt/runit/runsvdir": RUNSVDIR,
      ...files,
    },
    before: `
mount -t overlay overlay -o lowerdir=/mnt/runit:/usr/bin /usr/bin
for place in /run /tmp /dev/shm; do mount -t tmpfs -o mode=1777 none $place; done
read_only() { for it; do mount --bind $it $it && mount -o remount,ro,bind $it; done; }
read_only /etc/service/a
${before}`,
    ...setting,
  });
}

/** What runsvdir was given: the place, and the content of the directory. */
function given({ stdout, stderr }: Result): { place: string; services: Record<string, string> } {
  const [, place, directory] = stdout.match(/^directory (\S+)(\/my_init\.\d+\.\w+) 700 0$/m) ?? [];
  assert(place, stdout + stderr);
  const lines = stdout.split("\n").filter((line) => line.startsWith(place + directory + "/"));
  const services = lines.map((line) => line.replace(`${place}${directory}/`, "").split(/: | -> /));
  return { place, services: Object.fromEntries(services) };
}

Deno.test("of several services only the one that cannot be written to is moved", async () => {
  const result = await show({ files: { "etc/service/a/log/run": RUN } });
  assertEquals(given(result), {
    place: "/run",
    services: { a: "log run", b: "/etc/service/b" },
  });
  assertMatch(
    result.stderr,
    /^\*\*\* Cannot write below \/etc\/service: running a from \/run\/my_init\.\S+$/m,
  );
});

Deno.test("services that can all be written to stay where they are", async () => {
  const { stdout, stderr } = await show({ before: "umount /etc/service/a" });
  assertMatch(stdout, /^directory \/etc\/service \d+ 0\n\/etc\/service\/a: run\n/);
  assertEquals(stderr.includes("Cannot"), false);
});

Deno.test("services are run from the first place that nobody else can rename things in", async () => {
  const places: [string, string][] = [
    ["/tmp", "chmod 777 /run"],
    ["/tmp", "chown 1000 /run; chmod 755 /run"],
    ["/dev/shm", "read_only /run; mount -t tmpfs -o mode=777 none /tmp"],
    ["/dev", "read_only /run /tmp /dev/shm"],
    [
      "/dev",
      "mount --bind /etc /run; chmod 775 /etc; chmod 770 /tmp; umount -l /dev/shm; read_only /dev/shm",
    ],
  ];
  for (const [place, before] of places) {
    const result = await show({
      before: `mount -t tmpfs -o mode=755 none /dev; mknod -m 666 /dev/null c 1 3
mkdir /dev/shm; mount -t tmpfs -o mode=1777 none /dev/shm
${before}`,
    });
    assertEquals(given(result).place, place, before);
  }
});

Deno.test("nothing that is already there is used or removed when it is not our own", async () => {
  const result = await show({
    before: `
namespace=$(readlink /proc/self/ns/mnt | tr -cd 0-9)
mkdir -m 700 /run/keep; touch /run/keep/file
for name in my_init.$namespace.00000000 my_init.1.00000000 my_init; do
  mkdir -p -m 700 /run/$name/evil; touch /run/$name/evil/run; chown 1000 /run/$name
done
ln -s /run/keep /run/my_init.$namespace.00000001
mkdir -m 755 /run/my_init.$namespace.00000002
`,
    after: "find /run/keep/file /run/my_init*/evil /run/my_init.*.00000002 | wc -l",
  });
  assertEquals(Object.keys(given(result).services), ["a", "b"]);
  assert(result.stdout.endsWith("\n8\n"), result.stdout);
});

Deno.test("what an earlier start has left is removed, what belongs to a running my_init is not", async () => {
  const result = await show({
    files: {
      "mnt/runit/runsvdir":
        "#!/bin/sh\nmkdir $2/a/supervise && touch $2/a/supervise/lock\nexec sleep 1000\n",
      "mnt/start": `#!/bin/sh\nexec /mnt/bin/my_init --quiet --skip-startup-files -- "$@"\n`,
    },
    before: `
/mnt/start sh -c 'until [ -e /run/my_init.*/a/supervise/lock ]; do sleep 0.01; done'
left=$(echo /run/my_init.*)
/mnt/start sh -c 'trap "exit 0" TERM; echo ready >/mnt/ready; while :; do sleep 0.01; done' &
until [ -e /mnt/ready ]; do sleep 0.01; done
lives=$(echo /run/my_init.*)
`,
    after: '[ -d "$left" ] || [ ! -d "$lives" ] || echo right; kill $!; wait',
  }, ["--", "true"]);
  assertMatch(result.stdout, /^right$/m, result.stderr);
});

Deno.test("services that cannot be written to are switched on and off by the environment", async () => {
  const result = await show({
    files: {
      "etc/service/a/down": "",
      "etc/service/c/run": RUN,
      "etc/service/d/run": RUN,
      "etc/service/e/down": "",
    },
    before: "read_only /etc/service/c /etc/service/d",
    env: { ENABLE_A: "yes", DISABLE_B: "on", DISABLE_C: "1", DISABLE_D: "0", ENABLE_E: "True" },
  });
  assertEquals(given(result).services, {
    a: "run",
    b: "/etc/service/b",
    c: "down run",
    d: "run",
    e: "/etc/service/e",
  });
});

Deno.test("services that can be written to are switched by their file down; a wrong value gets a warning", async () => {
  const { stdout, stderr } = await show({
    files: { "etc/service/a/down": "", "etc/service/c/run": RUN },
    before: "umount /etc/service/a",
    env: { ENABLE_A: "1", DISABLE_B: "1", DISABLE_C: "maybe", DISABLE_TELEMETRY: "1" },
    after: "cat /etc/service/b/down",
  });
  const services = "/etc/service/a: run\n/etc/service/b: down run\n/etc/service/c: run\n";
  assert(stdout.includes(`${services}Switched off by DISABLE_B\n`), stdout);
  assertEquals(stderr.match(/.*DISABLE.*/g), [
    "*** Ignoring DISABLE_C=maybe: use 1, true, yes, on, or 0, false, no, off",
  ]);
});

Deno.test("a critical service without the program that reports its end gets a warning", async () => {
  const { stderr } = await show({ files: { "etc/service/b/critical": "" } });
  assertMatch(
    stderr,
    /^\*\*\* Cannot watch \S+\/b: there is no \/usr\/lib\/baseimage\/report_end$/m,
  );
});

Deno.test("a service with needs waits by a file down of ours, which the next start knows; somebody's own stays", async () => {
  const ours = "my_init starts this service when what it needs is ready.\n";
  const { stdout } = await show({
    files: {
      "etc/service/b/needs": "a\n",
      "etc/service/c/run": RUN,
      "etc/service/c/needs": "a\n",
      "etc/service/c/down": "mine\n",
      "etc/service/d/run": RUN,
      "etc/service/d/down": ours, // Its needs have gone since.
      "etc/service/e/run": RUN,
      "etc/service/e/needs": "a\n",
      "etc/service/e/down": ours,
    },
    before: "umount /etc/service/a",
    env: { DISABLE_E: "1" },
    after: "for it in b c d e; do echo $it: $(cat /etc/service/$it/down 2>&1); done",
  });
  assert(
    stdout.endsWith(
      `b: ${ours}c: mine\nd: cat: /etc/service/d/down: No such file or directory\n` +
        "e: Switched off by DISABLE_E\n",
    ),
    stdout,
  );
});

Deno.test("what backoff, give_up and needs hold by mistake is said", async () => {
  const { stderr } = await show({
    files: { "etc/service/b/backoff": "soon\n", "etc/service/b/give_up": "5\n" },
    before: "umount /etc/service/a",
  });
  assertEquals(stderr.match(/Ignoring .*/g), [
    "Ignoring /etc/service/b/backoff: it must hold seconds, such as 30, 30s or 2m",
    "Ignoring /etc/service/b/give_up: it must hold a number and a time, such as 5 in 60",
  ]);
  const unknown = await runInit(["--skip-startup-files"], {
    files: { "etc/service/b/run": RUN, "etc/service/b/needs": "db\n" },
  });
  assertEquals(unknown.status, 1);
  assertMatch(unknown.stderr, /^\*\*\* Service b needs db, which is not in \/etc\/service: .*$/m);
});
