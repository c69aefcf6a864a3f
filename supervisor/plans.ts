import { type ByteString } from "../posix/bytes.ts";
import { SERVICES } from "./conventions.ts";
import { parseSeconds } from "./timeouts.ts";

/** What the directory of a service asks of us, beyond what runit does with it. */
export interface Plan {
  /** The services that must be ready before it is started. */
  needs: readonly ByteString[];
  /** What shows that it is ready: its `check`, a newline on the descriptor that it names, or that it was up for a second. */
  readyBy: "check" | "notification" | "time";
  /** The greatest pause before it is started again, in seconds. */
  backoff?: number;
  /** After so many ends within so many seconds it stays down. */
  giveUp?: { ends: number; seconds: number };
  /** Whether something is to be done when its check fails again and again; `healthy` counts. */
  unhealthy: boolean;
  /** Whether somebody wants it down: then it is not started by itself. */
  down: boolean;
}

/** The plans of the services that we look after, by name. All others are runit's alone. */
export type Plans = Readonly<Record<ByteString, Plan>>;

/** The names in a file `needs`: one a line. Empty lines, and what follows a #, mean nothing. */
export function parseNeeds(text: ByteString): ByteString[] {
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim());
  return [...new Set(lines.filter((line) => line !== ""))];
}

/** Understands `5 in 60`: so many ends in so many seconds. */
export function parseGiveUp(text: ByteString): Plan["giveUp"] {
  const [, ends, time = ""] = text.trim().match(/^([1-9]\d{0,3})\s+in\s+(.+)$/) ?? [];
  const seconds = parseSeconds(time);
  return seconds === undefined ? undefined : { ends: Number(ends), seconds };
}

/**
 * What makes it impossible to start the services in the order that their `needs` ask for: a name that nothing has, or a
 * circle. One line; nothing when all is well.
 *
 * @param names all services
 */
export function findFault(plans: Plans, names: readonly ByteString[]): ByteString | undefined {
  for (const [name, { needs }] of Object.entries(plans)) {
    const unknown = needs.find((needed) => !names.includes(needed));
    if (unknown !== undefined) {
      return `Service ${name} needs ${unknown}, which is not in ${SERVICES}: ` +
        `correct ${SERVICES}/${name}/needs`;
    }
  }
  const circle = findCircle(plans);
  return circle &&
    `Services wait for each other: ${circle.join(" needs ")}; correct their files needs`;
}

function findCircle(plans: Plans): ByteString[] | undefined {
  const safe = new Set<ByteString>();
  const follow = (path: readonly ByteString[]): ByteString[] | undefined => {
    const last = path.at(-1)!;
    if (safe.has(last)) return undefined;
    const start = path.indexOf(last);
    if (start < path.length - 1) return path.slice(start);
    for (const needed of plans[last]?.needs ?? []) {
      const circle = follow([...path, needed]);
      if (circle) return circle;
    }
    safe.add(last);
  };
  for (const name of Object.keys(plans)) {
    const circle = follow([name]);
    if (circle) return circle;
  }
}

/** Whether we decide when a service is started again; otherwise runsv does so at once. */
export function decides({ backoff, giveUp }: Pick<Plan, "backoff" | "giveUp">): boolean {
  return backoff !== undefined || giveUp !== undefined;
}

/** Whether a service asks something of us, or is needed. */
export function isManaged(name: ByteString, plans: Plans): boolean {
  const { needs, unhealthy } = plans[name];
  return needs.length > 0 || decides(plans[name]) || unhealthy ||
    whoNeeds(name, plans).length > 0;
}

/** Who needs a service itself. */
export function whoNeeds(name: ByteString, plans: Plans): ByteString[] {
  return Object.keys(plans).filter((other) => plans[other].needs.includes(name));
}

/** How many services must have ended, one after the other, before this one is terminated. */
export function heightOf(name: ByteString, plans: Plans): number {
  return longestPath(name, (name) => whoNeeds(name, plans));
}

/** How many services must be ready, one after the other, before this one is started. */
export function depthOf(name: ByteString, plans: Plans): number {
  return longestPath(name, (name) => plans[name]?.needs ?? []);
}

function longestPath(
  name: ByteString,
  nextOf: (name: ByteString) => readonly ByteString[],
  known = new Map<ByteString, number>(),
): number {
  const length = known.get(name) ??
    Math.max(0, ...nextOf(name).map((next) => 1 + longestPath(next, nextOf, known)));
  known.set(name, length);
  return length;
}
