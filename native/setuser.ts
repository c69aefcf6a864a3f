// What setuser.ts does, in the usual case: root calls, and users and groups come from /etc/passwd and /etc/group. In every
// other case, and for every message, it returns with nothing changed, and setuser.ts does everything.

import { constant, load1, load8, store1, store4, store8, syscall, text } from "./machine.ts";
import { allocate, copy, copyText, find, length } from "./memory.ts";
import { become, callersGroup, comeBack } from "./identity.ts";
import { findProgram } from "./programs.ts";
import { environmentOf } from "./stack.ts";
import {
  field,
  findLine,
  GID,
  GROUP,
  HOME,
  ID,
  isOnlyFiles,
  listGroups,
  NONE,
  PASSWD,
  readDatabase,
  readId,
  readNumber,
  SHELL,
  sizeOfField,
  UNUSUAL,
} from "./users.ts";

const MINUS = 45n, DIGIT_0 = 48n, COLON = 58n, EQUALS = 61n;
const MOST_VARIABLES = 1000n;
const SIG_SETMASK = 2n, LAST_SIGNAL = 64n, SIGACTION = 32n;

/** How many variables are the user's own: USER, LOGNAME, HOME, SHELL, UID, GID. */
const OWN = 6n;

export function setuser(stack: bigint): void {
  const who = load8(stack + 16n), command = stack + 24n;
  if (load8(stack) < 3n || load1(who) === MINUS || !isOnlyFiles()) return;
  const passwd = readDatabase(text("/etc/passwd")), group = readDatabase(text("/etc/group"));
  if (passwd === UNUSUAL || group === UNUSUAL) return;

  const userEnd = find(who, COLON), size = userEnd - who;
  const user = findUser(passwd, who, size);
  if (user === UNUSUAL) return;
  const isKnown = user !== NONE, hasGroup = load1(userEnd) === COLON;
  const uid = isKnown ? readNumber(field(user, ID)) : readId(who, size);
  const own = isKnown ? readNumber(field(user, GID)) : callersGroup();
  const gid = hasGroup ? findGroup(group, userEnd + 1n) : own;
  if (uid < 0n || gid < 0n) return;
  const name = isKnown ? user : who, nameSize = isKnown ? sizeOfField(user) : size;

  const groups = allocate(length(group) + 8n); // A line is longer than the 4 bytes of its number.
  if (groups === 0n) return;
  store4(groups, gid);
  const isGiven = hasGroup || !isKnown;
  const count = isGiven ? 1n : listGroups(group, name, nameSize, gid, groups);
  if (count === UNUSUAL) return;

  const variables = ownVariables(user, name, nameSize, uid, gid);
  const environment = variables === 0n ? 0n : makeEnvironment(environmentOf(stack), variables);
  if (environment === 0n) return;
  const before = become(uid, gid, groups, count);
  if (before === 0n) return;
  run(command, environment);
  comeBack(before);
}

/** Finds the line of a user, by name or else by number. */
function findUser(passwd: bigint, who: bigint, size: bigint): bigint {
  if (size === 0n) return UNUSUAL;
  const byName = findLine(passwd, PASSWD, who, size, 0n);
  const id = readId(who, size);
  return byName === NONE && id >= 0n ? findLine(passwd, PASSWD, 0n, 0n, id) : byName;
}

/** The gid of a group, by its name or number; −1 when there is none. */
function findGroup(group: bigint, name: bigint): bigint {
  const size = length(name);
  if (size === 0n) return -1n;
  const line = findLine(group, GROUP, name, size, 0n);
  if (line === UNUSUAL) return -1n;
  return line === NONE ? readId(name, size) : readNumber(field(line, ID));
}

// ---------------------------------------------------------------------------------------------- environment

/** Makes the user's own variables: a list of addresses of `NAME=value`. */
function ownVariables(
  user: bigint,
  name: bigint,
  nameSize: bigint,
  uid: bigint,
  gid: bigint,
): bigint {
  const NAMES_AND_NUMBERS = 100n;
  const home = user === NONE ? NONE : field(user, HOME);
  const shell = user === NONE ? NONE : field(user, SHELL);
  const homeSize = home === NONE ? 0n : sizeOfField(home);
  const shellSize = shell === NONE ? 0n : sizeOfField(shell);
  const table = allocate(
    8n * (OWN + 1n) + 2n * nameSize + homeSize + shellSize + NAMES_AND_NUMBERS,
  );
  if (table === 0n) return 0n;
  let at = table + 8n * (OWN + 1n);
  at = add(table, at, text("USER="), name, nameSize);
  at = add(table + 8n, at, text("LOGNAME="), name, nameSize);
  at = addOr(table + 16n, at, text("HOME="), home, homeSize, text("/"));
  at = addOr(table + 24n, at, text("SHELL="), shell, shellSize, text("/bin/sh"));
  at = addNumber(table + 32n, at, text("UID="), uid);
  addNumber(table + 40n, at, text("GID="), gid);
  return table;
}

/** Writes a variable to `to`, and that address into the list. Returns the address for the next variable. */
function add(entry: bigint, to: bigint, name: bigint, value: bigint, size: bigint): bigint {
  store8(entry, to);
  const end = copy(copyText(to, name), value, size);
  store1(end, 0n);
  return end + 1n;
}

function addOr(
  entry: bigint,
  to: bigint,
  name: bigint,
  value: bigint,
  size: bigint,
  otherwise: bigint,
): bigint {
  return size > 0n
    ? add(entry, to, name, value, size)
    : add(entry, to, name, otherwise, length(otherwise));
}

function addNumber(entry: bigint, to: bigint, name: bigint, value: bigint): bigint {
  store8(entry, to);
  let digits = 1n;
  for (let rest = value / 10n; rest > 0n; rest /= 10n) digits += 1n;
  const start = copyText(to, name), end = start + digits;
  let rest = value;
  for (let at = end; at > start; rest /= 10n) {
    at -= 1n;
    store1(at, DIGIT_0 + rest % 10n);
  }
  store1(end, 0n);
  return end + 1n;
}

/**
 * Makes the command's environment: the given one, in which of a repeated name the first counts, and the user's own
 * variables, which replace those of the same name or come at the end.
 */
function makeEnvironment(given: bigint, own: bigint): bigint {
  let count = 0n;
  while (load8(given + 8n * count) !== 0n) count += 1n;
  const made = count > MOST_VARIABLES ? 0n : allocate(8n * (count + OWN + 1n));
  if (made === 0n) return 0n;
  let end = made;
  for (let at = given; load8(at) !== 0n; at += 8n) {
    const variable = load8(at);
    const isOne = load1(variable) !== EQUALS && load1(find(variable, EQUALS)) === EQUALS;
    if (isOne && findVariable(made, variable) === 0n) {
      const replaced = findVariable(own, variable);
      store8(end, replaced === 0n ? variable : replaced);
      end += 8n;
    }
  }
  for (let index = 0n; index < OWN; index += 1n) {
    const variable = load8(own + 8n * index);
    if (findVariable(made, variable) === 0n) {
      store8(end, variable);
      end += 8n;
    }
  }
  // A library in LD_PRELOAD could find other users and groups than the files have.
  return findVariable(made, text("LD_PRELOAD=")) === 0n ? made : 0n;
}

/** Finds the variable of the same name in a list that ends with 0. Returns 0 when there is none. */
function findVariable(list: bigint, variable: bigint): bigint {
  for (let at = list; load8(at) !== 0n; at += 8n) {
    let name = variable, other = load8(at);
    while (load1(name) === load1(other) && load1(name) !== EQUALS) {
      name += 1n;
      other += 1n;
    }
    if (load1(name) === EQUALS && load1(other) === EQUALS) return load8(at);
  }
  return 0n;
}

// -------------------------------------------------------------------------------------------------- execute

/** Executes the command with default signal dispositions and no signal blocked. If that fails, restores them and returns. */
function run(command: bigint, environment: bigint): void {
  const path = findVariable(environment, text("PATH="));
  const file = findProgram(load8(command), path === 0n ? 0n : path + 5n);
  const fresh = allocate(SIGACTION * (LAST_SIGNAL + 2n)); // The first is all 0: SIG_DFL, no flags. The saved ones follow.
  if (file === 0n || fresh === 0n) return;
  const mask = fresh + SIGACTION * (LAST_SIGNAL + 1n);
  for (let signal = 1n; signal <= LAST_SIGNAL; signal += 1n) {
    syscall("rt_sigaction", signal, fresh, fresh + SIGACTION * signal, 8n);
  }
  syscall("rt_sigprocmask", SIG_SETMASK, constant(0n), mask, 8n);
  syscall("execve", file, command, environment);
  syscall("rt_sigprocmask", SIG_SETMASK, mask, 0n, 8n);
  for (let signal = 1n; signal <= LAST_SIGNAL; signal += 1n) {
    syscall("rt_sigaction", signal, fresh + SIGACTION * signal, 0n, 8n);
  }
}
