// The program's first code: it runs before the dynamic loader and Deno.

import { constant, load1, syscall, text } from "./machine.ts";
import { readOwnPath } from "./files.ts";
import { startDeno } from "./loader.ts";
import { allocate, isSame, length } from "./memory.ts";
import { notify } from "./notify.ts";
import { relay } from "./relay.ts";
import { setuser } from "./setuser.ts";
import { BLOCKED } from "./signals.ts";
import { sleep } from "./sleeper.ts";
import { dropArguments } from "./stack.ts";

const SIG_BLOCK = 0n;

export function main(stack: bigint): void {
  // First: PID 1 loses every signal that is neither handled nor blocked, and Deno takes 22 ms to start. Blocked signals
  // stay pending; Deno's threads inherit the mask.
  syscall("rt_sigprocmask", SIG_BLOCK, constant(BLOCKED), 0n, 8n);
  // They return when there is something to decide: then Deno is started.
  if (isCalled(text("setuser"))) setuser(stack);
  else {
    relay(stack);
    notify(stack);
    sleep();
  }
  // Deno panics at an argument that is not UTF-8. The programs read the arguments from /proc/self/cmdline.
  dropArguments(stack);
  startDeno(stack);
}

/** Whether the file itself has this name; argv[0] and symbolic links do not count. */
function isCalled(name: bigint): boolean {
  const SLASH = 47n, MOST = 4096n;
  const path = allocate(MOST);
  if (path === 0n) return false;
  const start = path + readOwnPath(path, MOST) - length(name);
  return start > path && load1(start - 1n) === SLASH && isSame(start, name, length(name));
}
