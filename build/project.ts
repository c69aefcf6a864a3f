// What all the tools here share: where the project is, the command line, messages, errors.

import $ from "@david/dax";
import { parseArgs } from "@std/cli/parse-args";
import { encodeHex } from "@std/encoding/hex";
import { exists } from "@std/fs";
import { dirname, fromFileUrl, join } from "@std/path";

/** The project's folder, and the one for everything that is fetched, and for logs. */
export const projectFolder: string = dirname(dirname(fromFileUrl(import.meta.url)));
export const cacheFolder: string = join(projectFolder, ".cache");

/** An error that the user of the tool can correct: the message says what is wrong and what to do. */
export class Problem extends Error {
  constructor(message: string, readonly status = 1) {
    super(message);
  }
}

/** Runs a tool's main function; an error becomes one line and an exit status. */
export async function runTool(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (error instanceof Problem) {
      console.error(`error: ${error.message}`);
      Deno.exit(error.status);
    }
    // A fault of the tool itself: a developer needs to know where it happened, a user does not.
    const [line] = String(error).split("\n");
    const details = error instanceof Error ? error.stack : line;
    await Deno.mkdir(cacheFolder, { recursive: true });
    await Deno.writeTextFile(join(cacheFolder, "error.log"), `${details}\n`);
    console.error(`error: ${line} (unexpected; where it happened is in .cache/error.log)`);
    Deno.exit(1);
  }
}

/**
 * Reads the command line. `--help` shows the usage text and ends the tool; what is not listed here is a Problem.
 *
 * @param options those that take a value
 * @param switches those that take none
 * @param words whether there may be words, too; a `command` begins with the first one and may hold options of its own
 */
export function readCommandLine<Option extends string, Switch extends string>(
  usage: string,
  { options = [], switches = [], words = "none" }: {
    options?: Option[];
    switches?: Switch[];
    words?: "none" | "files" | "command";
  },
): {
  words: string[];
  options: { [option in Option]?: string };
  switches: { [name in Switch]: boolean };
} {
  const { _, help, ...values } = parseArgs(Deno.args, {
    boolean: ["help", ...switches],
    alias: { help: "h" },
    string: ["_", ...options], // As they are: 007 is no number.
    stopEarly: words === "command",
    unknown: (word: string, option?: string) =>
      option === undefined || refuse(`unknown option ${word}`),
  });
  if (help) {
    console.log(usage.trimEnd());
    Deno.exit(0);
  }
  if (words === "none" && _.length > 0) refuse(`unexpected argument ${_[0]}`);
  for (const option of options) {
    if (values[option] === "") refuse(`--${option} needs a value`);
  }
  return {
    words: _.map(String),
    options: values as { [option in Option]?: string },
    switches: values as { [name in Switch]: boolean },
  };
}

function refuse(what: string): never {
  throw new Problem(`${what}; --help shows how it is used`, 2);
}

/** Prints a line about a step that takes a while, to stderr: stdout is for results. */
export function say(line: string): void {
  console.error(`==> ${line}`);
}

/** Runs `use` with a new folder in .cache/, and removes it afterwards. Those that killed runs have left are removed, too. */
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

/** That it is gone already is no error: another run may remove the same folder. */
async function remove(folder: string): Promise<void> {
  await $`rm -rf ${folder}`;
}

export async function sha256(bytes: Uint8Array): Promise<string> {
  return encodeHex(await crypto.subtle.digest("SHA-256", bytes));
}
