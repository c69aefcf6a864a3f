import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runInit } from "../support/namespace.ts";
import { inEachDirectory, say, script } from "../support/programs.ts";

Deno.test("--help and -h print the usage on standard output and start nothing", async () => {
  for (const option of ["--help", "-h"]) {
    const files = { "/etc/my_init.d/x": say("started") };
    const { status, stdout, stderr } = await runInit([option], { files });
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, /^Usage: my_init /);
    assertEquals(stdout.includes("started\n"), false);
    for (
      const word of [
        "--enable-insecure-key",
        "--skip-startup-files",
        "--skip-runit",
        "--no-kill-all-on-exit",
        "--quiet",
        "--check",
        "--json",
      ]
    ) assertStringIncludes(stdout, word);
  }
});

Deno.test("--version prints name and version", async () => {
  const { status, stdout, stderr } = await runInit(["--version"]);
  assertEquals([status, stderr], [0, ""]);
  assertMatch(stdout, /^my_init \d+\.\d+\.\d+\n$/);
});

Deno.test("an unknown option is an error in one line that names it", async () => {
  for (const option of ["--nosuch", "-x", "--quiet=1"]) {
    const { status, stdout, stderr } = await runInit([option, "--", "echo", "no"]);
    assertEquals([status, stdout], [2, ""]);
    assertMatch(stderr, new RegExp(`^my_init: unknown option ${option}; see my_init --help\n$`));
  }
});

Deno.test("--skip-runit without a command is an error that says so", async () => {
  for (const words of [["--skip-runit"], ["--skip-runit", "--"], ["--quiet", "--skip-runit"]]) {
    const { status, stderr } = await runInit(words);
    assertEquals(status, 1);
    assertEquals(stderr, "*** When --skip-runit is given, you must also pass a main command.\n");
  }
});

Deno.test("without -- the options end at the command: my_init ls -la works (B22)", async () => {
  const { status, stdout } = await runInit(["--quiet", "--skip-runit", "ls", "-la", "/mnt"]);
  assertEquals(status, 0);
  assertMatch(stdout, /^total /);
});

Deno.test("options behind the command are the command's own", async () => {
  const { stdout } = await runInit(["--quiet", "--skip-runit", "echo", "--quiet", "--", "--help"]);
  assertEquals(stdout, "--quiet -- --help\n");
});

Deno.test("only the first -- is ours", async () => {
  const { stdout } = await runInit(["--quiet", "--skip-runit", "--", "echo", "--", "x"]);
  assertEquals(stdout, "-- x\n");
  const empty = await runInit(["--quiet", "--skip-runit", "--", "--", "x"]);
  assertEquals(empty.status, 127);
});

Deno.test("my_init as the command of my_init is the same my_init (B19, W7)", async () => {
  for (const name of ["my_init", "/sbin/my_init"]) {
    const nested = [name, "--skip-startup-files", "--", "sh", "-c", "echo $PPID; exit 3"];
    for (const between of [[], ["--"]]) {
      const { status, stdout, stderr } = await runInit(["--skip-runit", ...between, ...nested], {
        files: { "/etc/my_init.d/x": say("started") },
      });
      assertEquals([status, stdout], [3, "1\n"]);
      assertEquals(stderr.split("Running sh").length, 2);
    }
  }
});

Deno.test("an unambiguous beginning of an option will do, as it always did", async () => {
  const { status, stdout, stderr } = await runInit(["--qu", "--skip-r", "--", "echo", "x"]);
  assertEquals([status, stdout, stderr], [0, "x\n", ""]);
  assertEquals((await runInit(["--skip", "--", "echo", "x"])).status, 2);
});

Deno.test("--check starts nothing, and says what would fail", async () => {
  const files = {
    "/etc/my_init.d/1_first": "#!/bin/sh\necho started\n",
    "/etc/my_init.d/2_second": "#!/bin/nosuch\n",
  };
  const { status, stdout, stderr } = await runInit(["--check"], { files });
  const found = "/etc/my_init.d/2_second:1: error: the interpreter /bin/nosuch does not exist; " +
    "install it, or correct the first line\n1 error.\n";
  assertEquals([status, stdout, stderr], [1, found, ""]);
  const elsewhere = { files, env: { ENV_INIT_DIRECTORY: "/mnt" } };
  assertEquals((await runInit(["--check"], elsewhere)).status, 0);
  assertEquals((await runInit(["--check", "--skip-startup-files"], { files })).status, 0);
  const both = await runInit(["--check", "--", "ls"], { files });
  assertEquals([both.status, both.stdout], [2, ""]);
});

Deno.test("--quiet leaves nothing but what the command prints", async () => {
  const { stdout, stderr } = await runInit(["--quiet", "--skip-runit", "--", "echo", "x"], {
    files: {
      ...inEachDirectory(() => script("true")),
      "/etc/container_environment/A": "b",
    },
  });
  assertEquals([stdout, stderr], ["x\n", ""]);
});

Deno.test("arguments reach the command byte by byte", async () => {
  const words = [
    "",
    " ",
    "a b",
    "'\"$`\\",
    "\n",
    "\xff\xfe",
    "\xc3\xa4",
    "*",
    "--",
    "a=b",
    "x".repeat(100_000),
  ];
  const { stdout } = await runInit(["--quiet", "--skip-runit", "--", "printf", "%s\\0", ...words]);
  assertEquals(stdout.split("\0").slice(0, -1), words);
});

Deno.test("2,000 arguments reach the command", async () => {
  const words = Array.from({ length: 2000 }, (_, index) => `argument ${index}`);
  const { stdout } = await runInit(["--quiet", "--skip-runit", "--", "printf", "%s\\n", ...words]);
  assertEquals(stdout, words.join("\n") + "\n");
});
