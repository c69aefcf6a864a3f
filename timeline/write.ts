import { type ByteString, fromUnicode } from "../posix/bytes.ts";
import { attempt, identity, lstat } from "../posix/libc.ts";
import { replaceFile } from "../posix/files.ts";
import { type Run } from "../supervisor/run.ts";
import { draw } from "./draw.ts";
import { timelineOf } from "./marks.ts";

/** Writes the timeline, as a whole. Returns warnings: where it cannot be written nothing has changed. */
export function writeTimeline(file: ByteString, run: Run): ByteString[] {
  const type = lstat(file)?.type ?? "file";
  if (type !== "file") return [`Cannot write ${file}: TIMELINE must name a file, and this is none`];
  const warnings: ByteString[] = [];
  const access = { mode: 0o644, ...identity() };
  attempt(() => replaceFile(file, fromUnicode(draw(timelineOf(run))), access), warnings);
  return warnings;
}
