import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, runInit, sh, SIGNALS, SIGRTMIN } from "../support/namespace.ts";
import { script } from "../support/programs.ts";
import { refusals } from "./refusals.ts";

const command = (...words: string[]) => ["--quiet", "--skip-runit", "--", ...words];

const statuses = [0, 1, 2, 3, 42, 126, 127, 128, 255];
const signals = ["HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "SEGV", "PIPE", "TERM", "XFSZ"];
/** How a command ends, its script, the status, and the message. */
const endings: [how: string, script: string, status: number, said: string][] = [
  ...statuses.map((it) => [`that ends with ${it}`, `exit ${it}`, it, ""] as const),
  ...[...signals.map((it) => `SIG${it}`), "SIGRTMIN+6"].map((name) => {
    const number = SIGNALS[name as keyof typeof SIGNALS] ?? SIGRTMIN + 6;
    const script = `ulimit -c 0; kill -${number} $$`;
    return [`killed by ${name}`, script, 128 + number, ` (killed by ${name})`] as const;
  }),
].map((it) => [...it]);
for (const [how, script, status, said] of endings) {
  Deno.test(`a command ${how} makes my_init end with ${status} (B1, W6)`, async () => {
    const result = await runInit(sh(script));
    assertEquals(result.status, status);
    assertStringIncludes(result.stderr, `*** sh exited with status ${status}.${said}\n`);
  });
}

Deno.test("what a command prints is not changed", async () => {
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

const failures: [how: string, script: string, said: RegExp][] = [
  ["fails", script("exit 7"), /^\*\*\* \/etc\/my_init\.d\/x failed with status 7$/m],
  [
    "is killed by a signal",
    script("kill -KILL $$"),
    /^\*\*\* \S+ failed with status 137.*SIGKILL/m,
  ],
  [
    "cannot be run",
    "#!/usr/bin/nosuch\n",
    /the interpreter \/usr\/bin\/nosuch of \S+ does not exist/,
  ],
];
for (const [how, x, said] of failures) {
  Deno.test(`a startup script that ${how} makes my_init end with 1, and the reason is said under --quiet, too (B1, W8)`, async () => {
    const result = await runInit(["--quiet", ...sh("echo never")], {
      files: { "/etc/my_init.d/x": x },
    });
    assertEquals([result.status, result.stdout], [1, ""]);
    assertMatch(result.stderr, said);
  });
}

Deno.test("a startup script that fails aborts the boot, and says so", async () => {
  const { stderr } = await runInit(sh("echo never"), {
    files: { "/etc/my_init.d/x": script("exit 7") },
  });
  assertStringIncludes(stderr, "*** Init system aborted.\n");
});

Deno.test("no /dev/termination-log is made where there is none", async () => {
  const after = "ls -l /dev/termination-log 2>/dev/null";
  const { stdout, stderr } = await runInit(command("sh", "-c", "exit 3"), { after });
  assertEquals(stdout, "", stderr);
});
