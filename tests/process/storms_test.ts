import { assert, assertEquals } from "@std/assert";
import {
  descendantsOf,
  HELD,
  runInit,
  type Running,
  sh,
  SIGNALS,
  startInit,
  statusField,
} from "../support/namespace.ts";
import { beside, onTerm, say } from "../support/programs.ts";
import { pause, secondsOf, until } from "../support/until.ts";

const files = {
  "/mnt/bomb": `#!/bin/sh
    [ $1 = 0 ] && exec sleep 0.3
    $0 $(($1 - 1)) & $0 $(($1 - 1)) &
  `,
  "/etc/my_init.post_shutdown.d/x": say("post"),
};

Deno.test("10,000 signals of five kinds in a burst lose neither the stop nor the status", async () => {
  const kinds = [SIGNALS.SIGCHLD, SIGNALS.SIGHUP, SIGNALS.SIGUSR1, SIGNALS.SIGWINCH, 50];
  await using init = await startInit(
    sh(`trap '' HUP USR1 50; ${onTerm("exit 9")}`),
    { files },
  );
  await init.says("ready\n");
  for (let round = 0; round < 10_000 / kinds.length; round++) await init.signal(...kinds);
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [9, "ready\npost\n"]);
});

Deno.test("a fork bomb that burns out, of 1,000 processes, leaves no zombie and the status alone", async () => {
  await using init = await startInit(sh("/mnt/bomb 9; read x; exit 6"), { files, before: HELD });
  const pid = await init.pid();
  await until(() => descendantsOf(pid).length > 50);
  await until(() => descendantsOf(pid).length === 1, 20); // Zombies would be counted, too.
  await init.release();
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [6, "post\n"]);
});

Deno.test("a stop during a fork bomb has the right status, and is not delayed", async () => {
  await using init = await startInit(sh("trap 'exit 6' TERM; /mnt/bomb 9; read x"), {
    files,
    before: HELD,
  });
  const pid = await init.pid();
  await until(() => descendantsOf(pid).length > 50);
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout, stderr } = await init.end();
  assertEquals([status, stdout], [6, "post\n"], stderr);
  assert(!stderr.includes("in time"), stderr);
});

Deno.test("a fork bomb that forks on TERM does not outlive the deadline", async () => {
  const bomb = `#!/usr/bin/perl
    $| = 1; $SIG{CHLD} = "IGNORE"; $SIG{TERM} = sub { fork }; $SIG{ALRM} = sub { print "late\\n" };
    $SIG{HUP} = sub { alarm 4 };
    open(my $ready, ">", "/mnt/ready");
    sleep 1 while 1;
  `;
  const { status, stdout, stderr } = await runInit(
    sh(beside("/mnt/bomb", "kill -HUP $!; exit 3")),
    {
      env: { KILL_ALL_PROCESSES_TIMEOUT: "1" },
      files: { "/mnt/bomb": bomb },
    },
  );
  assertEquals([status, stdout, stderr.includes("in time")], [3, "", true]);
});

/** Scripts, and a process that the first one leaves behind: it records that it has begun, and that it got TERM. */
const bootFiles = {
  "/mnt/worker": `#!/usr/bin/perl
    sub note { open(my $file, ">", "/mnt/$_[0]") }
    $SIG{TERM} = sub { note("finished"); exit };
    note("began");
    sleep 1 while 1;
  `,
  "/etc/my_init.d/1": "#!/bin/sh\necho script 1\n(setsid /mnt/worker &)\nsleep 0.02\n",
  "/etc/my_init.d/2": "#!/bin/sh\necho script 2\nsleep 0.02\n",
  "/etc/my_init.d/3": "#!/bin/sh\necho script 3\nsleep 0.02\n",
  "/etc/my_init.pre_shutdown.d/x": say("pre"),
  "/etc/my_init.post_shutdown.d/x": `#!/bin/sh
    for try in $(seq 100); do
      grep -qs '^State:.Z' /proc/[0-9]*/status || { echo no zombie; exit; }
      sleep 0.02
    done
  `,
  "/etc/container_environment/A": "b",
};

/** Boots with a main command that keeps running; returns when my_init waits for signals. */
async function boot(): Promise<Running> {
  const init = await startInit(["--skip-runit", "--", "sleep", "1000"], { files: bootFiles });
  const pid = await init.pid();
  await until(() => BigInt("0x" + statusField(pid, "SigBlk")) !== 0n);
  return init;
}

async function bootSeconds(): Promise<number> {
  await using init = await boot();
  return await secondsOf(() => init.says("Running sleep"));
}

/** Stops a boot and checks that everything is in order. Returns how far it had come. */
async function stopAfter(milliseconds: number): Promise<"no script" | "scripts" | "command"> {
  await using init = await boot();
  await pause(milliseconds);
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout, stderr } = await init.end();
  const story = `after ${milliseconds} ms: ${JSON.stringify({ status, stdout, stderr })}`;
  const ran = stderr.includes("Running sleep");
  const scripts = ["script 1\n", "script 2\n", "script 3\n"].filter((it) => stdout.includes(it));
  const inOrder = [...scripts, ran ? "pre\n" : "", "no zombie\n"].join("");
  assertEquals([status, stdout], [143, inOrder], story);
  assert(!stderr.includes("in time"), story);
  const [began, finished] = [init.read("/mnt/began"), init.read("/mnt/finished")];
  assert(began === undefined || finished !== undefined, `a process was left; ${story}`);
  return ran ? "command" : scripts.length > 0 ? "scripts" : "no script";
}

Deno.test("a stop at 50 moments of the boot: in order, status 143, no zombie, nothing left running", async () => {
  const seconds = Math.max(...await Promise.all([bootSeconds(), bootSeconds(), bootSeconds()]));
  const moments = Array.from({ length: 50 }, (_, index) => index / 36 * seconds * 1000);
  const reached: string[] = [];
  const stopOneByOne = async () => {
    for (let moment = moments.shift(); moment !== undefined; moment = moments.shift()) {
      reached.push(await stopAfter(moment));
    }
  };
  await Promise.all([stopOneByOne(), stopOneByOne(), stopOneByOne()]);
  for (const place of ["no script", "scripts", "command"]) assert(reached.includes(place), place);
});
