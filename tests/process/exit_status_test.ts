import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, runInit, sh, SIGNALS } from "../support/namespace.ts";
import { refusals } from "./refusals.ts";

const command = (...words: string[]) => ["--quiet", "--skip-runit", "--", ...words];

interface Ending {
  script: string;
  status: number;
  signal?: string;
}

const endings: Record<string, Ending> = {};
for (const status of [0, 1, 2, 3, 42, 126, 127, 128, 255]) {
  endings[`that ends with ${status}`] = { script: `exit ${status}`, status };
}
for (const name of ["HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "SEGV", "PIPE", "TERM", "XFSZ"]) {
  const signal = `SIG${name}` as keyof typeof SIGNALS;
  const script = `ulimit -c 0; kill -${name} $$`;
  endings[`killed by ${signal}`] = { script, status: 128 + SIGNALS[signal], signal };
}
endings["killed by SIGRTMIN+6"] = { script: "kill -40 $$", status: 168, signal: "SIGRTMIN+6" };

for (const [how, { script, status, signal }] of Object.entries(endings)) {
  Deno.test(`a command ${how} makes my_init end with ${status} (B1, W6)`, async () => {
    const result = await runInit(sh(script));
    assertEquals(result.status, status);
    const killed = signal ? ` (killed by ${signal})` : "";
    assertStringIncludes(result.stderr, `*** sh exited with status ${status}.${killed}\n`);
  });
}

Deno.test("what a command prints is passed on untouched", async () => {
  const result = await runInit(command("sh", "-c", "printf 'a\\000\\377b'; printf err >&2"));
  assertEquals(result, { status: 0, stdout: "a\0\xffb", stderr: "err" });
});

Deno.test("a command reads the standard input of my_init", async () => {
  const result = await runInit(command("cat"), { stdin: "hello\n\0\xff" });
  assertEquals(result, { status: 0, stdout: "hello\n\0\xff", stderr: "" });
});

Deno.test("a shell that reads its script from standard input ends with the script's status", async () => {
  const result = await runInit(command("sh"), { stdin: "echo one\nexit 3\necho two\n" });
  assertEquals(result, { status: 3, stdout: "one\n", stderr: "" });
});

for (
  const [what, { status, reason, words = ["/mnt/x"], ...setting }] of Object.entries(refusals)
) {
  Deno.test(`${what} gives ${status}, and the reason even under --quiet (B21, W8)`, async () => {
    const result = await runInit(command(...words), setting);
    assertEquals([result.status, result.stdout], [status, ""], result.stderr);
    assertStringIncludes(result.stderr, reason);
    assertMatch(result.stderr, /^\*\*\* Cannot run .*: .*\n$/, "one line");
  });
}

Deno.test("a command found later in PATH wins over one that cannot be run", async () => {
  const result = await runInit(command("x"), {
    env: { PATH: "/mnt/a:/mnt/b:/mnt/c" },
    files: { "/mnt/a/x": "no", "/mnt/b/x/folder": "", "/mnt/c/x": "#!/bin/sh\necho yes\n" },
  });
  assertEquals([result.status, result.stdout], [0, "yes\n"]);
});

Deno.test("a command is found without a PATH in the environment", async () => {
  const result = await run(["/usr/bin/env", "-u", "PATH", "/mnt/bin/my_init", ...command("env")]);
  assertEquals([result.status, result.stdout.includes("PATH=")], [0, false]);
});

Deno.test("the main command's own failure to run something is not ours: 127 passes silently", async () => {
  const result = await runInit(command("sh", "-c", "nosuch 2>/dev/null"));
  assertEquals([result.status, result.stderr], [127, ""]);
});

Deno.test("a startup script that fails makes my_init end with 1 and names the status", async () => {
  const result = await runInit(sh("echo never"), {
    files: { "/etc/my_init.d/x": "#!/bin/sh\nexit 7\n" },
  });
  assertEquals([result.status, result.stdout], [1, ""]);
  assertStringIncludes(result.stderr, "*** /etc/my_init.d/x failed with status 7\n");
  assertStringIncludes(result.stderr, "*** Init system aborted.\n");
});

Deno.test("a startup script killed by a signal makes my_init end with 1 and names the signal (B1)", async () => {
  const result = await runInit(["--quiet", ...sh("echo never")], {
    files: { "/etc/my_init.d/x": "#!/bin/sh\nkill -KILL $$\n" },
  });
  assertEquals([result.status, result.stdout], [1, ""]);
  assertMatch(result.stderr, /^\*\*\* \/etc\/my_init\.d\/x failed with status 137.*SIGKILL/m);
});

Deno.test("a startup script that cannot be run makes my_init end with 1 and says why (W8)", async () => {
  const result = await runInit(["--quiet", ...sh("echo never")], {
    files: { "/etc/my_init.d/x": "#!/usr/bin/nosuch\n" },
  });
  assertEquals([result.status, result.stdout], [1, ""]);
  assertStringIncludes(
    result.stderr,
    "the interpreter /usr/bin/nosuch of /etc/my_init.d/x does not exist",
  );
});
