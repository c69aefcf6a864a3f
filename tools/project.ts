// What the other tools share: where the project is, and how they talk to whoever runs them.

import $ from "@david/dax";
import { dirname, fromFileUrl, join } from "@std/path";

/** The project's folder, and the one for all that is fetched or made on the way. */
export const projectFolder: string = dirname(dirname(fromFileUrl(import.meta.url)));
export const cacheFolder: string = join(projectFolder, ".cache");

/** Something that whoever runs the tool can put right: the message says what and how. */
export class Problem extends Error {}

/** Runs a tool's main function; a Problem becomes one line and exit status 1. */
export async function runTool(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    console.error(`error: ${error.message}`);
    Deno.exit(1);
  }
}

/** One line about a step that takes a while, on stderr: stdout belongs to results. */
export function say(line: string): void {
  console.error(`==> ${line}`);
}

/** Runs `use` with a new folder in .cache/, which is gone afterwards; also one that a killed run has left. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  await Deno.mkdir(cacheFolder, { recursive: true });
  for await (const { name } of Deno.readDir(cacheFolder)) {
    const [, pid] = name.match(/^work-(\d+)-/) ?? [];
    if (pid && !await exists(`/proc/${pid}`)) await remove(join(cacheFolder, name));
  }
  const folder = await Deno.makeTempDir({ dir: cacheFolder, prefix: `work-${Deno.pid}-` });
  try {
    return await use(folder);
  } finally {
    await remove(folder);
  }
}

/** Twice is no error: another run may be removing the same. */
async function remove(folder: string): Promise<void> {
  await $`rm -rf ${folder}`;
}

export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
