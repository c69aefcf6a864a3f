import { type ByteString } from "./bytes.ts";

/**
 * The longest argument or `NAME=value` that the kernel passes to a program, in bytes: MAX_ARG_STRLEN less the NUL.
 *
 * @see https://man7.org/linux/man-pages/man2/execve.2.html
 */
export const LONGEST_STRING = 131_071;

/**
 * Says which of arguments and environment is too large for a program, since execve(2) does not; undefined when they fit.
 *
 * @param stackBytes the limit of the stack's size (`ulimit -s`), on which the kernel's depends
 */
export function findExcess(
  { file, argv, envp }: {
    file: ByteString;
    argv: readonly ByteString[];
    envp: readonly ByteString[];
  },
  stackBytes: number,
): string | undefined {
  const longest = [...argv, ...envp].reduce((a, b) => b.length > a.length ? b : a, "");
  if (longest.length > LONGEST_STRING) {
    return `${describe(longest, argv)}, more than a program can be given (${LONGEST_STRING} bytes)`;
  }
  const MIN = 128 * 1024, MAX = 6 * 1024 * 1024, POINTER = 8; // Linux: bprm_stack_limits()
  const limit = Math.max(MIN, Math.min(MAX, Math.floor(stackBytes / 4)));
  const sum = (texts: readonly ByteString[]) =>
    texts.reduce((bytes, text) => bytes + text.length + 1 + POINTER, 0);
  const total = file.length + 1 + sum(argv) + sum(envp);
  if (total <= limit) return undefined;
  return `arguments and environment have ${total} bytes, more than a program can be given (${limit}); ` +
    `the largest: ${describe(longest, argv)}`;
}

function describe(text: ByteString, argv: readonly ByteString[]): string {
  const at = argv.indexOf(text);
  const what = at < 0 ? `variable ${text.slice(0, text.indexOf("="))}` : `argument ${at}`;
  return `${what} has ${text.length} bytes`;
}
