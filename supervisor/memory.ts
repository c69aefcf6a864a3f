import { type ByteString } from "../posix/bytes.ts";
import { findMemoryFiles, type MemoryFiles, parseKills, parseLimit } from "../posix/cgroup.ts";
import { attempt, readFile } from "../posix/libc.ts";

/** What is known of processes that were killed for lack of memory. */
export interface Memory extends MemoryFiles {
  /** How many there were at the last report; at first, those from before. */
  kills: number;
  /** What was said last, and when. */
  told?: ByteString;
  reportedAt?: number;
}

/** What the kernel's counter says. */
export interface Kills {
  kills: number;
  /** How much the container may use, in bytes. */
  limit?: number;
}

/** Begins to count; undefined where the kernel does not. */
export function beginToCount(): Memory | undefined {
  const files = findMemoryFiles(read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
  if (!files) return undefined;
  const kills = parseKills(read(files.counter));
  return kills === undefined ? undefined : { ...files, kills };
}

/** Counts them; undefined when there are as many as before. */
export function countKills({ counter, limit, kills: before }: Memory): Kills | undefined {
  const kills = parseKills(read(counter)) ?? 0;
  return kills > before ? { kills, limit: parseLimit(read(limit)) } : undefined;
}

function read(path: ByteString): ByteString {
  return attempt(() => readFile(path)) ?? "";
}
