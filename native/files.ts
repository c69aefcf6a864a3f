import { either, load4, load8, syscall, text } from "./machine.ts";
import { allocate, length } from "./memory.ts";

export const AT_FDCWD = -100n;
const O_NONBLOCK = 0o4000n, O_CLOEXEC = 0o2000000n;
const S_IFMT = 0o170000n;
const ENOENT = 2n;

/** Types of files: what is under S_IFMT in a mode. stat(2) */
export const S_IFDIR = 0o040000n, S_IFREG = 0o100000n;

/** What openFile() says of a file that is not there. */
export const MISSING = -ENOENT;

/** As much as `struct stat` needs. */
const STATUS = 144n;

/** The largest file that is read. */
const LARGEST = 0x1000000n;

/** Opens a file for reading; a negative number when that is impossible. open(2) */
export function openFile(path: bigint): bigint {
  return syscall("openat", AT_FDCWD, path, O_NONBLOCK | O_CLOEXEC);
}

/** Whether there is such a file, and we can get at it. */
export function exists(path: bigint): boolean {
  const F_OK = 0n;
  return syscall("faccessat", AT_FDCWD, path, F_OK) === 0n;
}

/** Which type a file has, links followed; 0 when there is none that may be looked at. stat(2) */
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

/** Puts the path of the program that we are at a place, and says how long it is; 0 when there is no room, or no /proc. */
export function readOwnPath(path: bigint, room: bigint): bigint {
  const size = syscall("readlinkat", AT_FDCWD, text("/proc/self/exe"), path, room);
  return size > 0n && size < room ? size : 0n;
}

function typeIn(status: bigint): bigint {
  return load4(status + either(24n, 16n)) & S_IFMT;
}

/** Reads an open file, wholly. Gives a text, or 0 when it is no ordinary file, too large, or holds a NUL. */
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
  // One that has grown meanwhile has no NUL at its end here.
  return done === size && length(text) === size ? text : 0n;
}
