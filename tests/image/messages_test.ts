import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";

const main = ["my_init", "--", "sh", "-c", "exit 3"];

Deno.test("a whole run tells its story on standard error, in order", async () => {
  const { status, stdout, stderr } = await runContainer(["my_init", "--", "echo", "hello"]);
  assertEquals([status, stdout], [0, "hello\n"]);
  const lines = stderr.split("\n").filter((line) => line.startsWith("*** "));
  const expected = [
    /^\*\*\* Running \/etc\/my_init\.d\/.*\.\.\.$/,
    /^\*\*\* Running \/etc\/rc\.local\.\.\.$/,
    /^\*\*\* Booting runit daemon\.\.\.$/,
    /^\*\*\* Runit started as PID \d+$/,
    /^\*\*\* Running echo hello\.\.\.$/,
    /^\*\*\* echo exited with status 0\.$/,
    /^\*\*\* Shutting down runit daemon \(PID \d+\)\.\.\.$/,
    /^\*\*\* Killing all processes\.\.\.$/,
  ];
  let from = 0;
  for (const pattern of expected) {
    const at = lines.findIndex((line, index) => index >= from && pattern.test(line));
    assert(at >= 0, `${pattern} after line ${from} of:\n${lines.join("\n")}`);
    from = at + 1;
  }
});

Deno.test("--quiet leaves none of it", async () => {
  const { status, stderr } = await runContainer(["my_init", "--quiet", ...main.slice(1)]);
  assertEquals(status, 3);
  assert(!stderr.includes("***"), stderr);
});

Deno.test("a main command that is stopped, and one that does not stop, are named", async () => {
  await using container = await startContainer([
    "my_init",
    "--",
    "sh",
    "-c",
    "trap '' TERM; echo ready; while :; do sleep 0.1; done",
  ], {
    options: ["-e", "KILL_PROCESS_TIMEOUT=1"],
  });
  await container.says("ready\n");
  assertEquals(await container.stop(), 137);
  const { stderr } = await container.logs();
  assert(!stderr.includes("aborted"), "the boot got through");
  assertMatch(stderr, /^\*\*\* Shutting down sh \(PID \d+\)\.\.\.$/m);
  assertMatch(stderr, /^\*\*\* sh \(PID \d+\) did not shut down in time\. Forcing it to exit\.$/m);
  assertMatch(stderr, /^\*\*\* sh exited with status 137\..*$/m);
});

Deno.test("a startup script that fails is named with its status", async () => {
  await using failing = await derive("COPY fail /etc/my_init.d/05_fail", {
    fail: "#!/bin/sh\nexit 7\n",
  });
  const { status, stderr } = await runContainer(main, { from: failing.name });
  assertEquals(status, 1);
  assertStringIncludes(stderr, "*** /etc/my_init.d/05_fail failed with status 7\n");
  assertStringIncludes(stderr, "*** Init system aborted.\n");
});

Deno.test("runit's end is reported with its status, and ends the container with it (B23)", async () => {
  await using container = await startContainer(["my_init", "--", "sleep", "1000"]);
  await container.says("Running sleep");
  await container.sh("kill -KILL $(pidof runsvdir)");
  assertEquals(await container.status(), 137);
  assertMatch((await container.logs()).stderr, /^\*\*\* Runit exited with status 137.*SIGKILL.*$/m);
});

Deno.test("processes that do not end in time are named", async () => {
  const { status, stderr } = await runContainer(
    [
      "my_init",
      "--skip-runit",
      "--skip-startup-files",
      "--",
      "sh",
      "-c",
      "sh -c 'trap \"\" TERM; >/ready; while :; do sleep 0.1; done' & " +
      "until [ -e /ready ]; do sleep 0.1; done; exit 3",
    ],
    { options: ["-e", "KILL_ALL_PROCESSES_TIMEOUT=1"] },
  );
  assertEquals(status, 3);
  assertStringIncludes(
    stderr,
    "*** Killing all processes...\n*** Not all processes have exited in time. Forcing them to exit.\n",
  );
});

Deno.test("--skip-runit without a command is an error that says so", async () => {
  assertEquals(await runContainer(["my_init", "--skip-runit"]), {
    status: 1,
    stdout: "",
    stderr: "*** When --skip-runit is given, you must also pass a main command.\n",
  });
});
