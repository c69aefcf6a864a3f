import { load1, load4, load8, store1, store8, syscall } from "./machine.ts";

const PROT_READ_WRITE = 3n, MAP_PRIVATE_ANONYMOUS = 0x22n;

/** Gets memory from the kernel, all zero. Returns 0 when there is none. mmap(2) */
export function allocate(size: bigint): bigint {
  const at = syscall("mmap", 0n, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1n, 0n);
  return at < 0n ? 0n : at;
}

/** How many bytes a text has before its NUL. */
export function length(text: bigint): bigint {
  let end = text;
  while (load1(end) !== 0n) end += 1n;
  return end - text;
}

/** Writes a text to standard error. */
export function say(words: bigint): void {
  const STDERR = 2n;
  syscall("write", STDERR, words, length(words));
}

/** Copies bytes. Returns where the copy ends. */
export function copy(to: bigint, from: bigint, size: bigint): bigint {
  for (let done = 0n; done < size; done += 1n) store1(to + done, load1(from + done));
  return to + size;
}

/**
 * Copies bytes, eight at a time. Returns where the copy ends. Up to 7 bytes more are read and written behind both ends. The
 * places may overlap if the copy begins before the original.
 */
export function move(to: bigint, from: bigint, size: bigint): bigint {
  for (let done = 0n; done < size; done += 8n) store8(to + done, load8(from + done));
  return to + size;
}

/** Sets all bytes from `from` to `end` to 0. */
export function zero(from: bigint, end: bigint): void {
  let at = from;
  while (at < end && (at & 7n) !== 0n) {
    store1(at, 0n);
    at += 1n;
  }
  while (at + 8n <= end) {
    store8(at, 0n);
    at += 8n;
  }
  while (at < end) {
    store1(at, 0n);
    at += 1n;
  }
}

/** Copies a text without its NUL. Returns where the copy ends. */
export function copyText(to: bigint, text: bigint): bigint {
  return copy(to, text, length(text));
}

/** Whether two texts are the same for this many bytes. */
export function isSame(a: bigint, b: bigint, size: bigint): boolean {
  for (let at = 0n; at < size; at += 1n) {
    if (load1(a + at) !== load1(b + at)) return false;
  }
  return true;
}

/** Where a byte first occurs in a text; the text's end if it does not. */
export function find(text: bigint, byte: bigint): bigint {
  let at = text;
  while (load1(at) !== byte && load1(at) !== 0n) at += 1n;
  return at;
}

/** Whether two texts are the same. */
export function isText(a: bigint, b: bigint): boolean {
  const size = length(b);
  return length(a) === size && isSame(a, b, size);
}

/** Where the next newline is, or the end. Up to 3 bytes more are read behind the end. */
export function findNewline(from: bigint, end: bigint): bigint {
  const NEWLINE = 10n, NEWLINES = 0x0a0a0a0an, LOW = 0x7f7f7f7fn, HIGH = 0x80808080n;
  let at = from;
  while (at < end) {
    // A byte is 0 when neither its lower 7 bits nor its highest one are set.
    const difference = load4(at) ^ NEWLINES;
    if (((((difference & LOW) + LOW) | difference) & HIGH) !== HIGH) break;
    at += 4n;
  }
  while (at < end && load1(at) !== NEWLINE) at += 1n;
  return at < end ? at : end;
}
