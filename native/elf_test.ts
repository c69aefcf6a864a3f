import $ from "@david/dax";
import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { basename, join } from "@std/path";
import { fromBytes, toBytes } from "../posix/bytes.ts";
import { ensureProgram } from "../build/packages.ts";
import { Problem } from "../build/project.ts";
import { addNativeCode } from "./elf.ts";
import { BLOCKED } from "./signals.ts";

// Any small position-independent program will do; cat can print what the kernel says about the process.
const folder = await Deno.makeTempDir();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const cat = await patch("/bin/cat");
const env = await patch("/usr/bin/env");

async function patch(program: string, name = basename(program), loader = ""): Promise<string> {
  const patched = join(folder, name);
  const original = await Deno.readFile(program);
  if (loader !== "") replaceLoader(original, loader);
  await Deno.writeFile(patched, addNativeCode(original), { mode: 0o755 });
  return patched;
}

function replaceLoader(program: Uint8Array, path: string): void {
  const at = fromBytes(program).search(/\/lib(64)?\/ld-linux-/);
  program.set(toBytes(path + "\0"), at);
}

/** Starts cat with these arguments; the file of /proc/self that it reads is its own. */
function run(file: string, ...words: string[]): Promise<string> {
  return $`sh -c ${`exec "$@" </proc/self/${file}`} sh ${cat} ${words}`.text();
}

Deno.test("the native code blocks signals before the program starts", async () => {
  const [, mask] = (await run("status")).match(/^SigBlk:\t(\w+)$/m)!;
  assertEquals(BigInt(`0x${mask}`), BigInt.asUintN(64, BLOCKED));
});

Deno.test("the native code does not block faults, and not what cannot be blocked", () => {
  const open = [4, 5, 6, 7, 8, 9, 11, 19, 31, 32, 33];
  for (let signal = 1; signal <= 64; signal++) {
    assertEquals((BLOCKED >> BigInt(signal - 1) & 1n) === 0n, open.includes(signal));
  }
});

for (let count = 0; count <= 4; count++) {
  Deno.test(`the native code removes ${count} arguments from the stack, and /proc/self/cmdline keeps them`, async () => {
    const words = ["/nonexistent", "-z", "", "y"].slice(0, count);
    assertEquals((await run("cmdline", ...words)).split("\0"), [cat, ...words, ""]);
  });
}

Deno.test("the native code does not change the environment", async () => {
  for (const words of [[], ["x"], ["x", "y"]]) {
    assertEquals(await $`${env} ${words}`.clearEnv().env({ A: "1", B: "2" }).text(), "A=1\nB=2");
  }
});

const settings: Record<string, string> = {
  "without address space randomization": 'exec setarch -R "$@"',
  "with an unlimited stack": 'ulimit -s unlimited; exec "$@"',
  "without environment": 'exec env -i "$@"',
};
for (const [setting, script] of Object.entries(settings)) {
  Deno.test(`the native code starts the dynamic loader ${setting}`, async () => {
    const { stdout } = await $`sh -c ${script} sh ${cat}`.stdinText("through").stdout("piped");
    assertEquals(stdout, "through");
  });
}

const loaders: Record<string, string> = {
  "is missing": join(folder, "no"),
  "is empty": join(folder, "empty"),
  "is a script": join(folder, "sh"),
  "is cut off": join(folder, "cut"),
};
for (const [what, path] of Object.entries(loaders)) {
  Deno.test(`when the dynamic loader ${what} one line says so, with status 127`, async () => {
    await Deno.writeFile(join(folder, "empty"), new Uint8Array());
    await Deno.writeTextFile(join(folder, "sh"), "#!/bin/sh\n" + " ".repeat(100));
    await Deno.writeFile(join(folder, "cut"), (await Deno.readFile("/bin/cat")).subarray(0, 100));
    const program = await patch("/bin/cat", "lost", path);
    const { code, stderr } = await $`${program}`.stderr("piped").noThrow();
    assertEquals([code, stderr], [
      127,
      `Cannot start: the dynamic loader ${path} is missing or cannot be loaded; it belongs to the package libc6\n`,
    ]);
  });
}

const others = { x86_64: "aarch64", aarch64: "x86_64" } as const;
const other = others[Deno.build.arch as keyof typeof others];
const short = { x86_64: "amd64", aarch64: "arm64" }[other];

Deno.test(`the native code starts a program of ${other}`, async () => {
  const root = `/usr/${other.replace("_", "-")}-linux-gnu`;
  await ensureProgram(`qemu-${other}-static`, ["qemu-user-static"]);
  await ensureProgram(`${root}/lib/libc.so.6`, [`libc6-${short}-cross`]);
  const libc = await patch(`${root}/lib/libc.so.6`); // Run as a program, it prints its version.
  const { code, stdout } = await $`qemu-${other}-static -L ${root} ${libc} x`.stdout("piped")
    .noThrow();
  assertEquals(code, 0);
  assertMatch(stdout, /^GNU C Library/);
});

const tools: Record<string, { words: string[]; package: string; says: string }> = {
  "ldd": { words: ["ldd"], package: "libc-bin", says: "libc.so.6 => /" },
  "file": { words: ["file"], package: "file", says: "executable" },
  "readelf": { words: ["readelf", "--all"], package: "binutils", says: "libc.so.6" },
};
for (const [name, { words, package: from, says }] of Object.entries(tools)) {
  Deno.test(`${name} treats the program as a usual one`, async () => {
    await ensureProgram(name, [from]);
    const { stdout, stderr } = await $`${words} ${cat}`.stdout("piped").stderr("piped").noThrow();
    assertEquals(stderr, "");
    assertStringIncludes(stdout, says);
  });
}

Deno.test("addNativeCode() refuses what it cannot patch", () => {
  assertThrows(() => addNativeCode(new TextEncoder().encode("#!/bin/sh")), Problem, "no ELF file");
  const other = Deno.readFileSync("/bin/cat");
  other[18] = 8; // MIPS
  assertThrows(() => addNativeCode(other), Problem, "neither x86-64 nor aarch64");
  assertThrows(() => addNativeCode(Deno.readFileSync(cat)), Problem, "PT_INTERP");
});
