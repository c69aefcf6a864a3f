/**
 * The longest argument or `NAME=value` that the kernel passes to a program, in bytes: MAX_ARG_STRLEN less the NUL.
 *
 * @see https://man7.org/linux/man-pages/man2/execve.2.html
 */
export const LONGEST_STRING = 131_071;
