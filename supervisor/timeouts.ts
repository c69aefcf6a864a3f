import { type ByteString } from "../posix/bytes.ts";
import { type Environment, get } from "../env/environment.ts";

/** How long a shutdown may take, in seconds; `Infinity` means no timeout. They are computed when needed, not stored in the Run. */
export interface Timeouts {
  /** For the main command, and for each service: from SIGTERM to SIGKILL. */
  process: number;
  /** For the remaining processes at the end. */
  remaining: number;
  /** For a shutdown script when there is no overall timeout. */
  script: number;
  /** From the stop signal to the last process, without the time to drain. */
  overall: number;
  /** How long everything still answers after the stop signal. */
  drain: number;
}

/** The timeouts where none are set. Docker kills a container after 10 seconds. */
const DEFAULTS = { step: 5, overall: 9 };

/** Where the grace is 30 seconds, a drain included: Kubernetes and Amazon's ECS, by a variable that each sets in every container. */
const LONG = {
  overall: 28,
  variables: [
    "KUBERNETES_SERVICE_HOST",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
  ],
};

/**
 * Reads the timeouts from the environment; a value that is not a number of seconds counts as not set. If only the timeout
 * of a step is set there is no overall one, which would cut it short. If only the overall one is set, or it is longer by
 * itself, the timeouts of the steps grow in proportion, since otherwise they could not use it.
 *
 * @param ofServices the timeouts that services have of their own, in seconds
 */
export function readTimeouts(
  environment: Environment,
  ofServices: Readonly<Record<ByteString, number>> = {},
): { timeouts: Timeouts; warnings: ByteString[] } {
  const chosen = (name: string) => parseSeconds(get(environment, name) ?? "");
  const process = chosen("KILL_PROCESS_TIMEOUT");
  const remaining = chosen("KILL_ALL_PROCESSES_TIMEOUT");
  const hasOwn = process !== undefined || remaining !== undefined ||
    Object.keys(ofServices).length > 0;
  const drain = chosen("DRAIN_SECONDS") ?? 0;
  const usual = hasOwn ? Infinity : usualOverall(environment, drain);
  const overall = chosen("SHUTDOWN_TIMEOUT") ?? usual;
  const inProportion = overall * DEFAULTS.step / DEFAULTS.overall;
  const step = overall < Infinity ? Math.max(DEFAULTS.step, inProportion) : DEFAULTS.step;
  const timeouts = {
    process: process ?? step,
    remaining: remaining ?? step,
    script: Math.max(process ?? step, DEFAULTS.step),
    overall,
    drain,
  };
  const taken = {
    KILL_PROCESS_TIMEOUT: timeouts.process,
    KILL_ALL_PROCESSES_TIMEOUT: timeouts.remaining,
    SHUTDOWN_TIMEOUT: timeouts.overall,
    DRAIN_SECONDS: timeouts.drain,
  };
  const warnings = Object.entries(taken).flatMap(([name, seconds]) => {
    const text = get(environment, name);
    if (text === undefined || parseSeconds(text) !== undefined) return [];
    const instead = seconds === Infinity
      ? "setting no timeout"
      : `taking ${Number(seconds.toFixed(1))}`;
    return [`Ignoring ${name}=${text}: use seconds, such as 5, 1.5, 5s or 2m; ${instead}`];
  });
  return { timeouts, warnings };
}

/** The overall timeout where none is set. A drain that leaves less than the usual one needs a longer grace, as elsewhere. */
function usualOverall(environment: Environment, drain: number): number {
  const isLong = LONG.variables.some((name) => get(environment, name) !== undefined);
  return isLong ? Math.max(LONG.overall - drain, DEFAULTS.overall) : DEFAULTS.overall;
}

/** The longest timeout that can be set: 31 years. It is no `Infinity`, which JSON does not have. */
const LONGEST = 1e9;

/** Reads `5`, `1.5`, `5s` and `2m` as seconds. Returns undefined for anything else. */
export function parseSeconds(text: string): number | undefined {
  const [, number, unit] = text.match(/^\s*(\d+(?:\.\d*)?|\.\d+)\s*([smh]?)\s*$/) ?? [];
  if (number === undefined) return undefined;
  const seconds = Number(number) * { "": 1, s: 1, m: 60, h: 3600 }[unit as "" | "s" | "m" | "h"];
  return Math.min(seconds, LONGEST);
}
