// Adds the native code to a program, so that it runs first. Called by build/programs.ts with Deno's base binary.
//
// How: the code is appended to the file. The ELF program header PT_NOTE, which nobody needs, is made a PT_LOAD that maps
// the code at an address above everything else. The entry point is the code's first byte. PT_INTERP is made a PT_NULL, so
// that the kernel starts the code and not the dynamic loader. When Deno is needed, the code maps the loader itself
// (loader.ts); the appendix behind the code says where everything is.

import { join } from "@std/path";
import { Problem, projectFolder } from "../build/project.ts";
import { aarch64 } from "./compiler/aarch64.ts";
import { compile } from "./compiler/compile.ts";
import { type Processor } from "./compiler/instructions.ts";
import { x86_64 } from "./compiler/x86_64.ts";

const processors: Record<number, Processor> = { 62: x86_64, 183: aarch64 };

const [PT_NULL, PT_LOAD, PT_INTERP, PT_NOTE, PT_PHDR] = [0, 1, 3, 4, 6];
const READ_AND_EXECUTE = 5;
const PAGE = 0x10000n; // The largest page of both processors.

/** Copies a 64-bit position-independent program, and adds the native code, which runs first. */
export function addNativeCode(elf: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length < 64 || header.getUint32(0) !== 0x7f454c46) refuse("it is no ELF file");
  if (header.getUint16(4) !== 0x0201) refuse("it is not 64-bit and little-endian");
  if (header.getUint16(16, true) !== 3) refuse("it is not position-independent");
  const processor = processors[header.getUint16(18, true)];
  if (!processor) refuse("it is for neither x86-64 nor aarch64");

  const segments = readSegments(header);
  const loads = segments.filter(({ type }) => type === PT_LOAD);
  const note = segments.findLast(({ type }) => type === PT_NOTE);
  const loader = segments.find(({ type }) => type === PT_INTERP);
  const table = segments.find(({ type }) => type === PT_PHDR);
  if (!note) refuse("it has no program header PT_NOTE that could be used");
  if (!loader || !table) refuse("it has no program headers PT_INTERP and PT_PHDR");
  // The loader expects the PT_LOADs in the order of their addresses, and the code has the highest.
  if (loads.some(({ at }) => at > note.at)) refuse("a PT_LOAD comes after its PT_NOTE");

  const code = compile(join(projectFolder, "native/entry.ts"), processor);
  const offset = align(BigInt(elf.length), 16n);
  const end = loads.reduce((most, { address, size }) => max(most, address + size), 0n);
  const address = align(end, PAGE) + offset % PAGE;
  const appendix = address + BigInt(code.length);
  const headersInAppendix = appendix + 16n;
  const entry = header.getBigUint64(24, true);
  const size = BigInt(code.length) + 16n + table.size;

  const out = new Uint8Array(Number(offset + size));
  out.set(elf);
  out.set(code, Number(offset));
  const view = new DataView(out.buffer);
  view.setBigUint64(24, address, true); // e_entry
  view.setUint32(note.at, PT_LOAD, true); // p_type
  view.setUint32(note.at + 4, READ_AND_EXECUTE, true); // p_flags
  view.setBigUint64(note.at + 8, offset, true); // p_offset
  view.setBigUint64(note.at + 16, address, true); // p_vaddr
  view.setBigUint64(note.at + 24, address, true); // p_paddr
  view.setBigUint64(note.at + 32, size, true); // p_filesz
  view.setBigUint64(note.at + 40, size, true); // p_memsz
  view.setBigUint64(note.at + 48, PAGE, true); // p_align

  // The appendix: the distances from itself to Deno's entry and to the loader's path, then the program headers for the
  // loader. These still have the PT_INTERP that the loader needs. It computes the program's base from PT_PHDR: where the
  // header is, less the address that is written in it; so that address must be the appendix's.
  const at = Number(offset) + code.length;
  view.setBigInt64(at, entry - appendix, true);
  view.setBigInt64(at + 8, loader.address - appendix, true);
  const tableAt = segments[0].at;
  out.copyWithin(at + 16, tableAt, tableAt + Number(table.size));
  view.setBigUint64(at + 16 + table.at - tableAt + 16, headersInAppendix, true); // p_vaddr of PT_PHDR
  view.setUint32(loader.at, PT_NULL, true);
  return out;
}

interface Segment {
  /** The offset of its program header in the file. */
  at: number;
  type: number;
  address: bigint;
  size: bigint;
}

function readSegments(header: DataView): Segment[] {
  const table = Number(header.getBigUint64(32, true));
  const [size, count] = [header.getUint16(54, true), header.getUint16(56, true)];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * size;
    return {
      at,
      type: header.getUint32(at, true),
      address: header.getBigUint64(at + 16, true),
      size: header.getBigUint64(at + 40, true),
    };
  });
}

function align(value: bigint, step: bigint): bigint {
  return (value + step - 1n) / step * step;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function refuse(reason: string): never {
  throw new Problem(`cannot add the native code to this program: ${reason}`);
}
