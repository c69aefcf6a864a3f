import { type ByteString } from "./bytes.ts";
import { createFile, rename, stat, SystemError, unlink } from "./libc.ts";

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
 * Makes a file beside an old one and renames it, so no reader finds a part of it.
 *
 * @throws {SystemError} when it cannot be written; then the old one is as it was
 */
export function writeAnew(path: ByteString, text: ByteString, access: Access): void {
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
