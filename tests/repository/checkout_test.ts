import $ from "@david/dax";
import { assert, assertEquals } from "@std/assert";
import { projectFolder } from "../../build/project.ts";

Deno.test("a checkout has no line ends of Windows, which would break scripts", async () => {
  // Each line: in the index, in the working tree, the attributes; then the file.
  const files = await $`git ls-files --eol`.cwd(projectFolder).lines();
  assert(files.length > 0);
  const wrong = files.filter((it) => /crlf|mixed/.test(it) || !it.includes("eol=lf"));
  assertEquals(wrong, []);
});
