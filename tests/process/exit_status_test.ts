import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, runInit, sh, SIGNALS } from "../support/namespace.ts";

const command = (...words: string[]) => ["--quiet", "--skip-runit", "--", ...words];

for (const status of [0, 1, 2, 3, 42, 126, 127, 128, 255]) {
  Deno.test(`a command that ends with ${status} makes my_init end with ${status}`, async () => {
    const result = await runInit(sh(`exit ${status}`));
    assertEquals(result.status, status);
    assertStringIncludes(result.stderr, `*** sh exited with status ${status}.\n`);
  });
}

const deadly = ["HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "SEGV", "PIPE", "TERM", "XFSZ"];
for (const name of deadly) {
  const signal = SIGNALS[`SIG${name}` as keyof typeof SIGNALS];
  Deno.test(`a command killed by SIG${name} makes my_init end with ${128 + signal} (B1)`, async () => {
    const result = await runInit(sh(`ulimit -c 0; kill -${name} $$`));
    assertEquals(result.status, 128 + signal);
    assertStringIncludes(
      result.stderr,
      `*** sh exited with status ${128 + signal}. (killed by SIG${name})\n`,
    );
  });
}

Deno.test("a command killed by a real-time signal makes my_init end with 128 + its number", async () => {
  assertEquals((await runInit(sh("kill -40 $$"))).status, 168);
});

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

interface Refused {
  status: 126 | 127;
  says: string;
  words?: string[];
  files?: Record<string, string>;
  before?: string;
  env?: Record<string, string>;
}

const refused: Record<string, Refused> = {
  "a command that is not in PATH (B21)": {
    words: ["nosuch"],
    status: 127,
    says: "*** Cannot run nosuch: not found in PATH (",
  },
  "a path that does not exist": {
    words: ["/mnt/nosuch"],
    status: 127,
    says: "*** Cannot run /mnt/nosuch: no such file\n",
  },
  "an empty command": { words: [""], status: 127, says: "*** Cannot run : the command is empty\n" },
  "a folder": { words: ["/mnt"], status: 126, says: "*** Cannot run /mnt: /mnt is a folder\n" },
  "a file without permission to execute": {
    files: { "/mnt/x": "echo no" },
    status: 126,
    says: "*** Cannot run /mnt/x: /mnt/x is not executable; try chmod +x /mnt/x\n",
  },
  "a command of PATH without permission to execute": {
    words: ["x"],
    env: { PATH: "/nosuch:/mnt" },
    files: { "/mnt/x": "echo no" },
    status: 126,
    says: "*** Cannot run x: /mnt/x is not executable; try chmod +x /mnt/x\n",
  },
  "a script without an interpreter line": {
    files: { "/mnt/x": "echo no\n" },
    before: "chmod +x /mnt/x",
    status: 126,
    says: "*** Cannot run /mnt/x: /mnt/x has no interpreter line; let it begin with #!/bin/sh\n",
  },
  "an empty script": {
    files: { "/mnt/x": "" },
    before: "chmod +x /mnt/x",
    status: 126,
    says: "/mnt/x has no interpreter line",
  },
  "a script with an empty interpreter line": {
    files: { "/mnt/x": "#! \necho no\n" },
    status: 126,
    says: "/mnt/x has no interpreter line",
  },
  "a script whose interpreter is missing": {
    files: { "/mnt/x": "#!/usr/bin/nosuch -x\n" },
    status: 127,
    says: "the interpreter /usr/bin/nosuch of /mnt/x does not exist",
  },
  "a script whose interpreter is a folder": {
    files: { "/mnt/x": "#!/mnt\n" },
    status: 126,
    says: "*** Cannot run /mnt/x: ",
  },
  "a script whose interpreter is not executable": {
    files: { "/mnt/x": "#!/mnt/y\n", "/mnt/y": "echo no" },
    status: 126,
    says: "*** Cannot run /mnt/x: ",
  },
  "a script with Windows line ends": {
    files: { "/mnt/x": "#!/bin/sh\r\necho no\r\n" },
    status: 127,
    says: "*** Cannot run /mnt/x: /mnt/x has Windows line ends; convert them\n",
  },
  "a binary that this machine cannot run": {
    files: { "/mnt/x": "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0junk\0junk" },
    before: "chmod +x /mnt/x",
    status: 126,
    says: "*** Cannot run /mnt/x: ",
  },
  "a file on a file system mounted noexec": {
    files: { "/mnt/x": "#!/bin/sh\n" },
    before: "mkdir /mnt/m; mount -t tmpfs -o noexec m /mnt/m; cp /mnt/x /mnt/m; ",
    words: ["/mnt/m/x"],
    status: 126,
    says: "*** Cannot run /mnt/m/x: ",
  },
};

for (
  const [what, { status, says, words = ["/mnt/x"], files, before, env }] of Object.entries(refused)
) {
  Deno.test(`${what} gives ${status}, and a reason even under --quiet`, async () => {
    const result = await runInit(command(...words), { files, before, env });
    assertEquals(result.status, status, result.stderr);
    assertStringIncludes(result.stderr, says);
    assertEquals(result.stderr.split("\n").length, 2, `one line only: ${result.stderr}`);
    assertEquals(result.stdout, "");
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
