// Makes the two programs. Run by `deno task build` and by image.ts.
// Afterwards: dist/amd64/ (for ARM dist/arm64/) has them up to date; dist/my_init and dist/setuser are those for this machine.

import $ from "@david/dax";
import { exists } from "@std/fs";
import { basename, join } from "@std/path";
import * as esbuild from "esbuild";
import config from "../deno.json" with { type: "json" };
import { readDenort } from "./denort.ts";
import { permissions, programs, type Target, targets } from "./permissions.ts";
import { addNativeCode } from "../native/elf.ts";
import { writeManual } from "./manual.ts";
import { thisMachine } from "./platform.ts";
import {
  Problem,
  projectFolder,
  readCommandLine,
  runTool,
  say,
  sha256,
  withFolder,
} from "./project.ts";

export const version: string = config.version;

const usage = `Usage: deno task build [--target TARGET]

Makes dist/my_init and dist/setuser for this machine, and the folder that docker takes
them from, dist/amd64 or dist/arm64. What is up to date is not made again.

  --target TARGET  make only that folder, for another machine:
                   ${Object.keys(targets).join(" or ")}
  -h, --help       show this text
`;

// --no-code-cache: a cache in /tmp would be code that other users can write.
// V8's optimizing compilers cost memory, and a program that decides a few things an hour gains nothing from them.
// Without source positions the first exception, even one that is caught, would make V8 compile again what is running.
const v8Flags = [
  "--no-opt",
  "--no-maglev",
  "--max-semi-space-size=1",
  "--no-enable-lazy-source-positions",
];
const compileFlags = [
  "--no-config",
  "--no-lock",
  "--no-check",
  "--no-remote",
  "--no-code-cache",
  `--v8-flags=${v8Flags.join()}`,
];

/** When the files of JavaScript were modified, in seconds since 1970: it is in the program, so that it must be the same in each build. */
const modified = 0;

if (import.meta.main) {
  await runTool(async () => {
    const { options: { target = thisMachine } } = readCommandLine(usage, { options: ["target"] });
    if (!(target in targets)) {
      throw new Problem(
        `cannot build for ${target}: choose ${Object.keys(targets).join(" or ")}`,
        2,
      );
    }
    await build(target as Target);
  });
}

/** Brings the programs up to date; says nothing and changes nothing if they are. */
export async function build(target: Target = thisMachine): Promise<void> {
  Deno.umask(0o022); // The image has the modes of dist/.
  const outputs = join(projectFolder, "dist", targets[target].architecture);
  const denort = addNativeCode(await readDenort(target));
  const denortHash = await sha256(denort);
  await Deno.mkdir(outputs, { recursive: true });
  await writeManual(version);
  const code = await bundle("main.ts");
  const flags = ["--target", target, ...permissions(target)];
  const inputs = await sha256(
    new TextEncoder().encode(JSON.stringify([denortHash, compileFlags, flags, modified, code])),
  );
  const stamp = join(outputs, ".inputs");
  const folders = target === thisMachine ? [outputs, join(projectFolder, "dist")] : [outputs];
  const files = folders.flatMap((it) => programs.map((name) => join(it, name)));
  const ready = join(projectFolder, "dist", `ready.${targets[target].architecture}`); // By this the Dockerfile sees that the folder is there.
  const allThere = (await Promise.all([...files, ready].map(exists))).every(Boolean);
  if (allThere && await readStamp(stamp) === inputs) return;
  say(`Building ${programs.join(" and ")} for ${targets[target].machine} ...`);
  if (await exists(stamp)) await Deno.remove(stamp);
  await withFolder(async (folder) => {
    await compile({ code, denort, flags, folder, output: "program" });
    for (const [index, file] of files.entries()) {
      const name = join(folder, `name-${index}`);
      await Deno.link(join(folder, "program"), name);
      await Deno.rename(name, file); // Whole or not at all.
    }
  });
  await Deno.writeTextFile(stamp, inputs);
  await Deno.writeTextFile(ready, "");
}

/**
 * Makes self-contained files of JavaScript, which alone are embedded in the binary. V8 reads no more of them than are
 * imported, so `my_init --check` costs nothing at a boot.
 *
 * @returns their texts, by name; the one to be run is called like the source
 */
async function bundle(source: string): Promise<Record<string, string>> {
  try {
    const { outputFiles } = await esbuild.build({
      absWorkingDir: projectFolder,
      entryPoints: [source],
      bundle: true,
      splitting: true,
      outdir: ".", // Nothing is written.
      write: false,
      format: "esm",
      platform: "neutral",
      charset: "utf8",
      minifySyntax: true,
      minifyWhitespace: true, // But not the names: error messages have them.
      define: { VERSION: JSON.stringify(version) },
      logLevel: "silent",
    });
    return Object.fromEntries(outputFiles.map(({ path, text }) => [basename(path), text]));
  } catch (error) {
    const [first] = (error as esbuild.BuildFailure).errors ?? [];
    if (!first) throw error;
    const where = first.location && ` (${first.location.file}:${first.location.line})`;
    throw new Problem(`cannot bundle ${source}: ${first.text}${where ?? ""}`);
  } finally {
    await esbuild.stop();
  }
}

async function compile({ code, denort, flags, folder, output }: {
  code: Record<string, string>;
  denort: Uint8Array;
  flags: string[];
  folder: string;
  output: string;
}): Promise<void> {
  const [source, base] = ["main.js", "denort"].map((it) => join(folder, it));
  for (const [name, text] of Object.entries(code)) {
    await Deno.writeTextFile(join(folder, name), text);
    await Deno.utime(join(folder, name), modified, modified);
  }
  await Deno.writeFile(base, denort, { mode: 0o755 });
  const result =
    await $`${Deno.execPath()} compile ${compileFlags} ${flags} --output ${output} ${source}`
      .cwd(folder).env({ DENORT_BIN: base, DENO_NO_PACKAGE_JSON: "1" })
      .stdout("piped").stderr("piped").noThrow();
  if (result.code !== 0) throw new Problem(`cannot compile: ${result.stderr.trim()}`);
}

async function readStamp(file: string): Promise<string | undefined> {
  return await exists(file) ? await Deno.readTextFile(file) : undefined;
}
