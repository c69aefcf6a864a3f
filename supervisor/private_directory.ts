import { type ByteString } from "../posix/bytes.ts";
import {
  attempt,
  identity,
  listDirectory,
  lockDirectory,
  lstat,
  makeDirectory,
  readLink,
  removeDirectory,
  stat,
  SystemError,
  unlink,
} from "../posix/libc.ts";

/**
 * Where a private directory can be. Security monitors report programs that run from /dev/shm, so that is one of the last.
 * Only root can write to /dev, but also when the root file system is read-only and there is no /dev/shm.
 */
export const PLACES: readonly ByteString[] = ["/run", "/tmp", "/dev/shm", "/dev"];

/** The names begin with this and the number of the mount namespace, by which `sv` finds its own container's. */
const PREFIX = "my_init.";

export interface PrivateDirectory {
  path: ByteString;
  /** The open file that locks it while it is open. */
  lock: number;
}

/**
 * Makes a new directory that nobody else can write to or read, and removes those that earlier runs have left. Other
 * users, and containers that share the place, can make directories of such a name, too: what is already there is never
 * used, and as long as its owner lives a directory is locked and stays.
 *
 * @returns undefined when it cannot be made in any place
 */
export function makePrivateDirectory(): PrivateDirectory | undefined {
  const namespace = readLink("/proc/self/ns/mnt")?.match(/\d+/)?.[0] ?? "0";
  const places = PLACES.filter(isSafe);
  places.forEach(removeLeftovers);
  for (const place of places) {
    const path = `${place}/${PREFIX}${namespace}.${crypto.randomUUID().slice(0, 8)}`;
    const lock = make(path);
    if (lock !== undefined) return { path, lock };
  }
}

/** Whether nobody but its owner and root can rename or replace what is in this place. */
function isSafe(place: ByteString): boolean {
  const STICKY = 0o1000, WRITE_OF_OTHERS = 0o022;
  const status = stat(place);
  if (status?.type !== "directory" || ![0, identity().uid].includes(status.uid)) return false;
  return (status.mode & WRITE_OF_OTHERS) === 0 || (status.mode & STICKY) !== 0;
}

function make(path: ByteString): number | undefined {
  try {
    makeDirectory(path, 0o700);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  // Before it was locked, another my_init may have removed it as a leftover.
  const lock = lockDirectory(path);
  return isPrivate(path) ? lock : undefined;
}

/** Whether this is a directory and not a link, and belongs to us alone. */
function isPrivate(path: ByteString): boolean {
  const status = lstat(path);
  return status?.type === "directory" && status.uid === identity().uid &&
    (status.mode & 0o077) === 0;
}

function removeLeftovers(place: ByteString): void {
  attempt(() => {
    const leftovers = listDirectory(place).filter((name) => name.startsWith(PREFIX))
      .map((name) => `${place}/${name}`)
      .filter((path) => isPrivate(path) && lockDirectory(path) !== undefined);
    leftovers.forEach(remove);
  });
}

/** Removes a file, a link, or a directory with all that is in it. */
function remove(path: ByteString): void {
  if (lstat(path)?.type !== "directory") return void unlink(path);
  for (const name of listDirectory(path)) remove(`${path}/${name}`);
  removeDirectory(path);
}
