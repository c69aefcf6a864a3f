import { type ByteString } from "./bytes.ts";
import { createFile, readRegularFile, rename, stat, SystemError, unlink } from "./libc.ts";

/**
 * The ending of a file that is still being written. The `=` keeps it apart from every environment variable.
 */
export const UNFINISHED = "=new";

/** Who may do what with a file. */
interface Access {
  mode: number;
  uid: number;
  gid: number;
}

/**
 * Replaces a file as a whole. One that exists keeps its owner and mode; `fresh` is for one that does not.
 *
 * @throws {SystemError} when it cannot be written; then the old one is as it was
 */
export function replaceFile(path: ByteString, text: ByteString, fresh: Access): void {
  writeAnew(path, text, stat(path) ?? fresh);
}

/**
 * Makes a file beside an old one and renames it, so no reader finds a part of it. One that is like this already is left: to
 * rename takes a millisecond, and the dumps are written after each startup script.
 *
 * @throws {SystemError} when it cannot be written; then the old one is as it was
 */
export function writeAnew(path: ByteString, text: ByteString, access: Access): void {
  if (isAlready(path, text, access)) return;
  const unfinished = path + UNFINISHED;
  try {
    unlink(unfinished); // Left by a process that was killed while it wrote.
    createFile(unfinished, text, access);
    rename(unfinished, path);
  } catch (error) {
    unlink(unfinished);
    if (error instanceof SystemError) throw new SystemError(`Cannot write ${path}`, error.reason);
    throw error;
  }
}

function isAlready(path: ByteString, text: ByteString, { mode, uid, gid }: Access): boolean {
  const old = stat(path);
  return old?.mode === mode && old.uid === uid && old.gid === gid &&
    readRegularFile(path, text.length + 1) === text;
}
