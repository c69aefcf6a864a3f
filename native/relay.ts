// Puts a name before the lines of a program. This process itself executes the program, so its parent watches the program and
// nothing else. What the program writes goes through two pipes to a second process, the relay. It is an orphan, blocks all
// signals, and ends when no process can write to the pipes any more.
//
// A line and its name are written at once and are no longer than PIPE_BUF, so that the kernel does not mix them with what
// others write to the same pipe. A longer line becomes several.

import { load1, load4, load8, store1, store4, store8, syscall, text } from "./machine.ts";
import { closeFrom, S_IFDIR, typeOf } from "./files.ts";
import { escape, escapeAll } from "./json.ts";
import { allocate, copyText, find, findNewline, isText, length, move, zero } from "./memory.ts";
import { baseName, execute, findProgram, startOrphan } from "./programs.ts";
import { environmentOf, placeOf, valueOf } from "./stack.ts";
import { TIME_SIZE, writeTime } from "./time.ts";

const COLON = 58n,
  NEWLINE = 10n,
  PLUS = 43n,
  SPACE = 32n,
  DELETE = 127n,
  QUESTION = 63n;
const EINTR = 4n, EAGAIN = 11n;

/** The form in which lines are written: SERVICE_LOGS. */
const RAW = 0n, PREFIX = 1n, JSON = 2n;

/** How many bytes a pipe takes at once without mixing them with what others write. pipe(7) */
const PIPE_BUF = 4096n;
/** What is behind a message of JSON: `","partial":true}` at most, and one character that just did not fit. */
const JSON_END = 24n;
/** Of a longer name only so much is used: each byte can become six. */
const LONGEST_NAME = 255n;
/** move() and findNewline() may touch so many bytes behind the end. */
const SLACK = 8n;

/** Offsets in the data of each of the two streams: numbers, then texts. */
const OUTPUT = 0n, // The open file that its lines are written to: 1 or 2.
  COUNT = 8n, // How many bytes there are.
  IS_CONTINUED = 16n, // Whether the beginning of the line has been written.
  HEAD_SIZE = 24n,
  HEAD = 32n, // What its lines begin with.
  BYTES = HEAD + 2048n; // What has been read, and not yet been written.
const MOST_BYTES = 16384n;
const STREAM = BYTES + MOST_BYTES + SLACK;

/** The data that both streams share. */
const POLLED = 0n, SECOND_POLLED = 8n, END = 16n, WRITTEN = 32n;
const STREAMS = WRITTEN + PIPE_BUF + SLACK;
const ROOM = STREAMS + 2n * STREAM;

/**
 * Executes another program with a relay for its lines, if this process was started for that.
 *
 * As `relay NAME FILE ARGV0 [ARGUMENT]...` my_init starts it; as `runsv SERVICE` runsvdir does, which finds it in the PATH
 * before runit's own. That one also makes runsv the parent of what a service with a file owns_descendants leaves behind.
 */
export function relay(stack: bigint): void {
  const count = load8(stack), name = load8(stack + 16n), environment = environmentOf(stack);
  if (count < 2n) return;
  const called = baseName(load8(stack + 8n));
  if (isText(called, text("runsv"))) {
    const file = findRunsv(environment);
    if (typeOfFile(name, text("/log")) !== S_IFDIR) addRelay(stack, called, name, environment);
    // Not before the relay has become an orphan: that is PID 1's.
    if (typeOfFile(name, text("/owns_descendants")) !== 0n) adoptOrphans();
    execute(file === 0n ? called : file, stack + 8n, environment);
  }
  if (isText(called, text("relay")) && count >= 4n) {
    addRelay(stack, called, name, environment);
    execute(load8(stack + 24n), stack + 32n, environment);
  }
}

/** Finds runit's own runsv, and removes the directory of this one from the PATH, which the service need not know. */
function findRunsv(environment: bigint): bigint {
  const PATH = text("PATH="), place = placeOf(environment, PATH);
  const end = load8(place) === 0n ? 0n : find(load8(place), COLON);
  if (end === 0n || load1(end) === 0n) return findProgram(text("runsv"), 0n);
  const rest = end + 1n;
  store8(place, rest - length(PATH));
  copyText(load8(place), PATH);
  return findProgram(text("runsv"), rest);
}

/** The type of a file in the directory of a service; 0 when there is none. */
function typeOfFile(service: bigint, file: bigint): bigint {
  const room = allocate(length(service) + 256n);
  if (room === 0n) return 0n;
  const path = room + 200n;
  store1(copyText(copyText(path, service), file), 0n);
  return typeOf(path, room);
}

/** The orphans among this process's descendants become its children, also when it has executed runsv, which reaps them. */
function adoptOrphans(): void {
  const PR_SET_CHILD_SUBREAPER = 36n;
  syscall("prctl", PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
}

/** Connects standard output and error to a relay. If that is impossible nothing changes. */
function addRelay(stack: bigint, called: bigint, name: bigint, environment: bigint): void {
  const O_CLOEXEC = 0o2000000n, WRITABLE = 0o622n;
  const form = formIn(environment);
  const pipes = form === RAW ? 0n : allocate(16n);
  if (pipes === 0n) return;
  if (syscall("pipe2", pipes, O_CLOEXEC) < 0n || syscall("pipe2", pipes + 8n, O_CLOEXEC) < 0n) {
    return;
  }
  const stdout = load4(pipes + 4n), stderr = load4(pipes + 12n);
  // A process without standard output or error has none to be named, and the pipes are in their place now.
  if (load4(pipes) === 1n || load4(pipes) === 2n || stdout <= 2n) return;
  if (!startRelay(stack, called, name, form, load4(pipes), load4(pipes + 8n))) return;
  // Everyone may open them by name, as in my_init: /dev/stdout.
  syscall("fchmod", stdout, WRITABLE);
  syscall("fchmod", stderr, WRITABLE);
  syscall("dup3", stdout, 1n, 0n);
  syscall("dup3", stderr, 2n, 0n);
}

function formIn(environment: bigint): bigint {
  const value = valueOf(environment, text("SERVICE_LOGS="));
  if (value === 0n) return RAW;
  if (isText(value, text("prefix"))) return PREFIX;
  return isText(value, text("json")) ? JSON : RAW;
}

/** Starts the relay. Returns whether it runs. */
function startRelay(
  stack: bigint,
  called: bigint,
  name: bigint,
  form: bigint,
  stdout: bigint,
  stderr: bigint,
): boolean {
  const room = allocate(ROOM);
  if (room === 0n) return false;
  // It must not look like a runsv in the list of processes.
  const started = startOrphan(text("my_init relay"));
  if (started !== 0n) return started > 0n;
  prepare(room, name, form);
  rename(stack, called, name);
  keepOnly(stdout, stderr);
  carry(room, form);
  syscall("exit_group", 0n);
  return false;
}

/** Makes `ps` show this process as `relay NAME`. */
function rename(stack: bigint, called: bigint, name: bigint): void {
  const last = load8(stack + 8n * load8(stack));
  zero(name + length(name), last + length(last));
  copyText(called, text("relay"));
}

/** Closes all open files but the pipes (0 and 3) and 1 and 2, and leaves the working directory, so that it can be unmounted. */
function keepOnly(stdout: bigint, stderr: bigint): void {
  syscall("dup3", stdout, 0n, 0n);
  syscall("dup3", stderr, 3n, 0n);
  closeFrom(4n);
  syscall("chdir", text("/"));
}

// ---------------------------------------------------------------------------------------------- the relay

/** Makes the beginnings of lines. */
function prepare(room: bigint, name: bigint, form: bigint): void {
  for (let output = 1n; output <= 2n; output += 1n) {
    const stream = room + STREAMS + (output - 1n) * STREAM;
    store8(stream + OUTPUT, output);
    const head = stream + HEAD;
    let size = length(name);
    if (size > LONGEST_NAME) size = LONGEST_NAME;
    let at = head;
    if (form === PREFIX) {
      for (let done = 0n; done < size; done += 1n) {
        const byte = load1(name + done);
        store1(at, byte < SPACE || byte === DELETE ? QUESTION : byte);
        at += 1n;
      }
      at = copyText(at, text(" | "));
    } else {
      at = copyText(at, text('{"time":"')) + TIME_SIZE;
      at = copyText(at, text('","service":"'));
      at = escapeAll(at, name, name + size, room + END);
      at = copyText(at, text('","stream":"std'));
      at = copyText(at, output === 1n ? text("out") : text("err"));
      at = copyText(at, text('","message":"'));
    }
    store8(stream + HEAD_SIZE, at - head);
  }
  const POLLIN = 1n;
  store4(room + POLLED, 0n);
  store4(room + POLLED + 4n, POLLIN);
  store4(room + SECOND_POLLED, 3n);
  store4(room + SECOND_POLLED + 4n, POLLIN);
}

/** Reads and writes until both pipes are at their end. */
function carry(room: bigint, form: bigint): void {
  let left = 2n;
  while (left > 0n) {
    const ready = syscall("ppoll", room + POLLED, 2n, 0n, 0n, 8n);
    if (ready < 0n && ready !== -EINTR) return;
    for (let index = 0n; index < 2n; index += 1n) {
      const polled = room + POLLED + 8n * index;
      // The lower half of these 4 bytes is what was asked for.
      const isReady = ready > 0n && load4(polled + 4n) > 0xffffn;
      if (isReady && !take(room, form, index, load4(polled))) {
        store4(polled, -1n);
        left -= 1n;
      }
    }
  }
}

/** Reads once from a stream and writes what can be written. Returns whether there may be more. */
function take(room: bigint, form: bigint, index: bigint, file: bigint): boolean {
  const stream = room + STREAMS + index * STREAM;
  const count = load8(stream + COUNT);
  const got = syscall("read", file, stream + BYTES + count, MOST_BYTES - count);
  if (got === -EINTR || got === -EAGAIN) return true;
  if (form === JSON) writeTime(stream + HEAD + 9n, room + END);
  if (got > 0n) store8(stream + COUNT, count + got);
  writeLines(room, form, stream, got <= 0n);
  return got > 0n;
}

/** Writes all whole lines of a stream, and at the end of it the last one, too. The rest is kept. */
function writeLines(room: bigint, form: bigint, stream: bigint, isEnd: boolean): void {
  const written = room + WRITTEN, output = load8(stream + OUTPUT), head = load8(stream + HEAD_SIZE);
  const end = stream + BYTES + load8(stream + COUNT);
  let at = stream + BYTES, to = written;
  while (at < end) {
    const lineEnd = findNewline(at, end);
    // The rest of the line may still come. If it cannot, or there are too many bytes already, a part of the line is written.
    if (lineEnd === end && !isEnd && end - at <= PIPE_BUF) break;
    const most = form === JSON ? head + 6n * (lineEnd - at) + JSON_END : head + (lineEnd - at) + 1n;
    if (to > written && to + most > written + PIPE_BUF) {
      write(output, written, to);
      to = written;
    }
    to = move(to, stream + HEAD, head);
    if (form === JSON) {
      at = escape(to, written + PIPE_BUF - JSON_END, at, lineEnd, room + END);
      to = load8(room + END);
      to = copyText(to, at < lineEnd ? text('","partial":true}') : text('"}'));
    } else {
      if (load8(stream + IS_CONTINUED) !== 0n) store1(to - 2n, PLUS);
      const piece = pieceOf(at, lineEnd, written + PIPE_BUF - 1n - to);
      to = move(to, at, piece);
      at += piece;
    }
    store1(to, NEWLINE);
    to += 1n;
    store8(stream + IS_CONTINUED, at < lineEnd ? 1n : 0n);
    if (at === lineEnd) at += 1n;
  }
  write(output, written, to);
  const rest = at < end ? end - at : 0n;
  if (at > stream + BYTES) move(stream + BYTES, at, rest);
  store8(stream + COUNT, rest);
}

/** How many bytes of a line fit: a character of several bytes is not divided. */
function pieceOf(line: bigint, end: bigint, room: bigint): bigint {
  if (end - line <= room) return end - line;
  for (let piece = room; piece > room - 4n; piece -= 1n) {
    if ((load1(line + piece) & 0xc0n) !== 0x80n) return piece;
  }
  return room;
}

/** Writes all bytes, unless no process can read them any more: then they are lost, and the program may go on. */
function write(output: bigint, from: bigint, end: bigint): void {
  const POLLOUT = 4n;
  let at = from;
  while (at < end) {
    const count = syscall("write", output, at, end - at);
    if (count === -EAGAIN) {
      const polled = allocate(8n); // Needed only if some program has made the output non-blocking.
      if (polled === 0n) return;
      store4(polled, output);
      store4(polled + 4n, POLLOUT);
      syscall("ppoll", polled, 1n, 0n, 0n, 8n);
      syscall("munmap", polled, 8n);
    } else if (count > 0n) at += count;
    else if (count !== -EINTR) return;
  }
}
