import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  asleep,
  childrenOf,
  HELD,
  runInit,
  sh,
  SIGNALS,
  SIGRTMIN,
  startInit,
  statusField,
} from "../support/namespace.ts";
import { listener, LOOP, onTerm, say } from "../support/programs.ts";
import { until } from "../support/until.ts";

/** Signals of a program's own faults, by which the kernel or the program itself ends it. */
const faults = ["SEGV", "BUS", "FPE", "ILL", "TRAP", "ABRT", "SYS"];
const faultNumbers = faults.map((name) => SIGNALS[`SIG${name}` as keyof typeof SIGNALS]);
const passedOn = {
  HUP: SIGNALS.SIGHUP,
  USR1: SIGNALS.SIGUSR1,
  USR2: SIGNALS.SIGUSR2,
  PIPE: SIGNALS.SIGPIPE,
  ALRM: SIGNALS.SIGALRM,
  STKFLT: SIGNALS.SIGSTKFLT,
  TSTP: SIGNALS.SIGTSTP,
  TTIN: SIGNALS.SIGTTIN,
  TTOU: SIGNALS.SIGTTOU,
  URG: SIGNALS.SIGURG,
  XCPU: SIGNALS.SIGXCPU,
  XFSZ: SIGNALS.SIGXFSZ,
  VTALRM: SIGNALS.SIGVTALRM,
  PROF: SIGNALS.SIGPROF,
  WINCH: SIGNALS.SIGWINCH,
  IO: SIGNALS.SIGIO,
  NUM40: 40,
  RTMAX: 64,
};
const text = listener("INT", "QUIT", "PWR", "CHLD", ...faults, ...Object.keys(passedOn));
const files = { "/mnt/listener": text };
const listening = ["--skip-runit", "--", "/mnt/listener"];

const stopping = {
  SIGTERM: [SIGNALS.SIGTERM, "got TERM\n"],
  SIGPWR: [SIGNALS.SIGPWR, "got TERM\n"],
  "SIGRTMIN+3": [SIGRTMIN + 3, "got TERM\n"],
  // This one ends on TERM only: it gets that before it is killed.
  SIGINT: [SIGNALS.SIGINT, "got INT\ngot TERM\n"],
  SIGQUIT: [SIGNALS.SIGQUIT, "got QUIT\ngot TERM\n"],
} as const;
for (const [name, [signal, got]] of Object.entries(stopping)) {
  Deno.test(`${name} stops: what the main command gets for it, and its status is ours (B16, B26)`, async () => {
    await using init = await startInit(listening, { files, env: { KILL_PROCESS_TIMEOUT: "2" } });
    await init.says("ready\n");
    await init.signal(signal);
    const { status, stdout, stderr } = await init.end();
    assertEquals([status, stdout], [7, `ready\n${got}`]);
    assertStringIncludes(stderr, "*** Shutting down /mnt/listener (PID ");
    assert(!stderr.includes("aborted"), "a boot that got through is not aborted by a stop");
  });
}

Deno.test("STOPSIGNAL SIGQUIT lets a server that drains on QUIT finish, and TERM does not cut it short", async () => {
  const script = "trap 'sleep 0.5; echo drained; exit 0' QUIT; " + onTerm("exit 9");
  await using init = await startInit(sh(script));
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGQUIT);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [0, "ready\ndrained\n"]);
});

Deno.test("a main command that our TERM kills makes the status 143, as in a shell", async () => {
  await using init = await startInit(sh("echo ready; exec sleep 100"));
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  assertEquals((await init.end()).status, 143);
});

Deno.test("HUP, USR1, USR2 and the other signals that mean no stop reach the main command, and stop nothing (W18, B26)", async () => {
  await using init = await startInit(listening, { files });
  await init.says("ready\n");
  for (const [name, signal] of Object.entries(passedOn)) {
    await init.signal(signal);
    await init.says(`got ${name}\n`);
  }
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals(status, 7);
  const expected = [...Object.keys(passedOn), "TERM"].map((name) => `got ${name}\n`);
  assertEquals(stdout, "ready\n" + expected.join(""));
});

Deno.test("a signal that comes during the shutdown is forwarded, too (W18)", async () => {
  const script = "trap 'echo bye; exit 4' HUP; " + onTerm("echo wait");
  await using init = await startInit(sh(script));
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  await init.says("wait\n");
  await init.signal(SIGNALS.SIGHUP);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [4, "ready\nwait\nbye\n"]);
});

Deno.test("a signal that kills the main command gives 128 + its number, and the shutdown is in order", async () => {
  await using init = await startInit(sh("echo ready; exec sleep 100"), {
    files: { "/etc/my_init.post_shutdown.d/x": say("post") },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGUSR1);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [138, "ready\npost\n"]);
});

Deno.test("TSTP suspends a main command that has no handler for it, CONT resumes it, a stop ends it (W18)", async () => {
  await using init = await startInit(sh("echo ready; exec sleep 100"));
  await init.says("ready\n");
  const [main] = childrenOf(await init.pid());
  const reaches = (state: string) => until(() => statusField(main, "State").startsWith(state));
  await reaches("S");
  await init.signal(SIGNALS.SIGTSTP);
  await reaches("T");
  await init.signal(SIGNALS.SIGCONT);
  await reaches("S");
  await init.signal(SIGNALS.SIGTSTP);
  await reaches("T");
  await init.signal(SIGNALS.SIGTERM);
  assertEquals((await init.end()).status, 143);
});

Deno.test("CONT is forwarded, so a stopped main command continues", async () => {
  await using init = await startInit(sh("echo ready; kill -STOP $$; echo continued"));
  await init.says("ready\n");
  await until(async () => {
    await init.signal(SIGNALS.SIGCONT);
    return init.stdout.includes("continued");
  });
  assertEquals((await init.end()).status, 0);
});

for (const [state, seconds] of [["awake", "0"], ["asleep", "0.01"]]) {
  const sent = `${faults.join(", ")} sent to my_init while it is ${state}`;
  const env = { MY_INIT_SLEEP: seconds };

  Deno.test(`${sent}, from outside, neither end it nor reach the main command`, async () => {
    await using init = await startInit(listening, { files, env });
    await init.says("ready\n");
    if (seconds !== "0") await asleep(init);
    for (let round = 0; round < 3; round++) await init.signal(...faultNumbers, SIGNALS.SIGCHLD);
    await init.signal(SIGNALS.SIGUSR1);
    await init.says("got USR1\n"); // By then all that came before has been handled.
    await init.signal(SIGNALS.SIGTERM);
    const { status, stdout } = await init.end();
    assertEquals([status, stdout], [7, "ready\ngot USR1\ngot TERM\n"]);
  });

  Deno.test(`${sent}, from inside, as kill -SEGV 1 does, change nothing`, async () => {
    const send = faults.map((name) => `kill -${name} 1; kill -${name} 1; `).join("");
    const script = `echo ready; read x; ${send} kill -USR1 1; ${LOOP}`;
    const traps = [...faults, "USR1"].map((name) => `trap "echo got ${name}" ${name}; `).join("");
    await using init = await startInit(sh(`trap 'exit 5' TERM; ${traps} ${script}`), {
      env,
      before: HELD,
    });
    await init.says("ready\n");
    if (seconds !== "0") await asleep(init);
    await init.release();
    await init.says("got USR1\n");
    await init.signal(SIGNALS.SIGTERM);
    const { status, stdout } = await init.end();
    assertEquals([status, stdout], [5, "ready\ngot USR1\n"]);
  });
}

Deno.test("of real-time signals in a burst each one is forwarded", async () => {
  const counter = `#!/usr/bin/perl
    use POSIX; $| = 1; my $n = 0; sigaction(50, POSIX::SigAction->new(sub { $n++ }));
    print "ready\\n"; while (1) { select(undef, undef, undef, 0.01); print "$n counted\\n" if $n; }
  `;
  await using init = await startInit(["--quiet", "--skip-runit", "--", "/mnt/counter"], {
    files: { "/mnt/counter": counter },
  });
  await init.says("ready\n");
  for (let i = 0; i < 500; i++) await init.signal(50);
  await init.says("\n500 counted\n");
});

Deno.test("a signal that comes before the main command has started is not forwarded to a startup script", async () => {
  await using init = await startInit(sh("echo main"), {
    files: {
      "/etc/my_init.d/x": "#!/bin/sh\ntrap 'echo script got it' USR1\necho ready\n" +
        "until test -e /mnt/go; do sleep 0.02; done\n",
    },
  });
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGUSR1);
  await Deno.writeTextFile(`${init.folder}/mnt/go`, "");
  const { stdout } = await init.end();
  assertEquals(stdout.includes("script got it"), false);
});

Deno.test("TERM from inside, as kill -TERM 1 sends it, stops (W19)", async () => {
  const { status, stdout } = await runInit(
    sh(onTerm("echo stopped; exit 5", "kill -TERM 1")),
  );
  assertEquals([status, stdout], [5, "stopped\n"]);
});
