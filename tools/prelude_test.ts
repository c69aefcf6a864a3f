import $ from "@david/dax";
import { assertEquals, assertThrows } from "@std/assert";
import { basename, join } from "@std/path";
import { addPrelude, blockedSignals } from "./prelude.ts";
import { Problem } from "./project.ts";

// Any small position-independent programs will do; cat can show what the kernel says about itself.
const folder = await Deno.makeTempDir();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const cat = await patch("/bin/cat");
const env = await patch("/usr/bin/env");

async function patch(program: string): Promise<string> {
  const patched = join(folder, basename(program));
  await Deno.writeFile(patched, addPrelude(await Deno.readFile(program)), { mode: 0o755 });
  return patched;
}

/** Starts cat with these arguments; the file of /proc/self that it reads is its own. */
function run(file: string, ...words: string[]): Promise<string> {
  return $`sh -c ${`exec "$@" </proc/self/${file}`} sh ${cat} ${words}`.text();
}

Deno.test("the prelude blocks signals before the program starts", async () => {
  const [, mask] = (await run("status")).match(/^SigBlk:\t(\w+)$/m)!;
  assertEquals(BigInt(`0x${mask}`), blockedSignals);
});

Deno.test("the prelude leaves faults and what cannot be blocked open", () => {
  const open = [4, 5, 6, 7, 8, 9, 11, 19, 31, 32, 33];
  for (let signal = 1; signal <= 64; signal++) {
    assertEquals((blockedSignals >> BigInt(signal - 1) & 1n) === 0n, open.includes(signal));
  }
});

for (let count = 0; count <= 4; count++) {
  Deno.test(`the prelude hides ${count} arguments from the program, not from /proc`, async () => {
    const words = ["/nonexistent", "-z", "", "y"].slice(0, count);
    assertEquals((await run("cmdline", ...words)).split("\0"), [cat, ...words, ""]);
  });
}

Deno.test("the prelude leaves the environment alone", async () => {
  for (const words of [[], ["x"], ["x", "y"]]) {
    assertEquals(await $`${env} ${words}`.clearEnv().env({ A: "1", B: "2" }).text(), "A=1\nB=2");
  }
});

Deno.test("addPrelude() refuses what it cannot patch", () => {
  assertThrows(() => addPrelude(new TextEncoder().encode("#!/bin/sh")), Problem, "no ELF file");
  const other = Deno.readFileSync("/bin/cat");
  other[18] = 8; // MIPS
  assertThrows(() => addPrelude(other), Problem, "neither x86-64 nor aarch64");
  assertThrows(() => addPrelude(Deno.readFileSync(cat)), Problem, "PT_NOTE");
});
