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
  const failure = `${program} is missing and cannot be installed`;
  await apt(["update"], failure);
  await apt(["install", "--yes", "--no-install-recommends", ...packages], failure);
}

/** The folder with the files of a package, which is not installed: so nothing of it is started or set up. */
export async function extractPackage(name: string): Promise<string> {
  const folder = join(cacheFolder, name);
  if (await exists(folder)) return folder;
  await withFolder(async (work) => {
    const failure = `cannot get the package ${name}`;
    await apt(["update"], failure);
    await apt(["download", name], failure, work);
    await $`sh -c ${'dpkg-deb -x "$0"/*.deb "$0/files"'} ${work}`;
    await moveInto(folder, join(work, "files"));
  });
  return folder;
}

/** Gives the finished folder its name; if another run was faster, that one's is as good. */
async function moveInto(folder: string, finished: string): Promise<void> {
  try {
    await Deno.rename(finished, folder);
  } catch (error) {
    if (!await exists(folder)) throw error;
  }
}

/** Runs apt-get. It may have to wait for the system's daily one, and `update` cannot: it is tried for a minute. */
async function apt(words: string[], failure: string, folder = projectFolder): Promise<void> {
  const attempts = words[0] === "update" ? "1 2 3 4 5 6" : "";
  const script = `for _ in ${attempts}; do "$@" && exit; sleep 10; done; exec "$@"`;
  await runQuietly({
    command: ["sh", "-c", script, "sh", "env", "-C", folder, "apt-get"]
      .concat("-o", "DPkg::Lock::Timeout=300") // Apt before 2.0 does not know it, and does not wait.
      .concat("-o", "Acquire::Retries=3", words),
    lock: "/var/lib/apt", // Tests that run at the same time install one after the other.
    log: "apt-get",
    environment: { DEBIAN_FRONTEND: "noninteractive" },
    failure,
  });
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
    await moveInto(folder, unfinished);
  });
  return folder;
}
