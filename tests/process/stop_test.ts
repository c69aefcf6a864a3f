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
import { secondsOf, until } from "../support/until.ts";

const post = { "/etc/my_init.post_shutdown.d/x": "#!/bin/sh\necho post\n" };
const forever = "while :; do sleep 0.02; done";

Deno.test("a main command that traps TERM finishes its work", async () => {
  await using init = await startInit(
    sh(`trap 'echo working; sleep 1; echo finished; exit 0' TERM; echo ready; ${forever}`),
  );
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [0, "ready\nworking\nfinished\n"]);
});

Deno.test("a main command that ignores TERM is killed after KILL_PROCESS_TIMEOUT", async () => {
  await using init = await startInit(sh(`trap '' TERM; echo ready; ${forever}`), {
    env: { KILL_PROCESS_TIMEOUT: "1" },
    files: post,
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const seconds = await secondsOf(() => init.end());
  const { status, stdout, stderr } = await init.end();
  assertEquals([status, stdout], [137, "ready\npost\n"]);
  assertMatch(stderr, /\*\*\* Shutting down sh \(PID \d+\)\.\.\.\n/);
  assertMatch(stderr, /\*\*\* sh \(PID \d+\) did not shut down in time\. Forcing it to exit\.\n/);
  assert(seconds > 0.9 && seconds < 3, `${seconds} s`);
});

Deno.test("KILL_PROCESS_TIMEOUT may be in the environment's directory (B10)", async () => {
  await using init = await startInit(sh(`trap '' TERM; echo ready; ${forever}`), {
    files: { "/etc/container_environment/KILL_PROCESS_TIMEOUT": "0.3s\n" },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  assert(await secondsOf(() => init.end()) < 3);
});

Deno.test("KILL_PROCESS_TIMEOUT=0 waits not at all (B10)", async () => {
  await using init = await startInit(sh(`trap '' TERM; echo ready; ${forever}`), {
    env: { KILL_PROCESS_TIMEOUT: "0" },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  let status = 0;
  assert(await secondsOf(async () => ({ status } = await init.end())) < 2);
  assertEquals(status, 137);
});

Deno.test("a timeout that is none gets a warning, and the default (B10)", async () => {
  for (const value of ["abc", "", "-1", "5x", "1e3"]) {
    const { status, stderr } = await runInit(["--quiet", ...sh("exit 3")], {
      env: { KILL_PROCESS_TIMEOUT: value },
    });
    assertEquals(status, 3);
    assertStringIncludes(stderr, `*** Ignoring KILL_PROCESS_TIMEOUT=${value}: `);
  }
});

Deno.test("SHUTDOWN_TIMEOUT limits the whole stop, and post_shutdown scripts still run (B15, W1)", async () => {
  const stubborn = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n";
  await using init = await startInit(sh(`trap '' TERM; /mnt/stubborn & echo ready; ${forever}`), {
    env: { SHUTDOWN_TIMEOUT: "2" },
    files: { ...post, "/mnt/stubborn": stubborn, "/etc/my_init.pre_shutdown.d/x": stubborn },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const seconds = await secondsOf(() => init.end());
  assertStringIncludes(init.stdout, "post\n");
  assert(seconds < 3.5, `${seconds} s`);
});

Deno.test("a second TERM hurries (B14)", async () => {
  await using init = await startInit(sh(`trap 'echo one' TERM; echo ready; ${forever}`), {
    files: post,
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  await init.says("one\n");
  await init.signal(SIGNALS.SIGTERM);
  const seconds = await secondsOf(() => init.end());
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [137, "ready\none\npost\n"]);
  assert(seconds < 2, `${seconds} s`);
});

Deno.test("a stopped main command is continued, to hear TERM (B17)", async () => {
  await using init = await startInit(
    sh("trap 'echo finished; exit 4' TERM; echo ready; kill -STOP $$; sleep 100"),
    {},
  );
  await init.says("ready\n");
  const [main] = childrenOf(await init.pid());
  await until(() => statusField(main, "State").startsWith("T"));
  await init.signal(SIGNALS.SIGTERM);
  let status = 0;
  assert(await secondsOf(async () => ({ status } = await init.end())) < 3);
  assert(status === 4 || status === 143, `${status}`);
});

Deno.test("a stopped process that is left behind costs no timeout (B17)", async () => {
  const seconds = await secondsOf(async () => {
    const { status, stderr } = await runInit(
      sh("sh -c 'kill -STOP $$; exec sleep 100' & sleep 0.2; exit 3"),
    );
    assertEquals(status, 3);
    assertEquals(stderr.includes("in time"), false);
  });
  assert(seconds < 3, `${seconds} s`);
});

Deno.test("a process born during the stop is told to end as well (B17)", async () => {
  // In Perl, since a shell's child can lose a signal between fork and exec.
  const parent = `#!/usr/bin/perl
    $SIG{TERM} = sub { $SIG{TERM} = "DEFAULT"; exec "/mnt/late" unless fork; exit };
    open(my $ready, ">", "/mnt/ready");
    sleep 1 while 1;
  `;
  const late = "#!/bin/sh\ntrap 'echo late finished; exit' TERM\nwhile :; do sleep 0.02; done\n";
  const { stdout, stderr } = await runInit(
    sh("/mnt/parent & until test -e /mnt/ready; do sleep 0.02; done"),
    {
      files: { "/mnt/parent": parent, "/mnt/late": late },
    },
  );
  // One that has not set its trap yet just dies; none may be left until the time is over.
  assertEquals(stderr.includes("in time"), false);
  assert(stdout === "" || stdout === "late finished\n");
});

Deno.test("a process that became another program while it was told is told again (B17)", async () => {
  const first = `#!/usr/bin/perl
    $SIG{TERM} = sub { $SIG{TERM} = "DEFAULT"; exec "/mnt/second" };
    open(my $ready, ">", "/mnt/ready");
    sleep 1 while 1;
  `;
  const second =
    "#!/bin/sh\ntrap 'echo second finished; exit' TERM\nwhile :; do sleep 0.02; done\n";
  const { stdout, stderr } = await runInit(
    sh("/mnt/first & until test -e /mnt/ready; do sleep 0.02; done"),
    { files: { "/mnt/first": first, "/mnt/second": second } },
  );
  assertEquals(stderr.includes("in time"), false);
  assert(stdout === "" || stdout === "second finished\n"); // As above.
});

/** A shell that goes on to its next command when its child has ended. */
const goesOn = "#!/bin/sh\necho up >>/mnt/up\nsleep 1000\necho NEXT\n";
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

Deno.test("what is late is told with what gives it more time", async () => {
  await using init = await startInit(sh(`trap '' TERM; echo ready; ${forever}`), {
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
      ...sh("setuser nobody /mnt/worker & until test -e /mnt/ready; do sleep 0.02; done; exit 3"),
    ],
    { files: { "/mnt/worker": "#!/bin/sh\n: >/mnt/ready\nexec sleep 1000\n" } },
  );
  assertEquals(status, 3);
  assertStringIncludes(
    stderr,
    "the capability KILL is missing; run the container with --cap-add KILL",
  );
  assertEquals(stderr.includes("in time"), false);
});

Deno.test("processes that are left get TERM and time to finish", async () => {
  const worker =
    "#!/bin/sh\ntrap 'sleep 0.3; echo finished; exit' TERM\n: >/mnt/ready\nwhile :; do sleep 0.02; done\n";
  const { status, stdout, stderr } = await runInit(
    sh("setsid /mnt/worker & until test -e /mnt/ready; do sleep 0.02; done; exit 3"),
    {
      files: { "/mnt/worker": worker },
    },
  );
  assertEquals([status, stdout], [3, "finished\n"]);
  assertStringIncludes(stderr, "*** Killing all processes...\n");
});

Deno.test("processes that ignore TERM are killed after KILL_ALL_PROCESSES_TIMEOUT, with a message", async () => {
  const worker = "#!/bin/sh\ntrap '' TERM\n: >/mnt/ready\nwhile :; do sleep 0.1; done\n";
  const seconds = await secondsOf(async () => {
    const { status, stderr } = await runInit([
      "--quiet",
      ...sh("/mnt/worker & until test -e /mnt/ready; do sleep 0.02; done; exit 3"),
    ], {
      env: { KILL_ALL_PROCESSES_TIMEOUT: "1" },
      files: { "/mnt/worker": worker },
    });
    assertEquals([status, stderr], [
      3,
      "*** Not all processes have exited in time. Forcing them to exit.\n",
    ]);
  });
  assert(seconds > 1, `${seconds} s`);
});

Deno.test("--no-kill-all-on-exit tells the remaining processes nothing", async () => {
  const worker = "#!/bin/sh\ntrap 'echo told' TERM\n: >/mnt/ready\nwhile :; do sleep 0.02; done\n";
  const { status, stdout, stderr } = await runInit([
    "--no-kill-all-on-exit",
    ...sh("/mnt/worker & until test -e /mnt/ready; do sleep 0.02; done; exit 3"),
  ], {
    files: { "/mnt/worker": worker },
  });
  assertEquals([status, stdout], [3, ""]);
  assertEquals(stderr.includes("Killing all"), false);
});

Deno.test("a stop during a startup script ends the script first, and starts no other", async () => {
  await using init = await startInit(sh("echo main"), {
    files: {
      ...post,
      "/etc/my_init.d/1":
        "#!/bin/sh\ntrap 'sleep 0.2; echo script finished; exit 1' TERM\necho ready\nwhile :; do sleep 0.02; done\n",
      "/etc/my_init.d/2": "#!/bin/sh\necho two\n",
    },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout, stderr } = await init.end();
  assertEquals(stdout, "ready\nscript finished\npost\n");
  assertEquals(status, 143, "as if the command had been there, and had died of it");
  assertStringIncludes(stderr, "*** Init system aborted.\n");
});
