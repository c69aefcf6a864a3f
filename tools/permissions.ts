// All that the two programs may do with Deno's own means: load libc. Read by build.ts and by the tests.

export const targets = {
  "x86_64-unknown-linux-gnu": {
    machine: "x86_64",
    libc: "/lib/x86_64-linux-gnu/libc.so.6",
  },
  "aarch64-unknown-linux-gnu": {
    machine: "aarch64",
    libc: "/lib/aarch64-linux-gnu/libc.so.6",
  },
} as const;

export type Target = keyof typeof targets;

/** The programs by the name of their file in dist/. */
export const programs: Record<string, { source: string; permissions(target: Target): string[] }> = {
  my_init: { source: "init.ts", permissions: libcOnly },
  setuser: { source: "setuser.ts", permissions: libcOnly },
};

/** Everything that is not listed is refused: --no-prompt never asks for it. */
function libcOnly(target: Target): string[] {
  return ["--no-prompt", `--allow-ffi=${targets[target].libc}`];
}
