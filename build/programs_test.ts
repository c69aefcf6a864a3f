// Two builds of the programs from the same sources
import $ from "@david/dax";
import { assertEquals } from "@std/assert";
import { copy } from "@std/fs";
import { join } from "@std/path";
import { readDenort } from "./denort.ts";
import { type Target, targets } from "./permissions.ts";
import { cacheFolder, projectFolder, sha256 } from "./project.ts";

/** Builds the programs in a copy of the project in the folder. Returns the checksum and the modes of what is built. */
async function buildIn(
  folder: string,
  denort: string,
  target: Target,
  umask: string,
): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(projectFolder)) {
    const isSource = !name.startsWith(".") && name !== "dist";
    if (isSource) await copy(join(projectFolder, name), join(folder, name));
  }
  const build =
    `umask ${umask}; exec ${Deno.execPath()} run -A build/programs.ts --target ${target}`;
  await $`sh -c ${build}`.cwd(folder)
    .env({ DENORT_BIN: denort, DENO_DIR: join(cacheFolder, "deno") }).quiet();
  const { architecture } = targets[target];
  const modes = await $`find man ${architecture} -printf ${"%p %m\n"}`.cwd(join(folder, "dist"))
    .lines();
  const program = await Deno.readFile(join(folder, "dist", architecture, "my_init"));
  return [await sha256(program), ...modes.sort()];
}

Deno.test("two builds of the programs are the same bytes with the same modes, whenever, wherever and under whatever umask", async () => {
  const parent = await Deno.makeTempDir({ prefix: "twice-" });
  try {
    for (const target of Object.keys(targets) as Target[]) {
      const denort = join(parent, `denort-${target}`);
      await Deno.writeFile(denort, await readDenort(target));
      const folders = [join(parent, target, "a"), join(parent, target, "another/deeper one")];
      const [first, second] = [
        await buildIn(folders[0], denort, target, "022"),
        await buildIn(folders[1], denort, target, "077"),
      ];
      assertEquals(first, second, target);
    }
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
