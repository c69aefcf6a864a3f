// Where the program begins, before the dynamic loader and Deno.

import { constant, load1, syscall, text } from "./machine.ts";
import { AT_FDCWD } from "./files.ts";
import { startDeno } from "./loader.ts";
import { allocate, isSame, length } from "./memory.ts";
import { setuser } from "./setuser.ts";
import { dropArguments } from "./stack.ts";

/**
 * All signals that can be usefully blocked; number n is bit n − 1. Open stay SIGKILL (9) and SIGSTOP (19), what a fault
 * raises in the thread itself (4, 5, 6, 7, 8, 11, 31), and what glibc's threads need (32, 33).
 */
export const BLOCKED = ~(1n << 8n | 1n << 18n | 1n << 3n | 1n << 4n | 1n << 5n | 1n << 6n |
  1n << 7n | 1n << 10n | 1n << 30n | 1n << 31n | 1n << 32n);

const SIG_BLOCK = 0n;

export function main(stack: bigint): void {
  // First: PID 1 loses every signal that is neither handled nor blocked, and Deno takes 30 ms to start. Blocked signals
  // wait; Deno's threads inherit the mask.
  syscall("rt_sigprocmask", SIG_BLOCK, constant(BLOCKED), 0n, 8n);
  if (isCalled(text("setuser"))) setuser(stack); // Returns when this is a case for Deno.
  // Deno panics at an argument that is not UTF-8. They are still in /proc/self/cmdline.
  dropArguments(stack);
  startDeno(stack);
}

/** Whether this is the file's name, argv[0] and symbolic links aside. */
function isCalled(name: bigint): boolean {
  const SLASH = 47n, MOST = 4096n;
  const path = allocate(MOST);
  if (path === 0n) return false;
  const size = syscall("readlinkat", AT_FDCWD, text("/proc/self/exe"), path, MOST);
  const start = path + size - length(name);
  return size < MOST && start > path && load1(start - 1n) === SLASH &&
    isSame(start, name, length(name));
}
