// The user and groups of this process: changed in a way that can be undone until another program is executed.

import { load4, store4, syscall } from "./machine.ts";
import { allocate } from "./memory.ts";

const MOST_GROUPS = 65536n;
const PR_GET_DUMPABLE = 3n, PR_SET_DUMPABLE = 4n;
const PR_CAP_AMBIENT = 47n, PR_CAP_AMBIENT_CLEAR_ALL = 4n;

/** Offsets in what is saved of the identity before: real, effective and saved gid; whether it is dumpable; the groups. */
const DUMPABLE = 12n, COUNT = 16n, GROUPS = 20n;

/** The caller's effective gid. */
export function callersGroup(): bigint {
  return syscall("getegid");
}

/**
 * Becomes another user; only root may. The saved uid stays 0, so that comeBack() can undo it; execve(2) sets it to the
 * new uid.
 *
 * @returns what comeBack() needs, or 0 when it is impossible; then nothing has changed
 */
export function become(uid: bigint, gid: bigint, groups: bigint, count: bigint): bigint {
  const before = allocate(GROUPS + 4n * MOST_GROUPS);
  if (before === 0n || !isRoot(before)) return 0n;
  const ids = syscall("getresgid", before, before + 4n, before + 8n);
  const known = syscall("getgroups", MOST_GROUPS, before + GROUPS);
  if (ids < 0n || known < 0n) return 0n;
  store4(before + DUMPABLE, syscall("prctl", PR_GET_DUMPABLE));
  store4(before + COUNT, known);
  if (syscall("setgroups", count, groups) < 0n) return 0n;
  if (syscall("setresgid", gid, gid, gid) < 0n || syscall("setresuid", uid, uid, 0n) < 0n) {
    comeBack(before);
    return 0n;
  }
  // The kernel does this when all three uids change. It cannot be undone, but after comeBack() only a message is printed.
  if (uid !== 0n) syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n);
  return before;
}

/** Undoes become(). */
export function comeBack(before: bigint): void {
  syscall("setresuid", 0n, 0n, 0n);
  syscall("setresgid", load4(before), load4(before + 4n), load4(before + 8n));
  syscall("setgroups", load4(before + COUNT), before + GROUPS);
  // A change of uid makes the process not dumpable, and /proc/self not readable for it.
  syscall("prctl", PR_SET_DUMPABLE, load4(before + DUMPABLE));
}

function isRoot(room: bigint): boolean {
  return syscall("getresuid", room, room + 4n, room + 8n) === 0n && load4(room) === 0n &&
    load4(room + 4n) === 0n && load4(room + 8n) === 0n;
}
