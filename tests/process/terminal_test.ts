import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  CTRL_BACKSLASH,
  CTRL_C,
  CTRL_D,
  CTRL_Z,
  sh,
  SIGNALS,
  startOnTerminal,
} from "../support/namespace.ts";
import { until } from "../support/until.ts";

const bash = ["--quiet", "--skip-runit", "--", "bash", "--norc", "-i"];
const env = { PS1: "[prompt]", TERM: "dumb" };

Deno.test("on a terminal bash has job control: Ctrl-Z stops a command, fg brings it back", async () => {
  await using init = await startOnTerminal(bash, { env });
  await init.says("[prompt]");
  assert(!init.stdout.includes("no job control"), init.stdout);
  await init.type("sh -c 'echo be''gun; exec sleep 100'\n");
  await init.says("begun");
  await init.type(CTRL_Z);
  await init.says("Stopped");
  await init.type("fg\n");
  await init.says("fg\r\nsh -c");
  await init.type(CTRL_C);
  await init.type("echo status=$?\n");
  await init.says("status=130");
  await init.type("exit 4\n");
  assertEquals((await init.end()).status, 4);
});

Deno.test("behind setuser a command keeps the terminal: it reads, and Ctrl-C reaches it", async () => {
  const script = "tty -s; echo tty $?; read x </dev/tty; echo got $x; while :; do sleep 0.05; done";
  await using init = await startOnTerminal(
    ["--quiet", "--skip-runit", "--", "setuser", "nobody", "sh", "-c", script],
  );
  await init.says("tty 0\r\n");
  await init.type("hello\n");
  await init.says("got hello\r\n");
  await init.type(CTRL_C);
  assertEquals((await init.end()).status, 130);
});

Deno.test("Ctrl-C in an interactive shell ends the command, not the shell and not the container", async () => {
  await using init = await startOnTerminal(bash, { env });
  await init.says("[prompt]");
  await init.type("echo run''ning; sleep 100\n");
  await init.says("running");
  await init.type(CTRL_C);
  await init.type("echo alive=$((6 * 7))\n");
  await init.says("alive=42");
  await init.type(CTRL_D);
  assertEquals((await init.end()).status, 0);
});

Deno.test("Ctrl-C on a shell loop ends with 130", async () => {
  await using init = await startOnTerminal([
    "--skip-runit",
    "--",
    "sh",
    "-c",
    "echo ready; while :; do sleep 0.05; done",
  ]);
  await init.says("ready\r\n");
  await init.type(CTRL_C);
  const { status, stdout } = await init.end();
  assertEquals(status, 130);
  assertStringIncludes(stdout, "*** sh exited with status 130. (killed by SIGINT)");
});

Deno.test("Ctrl-C on a command that handles it ends with the command's status", async () => {
  await using init = await startOnTerminal(
    sh("trap 'echo int; exit 5' INT; echo ready; while :; do sleep 0.05; done"),
  );
  await init.says("ready\r\n");
  await init.type(CTRL_C);
  const { status, stdout } = await init.end();
  assertEquals(status, 5);
  assertEquals(stdout.split("int\r\n").length, 2, `once: ${stdout}`);
});

Deno.test("Ctrl-C on a command that ignores it changes nothing", async () => {
  await using init = await startOnTerminal(
    sh("trap '' INT; echo ready; read x; echo got $x; exit 6"),
  );
  await init.says("ready\r\n");
  await init.type(CTRL_C + "hello\n");
  await init.says("got hello");
  assertEquals((await init.end()).status, 6);
});

Deno.test("Ctrl-Z does not freeze a command that is no shell: nobody could continue it", async () => {
  await using init = await startOnTerminal(
    sh("trap 'exit 5' INT; echo ready; while :; do sleep 0.05; done"),
  );
  await init.says("ready\r\n");
  await init.type(CTRL_Z);
  await init.says("^Z");
  await init.type(CTRL_C);
  assertEquals((await init.end(5)).status, 5);
});

Deno.test("Ctrl-backslash ends the command with 131", async () => {
  await using init = await startOnTerminal(
    sh("ulimit -c 0; echo ready; while :; do sleep 0.05; done"),
  );
  await init.says("ready\r\n");
  await init.type(CTRL_BACKSLASH);
  assertEquals((await init.end()).status, 131);
});

Deno.test("Ctrl-C during a startup script stops the boot", async () => {
  await using init = await startOnTerminal(["--skip-runit", "--", "echo", "main"], {
    files: { "/etc/my_init.d/x": "#!/bin/sh\necho ready\nsleep 100\n" },
  });
  await init.says("ready\r\n");
  await init.type(CTRL_C);
  const { stdout } = await init.end(8);
  assertStringIncludes(stdout, "*** Init system aborted.");
  assert(!stdout.includes("Running echo"), stdout);
});

Deno.test("a new window size reaches the main command", async () => {
  const watcher = `#!/usr/bin/perl
    $| = 1; my $changed = 0; $SIG{WINCH} = sub { $changed++ }; print "ready\\n";
    while (1) { select(undef, undef, undef, 0.02); print "$changed changes, ", \`stty size\` if $changed }
  `;
  await using init = await startOnTerminal(["--quiet", "--skip-runit", "--", "/mnt/watcher"], {
    files: { "/mnt/watcher": watcher },
  });
  await init.says("ready\r\n");
  await init.resize(33, 99);
  await init.says(" changes, 33 99\r\n");
});

Deno.test("a command that reads from the terminal at once is not stopped for it", async () => {
  await using init = await startOnTerminal(["--quiet", "--skip-runit", "--", "cat"]);
  await init.type("hello\n");
  await init.says("hello\r\nhello\r\n");
  await init.type(CTRL_D);
  assertEquals((await init.end()).status, 0);
});

Deno.test("after the main command the terminal is ours again: shutdown scripts can use it", async () => {
  await using init = await startOnTerminal(["--quiet", "--skip-runit", "--", "true"], {
    files: {
      "/etc/my_init.post_shutdown.d/x":
        "#!/bin/sh\nstty tostop\necho post says >/dev/tty\nstty -tostop; read x </dev/tty; echo got $x\n",
    },
  });
  await init.says("post says");
  await init.type("hello\n");
  await init.says("got hello");
  assertEquals((await init.end()).status, 0);
});

Deno.test("TERM ends an interactive shell, which ignores it, within its timeout (B15)", async () => {
  await using init = await startOnTerminal(bash, { env: { ...env, KILL_PROCESS_TIMEOUT: "0.5" } });
  await init.says("[prompt]");
  await init.signal(SIGNALS.SIGTERM);
  const { status, stdout } = await init.end(5);
  assertEquals(status, 137);
  assertStringIncludes(stdout, "did not shut down in time. Forcing it to exit.");
});

Deno.test("a terminal that is closed ends the main command, and with it the container", async () => {
  await using init = await startOnTerminal(sh("echo ready; exec sleep 100"));
  await init.says("ready\r\n");
  init.child.kill("SIGKILL");
  await until(() => init.find("my_init") === undefined);
});
