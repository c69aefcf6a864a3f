import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run, runInit, sh } from "../support/namespace.ts";
import { beside, LOOP, onTerm, READY, script } from "../support/programs.ts";

/** A shell is PID 1 here and has a child that has nothing to do with my_init, which is another child. */
const outside = {
  before: `sh -c 'trap "echo bystander was told; exit" TERM HUP INT; ${LOOP}' & bystander=$!`,
  after: "status=$?; kill -0 $bystander && echo bystander lives; exit $status",
};

Deno.test("not as PID 1 it says so, and ends with the command's status (B18)", async () => {
  const { status, stderr } = await runInit(["--quiet", ...sh("exit 3")], outside);
  assertEquals(status, 3);
  assertEquals(
    stderr,
    "*** Not running as PID 1: only processes started from here are reaped and shut down.\n",
  );
});

Deno.test("not as PID 1 its kill-all reaches its own descendants, and no others (B18)", async () => {
  const worker = script(onTerm("echo worker finished; exit", READY));
  const { status, stdout } = await runInit(sh(beside("(setsid /mnt/worker &)", "exit 3")), {
    ...outside,
    files: { "/mnt/worker": worker },
  });
  assertEquals([status, stdout], [3, "worker finished\nbystander lives\n"]);
});

Deno.test("not as PID 1 its last resort kills its own stubborn descendants, and no others (B18)", async () => {
  const worker = script(onTerm("", READY));
  const { status, stdout, stderr } = await runInit(sh(beside("(setsid /mnt/worker &)", "exit 3")), {
    before: outside.before,
    after: "status=$?; kill -0 $bystander && echo bystander lives; pgrep worker; exit $status",
    env: { KILL_ALL_PROCESSES_TIMEOUT: "0.5" },
    files: { "/mnt/worker": worker },
  });
  assertEquals([status, stdout], [3, "bystander lives\n"]);
  assertStringIncludes(stderr, "Forcing them to exit.");
});

Deno.test("not as PID 1 it adopts the orphans of its descendants (B18)", async () => {
  const { stdout } = await runInit(
    sh(
      "init=$PPID; (sleep 100 & echo $! >/mnt/orphan); set -- $(cat /proc/$(cat /mnt/orphan)/stat); test $4 = $init && echo adopted",
    ),
    outside,
  );
  assertEquals(stdout, "adopted\nbystander lives\n");
});

Deno.test("not as PID 1 with --no-kill-all-on-exit it lets its descendants live", async () => {
  const { stdout } = await runInit([
    "--no-kill-all-on-exit",
    ...sh("setsid sleep 100 & echo $! >/mnt/pid"),
  ], {
    before: outside.before,
    after: "kill -0 $(cat /mnt/pid) && echo it lives; kill $(cat /mnt/pid)",
  });
  assertEquals(stdout, "it lives\n");
});

Deno.test("no process group and no session of others is reached: the caller's own survives", async () => {
  const { stdout, stderr } = await runInit(sh("exit 0"), {
    before: "trap 'echo caller was told' TERM HUP INT CONT",
    after: "echo caller lives",
  });
  assertEquals(stdout, "caller lives\n");
  assert(stderr.includes("Killing all processes"));
});

Deno.test("a note of another version in the open file 250 ends it with one line and status 1, and boots nothing", async () => {
  const note = `print F "asleep", pack("S", 99), pack("q", $$), "\\0" x 100; close F`;
  const program = `use POSIX; open F, ">", "/mnt/note"; ${note}; open G, "<", "/mnt/note";
    POSIX::dup2(fileno(G), 250); exec "my_init", "--skip-runit", "--", "echo", "booted"`;
  const { status, stdout, stderr } = await run(["perl", "-e", program]);
  assertEquals([status, stdout], [1, ""]);
  assertStringIncludes(stderr, "*** my_init was replaced by another version while it slept");
});
