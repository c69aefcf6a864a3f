// What is to be done about the services that we look after, while the container runs. Pure.

import { type ByteString } from "../posix/bytes.ts";
import { SIGNALS } from "../posix/signals.ts";
import { type Plans } from "./plans.ts";
import {
  type Action,
  checkOf,
  commandWaits,
  hasStarted,
  notifySocket,
  type Run,
  timelineFile,
} from "./run.ts";
import { nextReading, nextWarning, type Service, startTime } from "./service.ts";

/** How long a check may take, in seconds, as for `healthy`. Then all its processes are ended, and it has failed. */
const CHECK_SECONDS = 20;
/** When it is killed, should `timeout` still be there. */
const CHECK_LATEST_SECONDS = CHECK_SECONDS + 2;

/** What is due, or until when nothing is. */
export function supervise(run: Run): Action {
  const { services, managed, now } = run;
  if (!services) return { do: "wait" };
  if (run.serviceEnded) return { do: "findEndedServices", services };
  const times: number[] = [];
  const isDue = (at: number) => {
    if (at > now) times.push(at);
    return at <= now;
  };
  const startable = Object.keys(managed).filter((name) => mayStart(name, managed, services.plans));
  const due = startable.filter((name) => isDue(startTime(managed[name])));
  if (due.length > 0) return { do: "order", services, names: due };

  const waitedFor = awaited(run);
  const late = waitedFor.filter((name) => isDue(nextWarning(managed[name])));
  if (late.length > 0) return { do: "findReasons", services, names: late };
  const unready = [...new Set([...waitedFor, ...observed(run)])];
  for (const name of unready) {
    const check = checkOf(name, run);
    if (
      check && isDue(check.startedAt + CHECK_LATEST_SECONDS) && !run.ending[check.pid]?.killedAt
    ) {
      return { do: "signal", why: "kill", pids: [check.pid], signals: [SIGNALS.SIGKILL] };
    }
    if (!check && managed[name].isToBeChecked) {
      const argv = ["/bin/sh", "-c", RUN_CHECK, "sh", `${services.directory}/${name}`];
      return { do: "start", purpose: { kind: "check", service: name }, argv };
    }
  }
  const unread = unready.filter((name) => !checkOf(name, run) && isDue(nextReading(managed[name])));
  if (unread.length > 0) return { do: "readStatuses", services, names: unread };
  if (isObserved(run)) isDue(latestBoot(run));
  return times.length > 0 ? { do: "wait", until: Math.min(...times) } : { do: "wait" };
}

/** Runs `check` as `sv` does; what it prints is kept, for the case that it is waited for in vain. */
const RUN_CHECK = `cd "$1" && exec timeout -k 1 ${CHECK_SECONDS} ./check >supervise/checked 2>&1`;

/** Whether all services that we look after are ready; one that somebody wants down is not waited for. */
export function allReady({ managed }: Run): boolean {
  return Object.values(managed).every(({ state }) => state === "ready" || state === "down");
}

/** The boot that is to be drawn is over so many seconds after everything was started, though a service is not ready. */
const BOOT_SECONDS = 60;

/** Whether the boot is over: everything was started, and nobody waits for a service. */
export function hasBooted(run: Run): boolean {
  if (!hasStarted(run)) return false;
  const isOver = timelineFile(run) === undefined
    ? awaited(run).length === 0
    : Object.values(run.managed).every(({ state }) => SETTLED.includes(state));
  return isOver || run.now >= latestBoot(run);
}

const SETTLED: readonly Service["state"][] = ["ready", "down", "failed"];

function latestBoot({ children, begunAt }: Run): number {
  const started = children.filter(({ purpose: { kind } }) => kind === "runit" || kind === "main");
  return Math.max(begunAt, ...started.map(({ startedAt }) => startedAt)) + BOOT_SECONDS;
}

/** Whether the boot is still to be drawn: until then PID 1 looks when each service becomes ready. */
function isObserved(run: Run): boolean {
  return timelineFile(run) !== undefined && run.bootedAt === undefined && !run.stop;
}

function observed(run: Run): ByteString[] {
  if (!isObserved(run)) return [];
  return Object.keys(run.managed).filter((name) => run.managed[name].state === "starting");
}

/** Whether nothing but time stands between this service and its start. */
function mayStart(
  name: ByteString,
  managed: Readonly<Record<ByteString, Service>>,
  plans: Plans,
): boolean {
  const { state } = managed[name];
  return state === "backing off" ||
    state === "waiting" && plans[name].needs.every((needed) => managed[needed].state === "ready");
}

/** The services that somebody waits for and that are not ready: only these are looked at. */
function awaited(run: Run): ByteString[] {
  const { managed, services } = run;
  const names = Object.keys(managed);
  const needed = names.flatMap((name) =>
    managed[name].state === "waiting" ? services!.plans[name].needs : []
  );
  const waitsForAll = commandWaits(run) ||
    notifySocket(run) !== undefined && run.notified === undefined && !run.stop;
  const all = waitsForAll ? names.filter((name) => managed[name].state !== "down") : [];
  return [...new Set([...needed, ...all])].filter((name) =>
    managed[name].state !== "ready" && managed[name].state !== "waiting"
  );
}
