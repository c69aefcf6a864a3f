import { type ByteString } from "../posix/bytes.ts";
import { SERVICES } from "./conventions.ts";
import { parseSeconds } from "./timeouts.ts";

/** What the directory of a service asks of us, beyond what runit does with it. */
export interface Plan {
  /** The services that must be ready before it is started. */
  needs: readonly ByteString[];
  /** What shows that it is ready: its `check`, the program's own word (`notification-fd`), or that it was up for a second. */
  readyBy: "check" | "notification" | "time";
  /** The greatest pause before it is started again, in seconds. */
  backoff?: number;
  /** After so many ends within so many seconds it stays down. */
  giveUp?: { ends: number; seconds: number };
  /** Whether something is to be done when its check fails again and again; `healthy` counts. */
  unhealthy: boolean;
  /** Whether what it has started and left behind is ended when it is. */
  ownsDescendants: boolean;
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

/** What is known of services, without the members that every object has: a service may be called `constructor`. */
export function byName<T>(...records: Readonly<Record<ByteString, T>>[]): Record<ByteString, T> {
  return Object.assign(Object.create(null), ...records);
}

/** Understands `5 in 60`: so many ends in so many seconds. */
export function parseGiveUp(text: ByteString): Plan["giveUp"] {
  const [, ends, time = ""] = text.trim().match(/^([1-9]\d{0,3})\s+in\s+(.+)$/) ?? [];
  const seconds = parseSeconds(time);
  return seconds === undefined ? undefined : { ends: Number(ends), seconds };
}

/**
 * What makes it impossible to start the services in the order that their `needs` ask for: a name that nothing has, or a
 * cycle. One line; undefined when all is well.
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
  const needs = Object.entries(plans).map(([name, plan]) =>
    [name, plan.needs.map((name) => ({ name }))] as const
  );
  const [cycle] = findCycles(new Map(needs));
  return cycle &&
    `Services wait for each other: ${cycle.names.join(" needs ")}; correct their files needs`;
}

/**
 * Finds each cycle once, beginning with its first name. `last` is the need that closes it.
 *
 * @param needs what each service needs
 */
export function findCycles<T extends { name: ByteString }>(
  needs: ReadonlyMap<ByteString, readonly T[]>,
): { names: ByteString[]; last: T }[] {
  const cycles: { names: ByteString[]; last: T }[] = [];
  const seen = new Set<ByteString>();
  const visit = (name: ByteString, path: readonly ByteString[]) => {
    for (const need of needs.get(name) ?? []) {
      const at = path.indexOf(need.name);
      if (at >= 0) cycles.push({ names: [...path.slice(at), need.name], last: need });
      else if (!seen.has(need.name)) visit(need.name, [...path, need.name]);
    }
    seen.add(name);
  };
  for (const name of needs.keys()) if (!seen.has(name)) visit(name, [name]);
  return cycles;
}

/** Whether we decide when a service is started again; otherwise runsv does so at once. */
export function decides({ backoff, giveUp }: Pick<Plan, "backoff" | "giveUp">): boolean {
  return backoff !== undefined || giveUp !== undefined;
}

/** Whether a service asks something of us, or is needed. */
export function isManaged(name: ByteString, plans: Plans): boolean {
  const { needs, unhealthy, readyBy, ownsDescendants } = plans[name];
  return needs.length > 0 || decides(plans[name]) || unhealthy || ownsDescendants ||
    readyBy === "notification" ||
    whoNeeds(name, plans).length > 0;
}

/** Who needs a service itself. */
export function whoNeeds(name: ByteString, plans: Plans): readonly ByteString[] {
  const needy = needyOf.get(plans) ?? findNeedy(plans);
  needyOf.set(plans, needy);
  return needy.get(name) ?? [];
}

/** Who needs each service, found once for all of them: there may be hundreds. */
const needyOf = new WeakMap<Plans, ReturnType<typeof findNeedy>>();

function findNeedy(plans: Plans): Map<ByteString, ByteString[]> {
  const needy = new Map<ByteString, ByteString[]>();
  for (const [name, { needs }] of Object.entries(plans)) {
    for (const needed of needs) needy.set(needed, [...needy.get(needed) ?? [], name]);
  }
  return needy;
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
