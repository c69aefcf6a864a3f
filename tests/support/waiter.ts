// Waits as PID 1 does, for standard input as well, and prints each event; the first byte starts it. Run by tests/process/wait_test.ts.

import { monotonicSeconds } from "../../posix/libc.ts";
import { type Options, readOptions } from "../../supervisor/options.ts";
import { perform } from "../../supervisor/perform.ts";
import { newRun } from "../../supervisor/run.ts";

const options = readOptions([]) as Options;
const environment = [["MY_INIT_SLEEP", "0.01"]] as const; // Too early, if it slept with open files to watch.
const run = newRun({ now: monotonicSeconds(), pid: Deno.pid, options, environment });
const readByte = () => Deno.stdin.readSync(new Uint8Array(1));
console.log("ready");
readByte();
for (const seconds of Deno.args.map(Number)) {
  const until = monotonicSeconds() + seconds;
  const event = perform({ do: "wait", until, files: [0] }, run);
  const what = event.type === "received" ? String(event.received.signal) : event.type;
  console.log(event.type === "readable" ? `readable ${event.files}` : what);
  if (event.type === "readable") readByte();
}
