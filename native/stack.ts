// What the kernel puts on a new program's stack: argc, argv[0] … argv[argc − 1], 0, the environment, 0, and the auxiliary
// vector: pairs of a key and a value, up to key 0.
// https://articles.manugarg.com/aboutelfauxiliaryvectors

import { load8, store8 } from "./machine.ts";
import { isSame, length } from "./memory.ts";

/** Keys of the auxiliary vector. getauxval(3) */
export const AT_PHDR = 3n, AT_PAGESZ = 6n, AT_BASE = 7n, AT_ENTRY = 9n;

/** Where the environment begins. */
export function environmentOf(stack: bigint): bigint {
  return stack + 8n * (load8(stack) + 2n);
}

/** The value of a variable, by `NAME=`; 0 when there is none. */
export function valueOf(environment: bigint, name: bigint): bigint {
  const at = placeOf(environment, name);
  return load8(at) === 0n ? 0n : load8(at) + length(name);
}

/** Where a variable is in the environment, by `NAME=`; else its end. */
export function placeOf(environment: bigint, name: bigint): bigint {
  let at = environment;
  while (load8(at) !== 0n && !isSame(load8(at), name, length(name))) at += 8n;
  return at;
}

/** Where the value of a key is in the auxiliary vector. */
export function auxiliary(stack: bigint, key: bigint): bigint {
  let at = environmentOf(stack);
  while (load8(at) !== 0n) at += 8n;
  at += 8n;
  while (load8(at) !== key && load8(at) !== 0n) at += 16n;
  return at + 8n;
}

/** Removes all arguments but the first: what follows them moves up. */
export function dropArguments(stack: bigint): void {
  if (load8(stack) < 2n) return;
  let to = stack + 16n;
  let from = environmentOf(stack) - 8n;
  // The 0 at the end of argv, and the environment with its own 0.
  for (let ends = 0n; ends < 2n;) {
    if (load8(from) === 0n) ends += 1n;
    store8(to, load8(from));
    to += 8n;
    from += 8n;
  }
  while (load8(from) !== 0n) {
    store8(to, load8(from));
    store8(to + 8n, load8(from + 8n));
    to += 16n;
    from += 16n;
  }
  store8(to, 0n);
  store8(to + 8n, 0n);
  store8(stack, 1n);
}
