import {
  becomeSubreaper,
  canWaitForSignals,
  exit,
  getpid,
  monotonicSeconds,
  readFile,
  setDefault,
  setSignalMask,
  shareOutput,
  writeError,
  writeOutput,
} from "./posix/libc.ts";
import { allSignalsBut, FAULTS, SIGNALS } from "./posix/signals.ts";
import { parseEnvironment } from "./env/environment.ts";
import { HELP, readOptions } from "./supervisor/options.ts";
import { newRun } from "./supervisor/run.ts";
import { next } from "./supervisor/next.ts";
import { perform } from "./supervisor/perform.ts";
import { record } from "./supervisor/record.ts";

declare const VERSION: string;

// First: PID 1 loses every signal that is neither handled nor blocked. We wait for them one by one.
setSignalMask(allSignalsBut(...FAULTS));
setDefault(SIGNALS.SIGCHLD); // Were it ignored, the kernel would collect our children.

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

if (!canWaitForSignals()) {
  writeError("*** Cannot wait for signals: a seccomp profile forbids rt_sigtimedwait; allow it");
  exit(1);
}
shareOutput();

const pid = getpid();
if (pid !== 1) {
  writeError(
    becomeSubreaper()
      ? "*** Not running as PID 1: only processes started from here are collected and shut down."
      : "*** Not running as PID 1, and this kernel knows no subreapers: orphans are not collected.",
  );
}

let run = newRun({
  now: monotonicSeconds(),
  pid,
  options,
  environment: parseEnvironment(readFile("/proc/self/environ")),
});
for (;;) run = record(run, perform(next(run), run)); // Ends by the action "exit".
