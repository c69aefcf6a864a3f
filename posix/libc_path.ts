/**
 * The file of the C library, for a machine's name as `uname -m` prints it. It is all that the programs may load, so the
 * build reads it, too: hence a file of its own, since libc.ts loads the library.
 */
export function libcPath(machine: string): string {
  return `/lib/${machine}-linux-gnu/libc.so.6`;
}
