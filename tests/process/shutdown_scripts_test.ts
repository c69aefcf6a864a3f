import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runInit, sh, SIGNALS, startInit } from "../support/namespace.ts";
import { beside, lateAfter, onTerm, READY, say, script } from "../support/programs.ts";

const scripts = {
  "/etc/my_init.pre_shutdown.d/2": say("pre 2"),
  "/etc/my_init.pre_shutdown.d/1": say("pre 1"),
  "/etc/my_init.post_shutdown.d/2": say("post 2"),
  "/etc/my_init.post_shutdown.d/1": say("post 1"),
};

Deno.test("pre and post_shutdown scripts run after the command, in order, also with --skip-runit (B12)", async () => {
  const { status, stdout, stderr } = await runInit(sh("echo main; exit 3"), { files: scripts });
  assertEquals([status, stdout], [3, "main\npre 1\npre 2\npost 1\npost 2\n"]);
  assertStringIncludes(stderr, "*** Running /etc/my_init.pre_shutdown.d/1...\n");
  assertStringIncludes(
    stderr,
    "*** Running /etc/my_init.post_shutdown.d/2...\n*** Killing all processes...\n",
  );
});

Deno.test("pre_shutdown scripts run before the main command is stopped, post_shutdown scripts after it (B13)", async () => {
  await using init = await startInit(
    sh(onTerm("echo stopped; exit")),
    { files: scripts },
  );
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [0, "ready\npre 1\npre 2\nstopped\npost 1\npost 2\n"]);
});

Deno.test("post_shutdown scripts run before the remaining processes are terminated", async () => {
  const worker = script(onTerm("echo told; exit", READY));
  const { stdout } = await runInit(sh(beside("/mnt/worker", ":")), {
    files: { ...scripts, "/mnt/worker": worker },
  });
  assertEquals(stdout, "pre 1\npre 2\npost 1\npost 2\ntold\n");
});

Deno.test("a failing pre_shutdown script is named, and changes neither the rest nor the status (B11)", async () => {
  for (const [end, says] of [["exit 5", "status 5"], ["kill -KILL $$", "status 137"]]) {
    const { status, stdout, stderr } = await runInit(["--quiet", ...sh("exit 0")], {
      files: {
        ...scripts,
        "/etc/my_init.pre_shutdown.d/1": `#!/bin/sh\n${end}\n`,
        "/etc/my_init.post_shutdown.d/1": `#!/bin/sh\n${end}\n`,
      },
    });
    assertEquals([status, stdout], [0, "pre 2\npost 2\n"]);
    assertStringIncludes(stderr, `*** /etc/my_init.pre_shutdown.d/1 failed with ${says}`);
    assertStringIncludes(stderr, `*** /etc/my_init.post_shutdown.d/1 failed with ${says}`);
  }
});

Deno.test("a pre_shutdown script that hangs is killed in time; the shutdown goes on (B14)", async () => {
  await using init = await startInit(
    sh(onTerm("echo stopped; exit")),
    {
      env: { SHUTDOWN_TIMEOUT: "3" },
      files: {
        ...scripts,
        "/etc/my_init.pre_shutdown.d/1": script(`trap '' TERM; echo hanging; ${lateAfter(2)}`),
      },
    },
  );
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout, stderr } = await init.end();
  assertEquals(status, 0);
  assertMatch(stdout, /^ready\nhanging\n(pre 2\n)?stopped\npost 1\npost 2\n$/);
  assertMatch(stderr, /\/etc\/my_init\.pre_shutdown\.d\/1 \(PID \d+\) did not shut down in time/);
});

Deno.test("a post_shutdown script that hangs is killed in time", async () => {
  await using init = await startInit(sh("exit 3"), {
    env: { SHUTDOWN_TIMEOUT: "2" },
    files: {
      "/etc/my_init.post_shutdown.d/1": script(`trap '' TERM; echo hanging; ${lateAfter(4)}`),
    },
  });
  const { status, stdout } = await init.end();
  assertEquals([status, stdout], [3, "hanging\n"]);
});

Deno.test("a second TERM cuts a hanging pre_shutdown script short (B14)", async () => {
  await using init = await startInit(
    sh(onTerm("exit")),
    {
      files: {
        ...scripts,
        "/etc/my_init.pre_shutdown.d/1": script(`echo hanging; trap '' TERM; ${lateAfter(2)}`),
      },
    },
  );
  await init.says("ready\n");
  await init.signal(SIGNALS.SIGTERM);
  await init.says("hanging\n");
  await init.signal(SIGNALS.SIGTERM);
  assertEquals((await init.end()).stdout, "ready\nhanging\npost 1\npost 2\n");
});

Deno.test("post_shutdown scripts run after a failed startup script, pre_shutdown ones do not (B12)", async () => {
  const { status, stdout } = await runInit(sh("echo main"), {
    files: { ...scripts, "/etc/my_init.d/x": "#!/bin/sh\nexit 1\n" },
  });
  assertEquals([status, stdout], [1, "post 1\npost 2\n"]);
});

Deno.test("shutdown scripts run when the command cannot be run", async () => {
  const { status, stdout } = await runInit(["--skip-runit", "--", "nosuch"], { files: scripts });
  assertEquals([status, stdout], [127, "post 1\npost 2\n"]);
});

Deno.test("shutdown scripts see the container's environment, and a child that a signal kills has its status there (B3)", async () => {
  const shows = script("echo $A; sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -INT $$'; echo $?");
  const { stdout } = await runInit(sh("true"), {
    files: {
      "/etc/container_environment/A": "b\n",
      "/etc/my_init.pre_shutdown.d/x": shows,
      "/etc/my_init.post_shutdown.d/x": shows,
    },
  });
  assertEquals(stdout, "b\n143\n130\n".repeat(2));
});

Deno.test("a shutdown script that is not executable gets a warning; hidden ones are skipped", async () => {
  const { stdout, stderr } = await runInit(["--quiet", ...sh("true")], {
    files: {
      "/etc/my_init.post_shutdown.d/x": "no",
      "/etc/my_init.post_shutdown.d/.x": say("hidden"),
    },
  });
  assertEquals(stdout, "");
  assertStringIncludes(stderr, "*** Skipping /etc/my_init.post_shutdown.d/x: it is not executable");
});
