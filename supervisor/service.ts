// One service that we look after, from the boot to its last end. Pure. runsv is the hand that starts and stops it.

import { type ByteString } from "../posix/bytes.ts";
import { decides, type Plan } from "./plans.ts";

/** Where a service is in its life. */
export type ServiceState =
  /** It is started when what it needs is ready. */
  | "waiting"
  /** It was started, by us or by runit, and is not known to be ready. */
  | "starting"
  | "ready"
  /** It has ended by itself, and is started again when its pause is over. */
  | "backing off"
  /** It was terminated, since the container ends. */
  | "stopping"
  /** Somebody wants it down, or the container has ended it. */
  | "down"
  /** It has ended too often, and stays down. */
  | "failed";

/** A service: plain data, as all of a Run. Times are monotonic seconds. */
export interface Service {
  state: ServiceState;
  /** When it got there. */
  since: number;
  /** Since when it has not been ready, however often it was started. */
  unreadySince: number;
  /** When we have last looked whether it is ready. */
  readAt?: number;
  /** When runsv could not be reached to start it. */
  refusedAt?: number;
  /** It runs, and its `check` is to be run next. */
  isToBeChecked?: boolean;
  /** The status of its last check that failed. */
  checkStatus?: number;
  /** When it was last said that others wait for it. */
  warnedAt?: number;
  /** The pause after its last end, in seconds. */
  pause: number;
  /** When it ended by itself, as far as it matters for giving up. */
  ends: readonly number[];
  /** The status of the last such end: 128 + n when signal n did it. */
  status?: number;
  /** How many ends have not been reported, and when one was reported last. */
  unreported: number;
  reportedAt?: number;
}

/** An end as `finish` reports it. */
export interface End {
  name: ByteString;
  /** 128 + n when signal n did it. */
  status: number;
  /** Whether it ended by itself, was told to end to be started anew or to stay down, or failed its check too often. */
  how: "itself" | "restart" | "down" | "unhealthy";
  /** How long it was up. */
  seconds: number;
}

/** What runsv says of a service. */
export interface ServiceStatus {
  /** `none` when there is no runsv. */
  process: "none" | "down" | "run" | "finish";
  /** How long it has been so. */
  seconds: number;
  /** Whether runsv is to have it up. */
  isWanted: boolean;
  /** Whether it has said that it is ready. */
  hasNotified: boolean;
}

/** runsv was told to start a service; or could not be reached; or somebody has wanted the service down meanwhile. */
export type Ordered = "up" | "unreachable" | "unwanted";

/** What happens to a service. */
export type Happening =
  | { type: "ordered"; result: Ordered }
  | { type: "read"; status: ServiceStatus }
  | { type: "checked"; status: number }
  | { type: "ended"; end: End }
  /** It was said that others wait for it. */
  | { type: "warned" }
  | { type: "terminated" }
  | { type: "gone" };

/** A service at the boot. */
export function newService({ needs, down }: Plan, now: number): Service {
  const state = down ? "down" : needs.length > 0 ? "waiting" : "starting";
  return { state, since: now, unreadySince: now, pause: 0, ends: [], unreported: 0 };
}

/** How long a service without a check must have been up to count as ready, in seconds. */
export const READY_SECONDS = 1;
/** How soon runsv has taken an order for certain, in seconds; it needs some milliseconds, and until then it says what was before. */
const ORDER_SECONDS = 0.5;
/** An end sooner after the start than this makes the pause longer, in seconds. */
const QUICK_SECONDS = 10;
/** How often it is said that a service keeps ending, in seconds. */
const REPORT_SECONDS = 60;

/** What becomes of a service by what has happened. */
export function transition(
  service: Service,
  happening: Happening,
  plan: Plan,
  now: number,
): Service {
  switch (happening.type) {
    case "ordered":
      return onOrder(service, happening.result, now);
    case "read":
      return onStatus({ ...service, readAt: now }, happening.status, plan, now);
    case "checked":
      return onCheck({ ...service, readAt: now }, happening.status, now);
    case "ended":
      return onEnd(service, happening.end, plan, now);
    case "warned":
      return { ...service, warnedAt: now };
    case "terminated":
      return become("stopping", service, now);
    case "gone":
      return become("down", service, now);
  }
}

function onOrder(service: Service, result: Ordered, now: number): Service {
  switch (service.state) {
    case "waiting":
    case "backing off":
      if (result === "unreachable") return { ...service, refusedAt: now };
      return become(result === "up" ? "starting" : "down", service, now);
    case "starting":
    case "ready":
    case "stopping":
    case "down":
    case "failed":
      return service; // It was not ordered, or that is over.
  }
}

function onStatus(
  service: Service,
  status: ServiceStatus,
  { readyBy }: Plan,
  now: number,
): Service {
  const runs = status.process === "run";
  switch (service.state) {
    case "waiting":
    case "backing off":
    case "down":
    case "failed":
      return runs ? become("starting", service, now) : service; // Somebody has started it by hand.
    case "starting":
      if (status.process === "down" && !status.isWanted) {
        const isTaken = now >= service.since + ORDER_SECONDS;
        return isTaken ? become("down", service, now) : service;
      }
      if (!runs) return service;
      if (readyBy === "check") return { ...service, isToBeChecked: true };
      return (readyBy === "notification" ? status.hasNotified : status.seconds >= READY_SECONDS)
        ? become("ready", service, now)
        : service;
    case "ready":
    case "stopping":
      return service;
  }
}

function onCheck(service: Service, checkStatus: number, now: number): Service {
  switch (service.state) {
    case "starting":
      return checkStatus === 0
        ? become("ready", service, now)
        : { ...service, isToBeChecked: false, checkStatus };
    case "waiting":
    case "ready":
    case "backing off":
    case "stopping":
    case "down":
    case "failed":
      return { ...service, isToBeChecked: false }; // It has ended meanwhile.
  }
}

function onEnd(service: Service, end: End, plan: Plan, now: number): Service {
  switch (service.state) {
    case "stopping":
      return service;
    case "waiting": // Somebody has started it by hand.
    case "starting":
    case "ready":
    case "backing off":
    case "down":
    case "failed":
      switch (end.how) {
        case "down":
          return become("down", service, now);
        case "restart":
          return become("starting", service, now);
        case "unhealthy":
          return service; // It still runs.
        case "itself":
          return afterCrash(service, end, plan, now);
      }
  }
}

function afterCrash(service: Service, end: End, { backoff, giveUp }: Plan, now: number): Service {
  const { pause: before, ends: earlier, unreported, reportedAt } = service;
  const isQuick = end.seconds < QUICK_SECONDS;
  const pause = backoff !== undefined && isQuick ? Math.min(backoff, Math.max(1, 2 * before)) : 0;
  const ends = giveUp ? [...earlier, now].filter((at) => at > now - giveUp.seconds) : [];
  const isTooOften = giveUp !== undefined && ends.length >= giveUp.ends;
  const isReported = reportedAt === undefined || reportedAt + REPORT_SECONDS <= now || isTooOften;
  const counted: Service = {
    ...service,
    pause,
    ends: isTooOften ? [] : ends,
    status: end.status,
    unreported: isReported ? 0 : unreported + 1,
    reportedAt: isReported ? now : reportedAt,
  };
  if (isTooOften) return become("failed", counted, now);
  return become(decides({ backoff, giveUp }) ? "backing off" : "starting", counted, now);
}

function become(state: ServiceState, service: Service, now: number): Service {
  const wasReady = service.state === "ready";
  return {
    ...service,
    state,
    since: now,
    unreadySince: wasReady ? now : service.unreadySince,
    readAt: undefined,
    refusedAt: undefined,
    isToBeChecked: false,
    ...(wasReady && { warnedAt: undefined, checkStatus: undefined }),
  };
}

// -------------------------------------------------------------------------------------------- when

/** How soon to look again, in seconds; later it is a tenth of the time that was waited. */
const SHORTEST_PAUSE = 0.1, LONGEST_PAUSE = 5;
/** When it is said that a service is waited for, and how often. Seconds. */
const LATE_SECONDS = 10, LATE_AGAIN_SECONDS = 60;

/** When to look again whether a service is ready. */
export function nextReading({ readAt, unreadySince }: Service): number {
  return again(readAt, unreadySince);
}

/** When a service that may start is to be started: when its pause is over, and not at once where that was refused. */
export function startTime({ since, pause, refusedAt }: Service): number {
  return Math.max(since + pause, again(refusedAt, since));
}

function again(last: number | undefined, since: number): number {
  if (last === undefined) return -Infinity;
  return last + Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, (last - since) / 10));
}

/** When it is to be said that it is waited for: at once where waiting alone does not help. */
export function nextWarning({ state, unreadySince, warnedAt }: Service): number {
  if (warnedAt !== undefined) return warnedAt + LATE_AGAIN_SECONDS;
  return state === "down" || state === "failed" ? unreadySince : unreadySince + LATE_SECONDS;
}
