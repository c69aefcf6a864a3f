// Gets programs that are missing on this machine from its distribution, Debian or Ubuntu.

import $ from "@david/dax";
import { exists } from "@std/fs";
import { runQuietly } from "./progress.ts";
import { Problem, say } from "./project.ts";

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
