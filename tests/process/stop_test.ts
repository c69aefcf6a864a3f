import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  childrenOf,
  run,
  runInit,
  sh,
  SIGNALS,
  startInit,
  statusField,
} from "../support/namespace.ts";
import { beside, lateAfter, onTerm, READY, say, script } from "../support/programs.ts";
import { until } from "../support/until.ts";

const post = { "/etc/my_init.post_shutdown.d/x": say("post") };

/** Files of a worker, for `beside`. */
const worker = (onItsTerm: string) => ({ "/mnt/worker": script(onTerm(onItsTerm, READY)) });

Deno.test("a main command that traps TERM finishes its work", async () => {
  await using init = await startInit(
    sh(onTerm("echo working; sleep 1; echo finished; exit 0")),
  );
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [0, "ready\nworking\nfinished\n"]);
});

Deno.test("a main command that does not end on TERM is killed after KILL_PROCESS_TIMEOUT, not before", async () => {
  await using init = await startInit(sh(onTerm(`sleep 0.2; echo not yet; ${lateAfter(4)}`)), {
    env: { KILL_PROCESS_TIMEOUT: "2" },
    files: post,
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout, stderr } = await init.end();
  assertEquals([status, stdout], [137, "ready\nnot yet\npost\n"]);
  assertMatch(stderr, /\*\*\* Shutting down sh \(PID \d+\)\.\.\.\n/);
  assertMatch(stderr, /\*\*\* sh \(PID \d+\) did not shut down in time\. Forcing it to exit\.\n/);
});

Deno.test("KILL_PROCESS_TIMEOUT may be in the environment's directory (B10)", async () => {
  await using init = await startInit(sh(onTerm(lateAfter(3))), {
    files: { "/etc/container_environment/KILL_PROCESS_TIMEOUT": "0.3s\n" },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [137, "ready\n"]);
});

Deno.test("with KILL_PROCESS_TIMEOUT=0 nothing is waited for (B10)", async () => {
  await using init = await startInit(sh(onTerm(lateAfter(1))), {
    env: { KILL_PROCESS_TIMEOUT: "0" },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [137, "ready\n"]);
});

Deno.test("an invalid timeout gets a warning, and the default counts (B10)", async () => {
  for (const value of ["abc", "", "-1", "5x", "1e3"]) {
    const { status, stderr } = await runInit(["--quiet", ...sh("exit 3")], {
      env: { KILL_PROCESS_TIMEOUT: value },
    });
    assertEquals(status, 3);
    assertStringIncludes(stderr, `*** Ignoring KILL_PROCESS_TIMEOUT=${value}: `);
  }
});

Deno.test("SHUTDOWN_TIMEOUT limits the whole stop, and post_shutdown scripts still run (B15, W1)", async () => {
  const stubborn = script(onTerm("", ":"));
  const late = script(`trap '' TERM; ${lateAfter(2)}`); // Without SHUTDOWN_TIMEOUT it would have 3 seconds.
  await using init = await startInit(sh(`/mnt/stubborn & ${onTerm("")}`), {
    env: { SHUTDOWN_TIMEOUT: "2" },
    files: { ...post, "/mnt/stubborn": stubborn, "/etc/my_init.pre_shutdown.d/x": late },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [137, "ready\npost\n"]);
});

Deno.test("a second TERM ends the waiting for the main command (B14)", async () => {
  await using init = await startInit(sh(onTerm(`echo one; ${lateAfter(3)}`)), { files: post });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  await init.says("one\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [137, "ready\none\npost\n"]);
});

Deno.test("a stopped main command is continued, so that it gets TERM (B17)", async () => {
  await using init = await startInit(
    sh("trap 'echo finished; exit 4' TERM; echo ready; kill -STOP $$; sleep 0.1"),
  );
  await init.says("ready\n");
  const [main] = childrenOf(await init.pid());
  await until(() => statusField(main, "State").startsWith("T"));
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [4, "ready\nfinished\n"]);
});

Deno.test("a stopped process that is left behind costs no timeout (B17)", async () => {
  const { status, stderr } = await runInit(
    sh(
      "sh -c 'kill -STOP $$; exec sleep 100' & until grep '^State:.T' /proc/$!/status; do :; done; exit 3",
    ),
  );
  assertEquals([status, stderr.includes("in time")], [3, false]);
});

Deno.test("a process that is started during the stop is terminated, too (B17)", async () => {
  // In Perl, because a shell's child can lose a signal between fork and exec.
  const parent = `#!/usr/bin/perl
    $SIG{TERM} = sub { $SIG{TERM} = "DEFAULT"; exec "/mnt/late" unless fork; exit };
    open(my $ready, ">", "/mnt/ready");
    sleep 1 while 1;
  `;
  const late = script(onTerm("echo late finished; exit", ":"));
  const { status, stdout, stderr } = await runInit(sh(beside("/mnt/parent", "exit 3")), {
    files: { "/mnt/parent": parent, "/mnt/late": late },
  });
  // One that has not set its trap yet is killed by TERM; none may be left to be killed at the deadline.
  assertEquals([status, stderr.includes("in time")], [3, false]);
  assert(stdout === "" || stdout === "late finished\n");
});

Deno.test("a process that executes another program while it is terminated is terminated again (B17)", async () => {
  const first = `#!/usr/bin/perl
    $SIG{TERM} = sub { $SIG{TERM} = "DEFAULT"; exec "/mnt/second" };
    open(my $ready, ">", "/mnt/ready");
    sleep 1 while 1;
  `;
  const second = script(onTerm("echo second finished; exit", ":"));
  const { status, stdout, stderr } = await runInit(sh(beside("/mnt/first", "exit 3")), {
    files: { "/mnt/first": first, "/mnt/second": second },
  });
  assertEquals([status, stderr.includes("in time")], [3, false]);
  assert(stdout === "" || stdout === "second finished\n"); // As above.
});

/** A shell that goes on to its next command when its child has ended. */
const goesOn = script("echo up >>/mnt/up; sleep 1000; echo NEXT");
const manyGoOn =
  "for i in $(seq 100); do /mnt/goes_on & done; until test $(wc -l </mnt/up) = 100; do sleep 0.02; done; exit 3";

for (const after of [undefined, "exit $?"]) {
  Deno.test(`a script whose child is ended does not go on to its next command, ${after ? "not " : ""}as PID 1`, async () => {
    const { status, stdout } = await runInit(sh(manyGoOn), {
      files: { "/mnt/goes_on": goesOn },
      after,
    });
    assertEquals([status, stdout], [3, ""]);
  });
}

Deno.test("what is late is named with what gives it more time", async () => {
  await using init = await startInit(sh(onTerm("")), {
    env: { SHUTDOWN_TIMEOUT: "1" },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { stderr } = await init.end();
  assertStringIncludes(stderr, "set SHUTDOWN_TIMEOUT (1 seconds now) or KILL_PROCESS_TIMEOUT.\n");
});

Deno.test("without the capability KILL, processes of other users are named, and hold up no stop", async () => {
  const { status, stderr } = await run(
    [
      ...["setpriv", "--bounding-set=-kill", "my_init"],
      ...sh(beside("setuser nobody /mnt/worker", "exit 3")),
    ],
    { files: { "/mnt/worker": script(`${READY}; exec sleep 1000`) } },
  );
  assertEquals(status, 3);
  assertStringIncludes(
    stderr,
    "the capability KILL is missing; run the container with --cap-add KILL",
  );
  assertEquals(stderr.includes("in time"), false);
});

Deno.test("processes that are left get TERM and time to finish", async () => {
  const { status, stdout, stderr } = await runInit(sh(beside("setsid /mnt/worker", "exit 3")), {
    files: worker("sleep 0.3; echo finished; exit"),
  });
  assertEquals([status, stdout], [3, "finished\n"]);
  assertStringIncludes(stderr, "*** Killing all processes...\n");
});

Deno.test("processes that do not end on TERM are killed after KILL_ALL_PROCESSES_TIMEOUT, not before, with a message", async () => {
  const result = await runInit([
    "--quiet",
    ...sh(beside("setsid /mnt/worker 2>/dev/null", "exit 3")),
  ], {
    env: { KILL_ALL_PROCESSES_TIMEOUT: "2" },
    // Its shell would report the end of the loop's sleep, which gets TERM, too.
    files: worker(`trap "" TERM; sleep 0.2; echo not yet; ${lateAfter(4)}`),
  });
  assertEquals(result, {
    status: 3,
    stdout: "not yet\n",
    stderr: "*** Not all processes have exited in time. Forcing them to exit.\n",
  });
});

Deno.test("--no-kill-all-on-exit tells the remaining processes nothing", async () => {
  const { status, stdout, stderr } = await runInit(
    ["--no-kill-all-on-exit", ...sh(beside("/mnt/worker", "exit 3"))],
    { files: worker("echo told") },
  );
  assertEquals([status, stdout], [3, ""]);
  assertEquals(stderr.includes("Killing all"), false);
});

Deno.test("a stop during a startup script ends the script first, and starts no other", async () => {
  await using init = await startInit(sh("echo main"), {
    files: {
      ...post,
      "/etc/my_init.d/1": script(onTerm("sleep 0.2; echo script finished; exit 1")),
      "/etc/my_init.d/2": say("two"),
    },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout, stderr } = await init.end();
  assertEquals(stdout, "ready\nscript finished\npost\n");
  assertEquals(status, 143, "as if the command had been there, and had died of it");
  assertStringIncludes(stderr, "*** Init system aborted.\n");
});
