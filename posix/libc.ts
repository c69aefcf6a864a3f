/**
 * The C library, as typed values. Only this file uses FFI, and no pointer leaves it.
 *
 * Every function names its manual page. A call that fails throws a `SystemError`, or returns a value that means failure.
 * `errno` needs a second call, before which the runtime may have overwritten it, so it is used for the wording of
 * messages only, never to decide.
 *
 * @module
 */
import { type ByteString, fromBytes, toBytes } from "./bytes.ts";
import { libcPath } from "./libc_path.ts";
import { allSignalsBut, type Exit, type Received, SIGNALS, type Suspension } from "./signals.ts";

const ON_X86 = Deno.build.arch === "x86_64";

/** Pointers are numbers here: Deno's own pointer type demands the right to load any library. */
const POINTER = "usize";

const c = bind({
  // Memory.
  malloc: { parameters: ["usize"], result: POINTER },
  free: { parameters: [POINTER], result: "void" },
  strlen: { parameters: [POINTER], result: "usize" },
  copyOut: { name: "memcpy", parameters: ["buffer", POINTER, "usize"], result: POINTER },
  copyIn: { name: "memcpy", parameters: [POINTER, "buffer", "usize"], result: POINTER },
  madvise: { parameters: [POINTER, "usize", "i32"], result: "i32" },
  __errno_location: { parameters: [], result: POINTER },
  strerror: { parameters: ["i32"], result: POINTER },
  // Processes.
  getpid: { parameters: [], result: "i32" },
  getpgrp: { parameters: [], result: "i32" },
  setpgid: { parameters: ["i32", "i32"], result: "i32" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  waitpid: {
    parameters: [
      "i32", // pid_t pid
      "buffer", // int *wstatus
      "i32", // int options
    ],
    result: "i32",
  },
  posix_spawn: {
    parameters: [
      "buffer", // pid_t *pid
      "buffer", // const char *path
      "buffer", // const posix_spawn_file_actions_t *file_actions
      "buffer", // const posix_spawnattr_t *attrp
      POINTER, // char *const argv[]
      POINTER, // char *const envp[]
    ],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_addopen: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      POINTER, // const char *path
      "i32", // int oflag
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setpgroup: { parameters: ["buffer", "i32"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  execve: { parameters: ["buffer", POINTER, POINTER], result: "i32" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  _exit: { parameters: ["i32"], result: "void" },
  // Signals, time, terminal.
  sigprocmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  sigtimedwait: {
    parameters: [
      "buffer", // const sigset_t *set
      "buffer", // siginfo_t *info
      "buffer", // const struct timespec *timeout
    ],
    result: "i32",
  },
  signalfd: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  ppoll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "usize", // nfds_t nfds
      "buffer", // const struct timespec *timeout
      "buffer", // const sigset_t *sigmask
    ],
    result: "i32",
  },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  isatty: { parameters: ["i32"], result: "i32" },
  tcgetpgrp: { parameters: ["i32"], result: "i32" },
  tcsetpgrp: { parameters: ["i32", "i32"], result: "i32" },
  // Files.
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  umask: { parameters: ["u32"], result: "u32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  access: { parameters: ["buffer", "i32"], result: "i32" },
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  rmdir: { parameters: ["buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  symlink: { parameters: ["buffer", "buffer"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  syscall2: { name: "syscall", parameters: ["isize", "buffer", "usize"], result: "isize" },
  syscall3: { name: "syscall", parameters: ["isize", "i32", "buffer", "usize"], result: "isize" },
  syscall4: {
    name: "syscall",
    parameters: ["isize", "i32", "buffer", "buffer", "i32"],
    result: "isize",
  },
  // Sockets.
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const void *buf
      "usize", // size_t len
      "i32", // int flags
      "buffer", // const struct sockaddr *dest_addr
      "u32", // socklen_t addrlen
    ],
    result: "isize",
  },
  // Users and groups.
  geteuid: { parameters: [], result: "u32" },
  getegid: { parameters: [], result: "u32" },
  setgroups: { parameters: ["usize", "buffer"], result: "i32" },
  setgid: { parameters: ["u32"], result: "i32" },
  setuid: { parameters: ["u32"], result: "i32" },
  getpwnam: { parameters: ["buffer"], result: POINTER },
  getpwuid: { parameters: ["u32"], result: POINTER },
  getgrnam: { parameters: ["buffer"], result: POINTER },
  getgrouplist: { parameters: ["buffer", "u32", "buffer", "buffer"], result: "i32" },
});

/**
 * Binds functions of libc. Deno would compile machine code for each one. That takes longer than everything else at a start,
 * and only code that V8 has optimized would call it; ours never is. Deno compiles none for a function that has a structure
 * among its parameters, so each gets one at the end: for C that is one argument more, which it ignores.
 */
function bind<S extends Record<string, Deno.ForeignFunction>>(
  functions: S,
): Deno.StaticForeignLibraryInterface<S> {
  const padding = new Uint8Array(1);
  const padded = Object.entries(functions).map(([name, { parameters, ...rest }]) =>
    [name, { ...rest, parameters: [...parameters, { struct: ["u8"] }] }] as const
  );
  const { symbols } = Deno.dlopen(libcPath(Deno.build.arch), Object.fromEntries(padded));
  // deno-lint-ignore no-explicit-any
  const call = symbols as Record<string, (...args: any[]) => any>;
  return Object.fromEntries(
    // deno-lint-ignore no-explicit-any
    padded.map(([name]) => [name, (...args: any[]) => call[name](...args, padding)]),
  ) as Deno.StaticForeignLibraryInterface<S>;
}

/** A system call that failed; the message says what could not be done and why. */
export class SystemError extends Error {
  override name = "SystemError";
  /** @param action what could not be done, such as `Cannot read /etc/x` */
  constructor(action: string, readonly reason = lastError()) {
    super(`${action}: ${reason}`);
  }
}

/** Does what the system may refuse: then the result is undefined, and the reason becomes one of the warnings. */
export function attempt<T>(act: () => T, warnings: ByteString[] = []): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    warnings.push(error.message);
  }
}

// ---------------------------------------------------------------------------------------------- memory

const errnoLocation = c.__errno_location();

/** The reason of the last failed call, such as `Permission denied`: for messages only. */
function lastError(): string {
  const errno = new Int32Array(1);
  c.copyOut(errno, errnoLocation, 4n);
  return readString(c.strerror(errno[0]));
}

function readString(pointer: bigint): ByteString {
  if (pointer === 0n) return "";
  const bytes = new Uint8Array(Number(c.strlen(pointer)));
  c.copyOut(bytes, pointer, BigInt(bytes.length));
  return fromBytes(bytes);
}

function cString(text: ByteString): Uint8Array<ArrayBuffer> {
  return toBytes(text + "\0");
}

/** Makes a `char *[]` in C's memory; the caller frees it. */
function stringArray(texts: readonly ByteString[]): bigint {
  const strings = cString(texts.join("\0"));
  const head = 8 * (texts.length + 1);
  const block = c.malloc(BigInt(head + strings.length));
  const pointers = new BigUint64Array(texts.length + 1);
  let at = block + BigInt(head);
  for (let i = 0; i < texts.length; i++) {
    pointers[i] = at;
    at += BigInt(texts[i].length + 1);
  }
  c.copyIn(block, pointers, BigInt(head));
  c.copyIn(block + BigInt(head), strings, BigInt(strings.length));
  return block;
}

/** A path that stays in memory: older versions of glibc keep only the pointer that addopen gets, not a copy. */
const DEV_NULL = keep("/dev/null");

function keep(text: ByteString): bigint {
  const bytes = cString(text);
  const copy = c.malloc(BigInt(bytes.length));
  c.copyIn(copy, bytes, BigInt(bytes.length));
  return copy;
}

/** Where Deno's code and constants are: addresses and lengths. */
let code: [bigint, bigint][] | undefined;

/**
 * Takes Deno's code out of our memory. What is needed of it comes back from the page cache, and the rest does not make us
 * the largest process, which is the one that the kernel kills for lack of memory. madvise(2)
 */
export function releaseCode(): void {
  const MADV_DONTNEED = 4;
  code ??= findCode();
  for (const [address, length] of code) c.madvise(address, length, MADV_DONTNEED);
}

/** Only what is never changed: the first mappings of our file, up to the code. What the loader has changed lies behind it. */
function findCode(): [bigint, bigint][] {
  const program = readLink("/proc/self/exe");
  const maps = attempt(() => readFile("/proc/self/maps")) ?? ""; // Without them we keep it.
  const ours = maps.split("\n").flatMap((line) => {
    const [, from, to, access, path] = line.match(/^(\w+)-(\w+) (\S+) \S+ \S+ \S+ +(.*)$/) ?? [];
    const [start, end] = [BigInt(`0x${from ?? 0}`), BigInt(`0x${to ?? 0}`)];
    return path !== undefined && path === program ? [{ start, length: end - start, access }] : [];
  });
  const upToCode = ours.slice(0, 1 + ours.findIndex(({ access }) => access === "r-xp"));
  return upToCode.every(({ access }) => !access.includes("w"))
    ? upToCode.map(({ start, length }) => [start, length])
    : [];
}

// ------------------------------------------------------------------------------------------- processes

/** getpid(2) */
export const getpid = (): number => c.getpid();

/** kill(2); false when it reached nobody. A negative `pid` means a process group, −1 all processes. */
export function kill(pid: number, signal: number): boolean {
  if (pid === -1 && c.getpid() !== 1) {
    throw new Error("kill(-1) is for PID 1 alone: anywhere else it would end the whole machine");
  }
  return c.kill(pid, signal) === 0;
}

const wstatus = new Int32Array(1);

/**
 * Reaps a child that has ended, or notices one that was stopped; never blocks. waitpid(2)
 *
 * @param which the child; without it any of them, for which the kernel may have to examine all
 */
export function reap(which = -1): Exit | Suspension | "nothing yet" | "no child" {
  const WNOHANG = 1, WUNTRACED = 2, STOPPED = 0x7f;
  const pid = c.waitpid(which, wstatus, WNOHANG | WUNTRACED);
  if (pid < 0) return "no child"; // There is no other error without blocking.
  if (pid === 0) return "nothing yet";
  const [signal, value] = [wstatus[0] & 0x7f, (wstatus[0] >> 8) & 0xff];
  if (signal === STOPPED) return { pid, signal: value };
  return signal === 0 ? { pid, status: value } : { pid, status: 128 + signal, signal };
}

/** A program that is to be started. */
export interface Program {
  file: ByteString;
  argv: readonly ByteString[];
  envp: readonly ByteString[];
}

/**
 * Starts a program with default signal dispositions and no signal blocked. posix_spawn(3)
 *
 * @param ownGroup whether it leads a new process group
 * @param noInput whether its standard input is /dev/null instead of ours
 * @param umask which permissions the files that it makes do not have; without it ours. umask(2)
 * @returns its PID
 * @throws {SystemError} when it cannot be started. glibc 2.23 does not notice that: its child ends with 127.
 */
export function spawn(
  { file, argv, envp }: Program,
  { ownGroup, noInput, umask }: { ownGroup: boolean; noInput: boolean; umask?: number },
): number {
  const SETPGROUP = 0x02, SETSIGDEF = 0x04, SETSIGMASK = 0x08;
  // glibc 2.23 copies our whole address space without it; newer versions never do.
  const USEVFORK = 0x40;
  const attributes = new Uint8Array(336); // sizeof(posix_spawnattr_t)
  c.posix_spawnattr_init(attributes);
  const group = ownGroup ? SETPGROUP : 0;
  c.posix_spawnattr_setflags(attributes, SETSIGDEF | SETSIGMASK | USEVFORK | group);
  c.posix_spawnattr_setpgroup(attributes, 0);
  c.posix_spawnattr_setsigmask(attributes, signalSet([]));
  // glibc 2.23's child fails when told to reset what cannot be reset.
  c.posix_spawnattr_setsigdefault(
    attributes,
    signalSet(allSignalsBut(SIGNALS.SIGKILL, SIGNALS.SIGSTOP)),
  );
  const actions = new Uint8Array(80); // sizeof(posix_spawn_file_actions_t)
  c.posix_spawn_file_actions_init(actions);
  if (noInput && stat("/dev/null")) {
    c.posix_spawn_file_actions_addopen(actions, 0, DEV_NULL, 0, 0);
  }
  const pid = new Int32Array(1);
  const [args, env] = [stringArray(argv), stringArray(envp)];
  const ours = umask === undefined ? undefined : c.umask(umask);
  const errno = c.posix_spawn(pid, cString(file), actions, attributes, args, env);
  if (ours !== undefined) c.umask(ours);
  c.posix_spawn_file_actions_destroy(actions);
  c.free(args);
  c.free(env);
  if (errno !== 0) throw new SystemError(`Cannot run ${file}`, readString(c.strerror(errno)));
  // glibc 2.23's child makes its group itself, perhaps later than we need it. If it was faster, this call fails.
  if (ownGroup) c.setpgid(pid[0], pid[0]);
  return pid[0];
}

/**
 * Becomes another program. execve(2)
 *
 * @throws {SystemError} when that is impossible; otherwise it does not return.
 */
export function exec(
  file: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
): never {
  c.execve(cString(file), stringArray(argv), stringArray(envp));
  throw new SystemError(`Cannot execute ${file}`);
}

/** How large a program's stack may grow, in bytes. getrlimit(2) */
export function stackLimit(): number {
  const RLIMIT_STACK = 3, RLIM_INFINITY = 2n ** 64n - 1n;
  const limit = new BigUint64Array(2); // struct rlimit
  c.getrlimit(RLIMIT_STACK, limit);
  return limit[0] === RLIM_INFINITY ? Infinity : Number(limit[0]);
}

/**
 * Executes this same program anew; its beginning finds `note` in the open file of this number. Returns if that is
 * impossible; then nothing has changed.
 *
 * @param kept open files of ours that stay open
 */
export function startAgain(
  note: Uint8Array<ArrayBuffer>,
  number: number,
  kept: readonly number[],
): void {
  const SYS_memfd_create = ON_X86 ? 319n : 279n, MFD_CLOEXEC = 1n, F_DUPFD = 0;
  const path = readLink("/proc/self/exe");
  if (path === undefined || !isSameFile(path, "/proc/self/exe")) return; // Deleted, or replaced.
  const file = Number(c.syscall2(SYS_memfd_create, cString("my_init"), MFD_CLOEXEC));
  if (file < 0) return;
  const isWritten = Number(c.write(file, note, BigInt(note.length))) === note.length;
  const given = c.fcntl(file, F_DUPFD, number); // Another one if that is taken.
  c.close(file);
  attempt(() => {
    const [argv, envp] = ["cmdline", "environ"].map((it) =>
      readFile(`/proc/self/${it}`).split("\0").slice(0, -1)
    );
    const isReadable = given === number && readOpenFile(number) === fromBytes(note);
    for (const file of kept) c.fcntl(file, F_SETFD, 0);
    if (isWritten && isReadable) exec(path, argv, envp);
  });
  keepToOurselves(kept);
  if (given >= 0) c.close(given);
}

/** Makes sure that no other program inherits these open files. fcntl(2) */
export function keepToOurselves(files: readonly number[]): void {
  for (const file of files) c.fcntl(file, F_SETFD, FD_CLOEXEC);
}

const F_SETFD = 2, FD_CLOEXEC = 1;

/** Reads an open file from its beginning; undefined when it cannot be read. */
export function readOpenFile(number: number): ByteString | undefined {
  return attempt(() => readFile(`/proc/self/fd/${number}`));
}

/** close(2) */
export function closeFile(number: number): void {
  c.close(number);
}

/** Ends this process at once. _exit(2) */
export function exit(status: number): never {
  c._exit(status);
  throw new Error("_exit returned");
}

/** Gives this process another name, which `ps` and /proc/PID/comm show: up to 15 bytes. prctl(2) */
export function nameProcess(name: ByteString): void {
  const PR_SET_NAME = 15;
  const text = keep(name);
  c.prctl(PR_SET_NAME, text, 0n, 0n, 0n);
  c.free(text);
}

/** Makes orphaned descendants children of this process. False where the kernel cannot. prctl(2) */
export function becomeSubreaper(): boolean {
  const PR_SET_CHILD_SUBREAPER = 36;
  return c.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0;
}

// --------------------------------------------------------------------------------------------- signals

/** A `sigset_t`. */
export type SignalSet = BigUint64Array<ArrayBuffer>;

/** Makes a set of these signals. sigsetops(3) */
export function signalSet(signals: readonly number[]): SignalSet {
  const set = new BigUint64Array(16);
  for (const signal of signals) set[0] |= 1n << BigInt(signal - 1);
  return set;
}

/** Blocks these signals and no others, in this thread. sigprocmask(2) */
export function setSignalMask(signals: readonly number[]): void {
  const SIG_SETMASK = 2;
  c.sigprocmask(SIG_SETMASK, signalSet(signals), null);
}

/** Gives a signal its default disposition, also glibc's own signals, which its sigaction(3) refuses. sigaction(2) */
export function setDefault(signal: number): void {
  const SYS_rt_sigaction = ON_X86 ? 13n : 134n;
  c.syscall4(SYS_rt_sigaction, signal, new Uint8Array(32), null, 8); // All 0: SIG_DFL, no flags.
}

/** Whether signals can be taken at all: a seccomp profile may forbid it. */
export function canWaitForSignals(): boolean {
  c.kill(c.getpid(), SIGNALS.SIGURG);
  return c.sigtimedwait(signalSet([SIGNALS.SIGURG]), received, timespec(0)) === SIGNALS.SIGURG;
}

const received = new Int32Array(32); // siginfo_t

/**
 * Waits for one of a set of (blocked) signals. sigtimedwait(2)
 *
 * @param seconds how long at most; `Infinity` for ever
 * @returns undefined after the timeout, and earlier on EINTR or when we have sent the signal ourselves
 */
export function waitForSignal(set: SignalSet, seconds: number): Received | undefined {
  const timeout = seconds === Infinity ? null : timespec(seconds);
  const signal = c.sigtimedwait(set, received, timeout);
  const SI_KERNEL = 0x80;
  const [, , code, , sender] = received;
  if (signal < 0 || (code !== SI_KERNEL && sender === c.getpid())) return undefined; // A SIGPIPE of ours.
  return { signal, fromTerminal: code === SI_KERNEL };
}

/**
 * Waits until one of a set of (blocked) signals is pending, or one of the files can be read. The signal stays pending.
 * signalfd(2), ppoll(2)
 *
 * @param files open files, such as sockets
 * @param seconds how long at most; `Infinity` for ever
 * @returns the files that can be read, or are at their end
 */
export function waitForAny(
  set: SignalSet,
  files: readonly number[],
  seconds: number,
): readonly number[] {
  const POLLIN = 1, UNSEEN_SECONDS = 0.1;
  // Closed again at the end of this call, so that no child and no sleeper inherits it. If it cannot be made, the wait is short.
  const signals = c.signalfd(-1, set, O_CLOEXEC);
  const polled = new Int32Array([signals, ...files].flatMap((file) => [file, POLLIN])); // struct pollfd[]
  const most = signals < 0 ? Math.min(seconds, UNSEEN_SECONDS) : seconds;
  const timeout = most === Infinity ? null : timespec(most);
  const count = c.ppoll(polled, BigInt(1 + files.length), timeout, null);
  if (signals >= 0) c.close(signals);
  return count > 0 ? files.filter((_, index) => polled[2 * (index + 1) + 1] >>> 16 !== 0) : [];
}

function timespec(seconds: number): BigInt64Array<ArrayBuffer> {
  const whole = Math.max(0, Math.floor(seconds));
  const nanoseconds = Math.max(0, Math.ceil((seconds - whole) * 1e9));
  return BigInt64Array.of(BigInt(whole), BigInt(Math.min(nanoseconds, 999_999_999)));
}

/** Seconds since the machine was started: never set back, the same for every program. clock_gettime(2) */
export function monotonicSeconds(): number {
  const CLOCK_MONOTONIC = 1;
  return readClock(CLOCK_MONOTONIC);
}

/** Seconds of a processor that this thread has used. clock_gettime(2) */
export function processorSeconds(): number {
  const CLOCK_THREAD_CPUTIME_ID = 3;
  return readClock(CLOCK_THREAD_CPUTIME_ID);
}

function readClock(clock: number): number {
  const time = new BigInt64Array(2);
  c.clock_gettime(clock, time);
  return Number(time[0]) + Number(time[1]) / 1e9;
}

// -------------------------------------------------------------------------------------------- terminal

/** Whether standard input is a terminal. isatty(3) */
export function isTerminal(): boolean {
  return c.isatty(0) === 1;
}

/** Whether standard input is our terminal and we are its foreground group. tcgetpgrp(3) */
export function ownsTerminal(): boolean {
  return c.tcgetpgrp(0) === c.getpgrp();
}

/** Makes a process group the terminal's foreground group; ours, when none is given. tcsetpgrp(3) */
export function giveTerminal(group: number = c.getpgrp()): void {
  c.tcsetpgrp(0, group);
}

// ----------------------------------------------------------------------------------------------- files

const AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000;
const O_WRONLY = 1, O_CREAT = 0o100, O_EXCL = 0o200, O_APPEND = 0o2000, O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const O_DIRECTORY = ON_X86 ? 0o200000 : 0o40000, O_NOFOLLOW = ON_X86 ? 0o400000 : 0o100000;

/** The file that a path leads to; links are followed. */
export interface FileStatus {
  type: "file" | "directory" | "pipe" | "other";
  /** The permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** When its content was changed last, in seconds of Unix. */
  modifiedAt: number;
}

/** stat(2); undefined when there is no such file, or it cannot be reached. */
export function stat(path: ByteString): FileStatus | undefined {
  return fileStatus(AT_FDCWD, path, 0);
}

const TYPES: Record<number, FileStatus["type"]> = {
  0o010000: "pipe",
  0o040000: "directory",
  0o100000: "file",
};

/** fstatat(2); AT_EMPTY_PATH and no path mean the open file itself. */
function fileStatus(file: number, path: ByteString, flags: number): FileStatus | undefined {
  const SYS_newfstatat = ON_X86 ? 262n : 79n;
  const status = new Uint32Array(36); // struct stat: 144 bytes, or 128
  if (c.syscall4(SYS_newfstatat, file, cString(path), status, flags) !== 0n) return undefined;
  const [mode, uid, gid] = ON_X86
    ? [status[6], status[7], status[8]]
    : [status[4], status[6], status[7]];
  const S_IFMT = 0o170000;
  const type = TYPES[mode & S_IFMT] ?? "other";
  const modifiedAt = status[22] + status[24] / 1e9; // st_mtim is at the same place on both machines.
  return { type, mode: mode & 0o7777, uid, gid, modifiedAt };
}

/** Whether two paths lead to the same file. stat(2) */
function isSameFile(path: ByteString, other: ByteString): boolean {
  const SYS_newfstatat = ON_X86 ? 262n : 79n;
  const [a, b] = [path, other].map((it) => {
    const status = new BigUint64Array(18); // struct stat: first the device and the inode
    return c.syscall4(SYS_newfstatat, AT_FDCWD, cString(it), status, 0) === 0n ? status : undefined;
  });
  return a !== undefined && b !== undefined && a[0] === b[0] && a[1] === b[1];
}

/** Whether this user may execute a file. access(2) */
export function mayExecute(path: ByteString): boolean {
  const X_OK = 1;
  return c.access(cString(path), X_OK) === 0;
}

/** Whether this user may make files in a directory, or write to a file. access(2) */
export function mayWrite(path: ByteString): boolean {
  const W_OK = 2;
  return c.access(cString(path), W_OK) === 0;
}

/** What was read last; one for all, since new memory takes longer than a small file. */
const readBuffer = new Uint8Array(65536);

/**
 * Reads a file. It never waits: what is not in a pipe yet is not read.
 *
 * @param limit how many bytes at most
 * @throws {SystemError}
 */
export function readFile(path: ByteString, limit = Infinity): ByteString {
  const file = c.open(cString(path), O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) throw new SystemError(`Cannot read ${path}`);
  let text = "";
  let failure: SystemError | undefined;
  while (text.length < limit) {
    const most = Math.min(limit - text.length, readBuffer.length);
    const count = Number(c.read(file, readBuffer, BigInt(most)));
    if (count < 0) failure = new SystemError(`Cannot read ${path}`);
    if (count <= 0) break;
    text += fromBytes(readBuffer.subarray(0, count));
  }
  c.close(file);
  if (failure) throw failure;
  return text;
}

/** Reads the beginning of a file into a buffer. Returns the number of bytes: 0 when it cannot be read. */
export function readBeginning(path: ByteString, buffer: Uint8Array<ArrayBuffer>): number {
  const file = c.open(cString(path), O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return 0;
  const count = Number(c.read(file, buffer, BigInt(buffer.length)));
  c.close(file);
  return Math.max(0, count);
}

/**
 * Reads the beginning of a file only if it is regular: not a link, and not a pipe or a device, which may never end.
 *
 * @param limit how many bytes at most
 * @returns undefined when it is not, or cannot be read
 */
export function readRegularFile(path: ByteString, limit: number): ByteString | undefined {
  const file = c.open(cString(path), O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0);
  if (file < 0) return undefined;
  const isRegular = fileStatus(file, "", AT_EMPTY_PATH)?.type === "file";
  const buffer = new Uint8Array(limit);
  const count = isRegular ? Number(c.read(file, buffer, BigInt(limit))) : -1;
  c.close(file);
  return count < 0 ? undefined : fromBytes(buffer.subarray(0, count));
}

/**
 * Makes a file that did not exist.
 *
 * @throws {SystemError} when it exists, or cannot be written wholly; then nothing is left of it
 */
export function createFile(
  path: ByteString,
  text: ByteString,
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
): void {
  const file = c.open(cString(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600);
  if (file < 0) throw new SystemError(`Cannot write ${path}`);
  c.fchown(file, uid, gid); // Fails when we are not root: then it is ours.
  let ok = c.fchmod(file, mode) === 0;
  for (let rest = toBytes(text); ok && rest.length > 0;) {
    const count = Number(c.write(file, rest, BigInt(rest.length)));
    ok = count > 0;
    if (ok) rest = rest.subarray(count);
  }
  const failure = ok ? undefined : new SystemError(`Cannot write ${path}`);
  c.close(file);
  if (failure) {
    c.unlink(cString(path));
    throw failure;
  }
}

/** Writes a text into a pipe that has a name. It never waits. False if nobody reads from the pipe, or it is none. */
export function writeToPipe(path: ByteString, text: ByteString): boolean {
  const file = c.open(cString(path), O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return false;
  const isPipe = fileStatus(file, "", AT_EMPTY_PATH)?.type === "pipe";
  const bytes = toBytes(text);
  const isWritten = isPipe && c.write(file, bytes, BigInt(bytes.length)) === BigInt(bytes.length);
  c.close(file);
  return isWritten;
}

/** Writes behind what a file holds, only if there is one: it is not made, and it is no link, pipe or device. */
export function appendToFile(path: ByteString, text: ByteString): void {
  const flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW;
  const file = c.open(cString(path), flags, 0);
  if (file < 0) return;
  const bytes = toBytes(text);
  const isRegular = fileStatus(file, "", AT_EMPTY_PATH)?.type === "file";
  if (isRegular) c.write(file, bytes, BigInt(bytes.length));
  c.close(file);
}

/** rename(2) @throws {SystemError} */
export function rename(from: ByteString, to: ByteString): void {
  if (c.rename(cString(from), cString(to)) !== 0) throw new SystemError(`Cannot write ${to}`);
}

/** unlink(2); false when it was not removed. */
export function unlink(path: ByteString): boolean {
  return c.unlink(cString(path)) === 0;
}

/** Makes a directory that did not exist. mkdir(2) @throws {SystemError} */
export function makeDirectory(path: ByteString, mode = 0o755): void {
  if (c.mkdir(cString(path), mode) !== 0) throw new SystemError(`Cannot make ${path}`);
}

/** Makes a link where there was nothing of this name. symlink(2) @throws {SystemError} */
export function makeLink(target: ByteString, path: ByteString): void {
  if (c.symlink(cString(target), cString(path)) !== 0) throw new SystemError(`Cannot make ${path}`);
}

/** lstat(2): about a link itself; undefined when there is no such file. */
export function lstat(path: ByteString): FileStatus | undefined {
  const O_PATH = 0o10000000;
  const file = c.open(cString(path), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
  if (file < 0) return undefined;
  const status = fileStatus(file, "", AT_EMPTY_PATH);
  c.close(file);
  return status;
}

/** Removes an empty directory; false when it was not removed. rmdir(2) */
export function removeDirectory(path: ByteString): boolean {
  return c.rmdir(cString(path)) === 0;
}

/**
 * Locks a directory until this process ends, whether it is removed or not. flock(2)
 *
 * @returns the open file that has the lock; undefined when another process has it, or there is no such directory
 */
export function lockDirectory(path: ByteString): number | undefined {
  const LOCK_EX = 2, LOCK_NB = 4;
  const directory = c.open(cString(path), O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (directory < 0) return undefined;
  if (c.flock(directory, LOCK_EX | LOCK_NB) === 0) return directory; // Closing it would unlock the directory.
  c.close(directory);
}

/** Sets the time of a file's last change to 1970. utimensat(2) */
export function makeOld(path: ByteString): void {
  c.utimensat(AT_FDCWD, cString(path), new BigInt64Array(4), 0);
}

/** readlink(2); undefined when it is not a link. */
export function readLink(path: ByteString): ByteString | undefined {
  const buffer = new Uint8Array(4096);
  const length = Number(c.readlink(cString(path), buffer, BigInt(buffer.length)));
  return length < 0 ? undefined : fromBytes(buffer.subarray(0, length));
}

/** Lists the names in a directory, sorted by their bytes. getdents(2) @throws {SystemError} */
export function listDirectory(path: ByteString): ByteString[] {
  const SYS_getdents64 = ON_X86 ? 217n : 61n;
  const directory = c.open(cString(path), O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) throw new SystemError(`Cannot list ${path}`);
  const view = new DataView(readBuffer.buffer);
  const names: ByteString[] = [];
  for (;;) {
    const size = BigInt(readBuffer.length);
    const length = Number(c.syscall3(SYS_getdents64, directory, readBuffer, size));
    if (length <= 0) break;
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      const name = readBuffer.subarray(at + 19, readBuffer.indexOf(0, at + 19));
      names.push(fromBytes(name));
    }
  }
  c.close(directory);
  return names.filter((name) => name !== "." && name !== "..").sort();
}

/** For how many milliseconds more we wait for a full pipe. Not part of the Run: it decides nothing, and is new after a sleep. */
let patience = 200;

/** Writes a line to standard error, or drops it: a reader that does not read must not stop PID 1. */
export function writeError(line: ByteString): void {
  const POLLOUT = 4, STDERR = 2;
  const polled = Int32Array.of(STDERR, POLLOUT); // struct pollfd
  const start = monotonicSeconds();
  const isReady = c.poll(polled, 1n, patience) === 1;
  patience = Math.max(0, Math.floor(patience - (monotonicSeconds() - start) * 1000));
  if (!isReady) return;
  const bytes = toBytes(line.length < 4096 ? line + "\n" : line.slice(0, 4090) + "...\n");
  c.write(STDERR, bytes, BigInt(bytes.length));
}

/** Writes a text to standard output. */
export function writeOutput(text: ByteString): void {
  for (let rest = toBytes(text); rest.length > 0;) {
    const count = Number(c.write(1, rest, BigInt(rest.length)));
    if (count <= 0) return;
    rest = rest.subarray(count);
  }
}

/** Lets everyone open our standard output and error by name, such as /dev/stdout, where they are pipes. fchmod(2) */
export function shareOutput(): void {
  for (const file of [1, 2]) {
    const status = fileStatus(file, "", AT_EMPTY_PATH);
    if (status?.type === "pipe") c.fchmod(file, status.mode | 0o222);
  }
}

/**
 * Sends a datagram to a socket of this machine. It never waits. unix(7), sendto(2)
 *
 * @param socket an absolute path, or `@` and an abstract name
 * @param name what the socket is called in the error
 * @throws {SystemError}
 */
export function sendDatagram(socket: ByteString, text: ByteString, name: string): void {
  const AF_UNIX = 1, SOCK_DGRAM = 2, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, LONGEST = 107;
  const action = `Cannot write to ${name} ${socket}`;
  if (!/^[/@]./.test(socket) || socket.length > LONGEST) {
    throw new SystemError(
      action,
      `it must be an absolute path or @NAME, of ${LONGEST} bytes at most`,
    );
  }
  const address = toBytes(`${String.fromCharCode(AF_UNIX)}\0${socket.replace(/^@/, "\0")}`);
  const file = c.socket(AF_UNIX, SOCK_DGRAM | O_CLOEXEC, 0);
  if (file < 0) throw new SystemError(action);
  const [bytes, flags] = [toBytes(text), MSG_DONTWAIT | MSG_NOSIGNAL];
  const size = BigInt(bytes.length);
  const sent = c.sendto(file, bytes, size, flags, address, address.length);
  const failure = sent === size ? undefined : new SystemError(action);
  c.close(file);
  if (failure) throw failure;
}

// ------------------------------------------------------------------------------------ users and groups

/** A line of the user database. passwd(5) */
export interface User {
  name: ByteString;
  uid: number;
  gid: number;
  home: ByteString;
  shell: ByteString;
}

/** Finds a user by name or number, in all sources of NSS. getpwnam(3) */
export function findUser(who: ByteString | number): User | undefined {
  const entry = typeof who === "number" ? c.getpwuid(who) : c.getpwnam(cString(who));
  if (entry === 0n) return undefined;
  const fields = new BigUint64Array(6); // struct passwd
  c.copyOut(fields, entry, 48n);
  return {
    name: readString(fields[0]),
    uid: Number(fields[2] & 0xffffffffn),
    gid: Number(fields[2] >> 32n),
    home: readString(fields[4]),
    shell: readString(fields[5]),
  };
}

/** Finds a group's number by its name. getgrnam(3) */
export function findGroup(name: ByteString): number | undefined {
  const entry = c.getgrnam(cString(name));
  if (entry === 0n) return undefined;
  const fields = new BigUint64Array(3); // struct group
  c.copyOut(fields, entry, 24n);
  return Number(fields[2] & 0xffffffffn);
}

/** Lists the groups of a user, `gid` among them. getgrouplist(3) */
export function groupsOf(name: ByteString, gid: number): number[] {
  const count = Int32Array.of(32);
  let groups = new Uint32Array(count[0]);
  while (c.getgrouplist(cString(name), gid, groups, count) < 0) {
    groups = new Uint32Array(Math.max(count[0], 2 * groups.length));
    count[0] = groups.length;
  }
  return [...groups.subarray(0, count[0])];
}

/** The user and group of this process. credentials(7) */
export function identity(): { uid: number; gid: number } {
  return { uid: c.geteuid(), gid: c.getegid() };
}

/** Becomes another user for good: groups, then gid, then uid. False when that is not allowed. */
export function becomeUser(uid: number, gid: number, groups: readonly number[]): boolean {
  return c.setgroups(BigInt(groups.length), Uint32Array.from(groups)) === 0 &&
    c.setgid(gid) === 0 && c.setuid(uid) === 0;
}
