import { type ByteString } from "../posix/bytes.ts";
import { appendToFile, readRegularFile } from "../posix/libc.ts";

/** If Kubernetes has put this file here, it shows the content as the reason of the container's end. */
const TERMINATION_LOG = "/dev/termination-log";
/** How many bytes of it Kubernetes shows. */
const MOST = 4096;

/** Leaves the reason of our end, behind what a program may have written about its own. Never throws. */
export function writeLastWords(lines: readonly ByteString[]): void {
  if (lines.length === 0) return;
  const before = readRegularFile(TERMINATION_LOG, MOST) ?? "";
  const start = before === "" || before.endsWith("\n") ? "" : "\n";
  const text = start + lines.join("\n") + "\n";
  appendToFile(TERMINATION_LOG, text.slice(0, Math.max(0, MOST - before.length)));
}
