import { assert, assertEquals } from "@std/assert";
import { descendantsOf, HELD, runInit, sh, startInit, statusField } from "../support/namespace.ts";
import { beside, onTerm, READY, script } from "../support/programs.ts";
import { until } from "../support/until.ts";

/** Makes orphans: `orphans ROUNDS COUNT` makes COUNT at once, ROUNDS times; some exit with a status, some are killed. */
const ORPHANS = `#!/usr/bin/perl
my ($rounds, $count) = @ARGV;
for (1 .. $rounds) {
  unless (my $parent = fork) {
    for my $n (1 .. $count) { fork or exit($n % 200) }
    exit;
  }
  wait;
}
`;
const files = { "/mnt/orphans": ORPHANS };

function zombies(root: number): number {
  return descendantsOf(root).filter((pid) => {
    try {
      return statusField(pid, "State").startsWith("Z");
    } catch {
      return false;
    }
  }).length;
}

Deno.test("a burst of 2,000 orphans leaves no zombie, and the command's status is its own", async () => {
  await using init = await startInit(sh("/mnt/orphans 1 2000; echo ready; read x; exit 6"), {
    files,
    before: HELD,
  });
  await init.says("ready\n");
  const pid = await init.pid();
  await until(
    () => descendantsOf(pid).length === 1 && zombies(pid) === 0,
    10,
    () => `${zombies(pid)} zombies`,
  );
  await init.release();
  assertEquals((await init.end()).status, 6);
});

Deno.test("60,000 orphans leave the memory of my_init where it was", async () => {
  await using init = await startInit(
    sh("/mnt/orphans 5 1000; echo warm; read x; /mnt/orphans 60 1000; echo ready; read x"),
    { files, before: HELD },
  );
  const memory = async () => {
    const pid = await init.pid();
    await until(() => descendantsOf(pid).length === 1);
    return parseInt(statusField(pid, "RssAnon")); // Not the code, which PID 1 gives back while it waits.
  };
  await init.says("warm\n", 120);
  const before = await memory();
  await init.release();
  await init.says("ready\n", 500);
  const ratio = await memory() / before;
  await init.release();
  await init.end();
  assert(ratio < 1.2, `grew to ${ratio.toFixed(2)} times its size`);
});

Deno.test("the status of a dead orphan is not taken for that of a script that gets its PID (B4)", async () => {
  // The orphan ends with 9. When it has been reaped, the next process, which is the next script, gets its PID.
  const first = `#!/usr/bin/perl
    pipe(my $in, my $out);
    unless (fork) { my $orphan = fork; if ($orphan) { print $out "$orphan\\n"; exit } exit 9 }
    wait; close $out; my $pid = <$in>; chomp $pid;
    select(undef, undef, undef, 0.01) while kill 0, $pid;
    open(my $last, ">", "/proc/sys/kernel/ns_last_pid"); print $last $pid - 1; close $last;
    print "$pid\\n";
  `;
  const { status, stdout } = await runInit(["--quiet", "--skip-runit", "--", "true"], {
    files: { "/etc/my_init.d/1": first, "/etc/my_init.d/2": "#!/bin/sh\necho $$\n" },
    env: { MY_INIT_SLEEP: "0" }, // When PID 1 wakes, Deno starts threads, which get PIDs, too.
  });
  const [orphan, script] = stdout.split("\n");
  assertEquals(script, orphan, "the PID was reused");
  assertEquals(status, 0);
});

Deno.test("an orphan with the PID of an earlier script changes nothing (B4)", async () => {
  const reuser = `#!/usr/bin/perl
    open(my $last, ">", "/proc/sys/kernel/ns_last_pid"); print $last $ENV{SCRIPT} - 1; close $last;
    unless (fork) { exec "sh", "-c", "exit 9" }
    select(undef, undef, undef, 0.2);
    exit 5;
  `;
  const { status } = await runInit([
    "--quiet",
    "--skip-runit",
    "--",
    "sh",
    "-c",
    "SCRIPT=$(cat /mnt/pid) exec /mnt/x",
  ], {
    files: { "/etc/my_init.d/1": "#!/bin/sh\necho $$ >/mnt/pid\n", "/mnt/x": reuser },
  });
  assertEquals(status, 5);
});

Deno.test("orphans are reaped while a startup script runs, too", async () => {
  const waits = script(`(sleep 0.01 & echo $! >/mnt/orphan)
    orphan=$(cat /mnt/orphan)
    n=0; while kill -0 $orphan 2>/dev/null; do n=$((n + 1)); test $n -lt 200 || exit 1; sleep 0.02; done`);
  const files = { "/etc/my_init.d/x": waits };
  assertEquals((await runInit(["--skip-runit", "true"], { files })).status, 0);
});

Deno.test("a process that outlives the main command is terminated, and waited for", async () => {
  const worker = script(onTerm("sleep 0.3; echo worker finished; exit", READY));
  const { status, stdout } = await runInit(sh(beside("/mnt/worker", "exit 3")), {
    files: { "/mnt/worker": worker },
  });
  assertEquals([status, stdout], [3, "worker finished\n"]);
});
