// Lets the program of a service say by systemd's READY=1 that it is ready. This process itself executes the program, whose
// NOTIFY_SOCKET is a socket of its own. A second process, an orphan, reads from that, and writes down in
// `supervise/notified` which process is ready.
//
// The socket's name is abstract: it is no file, so every user may write there, and a root that is read-only does not matter.
//
// https://man7.org/linux/man-pages/man3/sd_notify.3.html

import { constant, load4, load8, store1, store4, store8, syscall, text } from "./machine.ts";
import { AT_FDCWD, closeFrom } from "./files.ts";
import { allocate, copy, copyText, findNewline, isSame, isText, length, say } from "./memory.ts";
import { baseName, execute, startOrphan } from "./programs.ts";
import { BLOCKED } from "./signals.ts";
import { environmentOf, placeOf } from "./stack.ts";

const NEWLINE = 10n, DIGIT_0 = 48n;
const O_CLOEXEC = 0o2000000n;

/** The open files of the listener. */
const SOCKET = 0n, PROCESS = 1n;

/** The listener's data. */
const POLLED = 0n, TIMEOUT = 8n, VECTOR = 24n, HEADER = 40n, CONTROL = 96n, NUMBER_END = 160n;
const MESSAGE = 168n;
/** A longer message counts as if it ended there. */
const MOST_BYTES = 4096n;
/** findNewline() may read so many bytes behind the end. */
const SLACK = 8n;

/**
 * Executes another program with a NOTIFY_SOCKET, if this process was started for that: as `notify_socket FILE [ARGUMENT]...`
 * by notifying_run, in the directory of a service.
 */
export function notify(stack: bigint): void {
  if (load8(stack) < 2n || !isText(baseName(load8(stack + 8n)), text("notify_socket"))) return;
  const file = load8(stack + 16n);
  let environment = addListener(environmentOf(stack));
  if (environment === 0n) {
    say(text("*** Cannot make a NOTIFY_SOCKET, so the service does not count as ready\n"));
    environment = environmentOf(stack);
  }
  execute(file, stack + 16n, environment);
}

/** Makes the socket and starts the listener. Returns the environment that names the socket; 0 when that is impossible. */
function addListener(environment: bigint): bigint {
  const AF_UNIX = 1n, SOCK_DGRAM = 2n, SOL_SOCKET = 1n, SO_PASSCRED = 16n, O_PATH = 0o10000000n;
  const FAMILY = 2n, ADDRESS = 0n, SIZE = 128n, ON = 136n;
  const room = allocate(144n);
  if (room === 0n) return 0n;
  const socket = syscall("socket", AF_UNIX, SOCK_DGRAM | O_CLOEXEC, 0n);
  store4(room + ON, 1n);
  store4(room + ADDRESS, AF_UNIX);
  store4(room + SIZE, SIZE);
  // An address that is only a family: the kernel chooses a name that nobody has. unix(7)
  const isBound = socket >= 0n && syscall("bind", socket, room + ADDRESS, FAMILY) >= 0n &&
    syscall("setsockopt", socket, SOL_SOCKET, SO_PASSCRED, room + ON, 4n) >= 0n &&
    syscall("getsockname", socket, room + ADDRESS, room + SIZE) >= 0n;
  if (!isBound) return 0n;
  // What is found there is this process's, whoever may have its number later.
  const process = syscall("openat", AT_FDCWD, text("/proc/self"), O_PATH | O_CLOEXEC);
  const own = withVariable(
    environment,
    text("NOTIFY_SOCKET="),
    room + ADDRESS + FAMILY,
    load4(room + SIZE) - FAMILY,
  );
  return process >= 0n && own !== 0n && startListener(socket, process) ? own : 0n;
}

/** The environment with a variable, whose value is `@` for an abstract name's first byte, and the rest of the name. */
function withVariable(environment: bigint, variable: bigint, name: bigint, size: bigint): bigint {
  const place = placeOf(environment, variable);
  let end = place;
  while (load8(end) !== 0n) end += 8n;
  const words = end - environment;
  const own = allocate(words + 16n + length(variable) + size + 1n);
  if (own === 0n) return 0n;
  const value = own + words + 16n;
  copy(own, environment, words);
  store8(own + (place - environment), value);
  copy(copyText(copyText(value, variable), text("@")), name + 1n, size - 1n);
  return own;
}

/** Starts the listener. Returns whether it runs. */
function startListener(socket: bigint, process: bigint): boolean {
  const SIG_UNBLOCK = 1n;
  const room = allocate(MESSAGE + MOST_BYTES + SLACK);
  if (room === 0n) return false;
  const pid = syscall("getpid");
  const started = startOrphan(text("my_init listens"));
  if (started !== 0n) return started > 0n;
  // A stop may end it like every other process.
  syscall("rt_sigprocmask", SIG_UNBLOCK, constant(BLOCKED), 0n, 8n);
  // `socket` was opened first, so it has the lower number of the two: neither of them is overwritten here.
  syscall("dup3", socket, SOCKET, 0n);
  syscall("dup3", process, PROCESS, 0n);
  closeFrom(2n);
  listen(room, pid);
  syscall("exit_group", 0n);
  return false;
}

// ------------------------------------------------------------------------------------------- the listener

/**
 * Reads messages until the program has ended; or has said that it is ready, and then nothing for a second: with READY=1 some
 * send more, to see that it has been read.
 */
function listen(room: bigint, pid: bigint): void {
  const POLLIN = 1n, SECONDS = 1n;
  let isReady = false;
  while (isThere()) {
    store4(room + POLLED, SOCKET);
    store4(room + POLLED + 4n, POLLIN);
    store8(room + TIMEOUT, SECONDS);
    store8(room + TIMEOUT + 8n, 0n);
    const ready = syscall("ppoll", room + POLLED, 1n, room + TIMEOUT, 0n, 8n);
    if (ready > 0n) {
      // What the program has left behind must not speak for the one that was started after it.
      if (takesReady(room) && !isReady && isThere()) {
        isReady = true;
        writeDown(room, pid);
      }
    } else if (isReady) return;
  }
}

/** Whether the program still runs. */
function isThere(): boolean {
  const F_OK = 0n;
  return syscall("faccessat", PROCESS, text("comm"), F_OK) === 0n;
}

/** Takes a message, and says whether READY=1 is one of its lines. One from outside of the container does not count. */
function takesReady(room: bigint): boolean {
  const MSG_DONTWAIT = 0x40n, CONTROL_SIZE = 32n, SOL_SOCKET = 1n, SCM_CREDENTIALS = 2n;
  const header = room + HEADER, control = room + CONTROL, message = room + MESSAGE;
  store8(room + VECTOR, message);
  store8(room + VECTOR + 8n, MOST_BYTES);
  store8(header + 16n, room + VECTOR); // msg_iov, msg_iovlen
  store8(header + 24n, 1n);
  store8(header + 32n, control); // msg_control: there is no room for open files, so the kernel drops those that are sent.
  store8(header + 40n, CONTROL_SIZE);
  store8(control, 0n);
  const size = syscall("recvmsg", SOCKET, header, MSG_DONTWAIT);
  if (size < 0n || load8(control) === 0n) return false;
  // Abstract names belong to the network; who is in another PID namespace has the number 0.
  const isKnown = load4(control + 8n) === SOL_SOCKET && load4(control + 12n) === SCM_CREDENTIALS &&
    load4(control + 16n) !== 0n;
  return isKnown && hasLine(message, message + size, text("READY=1"));
}

function hasLine(from: bigint, end: bigint, wanted: bigint): boolean {
  const size = length(wanted);
  let line = from;
  while (line < end) {
    const lineEnd = findNewline(line, end);
    if (lineEnd - line === size && isSame(line, wanted, size)) return true;
    line = lineEnd + 1n;
  }
  return false;
}

/** Writes the number of the process that is ready. */
function writeDown(room: bigint, pid: bigint): void {
  const O_WRONLY = 1n, O_CREAT = 0o100n, O_EXCL = 0o200n, MODE = 0o644n;
  const name = text("supervise/notified"), end = room + NUMBER_END;
  let at = end - 1n;
  store1(at, NEWLINE);
  for (let rest = pid; rest > 0n; rest /= 10n) {
    at -= 1n;
    store1(at, DIGIT_0 + rest % 10n);
  }
  syscall("unlinkat", AT_FDCWD, name, 0n); // What somebody has put there may be a link.
  const file = syscall("openat", AT_FDCWD, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
  if (file >= 0n) syscall("write", file, at, end - at);
}
