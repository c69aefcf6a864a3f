// Runs a long step quietly: its output goes to a file, and every few seconds the last line of it is shown.

import $ from "@david/dax";
import { join } from "@std/path";
import { cacheFolder, Problem } from "./project.ts";

const secondsBetweenLines = 10;
const linesUponFailure = 20;

/** Runs the command with its output in .cache/LOG.log; if it fails, the end of that is shown. */
export async function runQuietly({ command, log, environment = {}, failure }: {
  command: string[];
  log: string;
  environment?: Record<string, string>;
  failure: string;
}): Promise<void> {
  await Deno.mkdir(cacheFolder, { recursive: true });
  const file = join(cacheFolder, `${log}.log`);
  const progress = setInterval(() => {
    console.error(`    ${lastLines(file, 1)}`);
  }, secondsBetweenLines * 1000);
  try {
    const { code } = await $`sh -c ${'exec "$@" >"$0" 2>&1 </dev/null'} ${file} ${command}`
      .env(environment).noThrow();
    if (code === 0) return;
    console.error(lastLines(file, linesUponFailure));
    throw new Problem(`${failure}: see above, and all of it in .cache/${log}.log`);
  } finally {
    clearInterval(progress);
  }
}

function lastLines(file: string, count: number): string {
  return Deno.readTextFileSync(file).trimEnd().split(/[\r\n]+/).slice(-count).join("\n");
}
