import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { sh, SIGNALS, startOnTerminal } from "../support/namespace.ts";
import { LOOP } from "../support/programs.ts";
import { CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, hasJobControl } from "../support/terminal.ts";
import { until } from "../support/until.ts";

const bash = ["--quiet", "--skip-runit", "--", "bash", "--norc", "-i"];
const env = { PS1: "[prompt]", TERM: "dumb" };

Deno.test("on a terminal bash has job control: Ctrl-Z stops a command, fg brings it back", async () => {
  await using terminal = await startOnTerminal(bash, { env });
  await terminal.shows("[prompt]");
  await hasJobControl(terminal);
});

Deno.test("behind setuser a command keeps the terminal: it reads, and Ctrl-C reaches it", async () => {
  const script = `tty -s; echo tty $?; read x </dev/tty; echo got $x; ${LOOP}`;
  await using terminal = await startOnTerminal(
    ["--quiet", "--skip-runit", "--", "setuser", "nobody", "sh", "-c", script],
  );
  await terminal.shows("tty 0\r\n");
  await terminal.type("hello\n");
  await terminal.shows("got hello\r\n");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 130);
});

Deno.test("Ctrl-C in an interactive shell ends the command, not the shell and not the container", async () => {
  await using terminal = await startOnTerminal(bash, { env });
  await terminal.shows("[prompt]");
  await terminal.type("echo run''ning; sleep 100\n");
  await terminal.shows("running");
  await terminal.type(CTRL_C);
  await terminal.type("echo alive=$((6 * 7))\n");
  await terminal.shows("alive=42");
  await terminal.type(CTRL_D);
  assertEquals(await terminal.status(), 0);
});

Deno.test("Ctrl-C on a shell loop ends with 130", async () => {
  await using terminal = await startOnTerminal([
    "--skip-runit",
    "--",
    "sh",
    "-c",
    `echo ready; ${LOOP}`,
  ]);
  await terminal.shows("ready\r\n");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 130);
  assertStringIncludes(terminal.screen, "*** sh exited with status 130. (killed by SIGINT)");
});

Deno.test("Ctrl-C on a command that handles it ends with the command's status", async () => {
  await using terminal = await startOnTerminal(
    sh(`trap 'echo int; exit 5' INT; echo ready; ${LOOP}`),
  );
  await terminal.shows("ready\r\n");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 5);
  assertEquals(terminal.screen.split("int\r\n").length, 2, `once: ${terminal.screen}`);
});

Deno.test("Ctrl-C on a command that ignores it changes nothing", async () => {
  await using terminal = await startOnTerminal(
    sh("trap '' INT; echo ready; read x; echo got $x; exit 6"),
  );
  await terminal.shows("ready\r\n");
  await terminal.type(CTRL_C + "hello\n");
  await terminal.shows("got hello");
  assertEquals(await terminal.status(), 6);
});

Deno.test("Ctrl-Z does not freeze a command that is no shell: nobody could continue it", async () => {
  await using terminal = await startOnTerminal(
    sh(`trap 'exit 5' INT; echo ready; ${LOOP}`),
  );
  await terminal.shows("ready\r\n");
  await terminal.type(CTRL_Z);
  await terminal.shows("^Z");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 5);
});

Deno.test("Ctrl-backslash ends the command with 131", async () => {
  await using terminal = await startOnTerminal(
    sh(`ulimit -c 0; echo ready; ${LOOP}`),
  );
  await terminal.shows("ready\r\n");
  await terminal.type(CTRL_BACKSLASH);
  assertEquals(await terminal.status(), 131);
});

Deno.test("Ctrl-C during a startup script stops the boot", async () => {
  await using terminal = await startOnTerminal(["--skip-runit", "--", "echo", "main"], {
    files: { "/etc/my_init.d/x": "#!/bin/sh\necho ready\nsleep 100\n" },
  });
  await terminal.shows("ready\r\n");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 130);
  assertStringIncludes(terminal.screen, "*** Init system aborted.");
  assert(!terminal.screen.includes("Running echo"), terminal.screen);
});

Deno.test("a new window size reaches the main command", async () => {
  const watcher = `#!/usr/bin/perl
    $| = 1; my $changed = 0; $SIG{WINCH} = sub { $changed++ }; print "ready\\n";
    while (1) { select(undef, undef, undef, 0.02); print "$changed changes, ", \`stty size\` if $changed }
  `;
  await using terminal = await startOnTerminal(["--quiet", "--skip-runit", "--", "/mnt/watcher"], {
    files: { "/mnt/watcher": watcher },
  });
  await terminal.shows("ready\r\n");
  await terminal.resize(33, 99);
  await terminal.shows(" changes, 33 99\r\n");
});

Deno.test("a command that reads from the terminal at once is not stopped for it", async () => {
  await using terminal = await startOnTerminal(["--quiet", "--skip-runit", "--", "cat"]);
  await terminal.type("hello\n");
  await terminal.shows("hello\r\nhello\r\n");
  await terminal.type(CTRL_D);
  assertEquals(await terminal.status(), 0);
});

Deno.test("after the main command the terminal is ours again: shutdown scripts can use it", async () => {
  await using terminal = await startOnTerminal(["--quiet", "--skip-runit", "--", "true"], {
    files: {
      "/etc/my_init.post_shutdown.d/x":
        "#!/bin/sh\nstty tostop\necho post says >/dev/tty\nstty -tostop; read x </dev/tty; echo got $x\n",
    },
  });
  await terminal.shows("post says");
  await terminal.type("hello\n");
  await terminal.shows("got hello");
  assertEquals(await terminal.status(), 0);
});

Deno.test("TERM ends an interactive shell, which ignores it, within its timeout (B15)", async () => {
  await using terminal = await startOnTerminal(bash, {
    env: { ...env, KILL_PROCESS_TIMEOUT: "0.5" },
  });
  await terminal.shows("[prompt]");
  await terminal.inside.signal(SIGNALS.SIGTERM);
  assertEquals(await terminal.status(), 137);
  assertStringIncludes(terminal.screen, "did not shut down in time. Forcing it to exit.");
});

Deno.test("a terminal that is closed ends the main command, and with it the container", async () => {
  await using terminal = await startOnTerminal(sh("echo ready; exec sleep 100"));
  await terminal.shows("ready\r\n");
  terminal.close();
  await until(() => terminal.inside.find("my_init") === undefined);
});
