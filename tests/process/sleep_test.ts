import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { kill } from "../../posix/libc.ts";
import {
  asleep,
  childrenOf,
  isAsleep,
  sh,
  SIGNALS,
  SIGRTMIN,
  start,
  startInit,
  statusField,
} from "../support/namespace.ts";
import { LOOP } from "../support/programs.ts";
import { pause, until } from "../support/until.ts";

const env = { MY_INIT_SLEEP: "0.01" };

Deno.test("PID 1 sleeps in 64 kB when it waits, after two seconds, and looks the same to others", async () => {
  await using init = await startInit(sh(`echo main; ${LOOP}`));
  await init.says("main\n");
  const pid = await init.pid();
  const look = () => ({
    name: statusField(pid, "Name"),
    command: Deno.readTextFileSync(`/proc/${pid}/cmdline`),
    program: Deno.readLinkSync(`/proc/${pid}/exe`),
    group: Deno.readTextFileSync(`/proc/${pid}/stat`).split(" ").slice(3, 8),
  });
  const awake = look();
  await asleep(init);
  assertEquals(look(), awake);
  const size = statusField(pid, "VmRSS");
  assert(parseInt(size) <= 64, size);
  await init.signal(SIGNALS.SIGTERM);
  assertEquals((await init.end()).status, 143);
});

Deno.test("asleep it forwards signals and reaps orphans without waking", async () => {
  const script = `trap 'echo hup' HUP; trap 'sleep 0 & sleep 0.01 & echo usr1' USR1
    for i in 1 2 3; do (sleep 0.3 &); done; echo main; ${LOOP}`;
  await using init = await startInit(sh(script), { env });
  await init.says("main\n");
  const pid = await asleep(init);
  kill(pid, SIGNALS.SIGHUP);
  await init.says("hup\n");
  kill(pid, SIGNALS.SIGUSR1);
  await init.says("usr1\n");
  await until(() => !init.find("sleep") || childCount(pid) === 1, 10);
  assert(isAsleep(pid));
  kill(pid, SIGNALS.SIGTERM);
  assertEquals((await init.end()).status, 143);
});

function childCount(pid: number): number {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").length;
}

Deno.test("the end of the main command wakes it, and its status counts", async () => {
  await using init = await startInit(sh("echo main; read line; exit 9"), { env, stdin: undefined });
  assertEquals((await init.end()).status, 9);
  const signalled = await startInit(sh(`trap 'exit 4' HUP; echo main; ${LOOP}`), { env });
  await using running = signalled;
  await running.says("main\n");
  kill(await asleep(running), SIGNALS.SIGHUP);
  assertEquals((await running.end()).status, 4);
});

Deno.test("startup scripts that take their time are slept through, and the last scripts still run", async () => {
  const slow = (name: string) => `#!/bin/sh\necho ${name}\nsleep 0.3\n`;
  const files = {
    "/etc/my_init.d/1": slow("one"),
    "/etc/my_init.d/2": slow("two"),
    "/etc/my_init.post_shutdown.d/1": slow("post"),
  };
  await using init = await startInit(["--skip-runit", "--", "sh", "-c", "echo main; exit 3"], {
    env,
    files,
  });
  await init.says("one\n");
  await asleep(init);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [3, "one\ntwo\nmain\npost\n"]);
});

Deno.test("no signal is lost while it falls asleep and wakes, and none is forwarded twice", async () => {
  const signal = SIGRTMIN + 7; // Such signals queue: each counts.
  const script = `use POSIX (); $| = 1;
    my ($mask, $wait) = (POSIX::uname)[4] eq "x86_64" ? (14, 128) : (135, 137);
    my ($set, $time) = (pack("Q", 1 << ${signal - 1} | 1 << 14), pack("qq", 0, 3e8));
    syscall($mask, 0, $set, 0, 8); # Perl's own handlers count several as one.
    print "main", chr 10;
    $n++ until syscall($wait, $set, 0, 0, 8) == 15;
    $n++ while syscall($wait, $set, 0, $time, 8) > 0;
    print $n, chr 10`;
  for (let round = 0; round < 5; round++) {
    await using init = await startInit(["--skip-runit", "--", "perl", "-e", script], { env });
    await init.says("main\n");
    const pid = await init.pid();
    const count = 100 + 20 * round;
    for (let sent = 0; sent < count; sent++) {
      kill(pid, signal);
      if (sent % 10 === 0) await pause(1 + sent % 7);
    }
    kill(pid, SIGNALS.SIGTERM);
    const { stdout } = await init.end();
    assertEquals(stdout, `main\n${count}\n`);
  }
});

const obstacles: Record<string, { before?: string; first?: string; env: Record<string, string> }> =
  {
    "MY_INIT_SLEEP is 0": { env: { MY_INIT_SLEEP: "0" } },
    "the limit on open files is low": { before: "ulimit -n 100", env },
    "its file is gone already": {
      first: "rm /mnt/my_init",
      env: { MY_INIT_SLEEP: "0.5" },
    },
    "its file is another one meanwhile": {
      first: "cp /bin/sh /mnt/new; mv /mnt/new /mnt/my_init",
      env: { MY_INIT_SLEEP: "0.5" },
    },
  };
for (const [what, setting] of Object.entries(obstacles)) {
  Deno.test(`when ${what} PID 1 stays awake and works the same`, async () => {
    const { before = "", first = ":", env } = setting;
    const words = ["/mnt/my_init", ...sh(`trap 'echo hup' HUP; ${first}; echo main; ${LOOP}`)];
    await using init = await start(words, {
      env,
      before: `cp /mnt/bin/my_init /mnt/my_init; ${before}`,
    });
    await init.says("main\n");
    const pid = await until(() => init.find("my_init"), 10);
    for (let tries = 0; tries < 15; tries++) {
      await pause(100);
      assert(!isAsleep(pid));
    }
    kill(pid, SIGNALS.SIGHUP);
    await init.says("hup\n");
    kill(pid, SIGNALS.SIGTERM);
    assertEquals((await init.end()).status, 143);
  });
}

for (const change of ["rm /mnt/my_init", "cp /bin/sh /mnt/new; mv /mnt/new /mnt/my_init"]) {
  Deno.test(`when its file is gone by the time it would wake it ends the container itself: ${change}`, async () => {
    const script = `trap 'echo stopping; exit 5' TERM; ${change}; echo gone; ${LOOP}`;
    const before = "cp /mnt/bin/my_init /mnt/my_init";
    const words = ["/mnt/my_init", ...sh(`sleep 1; ${script}`)];
    await using init = await start(words, { env, before });
    const pid = await until(() => init.find("my_init"), 10);
    await init.says("gone\n");
    assert(isAsleep(pid), init.story());
    kill(pid, SIGNALS.SIGTERM);
    const { status, stdout, stderr } = await init.end();
    assertEquals([status, stdout], [5, "gone\nstopping\n"]);
    assertStringIncludes(stderr, "was deleted or replaced while it slept");
  });
}

Deno.test("the main command gets no open file that PID 1 has opened, and asleep PID 1 has only its note and a signalfd", async () => {
  const files = {
    "/etc/my_init.d/x": "#!/bin/sh\necho script\nuntil [ -e /mnt/go ]; do sleep 0.02; done\n",
  };
  await using init = await startInit(sh(`echo main; ${LOOP}`), { env, files });
  const openFiles = (pid: number) =>
    [...Deno.readDirSync(`/proc/${pid}/fd`)]
      .map(({ name }) => Deno.readLinkSync(`/proc/${pid}/fd/${name}`)).sort();
  await init.says("script\n");
  const pid = await asleep(init); // What this sleep has opened must not reach the main command.
  Deno.writeTextFileSync(`${init.folder}/mnt/go`, "");
  await init.says("main\n");
  await asleep(init);
  const main = await until(() => childrenOf(pid)[0]);
  const given = openFiles(main);
  assertEquals(given.filter((file) => !/^(pipe:|.dev.null$)/.test(file)), []);
  const [note, signals] = ["/memfd:my_init (deleted)", "anon_inode:[signalfd]"];
  assertEquals(openFiles(pid), [...given, note, signals].sort());
  kill(pid, SIGNALS.SIGTERM);
  assertEquals((await init.end()).status, 143);
});
