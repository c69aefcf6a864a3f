// Gets programs that are missing on this machine from its distribution.

import $ from "@david/dax";
import { Problem, say } from "./project.ts";

/** Afterwards `program` can be run. If it is missing, its Debian packages are installed (as root on Debian, Ubuntu). */
export async function ensureProgram(program: string, packages = [program]): Promise<void> {
  if (await $.commandExists(program)) return;
  const byHand = `install it (apt-get install ${packages.join(" ")})`;
  if (Deno.uid() !== 0) throw new Problem(`${program} is missing: ${byHand}, or run this as root`);
  if (!await $.commandExists("apt-get")) {
    throw new Problem(`${program} is missing, and so is apt-get: ${byHand}`);
  }
  say(`Installing ${packages.join(" ")}, since ${program} is missing ...`);
  const environment = { DEBIAN_FRONTEND: "noninteractive" };
  await $`apt-get update -qq`.env(environment).quiet().noThrow();
  const install = await $`apt-get install -y -qq --no-install-recommends ${packages}`
    .env(environment).stdout("piped").stderr("piped").noThrow();
  if (install.code !== 0) {
    const reason = install.stderr.trim().split("\n").at(-1);
    throw new Problem(`${program} is missing and cannot be installed (${reason}): ${byHand}`);
  }
}
