// Who this process is: changed in a way that can be undone until another program is executed.

import { load4, store4, syscall } from "./machine.ts";
import { allocate } from "./memory.ts";

const MOST_GROUPS = 65536n;
const PR_GET_DUMPABLE = 3n, PR_SET_DUMPABLE = 4n;
const PR_CAP_AMBIENT = 47n, PR_CAP_AMBIENT_CLEAR_ALL = 4n;

/** What is saved of the identity of before: real, effective, saved gid; whether it is dumpable; the groups. */
const DUMPABLE = 12n, COUNT = 16n, GROUPS = 20n;

/** The caller's effective gid. */
export function callersGroup(): bigint {
  return syscall("getegid");
}

/**
 * Becomes another user, who could not change back without the saved uid: that stays 0, and execve(2) makes it the new one.
 * Only root may do so.
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
  // As a full change of all three uids does. Not to be undone, but whoever comes back for a message has no use for them.
  if (uid !== 0n) syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n);
  return before;
}

/** Undoes become(). */
export function comeBack(before: bigint): void {
  syscall("setresuid", 0n, 0n, 0n);
  syscall("setresgid", load4(before), load4(before + 4n), load4(before + 8n));
  syscall("setgroups", load4(before + COUNT), before + GROUPS);
  // The kernel has taken /proc/self away from us.
  syscall("prctl", PR_SET_DUMPABLE, load4(before + DUMPABLE));
}

function isRoot(room: bigint): boolean {
  return syscall("getresuid", room, room + 4n, room + 8n) === 0n && load4(room) === 0n &&
    load4(room + 4n) === 0n && load4(room + 8n) === 0n;
}
