import { assertEquals } from "@std/assert";
import { readOptions } from "../../supervisor/options.ts";

const defaults = {
  enableInsecureKey: false,
  startupFiles: true,
  runit: true,
  killAllOnExit: true,
  quiet: false,
  command: [] as string[],
};

Deno.test("readOptions() ends the options at the first word that is not an option", () => {
  assertEquals(readOptions(["ls", "-la"]), { ...defaults, command: ["ls", "-la"] });
  assertEquals(readOptions(["--quiet", "ls", "--quiet"]), {
    ...defaults,
    quiet: true,
    command: ["ls", "--quiet"],
  });
});

Deno.test("readOptions() gives everything after -- to the command", () => {
  assertEquals(readOptions(["--", "-x", "--", "y"]), { ...defaults, command: ["-x", "--", "y"] });
  assertEquals(readOptions(["sh", "--", "-x"]), { ...defaults, command: ["sh", "--", "-x"] });
});

Deno.test("readOptions() knows every option, and an unambiguous beginning of one", () => {
  const words = [
    "--enable-insecure-key",
    "--skip-startup-files",
    "--skip-runit",
    "--no-kill",
    "--qu",
    "true",
  ];
  assertEquals(readOptions(words), {
    enableInsecureKey: true,
    startupFiles: false,
    runit: false,
    killAllOnExit: false,
    quiet: true,
    command: ["true"],
  });
});

Deno.test("readOptions() takes a nested my_init as more of the same command line", () => {
  const expected = { ...defaults, quiet: true, command: ["ls", "-l"] };
  const lines = [
    ["--", "my_init", "--quiet", "--", "ls", "-l"],
    ["/sbin/my_init", "--quiet", "ls", "-l"],
    ["--quiet", "--", "/sbin/my_init", "--", "ls", "-l"],
  ];
  for (const line of lines) assertEquals(readOptions(line), expected);
  assertEquals(readOptions(["--", "/sbin/my_init"]), defaults);
});

Deno.test("readOptions() refuses an unknown or ambiguous option, and --skip-runit without a command", () => {
  for (const word of ["--nosuch", "-q", "--skip"]) {
    assertEquals(readOptions([word, "ls"]), {
      error: `my_init: unknown option ${word}; see my_init --help`,
      status: 2,
    });
  }
  assertEquals(readOptions(["--skip-runit"]), {
    error: "*** When --skip-runit is given, you must also pass a main command.",
    status: 1,
  });
});

Deno.test("readOptions() takes --check alone, with --json, --quiet and what to leave out", () => {
  assertEquals(readOptions(["--check"]), { ...defaults, check: true });
  assertEquals(readOptions(["--check", "--json", "--quiet", "--skip-runit"]), {
    ...defaults,
    check: true,
    json: true,
    quiet: true,
    runit: false,
  });
  assertEquals(readOptions(["--check", "--", "ls"]), {
    error: "my_init: --check runs no command; leave it out",
    status: 2,
  });
  assertEquals(readOptions(["--json"]), {
    error: "my_init: --json is for --check; give both, or none",
    status: 2,
  });
});

Deno.test("readOptions() understands --help and --version", () => {
  assertEquals(readOptions(["-h"]), "help");
  assertEquals(readOptions(["--quiet", "--help"]), "help");
  assertEquals(readOptions(["--version"]), "version");
});
