// my_init --check, as `RUN my_init --check` at the end of a Dockerfile does it
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { derive, runContainer } from "../support/container.ts";

const check = ["/sbin/my_init", "--check"];

/** A service with two faults, of which one will fail, and what is said of them. */
const broken = [
  "RUN mkdir /etc/service/web && chmod 755 /etc/service",
  "RUN printf '#!/bin/sh\\nexec setuser nosuch web\\n' >/etc/service/web/run",
  "RUN chmod +x /etc/service/web/run && touch /etc/service/web/Check",
].join("\n");
const error =
  "/etc/service/web/run:2: error: setuser: there is no user nosuch; add it: useradd nosuch";
const warning =
  "/etc/service/web/Check: warning: this name has no meaning; is check meant? rename it, if so";

const places: Record<string, string[]> = {
  "as root": [],
  "as another user": ["-u", "1000"],
  "on a read-only root": ["--read-only"],
  "without capabilities": ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  "as another user on a read-only root": ["-u", "1000", "--read-only"],
};

for (const [place, options] of Object.entries(places)) {
  Deno.test(`the image itself has nothing to be found, ${place}`, async () => {
    const { status, stdout, stderr } = await runContainer(check, { options });
    const unread = options.includes("1000")
      ? ", as far as this user may read: not /etc/container_environment"
      : "";
    assertEquals([status, stdout, stderr], [0, `All is well${unread}.\n`, ""]);
  });
}

Deno.test("--quiet says nothing of an image in which all is well, and --json prints []", async () => {
  const quiet = await runContainer([...check, "--quiet"]);
  assertEquals([quiet.status, quiet.stdout, quiet.stderr], [0, "", ""]);
  const json = await runContainer([...check, "--json"]);
  assertEquals([json.status, JSON.parse(json.stdout)], [0, []]);
});

Deno.test("a broken service is found, by file and line, whoever looks", async () => {
  await using built = await derive(broken);
  for (const options of Object.values(places)) {
    const { status, stdout } = await runContainer(check, { from: built.name, options });
    assertEquals([status, stdout.split("\n").slice(0, 2)], [1, [warning, error]]);
    assertStringIncludes(stdout, "\n1 error, 1 warning");
  }
  const quiet = await runContainer([...check, "--quiet"], { from: built.name });
  assertEquals([quiet.status, quiet.stdout], [1, `${warning}\n${error}\n`]);
  const { status, stdout } = await runContainer([...check, "--json"], { from: built.name });
  assertEquals(status, 1);
  assertEquals(JSON.parse(stdout), [
    {
      severity: "warning",
      file: "/etc/service/web/Check",
      problem: "this name has no meaning",
      remedy: "is check meant? rename it, if so",
    },
    {
      severity: "error",
      file: "/etc/service/web/run",
      line: 2,
      problem: "setuser: there is no user nosuch",
      remedy: "add it: useradd nosuch",
    },
  ]);
  const skipped = await runContainer([...check, "--skip-runit"], { from: built.name });
  assertEquals([skipped.status, skipped.stdout], [0, "All is well.\n"]);
});

Deno.test("a warning alone lets the build go on, an error ends it", async () => {
  const noExec = "RUN mkdir /etc/service/x && printf '#!/bin/sh\\nweb\\n' >/etc/service/x/run &&" +
    " chmod +x /etc/service/x/run";
  await using _built = await derive(`${noExec}\nRUN my_init --check`);
  const failed = await assertRejects(() => derive(`${broken}\nRUN my_init --check`), Error);
  assertStringIncludes(failed.message, "my_init --check");
});

Deno.test("what cron refuses or ignores is found before it does", async () => {
  const tables = [
    "no-newline '* * * * * root job'",
    "dots.txt '* * * * * root job\\n'",
    "no-user '* * * * * job\\n'",
    "writable '* * * * * root job\\n'",
  ].map((it) => `printf ${it.split(" ").slice(1).join(" ")} >/etc/cron.d/${it.split(" ")[0]}`);
  const script = `${tables.join("; ")}; chmod 664 /etc/cron.d/writable; exec my_init --check`;
  const { status, stdout } = await runContainer(["sh", "-c", script]);
  assertEquals(status, 1);
  assertEquals(stdout.split("\n").slice(0, -2).map((it) => it.split(": ").slice(0, 2).join(": ")), [
    "/etc/cron.d/dots.txt: error",
    "/etc/cron.d/no-newline:1: error",
    "/etc/cron.d/no-user:1: error",
    "/etc/cron.d/writable: error",
  ]);
});
