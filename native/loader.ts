// Starts Deno: maps the dynamic loader, as the kernel does for a program that has a PT_INTERP, and jumps to it.

import { appendix, jump, load4, load8, store8, syscall, text } from "./machine.ts";
import { openFile } from "./files.ts";
import { allocate, say, zero } from "./memory.ts";
import { AT_BASE, AT_ENTRY, AT_PAGESZ, AT_PHDR, auxiliary } from "./stack.ts";

const PROT_READ = 1n, PROT_WRITE = 2n, PROT_EXEC = 4n;
const MAP_PRIVATE = 2n, MAP_FIXED = 0x10n, MAP_ANONYMOUS = 0x20n;
const ELF = 0x464c457fn; // \x7fELF
const PT_LOAD = 1n;
const PF_X = 1n, PF_W = 2n, PF_R = 4n;
const HEADER = 64n, PROGRAM_HEADER = 56n;

/** Offsets in the appendix, which elf.ts writes. The first two values are distances from the appendix itself. */
const DENO_ENTRY = 0n, LOADER_PATH = 8n, PROGRAM_HEADERS = 16n;

/** Starts Deno, which finds everything as if the kernel had started it. */
export function startDeno(stack: bigint): void {
  const path = loaderPath();
  const page = load8(auxiliary(stack, AT_PAGESZ));
  const file = openFile(path);
  const header = allocate(page);
  if (file < 0n || header === 0n) fail(path);
  if (syscall("pread64", file, header, page, 0n) < HEADER || load4(header) !== ELF) fail(path);
  const base = map(file, header, page);
  if (base < 0n) fail(path);
  const entry = base + load8(header + 24n);
  syscall("close", file);
  syscall("munmap", header, page);
  store8(auxiliary(stack, AT_BASE), base);
  store8(auxiliary(stack, AT_PHDR), appendix() + PROGRAM_HEADERS);
  store8(auxiliary(stack, AT_ENTRY), appendix() + load8(appendix() + DENO_ENTRY));
  jump(entry, stack);
}

/** The path of the dynamic loader. */
export function loaderPath(): bigint {
  return appendix() + load8(appendix() + LOADER_PATH);
}

/** Maps all segments at the distances that they were linked with. Returns the address that they count from, or −1. */
function map(file: bigint, header: bigint, page: bigint): bigint {
  const first = header + load8(header + 32n);
  const end = first + PROGRAM_HEADER * (load4(header + 56n) & 0xffffn);
  if (first < header || end > header + page) return -1n;
  let span = 0n;
  for (let at = first; at < end; at += PROGRAM_HEADER) {
    if (load4(at) === PT_LOAD) span = addressOf(at) + load8(at + 40n);
  }
  const reserved = syscall("mmap", 0n, span, 0n, MAP_PRIVATE | MAP_ANONYMOUS, -1n, 0n);
  if (span === 0n || reserved < 0n) return -1n;
  for (let at = first; at < end; at += PROGRAM_HEADER) {
    if (load4(at) === PT_LOAD && !mapSegment(file, at, reserved, page)) return -1n;
  }
  return reserved;
}

function mapSegment(file: bigint, segment: bigint, base: bigint, page: bigint): boolean {
  const flags = load4(segment + 4n), fileSize = load8(segment + 32n);
  const start = base + addressOf(segment), inPage = start & (page - 1n);
  const fileEnd = start + fileSize, end = start + load8(segment + 40n);
  const protection = protectionOf(flags);
  const offset = load8(segment + 8n) - inPage;
  const how = MAP_PRIVATE | MAP_FIXED;
  if (syscall("mmap", start - inPage, fileSize + inPage, protection, how, file, offset) < 0n) {
    return false;
  }
  if ((flags & PF_W) === 0n) return true;
  // The rest of the page must be 0, too: the loader allocates from it.
  const pageEnd = (fileEnd + page - 1n) & -page;
  zero(fileEnd, pageEnd);
  const anonymous = how | MAP_ANONYMOUS;
  return end <= pageEnd ||
    syscall("mmap", pageEnd, end - pageEnd, protection, anonymous, -1n, 0n) >= 0n;
}

function addressOf(segment: bigint): bigint {
  return load8(segment + 16n);
}

function protectionOf(flags: bigint): bigint {
  return ((flags & PF_R) !== 0n ? PROT_READ : 0n) | ((flags & PF_W) !== 0n ? PROT_WRITE : 0n) |
    ((flags & PF_X) !== 0n ? PROT_EXEC : 0n);
}

function fail(path: bigint): void {
  say(text("Cannot start: the dynamic loader "));
  say(path);
  say(text(" is missing or cannot be loaded; it belongs to the package libc6\n"));
  syscall("exit_group", 127n);
}
