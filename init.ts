import {
  becomeSubreaper,
  closeFile,
  exit,
  getpid,
  keepFilesToOurselves,
  monotonicSeconds,
  readFile,
  readOpenFile,
  setDefault,
  setSignalMask,
  writeError,
  writeOutput,
} from "./posix/libc.ts";
import { allSignalsBut, FAULTS, SIGNALS } from "./posix/signals.ts";
import { parseEnvironment } from "./env/environment.ts";
import { NOTE_FILE, readNote } from "./supervisor/asleep.ts";
import { HELP, readOptions } from "./supervisor/options.ts";
import { newRun, type Run } from "./supervisor/run.ts";
import { next } from "./supervisor/next.ts";
import { perform, wake } from "./supervisor/perform.ts";
import { record } from "./supervisor/record.ts";

declare const VERSION: string;

// First: PID 1 loses every signal that is neither handled nor blocked. We wait for them one by one.
setSignalMask(allSignalsBut(...FAULTS));
setDefault(SIGNALS.SIGCHLD); // Were it ignored, the kernel would collect our children.
keepFilesToOurselves();

const [, ...words] = readFile("/proc/self/cmdline").split("\0").slice(0, -1);
const options = readOptions(words);
if (options === "help") {
  writeOutput(HELP);
  exit(0);
}
if (options === "version") {
  writeOutput(`my_init ${VERSION}\n`);
  exit(0);
}
if ("error" in options) {
  writeError(options.error);
  exit(options.status);
}

const pid = getpid();
const asleep = readNote(readOpenFile(NOTE_FILE) ?? "", pid); // We have slept, and go on from there.
if (asleep !== undefined) {
  closeFile(NOTE_FILE);
  wake();
}
if (pid !== 1 && asleep === undefined) {
  writeError(
    becomeSubreaper()
      ? "*** Not running as PID 1: only processes started from here are collected and shut down."
      : "*** Not running as PID 1, and this kernel knows no subreapers: orphans are not collected.",
  );
}

let run: Run = asleep ? JSON.parse(asleep) : newRun({
  now: monotonicSeconds(),
  pid,
  options,
  environment: parseEnvironment(readFile("/proc/self/environ")),
});
for (;;) run = record(run, perform(next(run), run)); // Ends by the action "exit".
