// Programs and processes.

import { constant, load1, load4, store1, syscall, text } from "./machine.ts";
import { allocate, copy, copyText, find, length, say } from "./memory.ts";
import { AT_FDCWD, openFile, S_IFDIR, S_IFREG, typeOf } from "./files.ts";

const SLASH = 47n, COLON = 58n, NEWLINE = 10n, TAB = 9n, SPACE = 32n;
const SHEBANG = 0x2123n; // #!

/** How many bytes of a program are examined. */
const BEGINNING = 256n;

/** Returned instead of a program: none can be run, or posix/programs.ts must decide. */
const NO = 0n;
const MAYBE = -1n;

/**
 * Finds a program by its name and the value of PATH, as posix/programs.ts does. Returns 0 when there is none, or where that
 * one would have something to report.
 */
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

/** The last part of a path. */
export function baseName(path: bigint): bigint {
  let name = path;
  for (let at = path; load1(at) !== 0n; at += 1n) {
    if (load1(at) === SLASH) name = at + 1n;
  }
  return name;
}

/** Executes a program with no signal blocked. It does not return. */
export function execute(file: bigint, command: bigint, environment: bigint): void {
  const SIG_SETMASK = 2n, ENOENT = 2n;
  syscall("rt_sigprocmask", SIG_SETMASK, constant(0n), 0n, 8n);
  const result = syscall("execve", file, command, environment);
  say(text("*** Cannot execute "));
  say(file);
  say(text("\n"));
  syscall("exit_group", result === -ENOENT ? 127n : 126n);
}

/**
 * Starts a process in a session of its own, as a child of a child that ends at once: so whatever this process executes has
 * no child that it does not know. Returns twice, as fork(2) does: 0 in the orphan; here 1, or -1 when it does not run.
 *
 * @param name what `ps -e` shows; up to 15 bytes
 */
export function startOrphan(name: bigint): bigint {
  const SIGCHLD = 17n, P_PID = 1n, WEXITED = 4n, PR_SET_NAME = 15n, SI_STATUS = 24n;
  const info = allocate(128n);
  if (info === 0n) return -1n;
  const child = syscall("clone", SIGCHLD, 0n, 0n, 0n, 0n);
  if (child < 0n) return -1n;
  if (child > 0n) {
    const isReaped = syscall("waitid", P_PID, child, info, WEXITED, 0n) >= 0n;
    return isReaped && load4(info + SI_STATUS) === 0n ? 1n : -1n;
  }
  syscall("prctl", PR_SET_NAME, name, 0n, 0n, 0n);
  syscall("setsid");
  const orphan = syscall("clone", SIGCHLD, 0n, 0n, 0n, 0n);
  if (orphan !== 0n) syscall("exit_group", orphan < 0n ? 1n : 0n);
  return 0n;
}
