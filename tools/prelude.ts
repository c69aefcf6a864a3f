// Gives a program a prelude: some code that runs before it. Called by build.ts, with Deno's base binary.
// Afterwards the program starts with nearly all signals blocked, and its main function sees no arguments.
//
// Signals: PID 1 loses each one that it neither handles nor blocks, and Deno takes 30 ms to start. Blocked
// signals wait; Deno's threads inherit the mask.
// Arguments: Deno panics at one that is not UTF-8. They are still in /proc/self/cmdline.
//
// How: the ELF program header PT_NOTE, which nobody needs, is made a PT_LOAD that maps the code, appended to
// the file, above everything else. The entry point is the code's first byte; its last instruction jumps to
// the entry point of before.
// At the entry point the stack is: argc, argv[0], …, argv[argc - 1], NULL, and the environment. The code drops
// argv[1] and all behind it by moving the stack pointer up, and writes a new argc and argv[0] there.

import { Problem } from "./project.ts";

/** Never blocked: what cannot be, what a fault raises in the thread itself, what glibc's threads need. */
const leftOpen = {
  SIGKILL: 9,
  SIGSTOP: 19,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGSEGV: 11,
  SIGSYS: 31,
  SIGCANCEL: 32,
  SIGSETXID: 33,
};

/** All other signals; number n is bit n - 1, as in the line SigBlk of /proc/PID/status. */
export const blockedSignals: bigint = Object.values(leftOpen)
  .reduce((mask, signal) => mask & ~(1n << BigInt(signal - 1)), (1n << 64n) - 1n);

// Both are followed by the mask and a zero byte. The last instruction jumps to itself until linkJump() sets its target.

const X86_64 = code(
  1,
  `
  49 89 d0                    mov   r8, rdx               ; rdx is for the program: keep it
  b8 0e 00 00 00              mov   eax, 14               ; rt_sigprocmask(
  31 ff                       xor   edi, edi              ;   SIG_BLOCK,
  48 8d 35 33 00 00 00        lea   rsi, [rip + mask]     ;   &mask,
  31 d2                       xor   edx, edx              ;   NULL,
  41 ba 08 00 00 00           mov   r10d, 8               ;   sizeof mask)
  0f 05                       syscall
  4c 89 c2                    mov   rdx, r8
  48 8b 04 24                 mov   rax, [rsp]            ; argc
  48 83 f8 01                 cmp   rax, 1
  76 17                       jbe   done
  48 8b 4c 24 08              mov   rcx, [rsp + 8]        ; argv[0]
  48 8d 64 c4 f8              lea   rsp, [rsp + rax*8 - 8]
  48 c7 04 24 01 00 00 00     mov   qword ptr [rsp], 1
  48 89 4c 24 08              mov   [rsp + 8], rcx
  e9 fb ff ff ff       done:  jmp   entry
`,
);

const AARCH64 = code(
  4,
  `
  aa0003e9                    mov   x9, x0                ; x0 is for the program: keep it
  d28010e8                    mov   x8, #135              ; rt_sigprocmask(
  d2800000                    mov   x0, #0                ;   SIG_BLOCK,
  100002a1                    adr   x1, mask              ;   &mask,
  d2800002                    mov   x2, #0                ;   NULL,
  d2800103                    mov   x3, #8                ;   sizeof mask)
  d4000001                    svc   #0
  aa0903e0                    mov   x0, x9
  f94003ea                    ldr   x10, [sp]             ; argc
  f100055f                    cmp   x10, #1
  540001a9                    b.ls  done
  f94007eb                    ldr   x11, [sp, #8]         ; argv[0]
  8b2a6fec                    add   x12, sp, x10, lsl #3
  3600008a                    tbz   w10, #0, even
  d280002d                    mov   x13, #1
  d100218c                    sub   x12, x12, #8
  14000005                    b     move
  d280004d             even:  mov   x13, #2               ; sp must stay a multiple of 16, so one
  d100418c                    sub   x12, x12, #16         ; argument is left: an empty one, which
  100000ee                    adr   x14, zero             ; is the zero byte behind the mask
  f900098e                    str   x14, [x12, #16]
  a9002d8d             move:  stp   x13, x11, [x12]
  9100019f                    mov   sp, x12
  14000000             done:  b     entry
`,
);

const machines: Record<number, { code: Uint8Array; linkJump: typeof linkX86_64 }> = {
  62: { code: X86_64, linkJump: linkX86_64 },
  183: { code: AARCH64, linkJump: linkAarch64 },
};

const [PT_LOAD, PT_NOTE, READ_AND_EXECUTE] = [1, 4, 5];
const PAGE = 0x10000n; // The largest that either machine has.

/** Makes a copy of a 64-bit position-independent program that runs the prelude first. */
export function addPrelude(elf: Uint8Array): Uint8Array {
  const header = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length < 64 || header.getUint32(0) !== 0x7f454c46) refuse("it is no ELF file");
  if (header.getUint16(4) !== 0x0201) refuse("it is not a 64-bit little-endian one");
  if (header.getUint16(16, true) !== 3) refuse("it is not position-independent");
  const machine = machines[header.getUint16(18, true)];
  if (!machine) refuse("it is for neither x86-64 nor aarch64");

  const segments = readSegments(header);
  const loads = segments.filter(({ type }) => type === PT_LOAD);
  const note = segments.findLast(({ type }) => type === PT_NOTE);
  if (!note) refuse("it has no program header PT_NOTE that could be used");
  // The loader expects them in the order of their addresses, and the prelude comes last.
  if (loads.some(({ at }) => at > note.at)) refuse("a PT_LOAD comes after its PT_NOTE");

  const offset = align(BigInt(elf.length), 16n);
  const end = loads.reduce((most, { address, size }) => max(most, address + size), 0n);
  const address = align(end, PAGE) + offset % PAGE;
  const entry = header.getBigUint64(24, true);
  const prelude = link(machine, address, entry);

  const patched = new Uint8Array(Number(offset) + prelude.length);
  patched.set(elf);
  patched.set(prelude, Number(offset));
  const out = new DataView(patched.buffer);
  out.setBigUint64(24, address, true); // e_entry
  out.setUint32(note.at, PT_LOAD, true); // p_type
  out.setUint32(note.at + 4, READ_AND_EXECUTE, true); // p_flags
  out.setBigUint64(note.at + 8, offset, true); // p_offset
  out.setBigUint64(note.at + 16, address, true); // p_vaddr
  out.setBigUint64(note.at + 24, address, true); // p_paddr
  out.setBigUint64(note.at + 32, BigInt(prelude.length), true); // p_filesz
  out.setBigUint64(note.at + 40, BigInt(prelude.length), true); // p_memsz
  out.setBigUint64(note.at + 48, PAGE, true); // p_align
  return patched;
}

interface Segment {
  /** Where its program header is in the file. */
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

function link(machine: typeof machines[number], address: bigint, entry: bigint): Uint8Array {
  const { code, linkJump } = machine;
  const prelude = new Uint8Array(code.length + 9);
  prelude.set(code);
  const view = new DataView(prelude.buffer);
  const jump = code.length - 4;
  linkJump(view, jump, Number(entry - (address + BigInt(jump))));
  view.setBigUint64(code.length, blockedSignals, true);
  return prelude;
}

/** The operand counts from the jump's end. */
function linkX86_64(code: DataView, at: number, distance: number): void {
  if (Math.abs(distance) >= 2 ** 31) refuse("it is too large to jump across");
  code.setInt32(at, distance - 4, true);
}

/** 26 bits of the instruction count instructions from the jump itself. */
function linkAarch64(code: DataView, at: number, distance: number): void {
  if (Math.abs(distance) >= 2 ** 27) refuse("it is too large to jump across");
  code.setUint32(at, 0x14000000 | (distance / 4 & 0x03ffffff), true);
}

/** Reads a listing: numbers of `size` bytes each, then, two spaces apart, what they mean. */
function code(size: 1 | 4, listing: string): Uint8Array {
  const numbers = listing.trim().split("\n").flatMap((line) =>
    line.trim().split("  ")[0].split(" ")
  );
  const bytes = new Uint8Array(numbers.length * size);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, index) => {
    const value = parseInt(number, 16);
    if (size === 1) view.setUint8(index, value);
    else view.setUint32(index * 4, value, true);
  });
  return bytes;
}

function align(value: bigint, step: bigint): bigint {
  return (value + step - 1n) / step * step;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function refuse(reason: string): never {
  throw new Problem(`cannot add the prelude to this program: ${reason}`);
}
