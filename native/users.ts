// Reads /etc/passwd and /etc/group in the usual case: then it finds what the functions of glibc find, in every version from
// 2.23 on. In any other case, such as another source of NSS or a malformed line, it returns UNUSUAL and decides nothing.

import { either, load1, store4, syscall, text } from "./machine.ts";
import { isSame } from "./memory.ts";
import { exists, MISSING, openFile, readWhole } from "./files.ts";

const TAB = 9n, NEWLINE = 10n, SPACE = 32n, HASH = 35n, PLUS = 43n, COMMA = 44n, MINUS = 45n;
const DIGIT_0 = 48n, DIGIT_9 = 57n, COLON = 58n, LETTER_A = 97n, LETTER_Z = 122n, UNDERSCORE = 95n;
const DELETE = 127n;

/** The greatest uid and gid: the number above means "no change" to the system. */
const GREATEST = 0xfffffffen;

/** Returned instead of a line: there is no such line. */
export const NONE = -1n;
/** Returned instead of any result: setuser.ts must decide. */
export const UNUSUAL = 0n;

/** Fields of a line, counted from 0, of /etc/passwd, and of /etc/group. passwd(5), group(5) */
export const ID = 2n, GID = 3n, HOME = 5n, SHELL = 6n;
const MEMBERS = 3n;
/** Which file: the number of colons in a line. */
export const PASSWD = 6n, GROUP = 3n;

/** Reads /etc/passwd or /etc/group. */
export function readDatabase(path: bigint): bigint {
  const file = openFile(path);
  if (file < 0n) return UNUSUAL;
  const content = readWhole(file);
  syscall("close", file);
  return content;
}

/** Finds the first line with this name or, without a name, with this number. */
export function findLine(
  database: bigint,
  kind: bigint,
  name: bigint,
  size: bigint,
  id: bigint,
): bigint {
  let line = database;
  while (load1(line) !== 0n) {
    if (!isSkipped(line, kind)) {
      if (!isUsual(line, kind)) return UNUSUAL;
      const isIt = size > 0n ? isField(line, name, size) : readNumber(field(line, ID)) === id;
      if (isIt) return line;
    }
    line = nextLine(line);
  }
  return NONE;
}

/** Writes the groups of a user into `groups`, as getgrouplist(3) does. Returns how many there are, or UNUSUAL. */
export function listGroups(
  database: bigint,
  name: bigint,
  size: bigint,
  gid: bigint,
  groups: bigint,
): bigint {
  store4(groups, gid);
  let count = 1n;
  let line = database;
  while (load1(line) !== 0n) {
    if (!isSkipped(line, GROUP)) {
      if (!isUsual(line, GROUP)) return UNUSUAL;
      const id = readNumber(field(line, ID));
      if (id !== gid && hasMember(line, name, size)) {
        store4(groups + 4n * count, id);
        count += 1n;
      }
    }
    line = nextLine(line);
  }
  return count;
}

function hasMember(line: bigint, name: bigint, size: bigint): boolean {
  let at = field(line, MEMBERS);
  while (true) {
    const end = endOfMember(at);
    if (end - at === size && isSame(at, name, size)) return true;
    if (load1(end) !== COMMA) return false;
    at = end + 1n;
  }
}

function endOfMember(member: bigint): bigint {
  let at = member;
  while (load1(at) !== COMMA && load1(at) !== NEWLINE && load1(at) !== 0n) at += 1n;
  return at;
}

/** Where a field begins. */
export function field(line: bigint, index: bigint): bigint {
  let at = line;
  for (let left = index; left > 0n; at += 1n) {
    if (load1(at) === COLON) left -= 1n;
  }
  return at;
}

/** How long a field is. */
export function sizeOfField(start: bigint): bigint {
  let at = start;
  while (load1(at) !== COLON && load1(at) !== NEWLINE && load1(at) !== 0n) at += 1n;
  return at - start;
}

function isField(start: bigint, name: bigint, size: bigint): boolean {
  return sizeOfField(start) === size && isSame(start, name, size);
}

/** Reads a number, up to its last digit; −1 when there is none, or it is too great. */
export function readNumber(start: bigint): bigint {
  let at = start, value = 0n;
  while (isDigit(load1(at)) && at - start < 11n) {
    value = value * 10n + load1(at) - DIGIT_0;
    at += 1n;
  }
  return at === start || at - start > 10n || value > GREATEST ? -1n : value;
}

/** Reads a text that is a uid or gid and nothing else; −1 when it is not. */
export function readId(start: bigint, size: bigint): bigint {
  for (let at = 0n; at < size; at += 1n) {
    if (!isDigit(load1(start + at))) return -1n;
  }
  return readNumber(start);
}

function isDigit(byte: bigint): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

/** Whether a line is empty or a comment. A comment in /etc/group that has colons is not skipped: some glibc read it as a group. */
function isSkipped(line: bigint, kind: bigint): boolean {
  if (load1(line) === NEWLINE) return true;
  return load1(line) === HASH && (kind === PASSWD || load1(line + sizeOfField(line)) !== COLON);
}

/** Whether a line has all its fields, and only characters that every version of glibc reads in the same way. */
function isUsual(line: bigint, kind: bigint): boolean {
  const first = load1(line);
  if (first === COLON || first === HASH || first === PLUS || first === MINUS) return false;
  let colons = 0n;
  let at = line;
  while (load1(at) !== NEWLINE && load1(at) !== 0n) {
    const byte = load1(at);
    if (byte === COLON) {
      colons += 1n;
      const isNumber = colons === ID || (colons === GID && kind === PASSWD);
      if (isNumber && !isUsualNumber(at + 1n)) return false;
    }
    const mayBeSpace = kind === PASSWD && colons > GID;
    if (byte < SPACE || byte === DELETE || (byte === SPACE && !mayBeSpace)) return false;
    at += 1n;
  }
  return colons === kind;
}

function isUsualNumber(start: bigint): boolean {
  return readNumber(start) >= 0n && readId(start, sizeOfField(start)) >= 0n;
}

function nextLine(line: bigint): bigint {
  let at = line;
  while (load1(at) !== NEWLINE && load1(at) !== 0n) at += 1n;
  return load1(at) === NEWLINE ? at + 1n : at;
}

// ------------------------------------------------------------------------------------------------------ NSS

/** Whether NSS reads /etc/passwd and /etc/group and nothing else. nsswitch.conf(5) */
export function isOnlyFiles(): boolean {
  if (exists(text("/var/run/nscd/socket"))) return false;
  const file = openFile(text("/etc/nsswitch.conf"));
  if (file === MISSING) return true;
  if (file < 0n) return false;
  const content = readWhole(file);
  syscall("close", file);
  if (content === 0n) return false;
  let hasPasswd = false, hasGroup = false;
  let line = content;
  while (load1(line) !== 0n) {
    if (load1(line) !== HASH && load1(line) !== NEWLINE) {
      const size = sizeOfName(line);
      if (size === 0n) return false;
      if (size === 10n && isSame(line, text("initgroups"), size)) return false;
      const isPasswd = size === 6n && isSame(line, text("passwd"), size);
      const isGroup = size === 5n && isSame(line, text("group"), size);
      if ((isPasswd && hasPasswd) || (isGroup && hasGroup)) return false;
      if ((isPasswd || isGroup) && !areFiles(line + size + 1n)) return false;
      hasPasswd = hasPasswd || isPasswd;
      hasGroup = hasGroup || isGroup;
    }
    line = nextLine(line);
  }
  return true;
}

/** How long the name of a database is, at the beginning of a line; 0 when there is none with a colon behind it. */
function sizeOfName(line: bigint): bigint {
  let at = line;
  while ((load1(at) >= LETTER_A && load1(at) <= LETTER_Z) || load1(at) === UNDERSCORE) at += 1n;
  return load1(at) === COLON ? at - line : 0n;
}

/** Whether the sources are `files` or `compat`, at most followed by a `systemd` that is not installed. */
function areFiles(start: bigint): boolean {
  let count = 0n;
  let at = start;
  while (true) {
    while (load1(at) === SPACE || load1(at) === TAB) at += 1n;
    const word = at;
    while (load1(at) >= LETTER_A && load1(at) <= LETTER_Z) at += 1n;
    const size = at - word, end = load1(at);
    if (size === 0n) return count > 0n && (end === NEWLINE || end === 0n);
    if (end !== SPACE && end !== TAB && end !== NEWLINE && end !== 0n) return false;
    const isFiles = (size === 5n && isSame(word, text("files"), size)) ||
      (size === 6n && isSame(word, text("compat"), size));
    const isSystemd = size === 7n && isSame(word, text("systemd"), size) && !hasSystemd();
    if (count === 0n ? !isFiles : count > 1n || !isSystemd) return false;
    count += 1n;
  }
}

function hasSystemd(): boolean {
  return exists(
    either(
      text("/lib/x86_64-linux-gnu/libnss_systemd.so.2"),
      text("/lib/aarch64-linux-gnu/libnss_systemd.so.2"),
    ),
  ) || exists(
    either(
      text("/usr/lib/x86_64-linux-gnu/libnss_systemd.so.2"),
      text("/usr/lib/aarch64-linux-gnu/libnss_systemd.so.2"),
    ),
  );
}
