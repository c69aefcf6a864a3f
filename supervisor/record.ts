import { type ByteString } from "../posix/bytes.ts";
import { withVariables } from "../env/environment.ts";
import {
  type Exit,
  type Received,
  SIGNALS,
  SIGRTMIN,
  SUSPENDING_SIGNALS,
  type Suspension,
} from "../posix/signals.ts";
import { SERVICE_ENDED, SERVICES } from "./conventions.ts";
import { withMarks } from "../timeline/marks.ts";
import { faultIn } from "./identity.ts";
import { type Stage } from "./scripts.ts";
import { byName } from "./plans.ts";
import { type End, type Happening, newService, transition } from "./service.ts";
import {
  awaitsEnds,
  type Child,
  childFor,
  drainSeconds,
  type Ending,
  type Event,
  hasStarted,
  isCrowded,
  type Message,
  type Run,
  type Stop,
} from "./run.ts";
import { hasBooted } from "./supervision.ts";
import { ABORTED, faultOf, report, reportEnd, reportExit, reportKills } from "./words.ts";

/** The signals that stop the container. SIGRTMIN+3 is systemd's for containers, SIGPWR is LXC's. */
export const STOP_SIGNALS: readonly number[] = [
  SIGNALS.SIGTERM,
  SIGNALS.SIGINT,
  SIGNALS.SIGQUIT,
  SIGNALS.SIGPWR,
  SIGRTMIN + 3,
];

/** Makes the run after an event. Pure: the new run is the only result. */
export function record(before: Run, event: Event): Run {
  const after = change(before, event);
  const isNew = after.bootedAt === undefined && !after.stop && hasBooted(after);
  return withMarks(before, isNew ? { ...after, bootedAt: after.now } : after);
}

function change(before: Run, event: Event): Run {
  const sleep = before.sleep === "woken" ? "allowed" : before.sleep;
  const kills = reportKills(event, before);
  const memory = recordKills(before, event, kills);
  const messages = [...kills, ...report(event, before)];
  const run = say({ ...before, now: event.now, sleep, memory }, messages);
  switch (event.type) {
    case "said":
      return { ...run, messages: [] };
    case "environment": {
      const { environment, unwritten } = event;
      const read: Run = { ...run, environment, unwritten, directory: "current" };
      const fault = run.stop ? undefined : faultIn(environment);
      return fault === undefined ? read : abort(say(read, [faultOf(fault)]), { status: 1 });
    }
    case "scripts":
      return withScripts(run, event.stage, event.scripts.paths);
    case "services": {
      const { warnings: _said, fault, ...services } = event.services;
      const moved = services.directory !== SERVICES;
      const environment = moved
        ? withVariables(run.environment, [["SVDIR", services.directory]]) // For sv(8).
        : run.environment;
      const managed = byName(Object.fromEntries(
        Object.entries(services.plans).map(([name, plan]) => [name, newService(plan, run.now)]),
      ));
      const prepared = { ...run, environment, services, managed };
      return fault === undefined ? prepared : abort(say(prepared, [faultOf(fault)]), { status: 1 });
    }
    case "servicesEnded":
      return event.ends.reduce(recordEnd, { ...run, serviceEnded: false });
    case "ordered":
      return event.results.reduce(
        (run, { name, result }) => happen(run, name, { type: "ordered", result }),
        run,
      );
    case "statuses":
      return event.statuses.reduce(
        (run, status) => happen(run, status.name, { type: "read", status }),
        run,
      );
    case "reasons":
      return event.outputs.reduce((run, { name }) => happen(run, name, { type: "warned" }), run);
    case "started":
      return recordStart(run, event);
    case "notStarted": {
      const { purpose } = event;
      if (purpose.kind === "script") {
        const rest = withoutFirstScript(run, purpose.stage);
        return run.stop ? rest : abort(rest, { status: 1 });
      }
      const { status } = event;
      if (purpose.kind === "check") {
        return happen(run, purpose.service, { type: "checked", status });
      }
      return purpose.kind === "main" ? stop(run, { status }) : abort(run, { status: 1 });
    }
    case "signalled":
      return recordSignals(run, event);
    case "listed": {
      const { now: at, which, seconds: listSeconds, cost, processes } = event;
      const ending = stillEnding(run, event);
      return withoutGone({ ...run, listed: { at, which, cost, processes }, listSeconds, ending });
    }
    case "began": {
      const { now: since, step } = event;
      const stop = run.stop!;
      const drained = stop.drained ?? (stop.step === "drain" ? since - stop.since : undefined);
      return { ...run, stop: { ...stop, step, since, drained }, listed: undefined };
    }
    case "notified":
      return { ...run, notified: event.state };
    case "drawn":
      return { ...run, drawn: run.stop ? "stop" : "boot" };
    case "ended": {
      const rest = event.exits.reduce(recordExit, withoutGone(withoutEnded(run, event)));
      return event.suspended.reduce(recordSuspension, rest);
    }
    case "received":
      return recordSignal(run, event.received);
    case "readable":
      return run;
    case "time":
      return { ...run, listed: undefined };
    case "wokenInVain":
      return { ...run, sleep: "in vain" };
    case "replaced":
      return stop(run, { status: 1 });
    case "failed": {
      const failed = { ...run, listed: undefined, failures: run.failures + 1 };
      return run.stop ? failed : stop(failed, { status: 1 });
    }
  }
}

function recordStart(run: Run, event: Event & { type: "started" }): Run {
  const { purpose, name, pid, ownsTerminal } = event;
  const { [pid]: _reused, ...ending } = run.ending;
  const child: Child = { purpose, name, pid, startedAt: run.now, ownsTerminal };
  const started = { ...run, children: [...run.children, child], ending };
  switch (purpose.kind) {
    case "script":
      return withoutFirstScript(started, purpose.stage);
    case "runit":
      return { ...started, runit: "running", runitPid: pid };
    case "main":
      return { ...started, main: "running" };
    case "check":
      return started;
  }
}

/** Something has happened to a service. Of one that is runit's alone nothing is known. */
function happen(run: Run, name: ByteString, happening: Happening): Run {
  const [plan, service] = [run.services?.plans[name], run.managed[name]];
  if (!plan || !service) return run;
  return {
    ...run,
    managed: byName(run.managed, { [name]: transition(service, happening, plan, run.now) }),
  };
}

/** A service has ended, or its checks have failed so often that the container is to end. */
function recordEnd(before: Run, end: End & { critical: boolean }): Run {
  const { name, status, how, critical } = end;
  const run = happen(before, name, { type: "ended", end });
  const [plan, service] = [run.services?.plans[name], run.managed[name]];
  const isFatal = how === "unhealthy" ||
    critical && (plan?.giveUp ? how === "itself" && service.state === "failed" : true);
  const messages = reportEnd(end, isFatal, before.managed[name], service, plan);
  const told = say(run, messages);
  return isFatal && !run.stop ? stop(told, { status }) : told;
}

/** Services that were terminated, and whose runsv is not listed any longer, are down. */
function withoutGone(run: Run): Run {
  if (run.stop?.step !== "services" || !run.listed) return run;
  const stopping = Object.keys(run.managed).filter((name) =>
    run.managed[name].state === "stopping"
  );
  if (stopping.length === 0) return run;
  const there = new Set(
    run.listed.processes.map(({ program, name }) => program === "runsv" && name),
  );
  const gone = stopping.filter((name) => !there.has(name));
  return gone.reduce((run, name) => happen(run, name, { type: "gone" }), run);
}

/** Removes ended processes from the list while services end. In other steps it is listed anew. */
function withoutEnded(run: Run, { exits, childless }: Event & { type: "ended" }): Run {
  if (childless) return { ...run, listed: undefined };
  if (!run.listed || run.stop?.step !== "services") return run;
  const ended = new Set(exits.map(({ pid }) => pid));
  const processes = run.listed.processes.filter(({ pid }) => !ended.has(pid));
  return { ...run, listed: { ...run.listed, processes } };
}

/** A child has ended. Only one that is watched changes the run. */
function recordExit(before: Run, exit: Exit): Run {
  const child = before.children.find(({ pid }) => pid === exit.pid);
  if (!child) return before;
  const { [exit.pid]: fate, ...ending } = before.ending;
  const children = before.children.filter((other) => other !== child);
  const run: Run = say({ ...before, children, ending }, reportExit(exit, before));
  switch (child.purpose.kind) {
    case "main": {
      const ended: Run = { ...run, main: "exited", mainStatus: exit.status };
      const reason = exit.status === 0 ? [] : reasonOf(run);
      if (!run.stop) return stop(ended, { reason });
      return run.stop.reason.length > 0 ? ended : { ...ended, stop: { ...run.stop, reason } };
    }
    case "runit": {
      const ended: Run = { ...run, runit: "exited" };
      return run.stop ? ended : stop(ended, { status: exit.status });
    }
    case "script": {
      if (exit.status === 0) return { ...run, directory: "stale" };
      const wasTerminated = fate?.terminatedAt !== undefined;
      return run.stop || wasTerminated ? run : abort(run, { status: 1 });
    }
    case "check": {
      const { status } = exit;
      return happen(run, child.purpose.service, { type: "checked", status });
    }
  }
}

/** A main command that was stopped from the terminal is continued, since nobody else can do that. */
function recordSuspension(run: Run, { pid, signal }: Suspension): Run {
  const main = childFor(run, "main");
  const isTyped = main?.pid === pid && main.ownsTerminal && SUSPENDING_SIGNALS.includes(signal);
  return isTyped ? { ...run, suspended: true } : run;
}

/** A signal was received: it stops the container, or it is forwarded to the main command. */
function recordSignal(run: Run, { signal, fromTerminal }: Received): Run {
  const main = childFor(run, "main");
  const toMain = { ...run, forward: [...run.forward, signal] };
  // It was typed before the main command had been given the terminal, so the command's process group did not get it.
  if (fromTerminal && main?.ownsTerminal && !run.stop) return toMain;
  if (STOP_SIGNALS.includes(signal)) {
    if (run.stop?.step === "drain" && drainSeconds(run) > 0) {
      return { ...run, stop: { ...run.stop, drained: run.now - run.stop.since } };
    }
    if (run.stop?.signal) return { ...run, stop: { ...run.stop, hurry: true } };
    if (run.stop) return { ...run, stop: { ...run.stop, signal } };
    return hasStarted(run) ? stop(run, { signal }) : abort(run, { signal });
  }
  // It may come from a `finish` that an earlier start has left: it is never for the command, which it would kill.
  if (signal === SERVICE_ENDED && run.runit !== "absent") {
    return awaitsEnds(run) ? { ...run, serviceEnded: true } : run;
  }
  return main ? toMain : run;
}

function recordSignals(run: Run, { why, pids, refused }: Event & { type: "signalled" }): Run {
  if (why === "forward") return { ...run, forward: [] };
  if (why === "continue") return { ...run, suspended: false };
  const changes = (pid: number): Ending => ({
    ...(why === "terminate" && { terminatedAt: run.now, program: programs.get(pid) }),
    ...(why === "remind" && { reminded: true }),
    ...(why === "kill" && { killedAt: run.now }),
    ...(refused.includes(pid) && { refused: true }),
  });
  const programs = new Map(run.listed?.processes.map(({ pid, program }) => [pid, program]));
  const isAll = pids.includes(-1) && why === "terminate";
  const terminated = isAll ? [...pids, ...programs.keys()] : pids;
  const records = terminated.map((pid) => [pid, { ...run.ending[pid], ...changes(pid) }] as const);
  const signalled = { ...run, ending: { ...run.ending, ...Object.fromEntries(records) } };
  if (why !== "terminate" || run.stop?.step !== "services") return signalled;
  const names = run.listed?.processes.flatMap(({ pid, program, name }) =>
    program === "runsv" && pids.includes(pid) ? [name] : []
  );
  return (names ?? []).reduce(
    (run, name) => happen(run, name, { type: "terminated" }),
    signalled,
  );
}

/**
 * Keeps the records of processes that still exist. A process that has executed another program since it was terminated, as
 * a shell's child does, may have lost the signal: its record is removed, so it is terminated again.
 */
function stillEnding(run: Run, { processes }: Event & { type: "listed" }): Run["ending"] {
  const programs = new Map(processes.map(({ pid, program }) => [pid, program]));
  const isStill = (pid: number, { program }: Ending) =>
    pid < 0 || run.children.some((child) => child.pid === pid) ||
    programs.has(pid) && (program === undefined || program === programs.get(pid));
  const records = Object.entries(run.ending).filter(([pid, ending]) =>
    isStill(Number(pid), ending)
  );
  const { terminatedAt } = run.ending[-1] ?? {};
  const isKnown = records.some(([pid, ending]) =>
    Number(pid) > 0 && ending.terminatedAt === terminatedAt
  );
  if (terminatedAt === undefined || isKnown || !isCrowded(run)) return Object.fromEntries(records);
  // They were terminated before they were listed.
  const crowd = processes.map(({ pid, program }) => [pid, { terminatedAt, program }]);
  return Object.fromEntries([...crowd, ...records]);
}

/** Remembers which memory kills were reported; the others are reported later. */
function recordKills(
  { memory }: Run,
  { counting, killed, now }: Event,
  messages: readonly Message[],
): Run["memory"] {
  if (counting) return counting;
  const [{ text: told } = { text: "" }] = messages;
  return memory && killed && told
    ? { ...memory, kills: killed.kills, told, reportedAt: now }
    : memory;
}

/** The reason of a stop: the last message, and the one about memory kills if it is still to be printed. */
function reasonOf({ messages, memory }: Run): ByteString[] {
  const last = messages.length - 1;
  return messages.map(({ text }) => text).filter((text, index) =>
    text === memory?.told || index === last
  );
}

function stop(run: Run, how: Partial<Pick<Stop, "signal" | "status" | "reason">>): Run {
  const { now } = run;
  const reason = how.signal === undefined ? reasonOf(run) : [];
  return {
    ...run,
    listed: undefined,
    stop: { askedAt: now, hurry: false, step: "startupScript", since: now, reason, ...how },
  };
}

/** Stops before the boot is complete. */
function abort(run: Run, how: Pick<Stop, "signal" | "status">): Run {
  return say(stop(run, how), [ABORTED]);
}

/** Says each warning once, unless it repeats. */
function say(run: Run, messages: readonly Message[]): Run {
  const fresh = messages.filter(({ level, text, repeats }, index) =>
    level === "info" || repeats ||
    !run.warned.includes(text) && messages.findIndex((other) => other.text === text) === index
  );
  if (fresh.length === 0) return run;
  const warned = fresh.filter(({ level, repeats }) => level === "warning" && !repeats).map((
    { text },
  ) => text);
  return {
    ...run,
    warned: [...run.warned, ...warned],
    messages: [...run.messages, ...fresh],
  };
}

function withScripts(run: Run, stage: Stage, scripts: readonly string[]): Run {
  return { ...run, scripts: { ...run.scripts, [stage]: scripts } };
}

/** Removes the script that was just started from the list of its stage. */
function withoutFirstScript(run: Run, stage: Stage): Run {
  return withScripts(run, stage, run.scripts[stage]?.slice(1) ?? []);
}
