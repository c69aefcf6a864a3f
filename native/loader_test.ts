import { assertEquals } from "@std/assert";
import { type ByteString, fromBytes } from "../posix/bytes.ts";
import { main } from "./entry.ts";
import { type Kernel, Simulation } from "./simulation.ts";

const LOADER = "/lib64/ld-linux-x86-64.so.2";
const ENTRY = 0x10n, DENO_ENTRY = 0x123456n;
const AT = { PHDR: 3n, PHNUM: 5n, PAGESZ: 6n, BASE: 7n, ENTRY: 9n };

/** A dynamic loader whose segments are so far apart that no page contains parts of two. */
function makeLoader(page: number) {
  const file = new Uint8Array(3 * page).fill(0x55);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46]);
  view.setBigUint64(24, ENTRY, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(56, 3, true);
  const segments = [
    { type: 1, flags: 5, offset: 0, address: 0, fileSize: page, size: page },
    { type: 6, flags: 4, offset: 64, address: 64, fileSize: 168, size: 168 },
    {
      type: 1,
      flags: 6,
      offset: 2 * page + 72,
      address: 3 * page + 72,
      fileSize: 11,
      size: page + 99,
    },
  ];
  segments.forEach(({ type, flags, offset, address, fileSize, size }, index) => {
    const at = 64 + 56 * index;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(address), true);
    view.setBigUint64(at + 32, BigInt(fileSize), true);
    view.setBigUint64(at + 40, BigInt(size), true);
  });
  return fromBytes(file);
}

function run(page: number, words: ByteString[], loader: ByteString | undefined) {
  let told = "";
  const calls: string[] = [];
  const kernel: Kernel = {
    rt_sigprocmask: (how, set) => {
      calls.push(`mask ${how} ${BigInt.asUintN(64, machine.load(8, set)).toString(16)}`);
      return 0n;
    },
    openat: (_directory, path) => {
      calls.push(`open ${machine.readText(path)}`);
      return loader === undefined ? -2n : 3n;
    },
    pread64: (file, address, size, offset) => {
      if (file !== 3n) return -9n;
      const part = loader!.slice(Number(offset), Number(offset + size));
      machine.write(address, part);
      return BigInt(part.length);
    },
    mmap: (address, size, protection, flags, file, offset) => {
      const rounded = Math.ceil(Number(size) / page) * page;
      const at = address === 0n ? machine.allocate(rounded) : address;
      if (address !== 0n) {
        const pages = { address: address % BigInt(page), offset: offset % BigInt(page) };
        assertEquals(pages, { address: 0n, offset: 0n }, "whole pages");
        calls.push(`map ${protection} ${flags}`);
      }
      if (file >= 0n) machine.write(at, loader!.slice(Number(offset), Number(offset) + rounded));
      return at;
    },
    munmap: () => 0n,
    close: (file) => (calls.push(`close ${file}`), 0n),
    write: (file, address, size) => (told += `${file} ${machine.read(address, size)}`, size),
  };
  const machine: Simulation = new Simulation(kernel);
  machine.align = BigInt(page);
  const path = machine.put(LOADER + "\0");
  machine.appendixAt = machine.allocate(16);
  machine.store(8, machine.appendixAt, DENO_ENTRY);
  machine.store(8, machine.appendixAt + 8n, path - machine.appendixAt);
  const auxiliary = [[33n, 77n], [AT.PHDR, 1n], [AT.PAGESZ, BigInt(page)], [AT.BASE, 0n], [
    AT.ENTRY,
    2n,
  ], [AT.PHNUM, 12n]];
  const environment = ["A=1", "B=2"];
  const numbers = [
    BigInt(words.length),
    ...words.map((word) => machine.put(word + "\0")),
    0n,
    ...environment.map((word) => machine.put(word + "\0")),
    0n,
    ...auxiliary.flat(),
    0n,
    0n,
  ];
  const stack = machine.allocate(8 * numbers.length);
  numbers.forEach((number, index) => machine.store(8, stack + 8n * BigInt(index), number));
  const gone = machine.run(() => main(stack));
  return { machine, gone, stack, calls, told };
}

/** Reads the stack of a new program. */
function readStack(machine: Simulation, stack: bigint) {
  let at = stack;
  const next = () => machine.load(8, at += 8n);
  const list = () => {
    const texts: ByteString[] = [];
    for (let text = next(); text !== 0n; text = next()) texts.push(machine.readText(text));
    return texts;
  };
  const count = machine.load(8, stack), words = list(), environment = list();
  const auxiliary: Record<string, bigint> = {};
  for (let key = next(); key !== 0n; key = next()) auxiliary[`${key}`] = next();
  return { count, words, environment, auxiliary };
}

for (const page of [4096, 16384, 65536]) {
  for (const words of [["my_init"], ["my_init", "-x"], ["my_init", "a", "b", ""], []]) {
    Deno.test(`with pages of ${page} bytes and ${words.length} words Deno is started as by the kernel`, () => {
      const { machine, gone, stack, calls } = run(page, words, makeLoader(page));
      const { parameters: [entry, newStack] } = gone;
      assertEquals([gone.how, newStack], ["jump", stack]);
      const base = entry - ENTRY;
      assertEquals(readStack(machine, stack), {
        count: BigInt(words.slice(0, 1).length),
        words: words.slice(0, 1),
        environment: ["A=1", "B=2"],
        auxiliary: {
          33: 77n,
          3: machine.appendixAt + 16n,
          6: BigInt(page),
          7: base,
          9: machine.appendixAt + DENO_ENTRY,
          5: 12n,
        },
      });
      assertEquals(calls, [
        "mask 0 fffffffe3ffbfa07",
        `open ${LOADER}`,
        "map 5 18", // Read and execute; private, fixed.
        "map 3 18", // Read and write.
        "map 3 50", // The same, anonymous.
        "close 3",
      ]);
      assertEquals(machine.read(base, 4), "\x7fELF");
      const data = machine.read(base + BigInt(3 * page), 2 * page);
      assertEquals(data.slice(72, 83), "U".repeat(11));
      assertEquals(data.slice(83), "\0".repeat(2 * page - 83));
    });
  }
}

Deno.test("without the dynamic loader one line says so", () => {
  const { gone, told } = run(4096, ["my_init"], undefined);
  assertEquals([gone.how, gone.parameters], ["exit_group", [127n]]);
  assertEquals(
    told.replaceAll("2 ", ""),
    `Cannot start: the dynamic loader ${LOADER} is missing or cannot be loaded; it belongs to the package libc6\n`,
  );
});
