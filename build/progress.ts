// Runs a long step quietly: its output goes to a file, and every few seconds the last line of it is shown.

import $ from "@david/dax";
import { join } from "@std/path";
import { cacheFolder, Problem } from "./project.ts";

const secondsBetweenLines = 10;
const linesUponFailure = 20;

/** Runs the command with its output in .cache/LOG.log; if it fails, the end of that is shown. Only one at a time has the `lock`, and the log. */
export async function runQuietly({ command, lock, log, environment = {}, failure }: {
  command: string[];
  lock?: string;
  log: string;
  environment?: Record<string, string>;
  failure: string;
}): Promise<void> {
  await Deno.mkdir(cacheFolder, { recursive: true });
  const file = join(cacheFolder, `${log}.log`);
  const progress = setInterval(() => {
    console.error(`    ${lastLine(file)}`);
  }, secondsBetweenLines * 1000);
  try {
    const script = `"$@" >"$0" 2>&1 </dev/null ||
      { tr '\\r' '\\n' <"$0" | tail -n ${linesUponFailure} >&2; exit 1; }`;
    const turn = lock ? ["flock", lock] : [];
    const { code } = await $`${[...turn, "sh", "-c", script, file, ...command]}`
      .env(environment).noThrow();
    if (code === 0) return;
    throw new Problem(`${failure}: see above, and all of it in .cache/${log}.log`);
  } finally {
    clearInterval(progress);
  }
}

function lastLine(file: string): string {
  try {
    return Deno.readTextFileSync(file).trimEnd().split(/[\r\n]+/).at(-1)!;
  } catch {
    return "waiting for another one ..."; // There is no log yet.
  }
}
