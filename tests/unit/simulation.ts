import { assert, assertEquals } from "@std/assert";
import { type ByteString } from "../../posix/bytes.ts";
import { signalName, SIGNALS } from "../../posix/signals.ts";
import { type Environment, type Variable, without, withVariables } from "../../env/environment.ts";
import {
  beginWith,
  missingSecrets,
  PERSONAL,
  reloadFrom,
  withoutSecrets,
} from "../../env/policy.ts";
import { SERVICE_ENDED } from "../../supervisor/conventions.ts";
import { findFault, type Plan, type Plans } from "../../supervisor/plans.ts";
import { type Stage } from "../../supervisor/scripts.ts";
import { next } from "../../supervisor/next.ts";
import { type Options, readOptions } from "../../supervisor/options.ts";
import { type ProcessInfo } from "../../supervisor/processes.ts";
import { record } from "../../supervisor/record.ts";
import { type End } from "../../supervisor/service.ts";
import {
  type Action,
  type Event,
  nameOf,
  newRun,
  notifySocket,
  type Run,
  timelineFile,
} from "../../supervisor/run.ts";
import { type Timeline, timelineOf } from "../../timeline/marks.ts";
import { announce } from "../../supervisor/words.ts";

/** A container that exists on paper only: programs that end when they are said to, and a clock that jumps. */
export interface World {
  options?: string[];
  environment?: Environment;
  /** The variables in the container's directory. */
  directory?: Environment;
  /** The files that hold secrets, by path. */
  files?: Record<string, ByteString>;
  scripts?: Partial<Record<Stage, ByteString[]>>;
  /** How a program behaves, by the last part of its name. The default ends on SIGTERM only. */
  programs?: Record<string, Behaviour>;
  /** Services that runsvdir starts. */
  services?: string[];
  timeouts?: Record<string, number>;
  critical?: string[];
  last?: string[];
  /** What services ask of us. */
  plans?: Record<string, Partial<Plan>>;
  /** What somebody does by `sv`, or `healthy` does, by seconds. */
  orders?: [seconds: number, order: "up" | "down" | "restart" | "unhealthy", service: string][];
  /** Processes that nobody watches. */
  others?: string[];
  /** Why NOTIFY_SOCKET cannot be written to. */
  refusal?: ByteString;
  /** Signals from outside, by seconds. */
  signals?: [seconds: number, signal: number][];
}

export interface Behaviour {
  /** Ends by itself after so many seconds. */
  endsAfter?: number;
  status?: number;
  /** Writes these variables into the directory when it ends, and removes those whose value is undefined. */
  writes?: Record<string, ByteString | undefined>;
  /** Ends so many seconds after SIGTERM; `Infinity` ignores it. */
  termTakes?: number;
  /** Is still there after SIGKILL, as one that waits for a broken disk. */
  unkillable?: boolean;
  /** Starts so many other processes upon SIGTERM, which do the same until there are none. */
  forks?: number;
  /** A runsv without a process: its service has ended for good, at once or by SIGTERM, or its `finish` is still to be started. */
  childless?: "down" | "down by SIGTERM" | "before finish";
  /** A runsv has, beside its service, or the service's `finish`, and its log, a child that was left behind. */
  leavesBehind?: "running" | "finishing";
  /** Cannot be started. */
  cannotStart?: 126 | 127;
  /** Of a service with a plan: it is ready so many seconds after its start; without it at once. */
  readyAfter?: number;
  /** It ends by itself so many seconds after its start, each time or the first times. */
  crashesAfter?: number | number[];
}

/** A service with a plan, as its runsv has it. */
interface Unit {
  name: string;
  plan: Plan;
  behaviour: Behaviour;
  upSince?: number;
  isWanted: boolean;
  starts: number;
  startedAt: number;
  /** When it ends by itself, and when runsv starts it again. */
  crashesAt: number;
  startsAt: number;
  /** What `report_end` has written. */
  end?: Omit<End, "name">;
}

/** runsv starts a service no more often than once in so many seconds. */
const RUNSV_SECONDS = 1;

const NO_PLAN: Plan = {
  needs: [],
  readyBy: "time",
  unhealthy: false,
  ownsDescendants: false,
  down: false,
};

interface Living extends ProcessInfo {
  behaviour: Behaviour;
  endsAt: number;
  status: number;
  reaped: boolean;
}

/** What became of a run; `stopSeconds` is how long the shutdown took. */
export interface Told {
  story: string[];
  status: number;
  seconds: number;
  stopSeconds: number;
  /** The environment at the end, and what is drawn then. */
  environment: Environment;
  timeline: Timeline;
}

/** The signals that terminate a program. */
const ENDING: readonly number[] = [SIGNALS.SIGTERM, SIGNALS.SIGINT, SIGNALS.SIGQUIT];

/**
 * Lives through a run and tells it: a line per action and message, with the second it happened in. Between any two
 * steps the run is written down as JSON and read again.
 */
export function live(world: World): Told {
  const options = readOptions(world.options ?? []) as Options;
  const given = world.environment ?? [];
  let directory = world.directory ?? [];
  const living: Living[] = [];
  const signals = [...world.signals ?? []];
  const story: string[] = [];
  let now = 0;
  const tell = (text: string) => story.push(`${Number(now.toFixed(2))} ${text}`);

  const begin = (
    name: string,
    program = name.split("/").at(-1)!,
    parent = 1,
    behaviour: Behaviour = world.programs?.[program] ?? world.programs?.[name] ?? {},
  ): number => {
    const pid = 10 + living.length;
    const endsAt = now + (behaviour.endsAfter ?? Infinity);
    const status = behaviour.status ?? 0;
    const session = program === "runsv" ? pid : 1;
    const known = { pid, parent, session, program, name, reachable: true, ours: true };
    living.push({ ...known, behaviour, endsAt, status, reaped: false });
    return pid;
  };
  for (const name of world.others ?? []) begin(name);

  const alive = () => living.filter(({ endsAt }) => endsAt > now);
  const kill = (pid: number, signal: number) => {
    for (const one of alive()) {
      if (pid !== -1 && one.pid !== pid) continue;
      const { unkillable, forks = 0 } = one.behaviour;
      if (signal === SIGNALS.SIGKILL && !unkillable) {
        Object.assign(one, { endsAt: now, status: 137 });
      }
      if (ENDING.includes(signal)) {
        for (let i = 0; i < forks; i++) begin(`${one.program}-`, "child", 1, { forks: forks - 1 });
        const termTakes = one.behaviour.termTakes ?? 0;
        if (one.behaviour.status === undefined && termTakes !== Infinity) one.status = 143;
        one.endsAt = Math.min(one.endsAt, now + termTakes);
      }
    }
  };

  /** As env/directory.ts does, with this world's directory. */
  const readEnvironment = ({ directory: state, environment: before, unwritten }: Run) => {
    const isFirst = state === "unread";
    const begun = isFirst ? beginWith(before, directory) : reloadFrom(directory, before, unwritten);
    const secrets = missingSecrets(begun, isFirst ? [] : before).flatMap(({ name, file }) =>
      world.files?.[file] === undefined ? [] : [[name, world.files[file]] as const]
    );
    const environment = withVariables(begun, secrets);
    if (!isFirst) return { environment, unwritten };
    const exported = withoutSecrets(environment).filter(([name]) => !PERSONAL.includes(name));
    const isWritable = ([name]: Variable) => !name.includes("/");
    directory = withVariables(directory, exported.filter(isWritable));
    return {
      environment,
      unwritten: exported.filter((variable) => !isWritable(variable)).map(([name]) => name),
    };
  };

  const plans: Plans = Object.fromEntries(
    Object.entries(world.plans ?? {}).map(([name, plan]) => [name, { ...NO_PLAN, ...plan }]),
  );
  const units: Unit[] = Object.keys(plans).map((name) => ({
    name,
    plan: plans[name],
    behaviour: world.programs?.[name] ?? {},
    isWanted: plans[name].needs.length === 0 && !plans[name].down,
    starts: 0,
    startedAt: -Infinity,
    crashesAt: Infinity,
    startsAt: Infinity,
  }));
  const orders = [...world.orders ?? []];
  const unitOf = (name: string) => units.find((unit) => unit.name === name)!;
  const isUp = ({ upSince }: Unit) => upSince !== undefined;
  const isReady = ({ upSince, behaviour: { readyAfter = 0 } }: Unit) =>
    upSince !== undefined && now >= upSince + readyAfter;
  const startUnit = (unit: Unit) => {
    const { crashesAfter = [] } = unit.behaviour;
    const after = typeof crashesAfter === "number" ? crashesAfter : crashesAfter[unit.starts];
    Object.assign(unit, { upSince: now, startedAt: now, isWanted: true, startsAt: Infinity });
    unit.starts++;
    unit.crashesAt = now + (after ?? Infinity);
    tell(`(${unit.name} starts)`);
  };
  const endUnit = (unit: Unit, how: End["how"]) => {
    const { plan: { backoff, giveUp }, upSince = now, behaviour: { status = 1 } } = unit;
    const isHeld = how === "down" || how === "itself" && (backoff ?? giveUp) !== undefined;
    unit.end = { status: how === "itself" ? status : 143, how, seconds: Math.floor(now - upSince) };
    unit.isWanted = !isHeld;
    unit.startsAt = isHeld ? Infinity : Math.max(now, upSince + RUNSV_SECONDS);
    unit.upSince = undefined;
    unit.crashesAt = Infinity;
    tell(how === "down" ? `(${unit.name} is down)` : `(${unit.name} ends)`);
  };
  /** What is due in the services; says whether one of them has sent its signal. */
  const liveUnits = (): boolean => {
    for (const unit of units) {
      if (!alive().some(({ program, name }) => program === "runsv" && name === unit.name)) {
        Object.assign(unit, { upSince: undefined, crashesAt: Infinity, startsAt: Infinity });
      }
    }
    while (orders[0]?.[0] <= now) {
      const [, order, name] = orders.shift()!;
      const unit = unitOf(name);
      if (order === "up" && !isUp(unit)) startUnit(unit);
      if (order === "down" && !isUp(unit)) {
        Object.assign(unit, { isWanted: false, startsAt: Infinity });
      }
      if (order === "unhealthy") {
        unit.end = { status: 1, how: "unhealthy", seconds: 0 };
        return true;
      }
      if (order !== "up" && isUp(unit)) {
        endUnit(unit, order);
        return true;
      }
    }
    const crashed = units.find(({ crashesAt }) => crashesAt <= now);
    if (crashed) endUnit(crashed, "itself");
    for (const unit of units) if (unit.startsAt <= now) startUnit(unit);
    return crashed !== undefined;
  };

  const act = (action: Action, run: Run): Event => {
    for (const { text } of announce(action, run)) tell(text);
    switch (action.do) {
      case "say":
        for (const { text } of action.messages) tell(text);
        return { now, type: "said" };
      case "readEnvironment":
        tell(`(environment is ${run.directory})`);
        return { now, type: "environment", ...readEnvironment(run), warnings: [] };
      case "findScripts": {
        const scripts = world.scripts?.[action.stage] ?? [];
        return {
          now,
          type: "scripts",
          stage: action.stage,
          scripts: { paths: scripts, warnings: [] },
        };
      }
      case "skipScripts":
        return { now, type: "scripts", stage: action.stage, scripts: { paths: [], warnings: [] } };
      case "prepareServices": {
        const [directory, warnings] = ["/etc/service", [] as string[]];
        const { timeouts = {}, critical = [], last = [] } = world;
        const fault = findFault(plans, world.services ?? []);
        const services = { directory, timeouts, critical, last, plans, warnings, fault };
        return { now, type: "services", services };
      }
      case "findEndedServices": {
        const { critical } = action.services;
        const ended = living.filter(({ name, endsAt }) => critical.includes(name) && endsAt <= now)
          .map(({ name, status }): End => ({ name, status, how: "itself", seconds: 0 }));
        const reported = units.flatMap(({ name, end }) => end ? [{ name, ...end }] : []);
        for (const unit of units) unit.end = undefined;
        const ends = [...ended, ...reported].map((end) => ({
          ...end,
          critical: critical.includes(end.name),
        }));
        return { now, type: "servicesEnded", ends };
      }
      case "order": {
        const results = action.names.map((name) => {
          const unit = unitOf(name);
          unit.isWanted = true;
          unit.startsAt = Math.max(now, unit.startedAt + RUNSV_SECONDS);
          if (unit.startsAt <= now) startUnit(unit);
          return { name, result: "up" as const };
        });
        return { now, type: "ordered", results };
      }
      case "readStatuses": {
        const statuses = action.names.map((name) => {
          const unit = unitOf(name);
          const process = isUp(unit) ? "run" as const : "down" as const;
          const seconds = now - (unit.upSince ?? now);
          return { name, process, seconds, isWanted: unit.isWanted, hasNotified: isReady(unit) };
        });
        return { now, type: "statuses", statuses };
      }
      case "findReasons": {
        const outputs = action.names.map((name) => ({ name, output: "" }));
        return { now, type: "reasons", outputs };
      }
      case "start": {
        const [name] = action.argv;
        const status = world.programs?.[name]?.cannotStart;
        const { purpose } = action;
        if (status) return { now, type: "notStarted", purpose, name, status, reason: "because" };
        const pid = purpose.kind === "check"
          ? begin(name, "check", 1, {
            endsAfter: 0.01,
            status: isReady(unitOf(purpose.service)) ? 0 : 1,
          })
          : begin(name);
        if (purpose.kind === "runit") {
          for (const service of world.services ?? []) begin(service, "runsv", pid);
          for (const one of living) if (one.parent === pid) behave(one, world);
          for (const unit of units) if (unit.isWanted) startUnit(unit);
        }
        return {
          now,
          type: "started",
          purpose,
          name: nameOf(purpose, action.argv),
          pid,
          ownsTerminal: false,
        };
      }
      case "signal": {
        const names = action.signals.map(signalName).join(" ");
        tell(`(${names} to ${action.pids.map((pid) => who(pid, living)).join(", ")})`);
        for (const pid of action.pids) for (const signal of action.signals) kill(pid, signal);
        return { now, type: "signalled", why: action.why, pids: action.pids, refused: [] };
      }
      case "list":
        return {
          now,
          type: "listed",
          which: action.which,
          seconds: 0,
          cost: 0,
          processes: alive().flatMap((one) => withService(one, units)).flatMap((one) =>
            action.which === "runit" ? ofRunit(one) : [one]
          ),
        };
      case "begin":
        return { now, type: "began", step: action.step };
      case "notify": {
        tell(`(${action.state} to ${action.socket})`);
        const warnings = world.refusal ? [world.refusal] : [];
        return { now, type: "notified", state: action.state, warnings };
      }
      case "draw":
        tell("(draws)");
        return { now, type: "drawn", warnings: [] };
      case "wait": {
        const ended = living.find((one) => !one.reaped && one.endsAt <= now);
        if (ended) return reap(ended);
        if (action.until !== undefined && !run.stop) {
          assert(isWaitedFor(run), `A timer is left: ${story.join("\n")}`);
        }
        const ends = living.filter((one) => !one.reaped).map(({ endsAt }) => endsAt);
        const until = Math.min(
          action.until ?? Infinity,
          signals[0]?.[0] ?? Infinity,
          orders[0]?.[0] ?? Infinity,
          ...ends,
          ...units.flatMap(({ crashesAt, startsAt }) => [crashesAt, startsAt]),
        );
        if (until === Infinity) throw new Error(`Nothing will ever happen: ${story.join("\n")}`);
        now = Math.max(now, until);
        if (signals[0]?.[0] <= now) {
          const [, signal] = signals.shift()!;
          tell(`(received ${signalName(signal)})`);
          return { now, type: "received", received: { signal, fromTerminal: false } };
        }
        if (liveUnits()) {
          return {
            now,
            type: "received",
            received: { signal: SERVICE_ENDED, fromTerminal: false },
          };
        }
        const next = living.find((one) => !one.reaped && one.endsAt <= now);
        return next ? reap(next) : { now, type: "time" };
      }
      case "exit":
        throw new Error("The end of the story is told elsewhere");
    }
  };
  const reap = (one: Living): Event => {
    one.reaped = true;
    for (const [name, value] of Object.entries(one.behaviour.writes ?? {})) {
      directory = value === undefined
        ? without(directory, [name])
        : withVariables(directory, [[name, value]]);
    }
    const { pid, status } = one;
    const exit = status > 128 ? { pid, status, signal: status - 128 } : { pid, status };
    const childless = living.every((other) => other.reaped);
    return { now, type: "ended", exits: [exit], suspended: [], childless };
  };

  let run = newRun({ now, pid: 1, options, environment: given });
  let before = now;
  for (let steps = 0; steps < 10_000; steps++) {
    const action = next(run);
    if (action.do === "exit") {
      for (const { text } of announce(action, run)) tell(text);
      const stopSeconds = now - run.stop!.askedAt;
      return {
        story,
        status: action.status,
        seconds: now,
        stopSeconds,
        environment: run.environment,
        timeline: timelineOf(run),
      };
    }
    const recorded = record(run, act(action, run));
    run = JSON.parse(JSON.stringify(recorded));
    assertEquals(run, withoutUndefined(recorded), "the run is the same when it is read again");
    if (now < before) throw new Error(`The clock goes backwards: ${story.join("\n")}`);
    before = now;
  }
  throw new Error(`It never ends: ${story.slice(0, 50).join("\n")}`);
}

/** Whether there is a reason for a timer while nobody stops the container: a pause, somebody who waits, a boot to be drawn. */
function isWaitedFor(run: Run): boolean {
  const { managed, options: { waitReady }, main } = run;
  const states = Object.values(managed).map(({ state }) => state);
  if (timelineFile(run) && run.bootedAt === undefined) return true;
  if (notifySocket(run) && !run.notified) return true;
  return states.includes("waiting") || states.includes("backing off") ||
    waitReady && main === "absent";
}

/** A runsv and what it looks after; other processes alone. */
function withService(one: Living, units: readonly Unit[]): ProcessInfo[] {
  const {
    behaviour: { childless, leavesBehind },
    endsAt,
    status: _status,
    reaped: _reaped,
    ...info
  } = one;
  if (info.program !== "runsv") return [info];
  const isDown = units.some(({ name, upSince }) => name === one.name && upSince === undefined);
  if (isDown) return [{ ...info, service: 0 }];
  const isDone = childless === "down" || childless === "down by SIGTERM" && endsAt < Infinity;
  if (isDone) return [{ ...info, service: 0 }];
  if (childless === "before finish") return [{ ...info, service: 999 }];
  const [service, log, left] = [1000, 2000, 3000].map((number) => number + info.pid);
  const child = { ...info, parent: info.pid, session: info.pid, program: info.name };
  if (!leavesBehind) return [{ ...info, service }, { ...child, pid: service }];
  return [
    { ...info, service, log, finishing: leavesBehind === "finishing" },
    ...[service, log, left].map((pid) => ({ ...child, pid })),
  ];
}

/** What is said of it if only runit's own processes are listed. */
function ofRunit({ service: _, log: __, finishing: ___, ...one }: ProcessInfo): ProcessInfo[] {
  return /^runsv(dir)?$/.test(one.program) ? [one] : [];
}

/** What JSON leaves out of a value; all else must come back as it was. */
function withoutUndefined<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutUndefined) as T;
  const entries = Object.entries(value).filter(([, it]) => it !== undefined);
  return Object.fromEntries(entries.map(([key, it]) => [key, withoutUndefined(it)])) as T;
}

function behave(one: Living, world: World): void {
  one.behaviour = world.programs?.[one.name] ?? {};
}

function who(pid: number, living: readonly Living[]): string {
  const nameOf = (pid: number) => living.find((one) => one.pid === pid)?.name;
  if (pid === -1) return "all processes";
  if (pid >= 3000) return `what ${nameOf(pid - 3000)} left behind`;
  return nameOf(pid) ?? `the service of ${nameOf(pid - 1000)}`;
}
