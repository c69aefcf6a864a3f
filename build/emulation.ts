// Makes this machine run programs for another one, by qemu. Called by image.ts.
// Afterwards: the kernel starts such programs by qemu, also in containers, which need no qemu in them.
// https://docs.kernel.org/admin-guide/binfmt-misc.html

import $ from "@david/dax";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { ensureProgram } from "./packages.ts";
import { type Target, targets } from "./permissions.ts";
import { platformOf, thisMachine } from "./platform.ts";
import { Problem } from "./project.ts";

const formats = "/proc/sys/fs/binfmt_misc";

export async function ensureEmulation(target: Target): Promise<void> {
  const isElsewhere = Deno.env.has("DOCKER_HOST"); // It is that machine's matter.
  if (target === thisMachine || isElsewhere || await isRegistered(target)) return;
  const needed = `PLATFORM=${platformOf(target)} needs qemu, registered with the kernel`;
  if (Deno.uid() !== 0) {
    throw new Problem(
      `${needed}: install it (apt-get install qemu-user-static binfmt-support), or run this as root`,
    );
  }
  const { machine } = targets[target];
  await ensureProgram(`qemu-${machine}-static`, ["qemu-user-static"]);
  // Its package leaves that to systemd or binfmt-support, if one of them is there.
  if (await isRegistered(target)) return;
  const register = `[ -e "$0/register" ] || mount -t binfmt_misc binfmt_misc "$0"
    cat "/usr/lib/binfmt.d/qemu-$1.conf" >"$0/register"`;
  const { code, stderr } = await $`sh -ec ${register} ${formats} ${machine}`.stderr("piped")
    .noThrow();
  if (code === 0 && await isRegistered(target)) return;
  throw new Problem(
    `${needed}, which cannot be done here (${stderr.trim().split("\n")[0]})`,
  );
}

/** Whether qemu is registered for the machine so that containers have it, too, as the flag F makes it. */
async function isRegistered(target: Target): Promise<boolean> {
  const format = join(formats, `qemu-${targets[target].machine}`);
  if (!await exists(format)) return false;
  if (/^flags: .*F/m.test(await Deno.readTextFile(format))) return true;
  throw new Problem(
    `${format} has no flag F, so containers have no qemu: remove it (echo -1 >${format}), and it is made anew`,
  );
}
