import $ from "@david/dax";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { projectFolder } from "../../build/project.ts";

Deno.test("a checkout has no line ends of Windows, which would break scripts", async () => {
  // Each line: in the index, in the working tree, the attributes; then the file.
  const files = await $`git ls-files --eol`.cwd(projectFolder).lines();
  assert(files.length > 0);
  const wrong = files.filter((it) => /crlf|mixed/.test(it) || !it.includes("eol=lf"));
  assertEquals(wrong, []);
});

Deno.test("make test says in one line that it needs a git checkout", async () => {
  // Should it go on, it is ended in its first checks, and has no name under which it could replace an image.
  const command = ["timeout", "10", Deno.execPath(), "run", "-A", "tests/run.ts"];
  const { code, stderr } = await $`${command}`.cwd(projectFolder)
    .env({ GIT_DIR: "/none", NAME: "-" }).stdout("null").stderr("piped").noThrow();
  assertEquals(code, 1);
  assertMatch(stderr, /^error: all tests need a git checkout; .*\n$/);
});
