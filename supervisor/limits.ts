import { type ByteString } from "../posix/bytes.ts";
import { type Environment, get } from "../env/environment.ts";

/** How long a shutdown may take, in seconds; `Infinity` means for ever. */
export interface Limits {
  /** For the main command, and for each service, from being told until being forced. */
  process: number;
  /** For all that is left at the end. */
  everybody: number;
  /** For a shutdown script when there is no overall limit. */
  hook: number;
  /** From the first word of stopping to the last process. */
  overall: number;
}

/** The limits where nobody set any. Docker waits for 10 seconds. */
const DEFAULTS = { process: 5, everybody: 5, overall: 9 };

/**
 * Reads the limits from the environment. Who has chosen the time limit of a step has reckoned without an overall
 * one, so there is none then, unless it is set too.
 *
 * @param ofServices the limits that services have of their own, in seconds
 */
export function readLimits(
  environment: Environment,
  ofServices: Readonly<Record<ByteString, number>> = {},
): { limits: Limits; warnings: ByteString[] } {
  const warnings: ByteString[] = [];
  const read = (name: string, otherwise: number): number => {
    const text = get(environment, name);
    if (text === undefined) return otherwise;
    const seconds = parseSeconds(text);
    if (seconds !== undefined) return seconds;
    warnings.push(
      `Ignoring ${name}=${text}: use seconds, such as 5, 1.5, 5s or 2m; taking ${otherwise}`,
    );
    return otherwise;
  };
  const process = read("KILL_PROCESS_TIMEOUT", DEFAULTS.process);
  const everybody = read("KILL_ALL_PROCESSES_TIMEOUT", DEFAULTS.everybody);
  const chosen = Object.keys(ofServices).length > 0 ||
    ["KILL_PROCESS_TIMEOUT", "KILL_ALL_PROCESSES_TIMEOUT"].some((name) =>
      get(environment, name) !== undefined
    );
  const overall = read("SHUTDOWN_TIMEOUT", chosen ? Infinity : DEFAULTS.overall);
  return {
    limits: { process, everybody, hook: Math.max(process, DEFAULTS.process), overall },
    warnings,
  };
}

/** Understands `5`, `1.5`, `5s` and `2m` as seconds; nothing else. */
export function parseSeconds(text: string): number | undefined {
  const [, number, unit] = text.match(/^\s*(\d+(?:\.\d*)?|\.\d+)\s*([smh]?)\s*$/) ?? [];
  if (number === undefined) return undefined;
  return Number(number) * { "": 1, s: 1, m: 60, h: 3600 }[unit as "" | "s" | "m" | "h"];
}
