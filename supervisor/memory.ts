import { type ByteString } from "../posix/bytes.ts";
import { findMemoryFiles, type MemoryFiles, parseKills, parseLimit } from "../posix/cgroup.ts";
import { readFile, SystemError } from "../posix/libc.ts";

/** What is known of processes that were killed for lack of memory. */
export interface Memory extends MemoryFiles {
  /** How many there were when it was said last: at the beginning those of before. */
  kills: number;
  /** What was said last, and when. */
  told?: ByteString;
  toldAt?: number;
}

/** A look at the kernel's counter. */
export interface Kills {
  kills: number;
  /** How much the container may use, in bytes. */
  limit?: number;
}

/** Begins to count; nothing where the kernel does not. */
export function beginToCount(): Memory | undefined {
  const files = findMemoryFiles(read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
  if (!files) return undefined;
  const kills = parseKills(read(files.counter));
  return kills === undefined ? undefined : { ...files, kills };
}

/** Looks how many there are; nothing when it is as many as before. */
export function countKills({ counter, limit, kills: before }: Memory): Kills | undefined {
  const kills = parseKills(read(counter)) ?? 0;
  return kills > before ? { kills, limit: parseLimit(read(limit)) } : undefined;
}

function read(path: ByteString): ByteString {
  try {
    return readFile(path);
  } catch (error) {
    if (error instanceof SystemError) return "";
    throw error;
  }
}
