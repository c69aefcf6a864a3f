// PID 1 when there is nothing to decide: it reaps orphans and forwards signals to the main command, in 60 kB of memory. A
// signal or the end of a watched child that needs a decision stays pending, and Deno is started, which decides. So it is
// when the due time comes.

import { constant, load4, load8, store4, store8, syscall, text } from "./machine.ts";
import { exists, isSameFile, readOwnPath } from "./files.ts";
import { loaderPath } from "./loader.ts";
import { allocate, say } from "./memory.ts";
import { BLOCKED } from "./signals.ts";

/** The open file with the note that supervisor/asleep.ts writes. */
const FILE = 250n;

/** The note begins with numbers of 8 bytes, at these offsets. What follows the watched PIDs is for Deno. */
const MAGIC_AT = 0n,
  PID = 8n,
  WAKING = 16n,
  DUE = 24n,
  MAIN = 32n,
  OWNS_TERMINAL = 40n,
  COUNT = 48n,
  WATCHED = 56n;
const MAGIC = 0x0001_7065_656c_7361n; // "asleep", and the version of this layout.
const MOST_WATCHED = 16n;
const HEADER = WATCHED + 8n * MOST_WATCHED;

const SIGKILL = 9n, SIGTERM = 15n, SIGCHLD = 17n, SIGCONT = 18n;
const EINTR = 4n, EAGAIN = 11n;
const SECOND = 1000000000n;

/** Offsets in `siginfo_t`. sigaction(2) */
const SI_CODE = 8n, SI_PID = 16n, SI_STATUS = 24n;
const SIGINFO = 128n;

/** Offsets in the memory that sleep() allocates. */
const INFO = 0n, SET = SIGINFO, TIME = SET + 8n, POLLED = TIME + 16n, ROOM = POLLED + 8n;

/** Sleeps until there is something to decide, if this process was executed for that: then it has a note. */
export function sleep(): void {
  const run = allocate(HEADER + ROOM), room = run + HEADER;
  if (run === 0n || syscall("pread64", FILE, run, HEADER, 0n) < WATCHED) return;
  if (load8(run + MAGIC_AT) !== MAGIC || load8(run + PID) !== syscall("getpid")) return;
  if (load8(run + COUNT) > MOST_WATCHED) return;
  const signals = syscall("signalfd4", -1n, constant(BLOCKED), 8n, 0n);
  if (signals < 0n) return;
  wait(run, room, signals);
  syscall("close", signals);
  if (!canWake()) endEverything(run, room);
}

function wait(run: bigint, room: bigint, signals: bigint): void {
  while (true) {
    // Signals first, then children: a child that ends in between sends a new signal, which ends the next wait.
    if (!forwardSignals(run, room) || isCalled(run, room) || !reapOrphans(run, room)) return;
    if (load8(run + OWNS_TERMINAL) !== 0n && isStopped(load8(run + MAIN), room)) return;
    const due = load8(run + DUE), left = due - now(room);
    if (due !== 0n && left <= 0n) return;
    if (!waitFor(signals, due === 0n ? SECOND * 3600n : left, room)) return;
  }
}

/** Whether a signal that wakes PID 1 is pending. It is left pending for Deno. */
function isCalled(run: bigint, room: bigint): boolean {
  return syscall("rt_sigpending", room + SET, 8n) < 0n ||
    (load8(room + SET) & load8(run + WAKING)) !== 0n;
}

/** Reaps the children that have ended. Stops at a watched one, which is left for Deno, and returns false. */
function reapOrphans(run: bigint, room: bigint): boolean {
  const P_ALL = 0n, P_PID = 1n;
  const WNOHANG = 1n, WEXITED = 4n, WNOWAIT = 0x1000000n;
  while (true) {
    store8(room + INFO + SI_PID, 0n);
    const result = syscall("waitid", P_ALL, 0n, room + INFO, WEXITED | WNOHANG | WNOWAIT, 0n);
    const pid = load4(room + INFO + SI_PID);
    if (result < 0n || pid === 0n) return true;
    if (isWatched(run, pid)) return false;
    syscall("waitid", P_PID, pid, 0n, WEXITED | WNOHANG, 0n);
  }
}

/** Whether a child is stopped, as by Ctrl-Z. This stays to be seen by Deno, which continues the child. */
function isStopped(pid: bigint, room: bigint): boolean {
  const P_PID = 1n, WNOHANG = 1n, WSTOPPED = 2n, WNOWAIT = 0x1000000n;
  store8(room + INFO + SI_PID, 0n);
  const result = syscall("waitid", P_PID, pid, room + INFO, WSTOPPED | WNOHANG | WNOWAIT, 0n);
  return result >= 0n && load4(room + INFO + SI_PID) === pid;
}

function isWatched(run: bigint, pid: bigint): boolean {
  const end = WATCHED + 8n * load8(run + COUNT);
  for (let at = WATCHED; at < end; at += 8n) {
    if (load8(run + at) === pid) return true;
  }
  return false;
}

/** Forwards the signals that do not wake PID 1 to the main command, if there is one. */
function forwardSignals(run: bigint, room: bigint): boolean {
  const SI_KERNEL = 0x80n;
  store8(room + SET, BLOCKED & ~load8(run + WAKING));
  store8(room + TIME, 0n);
  store8(room + TIME + 8n, 0n);
  while (true) {
    const signal = syscall("rt_sigtimedwait", room + SET, room + INFO, room + TIME, 8n);
    if (signal < 0n) return signal === -EAGAIN || signal === -EINTR;
    const isOurs = load4(room + INFO + SI_PID) === load8(run + PID) &&
      load4(room + INFO + SI_CODE) !== SI_KERNEL; // A SIGPIPE of our own, from a write before the sleep.
    const main = load8(run + MAIN);
    if (signal !== SIGCHLD && !isOurs && main !== 0n) syscall("kill", main, signal);
  }
}

/** Waits for a signal, at most for so many nanoseconds. */
function waitFor(signals: bigint, nanoseconds: bigint, room: bigint): boolean {
  const POLLIN = 1n;
  store8(room + TIME, nanoseconds / SECOND);
  store8(room + TIME + 8n, nanoseconds % SECOND);
  store4(room + POLLED, signals);
  store4(room + POLLED + 4n, POLLIN);
  const result = syscall("ppoll", room + POLLED, 1n, room + TIME, 0n, 8n);
  return result >= 0n || result === -EINTR;
}

/** Nanoseconds since the machine was started. */
function now(room: bigint): bigint {
  const CLOCK_MONOTONIC = 1n;
  syscall("clock_gettime", CLOCK_MONOTONIC, room + TIME);
  return load8(room + TIME) * SECOND + load8(room + TIME + 8n);
}

// ----------------------------------------------------------------------------------- when Deno cannot be loaded

/** Whether Deno can be loaded: it reads its JavaScript from the path of this file, so the path must still lead to the file. */
function canWake(): boolean {
  const MOST = 4096n;
  const path = allocate(MOST);
  return path !== 0n && readOwnPath(path, MOST) > 0n && isSameFile(path, text("/proc/self/exe")) &&
    exists(loaderPath());
}

/** Ends the container in order, since Deno cannot be loaded to do it. */
function endEverything(run: bigint, room: bigint): void {
  const TERM_TIMEOUT = 5n * SECOND, KILL_TIMEOUT = SECOND; // Together less than docker's 10 seconds.
  say(
    text(
      "*** my_init was deleted or replaced while it slept and cannot go on. Ending all processes.\n",
    ),
  );
  signalAll(run, SIGTERM);
  signalAll(run, SIGCONT);
  let status = reapAll(run, room, now(room) + TERM_TIMEOUT, 0n);
  signalAll(run, SIGKILL);
  status = reapAll(run, room, now(room) + KILL_TIMEOUT, status);
  syscall("exit_group", status);
}

/** Signals all processes. If this is not PID 1, they would be those of the whole machine: then only the watched children. */
function signalAll(run: bigint, signal: bigint): void {
  if (load8(run + PID) === 1n) {
    syscall("kill", -1n, signal);
    return;
  }
  const end = WATCHED + 8n * load8(run + COUNT);
  for (let at = WATCHED; at < end; at += 8n) syscall("kill", load8(run + at), signal);
}

/** Reaps children until there are none or the deadline comes. Returns the main command's status, if it has ended. */
function reapAll(run: bigint, room: bigint, deadline: bigint, before: bigint): bigint {
  const P_ALL = 0n, WNOHANG = 1n, WEXITED = 4n, CLD_EXITED = 1n;
  const POLL = SECOND / 50n; // Much shorter than the second that is left after SIGKILL.
  let status = before;
  while (now(room) < deadline) {
    store8(room + INFO + SI_PID, 0n);
    if (syscall("waitid", P_ALL, 0n, room + INFO, WEXITED | WNOHANG, 0n) < 0n) return status;
    const pid = load4(room + INFO + SI_PID);
    if (pid === 0n) waitFor(-1n, POLL, room);
    else if (pid === load8(run + MAIN)) {
      const how = load4(room + INFO + SI_STATUS);
      status = load4(room + INFO + SI_CODE) === CLD_EXITED ? how : 128n + how;
    }
  }
  return status;
}
