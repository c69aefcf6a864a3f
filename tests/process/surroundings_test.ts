import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runInit, sh } from "../support/namespace.ts";
import { say } from "../support/programs.ts";

const scripts = {
  "/etc/my_init.d/x": "#!/bin/sh\ntrue\n",
  "/etc/my_init.pre_shutdown.d/x": "#!/bin/sh\ntrue\n",
  "/etc/my_init.post_shutdown.d/x": say("post"),
};

Deno.test("a full pipe at standard error delays nothing: 200 warnings do not delay the boot", async () => {
  const skipped = Array.from({ length: 200 }, (_, i) => [`/etc/my_init.d/${i}`, "not executable"]);
  const { status } = await runInit(["--skip-runit", "--", "sh", "-c", "exit 3"], {
    before:
      "mkfifo /mnt/full; exec 2<>/mnt/full; yes | dd of=/mnt/full bs=4k oflag=nonblock 2>/dev/null",
    files: Object.fromEntries(skipped),
    seconds: 15, // A fifth of a second for each of them would be more.
  });
  assertEquals(status, 3);
});

Deno.test("SIGCHLD inherited ignored does not change the status (B20)", async () => {
  const { status, stdout } = await runInit(sh("(exit 4); test $? = 4 && exit 3"), {
    before: "trap '' CHLD",
    files: scripts,
  });
  assertEquals([status, stdout], [3, "post\n"]);
});

const broken = {
  "a closed standard error": "exec 2>&-",
  "closed standard input, output and error": "exec 0<&- 1>&- 2>&-",
  "a standard error whose reader is gone": "mkfifo /mnt/f; exec 3<>/mnt/f 2>/mnt/f 3<&-; exec 3<&-",
  "a standard error that cannot be written (/dev/full)": "exec 2>/dev/full",
  "a standard error opened for reading only": "exec 2</etc/passwd",
};
for (const [what, before] of Object.entries(broken)) {
  Deno.test(`${what} does not change the status (B20)`, async () => {
    const { status } = await runInit(sh("sleep 0.3; exit 3"), { before, files: scripts });
    assertEquals(status, 3);
  });
}

Deno.test("a full standard error that nobody reads does not delay boot and stop for ever (B20)", async () => {
  const before =
    "mkfifo /mnt/f; exec 2<>/mnt/f; dd if=/dev/zero of=/mnt/f bs=4096 count=16 oflag=nonblock 2>/dev/null";
  const { status } = await runInit(sh("exit 3"), { before, files: scripts, seconds: 15 });
  assertEquals(status, 3);
});

Deno.test("a missing /proc is reported, or the status is right anyway", async () => {
  const { status, stderr } = await runInit(sh("exit 3"), { before: "umount -l /proc" });
  assert(status === 3 || status !== 0 && stderr !== "", `status ${status}, ${stderr}`);
});

Deno.test("variables for Deno, Node and the loader change nothing but the command's environment", async () => {
  const env = {
    DENO_DIR: "/nosuch",
    DENO_V8_FLAGS: "--nosuch",
    NODE_OPTIONS: "--nosuch",
    RUST_LOG: "trace",
    RUST_BACKTRACE: "full",
    NO_COLOR: "",
    OTEL_DENO: "true",
    TMPDIR: "/nosuch",
    HOME: "/nosuch",
    MALLOC_PERTURB_: "165",
  };
  const { status, stdout, stderr } = await runInit(["--quiet", "--skip-runit", "--", "env"], {
    env,
  });
  assertEquals([status, stderr], [0, ""]);
  for (const [name, value] of Object.entries(env)) {
    assertStringIncludes(stdout, `${name}=${value}\n`);
  }
});

Deno.test("my_init leaves no file behind in /tmp", async () => {
  const { status, stdout } = await runInit([
    "--quiet",
    "--skip-runit",
    "--",
    "ls",
    "-A",
    "/tmp",
    "/var/tmp",
  ], {
    before: "mount -t tmpfs t /tmp; mount -t tmpfs t /var/tmp",
  });
  assertEquals([status, stdout], [0, "/tmp:\n\n/var/tmp:\n"]);
});
