// Finds the program of a command, as posix/programs.ts does. Where that one would have something to report, this one gives up.

import { load1, store1, syscall, text } from "./machine.ts";
import { allocate, copy, copyText, find, length } from "./memory.ts";
import { AT_FDCWD, openFile, S_IFDIR, S_IFREG, typeOf } from "./files.ts";

const SLASH = 47n, COLON = 58n, NEWLINE = 10n, TAB = 9n, SPACE = 32n;
const SHEBANG = 0x2123n; // #!

/** How many bytes of a program are examined. */
const BEGINNING = 256n;

/** Returned instead of a program: none can be run, or posix/programs.ts must decide. */
const NO = 0n;
const MAYBE = -1n;

/** Finds a program by its name and the value of PATH. Returns 0 when there is none or anything is unusual. */
export function findProgram(name: bigint, path: bigint): bigint {
  const room = allocate(4096n);
  if (room === 0n || load1(name) === 0n) return NO;
  if (load1(find(name, SLASH)) === SLASH) return isProgram(name, room) === 1n ? name : NO;
  const directories = path === 0n
    ? text("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    : path;
  const file = allocate(length(directories) + length(name) + 2n);
  if (file === 0n) return NO;
  let directory = directories;
  while (true) {
    const end = find(directory, COLON);
    let at = copy(file, directory, end - directory);
    if (end > directory) {
      store1(at, SLASH);
      at += 1n;
    }
    store1(copyText(at, name), 0n);
    const found = isProgram(file, room);
    if (found === MAYBE) return NO;
    if (found !== NO) return file;
    if (load1(end) === 0n) return NO;
    directory = end + 1n;
  }
}

/** Whether we can run a file: 1, NO or MAYBE. */
function isProgram(file: bigint, room: bigint): bigint {
  const X_OK = 1n;
  const type = typeOf(file, room);
  if (type === 0n || type === S_IFDIR) return NO;
  if (type !== S_IFREG) return MAYBE;
  if (syscall("faccessat", AT_FDCWD, file, X_OK) !== 0n) return NO;
  const opened = openFile(file);
  if (opened < 0n) return 1n; // A program may be executable and not readable.
  const size = readBeginning(opened, room);
  syscall("close", opened);
  return size < 0n || isRunnable(room, size) ? 1n : NO;
}

/** Reads the first bytes of a program, and adds a NUL. Returns how many there are. */
function readBeginning(file: bigint, room: bigint): bigint {
  let size = 0n;
  while (size < BEGINNING) {
    const count = syscall("read", file, room + size, BEGINNING - size);
    if (count < 0n) return count;
    if (count === 0n) break;
    size += count;
  }
  store1(room + size, 0n);
  return size;
}

/** Whether a program has an interpreter line whose interpreter exists, or is binary: contains a NUL. */
function isRunnable(beginning: bigint, size: bigint): boolean {
  if (size < 2n || load1(beginning) + load1(beginning + 1n) * 256n !== SHEBANG) {
    return length(beginning) < size;
  }
  let start = beginning + 2n;
  while (load1(start) === SPACE || load1(start) === TAB) start += 1n;
  let end = start;
  while (!endsInterpreter(load1(end))) end += 1n;
  store1(end, 0n);
  return typeOf(start, beginning + 512n) !== 0n;
}

function endsInterpreter(byte: bigint): boolean {
  return byte === SPACE || byte === TAB || byte === NEWLINE || byte === 0n;
}
