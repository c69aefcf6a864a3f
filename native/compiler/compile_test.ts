import $ from "@david/dax";
import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { type ByteString, fromBytes } from "../../posix/bytes.ts";
import { ensureProgram } from "../../build/packages.ts";
import { Problem, projectFolder, withFolder } from "../../build/project.ts";
import { Simulation } from "../simulation.ts";
import { aarch64 } from "./aarch64.ts";
import { compile } from "./compile.ts";
import { main } from "./constructs.ts";
import { makeElf } from "./smallest_elf.ts";
import { x86_64 } from "./x86_64.ts";

const here = join(projectFolder, "native/compiler");

/** Runs the constructs as TypeScript. Returns what they write. */
function simulate(): ByteString {
  let written = "";
  const simulation: Simulation = new Simulation({
    mmap: (_address, size) => simulation.allocate(size),
    write: (_file, address, size) => (written += simulation.read(address, size), size),
    close: () => -9n,
  });
  const { parameters: [status] } = simulation.run(() => main(simulation.allocate(8)));
  assertEquals(status, 42n);
  return written;
}

const processors = {
  "x86-64": { processor: x86_64, machine: 62, emulator: "qemu-x86_64-static" },
  "aarch64": { processor: aarch64, machine: 183, emulator: "qemu-aarch64-static" },
};
for (const [name, { processor, machine, emulator }] of Object.entries(processors)) {
  Deno.test(`every construct gives on ${name} what it gives in Deno`, async () => {
    const isNative = Deno.build.arch === name.replace("-", "_");
    if (!isNative) await ensureProgram(emulator, ["qemu-user-static"]);
    const program = makeElf(compile(join(here, "constructs.ts"), processor), machine);
    await withFolder(async (folder) => {
      const file = join(folder, "constructs");
      await Deno.writeFile(file, program, { mode: 0o755 });
      const command = isNative ? [file] : [emulator, file];
      const { code, stdoutBytes } = await $`${command}`.stdout("piped").noThrow();
      assertEquals(code, 42);
      assertEquals(numbers(fromBytes(stdoutBytes)), numbers(simulate()));
    });
  });
}

const refused: Record<string, string> = {
  "let count = 0n;": "1: the compiler does not know a global variable",
  "export function main(): void {\n  let x;\n}": "2: the compiler does not know a variable without",
  "export function main(): void {\n  const x = 1;\n}": "2: the compiler does not know Literal",
  "export function main(): void {\n  const x = `a`;\n}": "2: the compiler does not know TemplateL",
  "export function main(): void {\n\n  main().x;\n}": "3: the compiler does not know MemberExpr",
  "export function main(): void {\n  eval(1n);\n}":
    "2: the compiler does not know eval(), which is",
  "export function main(x: bigint): void {\n  x >>>= 1n;\n}":
    "2: the compiler does not know Assign",
  "export function main(x: bigint): void {\n  x = 1n / x;\n}":
    "2: the compiler does not know / with",
  "export function main(x: bigint): void {\n  x = 1n << 64n;\n}":
    "2: the compiler does not know 184467",
  "export function main(x: bigint): void {\n  x <<= 64n;\n}": "2: the compiler does not know << wi",
  "export function main(x: bigint): void {\n  x = y;\n}": "2: the compiler does not know y, which",
  "const x = 1n;\nexport function main(x: bigint): void {}":
    "2: the compiler does not know a second x",
  "export async function main() {}": "1: the compiler does not know FunctionDeclaration",
  "export function main(): void {\n  for (const x of y) {}\n}":
    "2: the compiler does not know ForOf",
  "export function main(): void {\n  if (}\n}": "Unexpected token (2:6)",
  "export function other(): void {}": "there is no function main",
};
for (const [source, message] of Object.entries(refused)) {
  Deno.test(`the compiler refuses ${JSON.stringify(source)}`, async () => {
    await withFolder((folder) => {
      const file = join(folder, "program.ts");
      Deno.writeTextFileSync(file, source);
      const error = assertThrows(() => compile(file, x86_64), Problem);
      assertEquals(
        error.message.includes(`program.ts:${message}`) || error.message.includes(`: ${message}`),
        true,
        error.message,
      );
      return Promise.resolve();
    });
  });
}

function numbers(bytes: ByteString): bigint[] {
  const view = new DataView(Uint8Array.from(bytes, (it) => it.charCodeAt(0)).buffer);
  return Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigInt64(8 * i, true));
}
