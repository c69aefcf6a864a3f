import { either, load4, load8, syscall, text } from "./machine.ts";
import { allocate, length } from "./memory.ts";

export const AT_FDCWD = -100n;
const O_NONBLOCK = 0o4000n, O_CLOEXEC = 0o2000000n;
const S_IFMT = 0o170000n;
const ENOENT = 2n;

/** Types of files: what is under S_IFMT in a mode. stat(2) */
export const S_IFDIR = 0o040000n, S_IFREG = 0o100000n;

/** What openFile() returns for a file that does not exist. */
export const MISSING = -ENOENT;

/** The size of `struct stat`, at most. */
const STATUS = 144n;

/** The largest size of a file that is read. */
const LARGEST = 0x1000000n;

/** Opens a file for reading. Returns a negative number when that fails. open(2) */
export function openFile(path: bigint): bigint {
  return syscall("openat", AT_FDCWD, path, O_NONBLOCK | O_CLOEXEC);
}

/** Whether a file exists and can be reached by us. */
export function exists(path: bigint): boolean {
  const F_OK = 0n;
  return syscall("faccessat", AT_FDCWD, path, F_OK) === 0n;
}

/** The type of a file; links are followed. 0 when stat(2) fails. */
export function typeOf(path: bigint, room: bigint): bigint {
  return syscall("newfstatat", AT_FDCWD, path, room, 0n) < 0n ? 0n : typeIn(room);
}

/** Whether two paths lead to the same file. */
export function isSameFile(path: bigint, other: bigint): boolean {
  const a = allocate(STATUS), b = allocate(STATUS);
  if (a === 0n || b === 0n || typeOf(path, a) === 0n || typeOf(other, b) === 0n) return false;
  const DEVICE = 0n, INODE = 8n;
  return load8(a + DEVICE) === load8(b + DEVICE) && load8(a + INODE) === load8(b + INODE);
}

/** Writes the path of our own program into `path`. Returns its length; 0 when it is longer than `room`, or there is no /proc. */
export function readOwnPath(path: bigint, room: bigint): bigint {
  const size = syscall("readlinkat", AT_FDCWD, text("/proc/self/exe"), path, room);
  return size > 0n && size < room ? size : 0n;
}

function typeIn(status: bigint): bigint {
  return load4(status + either(24n, 16n)) & S_IFMT;
}

/** Reads a whole open file. Returns a text, or 0 when the file is not regular, is too large, or contains a NUL. */
export function readWhole(file: bigint): bigint {
  const status = allocate(STATUS);
  if (status === 0n || syscall("fstat", file, status) < 0n) return 0n;
  const size = load8(status + 48n);
  if (typeIn(status) !== S_IFREG || size > LARGEST) return 0n;
  const text = allocate(size + 1n);
  if (text === 0n) return 0n;
  let done = 0n;
  while (done <= size) {
    const count = syscall("read", file, text + done, size + 1n - done);
    if (count < 0n) return 0n;
    if (count === 0n) break;
    done += count;
  }
  // If the file has grown meanwhile, there is no NUL at the end.
  return done === size && length(text) === size ? text : 0n;
}

/** Closes all open files from this one on. */
export function closeFrom(first: bigint): void {
  const LAST = 0xffffffffn, MOST = 1024n;
  if (syscall("close_range", first, LAST, 0n) < 0n) {
    for (let file = first; file < MOST; file += 1n) syscall("close", file);
  }
}
