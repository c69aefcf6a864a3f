// All that the two programs may do with Deno's own means: load libc. Read by programs.ts and by the tests.

export const targets = {
  "x86_64-unknown-linux-gnu": {
    machine: "x86_64",
    architecture: "amd64", // Docker's name for it.
    libc: "/lib/x86_64-linux-gnu/libc.so.6",
  },
  "aarch64-unknown-linux-gnu": {
    machine: "aarch64",
    architecture: "arm64",
    libc: "/lib/aarch64-linux-gnu/libc.so.6",
  },
} as const;

export type Target = keyof typeof targets;

/** The programs' names in dist/. They are one file, as long as both need the same permissions. */
export const programs = ["my_init", "setuser"] as const;

/** The flags of `deno compile`. Everything that is not listed is refused: --no-prompt never asks for it. */
export function permissions(target: Target): string[] {
  return ["--no-prompt", `--allow-ffi=${targets[target].libc}`];
}
