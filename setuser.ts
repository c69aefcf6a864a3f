import { type ByteString } from "./posix/bytes.ts";
import {
  becomeUser,
  exec,
  exit,
  findGroup,
  findUser,
  groupsOf,
  identity,
  readFile,
  setDefault,
  setSignalMask,
  stackLimit,
  SystemError,
  type User,
  writeError,
  writeOutput,
} from "./posix/libc.ts";
import { findExcess } from "./posix/arguments.ts";
import { findProgram } from "./posix/programs.ts";
import { allSignalsBut, GLIBC_SIGNALS } from "./posix/signals.ts";
import { parseEnvironment, pathOf, toStrings, withVariables } from "./env/environment.ts";

declare const VERSION: string;

const HELP = `Usage: setuser USER[:GROUP] COMMAND [ARGUMENT]...

Runs COMMAND as another user, in this very process. USER and GROUP are names or numbers. Without
GROUP the user's own groups are taken, with it that group alone. A number that nobody has keeps the
caller's group, which is root's when root calls; NUMBER:GROUP takes another. USER, LOGNAME, HOME,
SHELL, UID and GID are set; all other variables are passed on.

  -h, --help     show this help
      --version  show the version

Exit status: the command's; 127 when it is not found, 126 when it cannot be executed, 1 for any
other error.
`;

const [, who, ...command] = readFile("/proc/self/cmdline").split("\0").slice(0, -1);
if (who === "-h" || who === "--help") {
  writeOutput(HELP);
  exit(0);
}
if (who === "--version") {
  writeOutput(`setuser ${VERSION}\n`);
  exit(0);
}
if (who?.startsWith("-")) fail(`unknown option ${who}; see setuser --help`);
if (command.length === 0) fail("usage: setuser USER[:GROUP] COMMAND [ARGUMENT]...");

const given = parseEnvironment(readFile("/proc/self/environ")); // Another user may not read it.
const [userName, groupName] = splitAtFirst(who, ":");
const caller = identity();
const user = chooseUser(userName, caller.gid);
const gid = groupName === undefined ? user.gid : chooseGroup(groupName);
const groups = groupName === undefined && user.known ? groupsOf(user.name, user.gid) : [gid];

const isAlready = caller.uid === user.uid && (groupName === undefined || caller.gid === gid);
if (!becomeUser(user.uid, gid, groups) && !isAlready) {
  fail(`cannot become ${who}: only root may do that (with the capabilities SETUID and SETGID)`);
}

const environment = withVariables(given, [
  ["USER", user.name],
  ["LOGNAME", user.name],
  ["HOME", user.home || "/"],
  ["SHELL", user.shell || "/bin/sh"],
  ["UID", String(user.uid)],
  ["GID", String(gid)],
]);
const found = findProgram(command[0], pathOf(environment));
if (!("file" in found)) fail(`cannot execute ${command[0]}: ${found.reason}`, found.status);

const envp = toStrings(environment);
const excess = findExcess({ file: found.file, argv: command, envp }, stackLimit());
if (excess) fail(`cannot execute ${command[0]}: ${excess}`, 126);

for (const signal of [...allSignalsBut(), ...GLIBC_SIGNALS]) setDefault(signal);
setSignalMask([]);
try {
  exec(found.file, command, envp);
} catch (error) {
  if (!(error instanceof SystemError)) throw error;
  fail(`cannot execute ${command[0]}: ${error.reason}`, 126);
}

/**
 * Finds the user of this name or number. A number that nobody has is accepted, too: it gets the home `/` and the caller's
 * group. For root that is group 0, as with `docker run -u 12345` and gosu: images that run as any user (OpenShift's rule)
 * make their files writable for group 0, and would not work with another.
 */
function chooseUser(name: ByteString, callersGid: number): User & { known: boolean } {
  const uid = parseId(name);
  const found = findUser(name) ?? (uid === undefined ? undefined : findUser(uid));
  if (found) return { ...found, known: true };
  if (uid === undefined) fail(`user ${name} not found`);
  return { name, uid, gid: callersGid, home: "/", shell: "/bin/sh", known: false };
}

function chooseGroup(name: ByteString): number {
  return findGroup(name) ?? parseId(name) ?? fail(`group ${name} not found`);
}

/** Reads a uid or gid. The greatest number of 32 bits is none: it means "no change" to the kernel. */
function parseId(text: string): number | undefined {
  const id = /^\d+$/.test(text) ? Number(text) : Infinity;
  return id < 0xffffffff ? id : undefined;
}

function splitAtFirst(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function fail(reason: ByteString, status = 1): never {
  writeError(`setuser: ${reason}`);
  exit(status);
}
