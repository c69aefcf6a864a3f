import { fromUnicode } from "../posix/bytes.ts";
import {
  attempt,
  exit,
  listDirectory,
  monotonicSeconds,
  readFile,
  readLink,
  signalSet,
  waitForSignal,
  writeError,
  writeOutput,
} from "../posix/libc.ts";
import { SIGNALS } from "../posix/signals.ts";
import { NOTE_FILE, readNote } from "../supervisor/asleep.ts";
import { readRun, type Run } from "../supervisor/run.ts";
import { readServiceStatus } from "../supervisor/runsv.ts";
import { READY_SECONDS } from "../supervisor/service.ts";
import { draw } from "./draw.ts";
import { type Mark, type Timeline, timelineOf } from "./marks.ts";

/** PID 1 sleeps two seconds after it has had something to do. */
const WAIT_SECONDS = 4, POLL_SECONDS = 0.05;

/** Prints the timeline of the my_init that runs in this container. It need not wake: while it sleeps its note says all. */
export function printTimeline(): never {
  const deadline = monotonicSeconds() + WAIT_SECONDS;
  const endings = signalSet([SIGNALS.SIGINT, SIGNALS.SIGTERM]);
  for (;;) {
    const run = findRun();
    if (run) {
      writeOutput(fromUnicode(draw(withOthers(run))));
      exit(0);
    }
    if (monotonicSeconds() > deadline) break;
    const received = waitForSignal(endings, POLL_SECONDS);
    if (received) exit(128 + received.signal);
  }
  writeError(
    "my_init: cannot print the timeline: no my_init of this user sleeps in this container; " +
      "run it again as the user of PID 1 or when the boot is over, or start the container with TIMELINE=FILE",
  );
  exit(1);
}

/** The run of the first my_init that sleeps in this container, not in another one with which it shares its processes. */
function findRun(): Run | undefined {
  const container = readLink("/proc/self/ns/mnt");
  const pids = listDirectory("/proc").map(Number).filter(Number.isInteger).sort((a, b) => a - b);
  for (const pid of pids) {
    const file = `/proc/${pid}/fd/${NOTE_FILE}`;
    if (!readLink(file)?.startsWith("/memfd:my_init")) continue;
    if (readLink(`/proc/${pid}/ns/mnt`) !== container) continue;
    const note = readNote(attempt(() => readFile(file)) ?? "", pid);
    const run = typeof note === "object" ? readRun(note.state) : undefined;
    if (run) return run;
  }
}

/** A service that was started later than so many seconds after the boot has been started anew. */
const SOON_SECONDS = 10;

/** Adds the services at which nobody has looked: since when they have been up, runsv knows. */
function withOthers(run: Run): Timeline {
  const timeline = timelineOf({ ...run, now: monotonicSeconds() });
  const { now, bootedAt } = timeline;
  const { directory, plans = {} } = run.services ?? {};
  const names = directory === undefined ? [] : attempt(() => listDirectory(directory)) ?? [];
  const isUnseen = (name: string) =>
    (run.managed[name]?.state ?? "starting") === "starting" &&
    (plans[name]?.readyBy ?? "time") === "time";
  const starts = names.filter(isUnseen).flatMap((name) => {
    const { process, seconds } = readServiceStatus(`${directory}/${name}`);
    return process === "run" ? [{ name, start: now - seconds }] : [];
  });
  const marks = starts.flatMap(({ name, start }): Mark[] => {
    const ready = start + READY_SECONDS;
    return [{ name, kind: "starting", start, end: ready }, { name, kind: "ready", start: ready }];
  });
  const soon = starts.map(({ start }) => start + READY_SECONDS)
    .filter((ready) => ready < (bootedAt ?? 0) + SOON_SECONDS);
  return {
    ...timeline,
    bootedAt: bootedAt && Math.min(now, Math.max(bootedAt, ...soon)),
    marks: [
      ...timeline.marks.filter(({ name, kind, end }) =>
        !(kind === "starting" && end === undefined && starts.some((it) => it.name === name))
      ),
      ...marks,
    ],
  };
}
