import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runInit, sh } from "../support/namespace.ts";
import { say } from "../support/programs.ts";

Deno.test("startup scripts run in lexicographic order, then rc.local, then the command", async () => {
  const { status, stdout, stderr } = await runInit(sh("echo main"), {
    files: {
      "/etc/rc.local": say("rc.local"),
      "/etc/my_init.d/b": say("b"),
      "/etc/my_init.d/10_x": say("10_x"),
      "/etc/my_init.d/9_x": say("9_x"),
      "/etc/my_init.d/a": say("a"),
      "/etc/my_init.d/Z": say("Z"),
      "/etc/my_init.d/a b": say("space"),
      "/etc/my_init.d/\xe4": say("umlaut"),
    },
  });
  assertEquals(status, 0);
  const expected = ["10_x", "9_x", "Z", "a", "space", "b", "umlaut", "rc.local", "main"];
  assertEquals(stdout, expected.map((it) => it + "\n").join(""));
  assertStringIncludes(stderr, "*** Running /etc/my_init.d/a b...\n");
  assertStringIncludes(stderr, "*** Running /etc/rc.local...\n*** Running sh -c echo main...\n");
});

Deno.test("hidden files and directories are skipped silently (B22)", async () => {
  const { stdout, stderr } = await runInit(["--quiet", ...sh("echo main")], {
    files: { "/etc/my_init.d/.hidden": say("hidden"), "/etc/my_init.d/folder/x": say("inner") },
  });
  assertEquals([stdout, stderr], ["main\n", ""]);
});

Deno.test("a file that is not executable is skipped with a warning, even under --quiet (W8)", async () => {
  const { status, stdout, stderr } = await runInit(["--quiet", ...sh("echo main")], {
    files: { "/etc/my_init.d/x": "echo no", "/etc/rc.local": "echo no" },
  });
  assertEquals([status, stdout], [0, "main\n"]);
  assertEquals(
    stderr,
    "*** Skipping /etc/my_init.d/x: it is not executable; try chmod +x /etc/my_init.d/x\n" +
      "*** Skipping /etc/rc.local: it is not executable; try chmod +x /etc/rc.local\n",
  );
});

Deno.test("links to scripts are followed; dangling ones are skipped", async () => {
  const { status, stdout } = await runInit(sh("echo main"), {
    before: "ln -s /mnt/x /etc/my_init.d/link; ln -s /nosuch /etc/my_init.d/dangling",
    files: { "/mnt/x": say("linked"), "/etc/my_init.d/y": say("y") },
  });
  assertEquals([status, stdout], [0, "linked\ny\nmain\n"]);
});

Deno.test("ENV_INIT_DIRECTORY names another folder, also from the environment's directory", async () => {
  const files = {
    "/mnt/init.d/x": say("mine"),
    "/etc/my_init.d/x": say("not me"),
    "/etc/rc.local": say("rc"),
  };
  const given = await runInit(sh("echo main"), {
    files,
    env: { ENV_INIT_DIRECTORY: "/mnt/init.d" },
  });
  assertEquals(given.stdout, "mine\nrc\nmain\n");
  const stored = await runInit(sh("echo main"), {
    files: { ...files, "/etc/container_environment/ENV_INIT_DIRECTORY": "/mnt/init.d\n" },
  });
  assertEquals(stored.stdout, "mine\nrc\nmain\n");
});

Deno.test("without the folder, and with a folder that does not exist, the boot goes on", async () => {
  assertEquals((await runInit(sh("echo main"))).stdout, "main\n");
  assertEquals(
    (await runInit(sh("echo main"), { env: { ENV_INIT_DIRECTORY: "/nosuch" } })).stdout,
    "main\n",
  );
});

Deno.test("--skip-startup-files skips startup scripts and rc.local, but not shutdown scripts", async () => {
  const { stdout } = await runInit(["--skip-startup-files", ...sh("echo main")], {
    files: {
      "/etc/my_init.d/x": say("startup"),
      "/etc/rc.local": say("rc"),
      "/etc/my_init.post_shutdown.d/x": say("post"),
    },
  });
  assertEquals(stdout, "main\npost\n");
});

Deno.test("a failing script ends the boot: no further script, no command", async () => {
  const { status, stdout, stderr } = await runInit(sh("echo main"), {
    files: {
      "/etc/my_init.d/1": "#!/bin/sh\nexit 3\n",
      "/etc/my_init.d/2": say("2"),
      "/etc/rc.local": say("rc"),
    },
  });
  assertEquals([status, stdout], [1, ""]);
  assert(!stderr.includes("Running sh"), stderr);
});

Deno.test("what a script leaves running in the background does not hold up the boot", async () => {
  const { status, stdout } = await runInit(sh("echo main"), {
    files: { "/etc/my_init.d/x": "#!/bin/sh\nsleep 100 &\n" },
  });
  assertEquals([status, stdout], [0, "main\n"]);
});

Deno.test("--enable-insecure-key without the program for it is a warning (B29)", async () => {
  const { status, stderr } = await runInit(["--quiet", "--enable-insecure-key", ...sh("exit 3")]);
  assertEquals(status, 3);
  assertEquals(
    stderr,
    "*** Cannot enable the insecure key: there is no /usr/sbin/enable_insecure_key\n",
  );
});
