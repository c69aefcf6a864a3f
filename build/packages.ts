// Gets what is missing on this machine: programs from its distribution, Debian or Ubuntu, and packages from PyPI.

import $ from "@david/dax";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { runQuietly } from "./progress.ts";
import { cacheFolder, Problem, projectFolder, say, sha256, withFolder } from "./project.ts";

/** Makes sure that `program` (a name, or the path of a file) is there: its packages are installed if it is not. */
export async function ensureProgram(program: string, packages = [program]): Promise<void> {
  if (program.startsWith("/") ? await exists(program) : await $.commandExists(program)) return;
  const byHand = `install it (apt-get install ${packages.join(" ")})`;
  if (Deno.uid() !== 0) throw new Problem(`${program} is missing: ${byHand}, or run this as root`);
  if (!await $.commandExists("apt-get")) {
    throw new Problem(`${program} is missing, and so is apt-get: ${byHand}`);
  }
  say(`Installing ${packages.join(", ")}, since ${program} is missing ...`);
  const step = {
    log: "apt-get",
    environment: { DEBIAN_FRONTEND: "noninteractive" },
    failure: `${program} is missing and cannot be installed`,
  };
  const apt = ["flock", "/var/lib/apt", "apt-get"]; // Tests that run at the same time install one after the other.
  await runQuietly({ command: [...apt, "update"], ...step });
  const flags = ["--yes", "--no-install-recommends"];
  await runQuietly({ command: [...apt, "install", ...flags, ...packages], ...step });
}

/**
 * The folder that Python packages are in: they are installed if they are not. pip checks each file by its checksum.
 *
 * @param name what to call the folder
 * @param requirements a file in the project, in pip's format, with hashes
 */
export async function ensurePythonPackages(name: string, requirements: string): Promise<string> {
  const file = join(projectFolder, requirements);
  const inputs = (await sha256(await Deno.readFile(file))).slice(0, 12);
  const folder = join(cacheFolder, `${name}-${inputs}`);
  if (await exists(folder)) return folder;
  await ensureProgram("pip3", ["python3-pip"]);
  await withFolder(async (work) => {
    const unfinished = join(work, name);
    await runQuietly({
      command: [
        ...["pip3", "install", "--no-deps", "--require-hashes", "--only-binary=:all:"],
        ...["--target", unfinished, "--requirement", file],
      ],
      log: name,
      failure: `cannot install ${name}`,
    });
    await Deno.rename(unfinished, folder);
  });
  return folder;
}
