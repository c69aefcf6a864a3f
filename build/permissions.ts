// What the two programs may do by Deno's own functions: load libc, and nothing else. Read by programs.ts and the tests.

import { libcPath } from "../posix/libc_path.ts";

export const targets = {
  "x86_64-unknown-linux-gnu": {
    machine: "x86_64",
    architecture: "amd64", // Docker's name for it.
    owner: "amd64", // Whose images on Docker Hub are for it alone.
  },
  "aarch64-unknown-linux-gnu": {
    machine: "aarch64",
    architecture: "arm64",
    owner: "arm64v8",
  },
} as const;

export type Target = keyof typeof targets;

/** The programs' names in dist/. They are one file, as long as both need the same permissions. */
export const programs = ["my_init", "setuser"] as const;

/** The flags of `deno compile`. Everything that is not listed is refused: --no-prompt never asks for it. */
export function permissions(target: Target): string[] {
  return ["--no-prompt", `--allow-ffi=${libcPath(targets[target].machine)}`];
}
