// What the timeline shows: what went on during the boot and the stop, and from when to when. Pure.

import { type ByteString } from "../posix/bytes.ts";
import { type Time, timeForService, timeOf } from "../supervisor/next.ts";
import { type Child, type Run } from "../supervisor/run.ts";
import { type Stage } from "../supervisor/scripts.ts";
import { type ServiceState } from "../supervisor/service.ts";

/** Something that went on for a time. Times are monotonic seconds. */
export interface Mark {
  /** Of a script, a service, the main command; of a step of the shutdown its word. */
  name: ByteString;
  /** A script has its stage, a service a mark for each state that it was in. */
  kind: Stage | "runit" | "main" | "step" | ServiceState;
  start: number;
  /** Absent while it goes on. */
  end?: number;
  /** Its deadline. */
  limit?: number;
}

/** All that is drawn. */
export interface Timeline {
  begunAt: number;
  /** When the boot was over, and when a stop was asked for. */
  bootedAt?: number;
  askedAt?: number;
  now: number;
  marks: readonly Mark[];
}

/** What is known of a run's boot and stop. */
export function timelineOf(run: Run): Timeline {
  const { begunAt, bootedAt, stop, now, marks } = run;
  const time = stop && timeOf(run, stop);
  const goingOn = [
    ...run.children.flatMap((child) => ofChild(child, run, time)),
    ...Object.keys(run.managed).map((name) => ofService(name, run, time)),
    ...ofStep(run, time),
  ];
  return { begunAt, bootedAt, askedAt: stop?.askedAt, now, marks: [...marks, ...goingOn] };
}

/** A service that ends again and again has no more marks than these. */
const MOST_OF_A_SERVICE = 20;

/** Adds marks of what an event has ended. None are kept of the time between the boot and the stop, which may be years. */
export function withMarks(before: Run, after: Run): Run {
  const { children, managed, stop, now: end } = after;
  if (after.bootedAt !== undefined && before.bootedAt !== undefined && !stop) return after;
  const left = new Set(children.map(({ pid }) => pid));
  const gone = before.children === children
    ? []
    : before.children.filter(({ pid }) => !left.has(pid));
  const changed = before.managed === managed ? [] : Object.keys(managed).filter((name) => {
    const [old, now] = [before.managed[name], managed[name]];
    return old !== undefined && old !== now &&
      (old.state !== now.state || old.since !== now.since);
  });
  const isNextStep = before.stop?.step !== stop?.step;
  if (gone.length + changed.length === 0 && !isNextStep) return after;
  const time = before.stop && timeOf(before, before.stop);
  const known = Map.groupBy(before.marks, ({ name }) => name);
  const ended = [
    ...gone.flatMap((child) => ofChild(child, before, time)),
    ...changed.map((name) => ofService(name, before, time)).filter(({ name, kind }) =>
      kind === "stopping" || (known.get(name)?.length ?? 0) < MOST_OF_A_SERVICE
    ),
    ...(isNextStep ? ofStep(before, time) : []),
  ];
  return { ...after, marks: [...after.marks, ...ended.map((mark) => ({ ...mark, end }))] };
}

/** A check is no mark of its own: what it shows is the state of its service. */
function ofChild(
  { name, pid, purpose, startedAt: start }: Child,
  { ending }: Run,
  time: Time | undefined,
): Mark[] {
  if (purpose.kind === "check") return [];
  const kind = purpose.kind === "script" ? purpose.stage : purpose.kind;
  const { terminatedAt } = ending[pid] ?? {};
  if (!time || terminatedAt === undefined) return [{ name, kind, start }];
  const limit = Math.min(terminatedAt + time.timeouts.process, time.latest);
  return [{ name, kind, start, limit: finite(limit) }];
}

function ofService(name: ByteString, run: Run, time: Time | undefined): Mark {
  const { state, since } = run.managed[name];
  const mark: Mark = { name, kind: state, start: since };
  if (!time || state !== "stopping") return mark;
  const { timeoutSeconds, latest } = timeForService(name, run, time);
  return { ...mark, limit: finite(Math.min(since + timeoutSeconds, latest)) };
}

function ofStep({ stop }: Run, time: Time | undefined): Mark[] {
  if (!stop || !time) return [];
  const { step: name, since: start } = stop;
  return [{
    name,
    kind: "step",
    start,
    limit: name === "drain" ? undefined : finite(time.latest),
  }];
}

function finite(time: number): number | undefined {
  return Number.isFinite(time) ? time : undefined;
}
