import {
  becomeSubreaper,
  canWaitForSignals,
  closeFile,
  exit,
  getpid,
  keepToOurselves,
  monotonicSeconds,
  readFile,
  readOpenFile,
  setDefault,
  setSignalMask,
  shareOutput,
  writeError,
  writeOutput,
} from "./posix/libc.ts";
import { type ByteString } from "./posix/bytes.ts";
import { allSignalsBut, FAULTS, SIGNALS } from "./posix/signals.ts";
import { parseEnvironment } from "./env/environment.ts";
import { NOTE_FILE, readNote } from "./supervisor/asleep.ts";
import { writeLastWords } from "./supervisor/last_words.ts";
import { HELP, type Options, readOptions } from "./supervisor/options.ts";
import { newRun, readRun, type Run } from "./supervisor/run.ts";
import { next } from "./supervisor/next.ts";
import { perform } from "./supervisor/perform.ts";
import { record } from "./supervisor/record.ts";

declare const VERSION: string;

// First: PID 1 loses every signal that is neither handled nor blocked. They are taken one by one.
setSignalMask(allSignalsBut(...FAULTS));
setDefault(SIGNALS.SIGCHLD); // If it were ignored, the kernel would reap our children itself.

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
  fail(options.error, options.status);
}

if (options.check) {
  const { check } = await import("./check/check.ts");
  check(options, parseEnvironment(readFile("/proc/self/environ")));
}

if (options.timeline) {
  const { printTimeline } = await import("./timeline/print.ts");
  printTimeline();
}

const pid = getpid();
const note = readNote(readOpenFile(NOTE_FILE) ?? "", pid);
let run: Run = note === undefined ? begin(options) : wake(note, options);
for (;;) run = record(run, perform(next(run), run)); // Ends by the action "exit".

function begin(options: Options): Run {
  if (!canWaitForSignals()) {
    fail("*** Cannot wait for signals: a seccomp profile forbids rt_sigtimedwait; allow it", 1);
  }
  shareOutput();
  if (pid !== 1) {
    writeError(
      becomeSubreaper()
        ? "*** Not running as PID 1: only processes started from here are reaped and shut down."
        : "*** Not running as PID 1, and this kernel knows no subreapers: orphans are not reaped.",
    );
  }
  return atItsBeginning(options);
}

/** Continues from the note that PID 1 wrote before it slept. */
function wake(note: { state: ByteString } | "another version", options: Options): Run {
  closeFile(NOTE_FILE);
  const run = note === "another version" ? undefined : readRun(note.state);
  if (!run) return record(atItsBeginning(options), { type: "replaced", now: monotonicSeconds() });
  if (run.services?.lock !== undefined) keepToOurselves([run.services.lock]);
  return run;
}

function atItsBeginning(options: Options): Run {
  const environment = parseEnvironment(readFile("/proc/self/environ"));
  return newRun({ now: monotonicSeconds(), pid, options, environment });
}

function fail(reason: ByteString, status: number): never {
  writeError(reason);
  writeLastWords([reason]);
  exit(status);
}
