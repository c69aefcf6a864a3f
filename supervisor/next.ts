import { type ByteString } from "../posix/bytes.ts";
import { SIGNALS } from "../posix/signals.ts";
import { readTimeouts, type Timeouts } from "./timeouts.ts";
import { depthOf, heightOf, type Plans, whoNeeds } from "./plans.ts";
import { allReady, supervise } from "./supervision.ts";
import { RELAY } from "./conventions.ts";
import { type Stage } from "./scripts.ts";
import { hasRelays } from "./logs.ts";
import {
  type Action,
  type Child,
  childFor,
  drainSeconds,
  isCrowded,
  notifySocket,
  type Run,
  type Step,
  type Stop,
  timelineFile,
} from "./run.ts";
import { type ProcessInfo } from "./processes.ts";

/** Decides what to do next, from all that has happened. Pure. */
export function next(run: Run): Action {
  if (run.messages.length > 0) return { do: "say", messages: run.messages };
  const main = childFor(run, "main");
  if (main && run.suspended) return signal("continue", [-main.pid], [SIGNALS.SIGCONT]);
  if (main && run.forward.length > 0) return signal("forward", [main.pid], run.forward);
  return run.stop ? shutDown(run, run.stop) : boot(run);
}

// ------------------------------------------------------------------------------------------------ boot

/** What remains to be done to boot the container; afterwards waits. */
function boot(run: Run): Action {
  const { options: { runit, command, waitReady }, services } = run;
  if (childFor(run, "script")) return { do: "wait" };
  if (run.directory !== "current") return { do: "readEnvironment" };
  const script = startScript(run, "startup");
  if (script) return script;
  if (runit && !services) return { do: "prepareServices" };
  if (services && run.runit === "absent") {
    const argv = ["/usr/bin/runsvdir", "-P", services.directory];
    return { do: "start", purpose: { kind: "runit" }, argv };
  }
  if (command.length > 0 && run.main === "absent" && (!waitReady || allReady(run))) {
    return { do: "start", purpose: { kind: "main" }, argv: command };
  }
  const socket = notifySocket(run);
  if (socket !== undefined && !run.notified && allReady(run)) {
    return { do: "notify", socket, state: "READY=1" };
  }
  const file = timelineFile(run);
  const isToBeDrawn = file !== undefined && run.bootedAt !== undefined && !run.drawn;
  return isToBeDrawn ? { do: "draw", file } : supervise(run);
}

function startScript(run: Run, stage: Stage): Action | undefined {
  const scripts = run.scripts[stage];
  if (!scripts) return { do: "findScripts", stage };
  if (scripts.length === 0) return undefined;
  return { do: "start", purpose: { kind: "script", stage }, argv: [scripts[0]] };
}

// -------------------------------------------------------------------------------------------- shutdown

/**
 * The shutdown, step by step: until which ninth of the overall time a step may last, and what it still has to do; undefined
 * when it is done. A process that is killed at the end of a step may need a moment more (KILL_SECONDS). The last two
 * steps must be over before docker's own KILL, which comes a second after our nine.
 */
const STEPS: Record<Step, { ninths: number; act: (run: Run, time: Time) => Action | undefined }> = {
  startupScript: { ninths: 3, act: endStartupScript },
  drain: { ninths: 3, act: drain },
  preShutdown: { ninths: 3, act: runPreShutdownScripts },
  main: { ninths: 6, act: endMainCommand },
  runit: { ninths: 6.5, act: endRunit },
  services: { ninths: 7, act: endServices },
  postShutdown: { ninths: 8, act: runPostShutdownScripts },
  processes: { ninths: 8.8, act: endProcesses },
  kill: { ninths: 9, act: killProcesses },
  relays: { ninths: 9, act: endRelays },
};
const ORDER = Object.keys(STEPS) as Step[];

/** How long after SIGKILL a process may still be there before we go on without it, in seconds. */
const KILL_SECONDS = 0.3;
/** The least time for the post_shutdown scripts, in seconds: enough to write out logs, for example. */
const LAST_SCRIPTS_SECONDS = 1;
/** After more internal errors than these we only exit, so that an error in a step cannot repeat for ever. */
const MOST_FAILURES = 3;

/** The times for a step, in monotonic seconds. */
export interface Time {
  timeouts: Timeouts;
  /** When the step began, and until when it may last. */
  since: number;
  latest: number;
}

function shutDown(run: Run, stop: Stop): Action {
  const exit: Action = { do: "exit", status: finalStatus(run, stop) };
  if (run.failures > MOST_FAILURES) return exit;
  const socket = notifySocket(run);
  if (socket !== undefined && run.notified !== "STOPPING=1") {
    return { do: "notify", socket, state: "STOPPING=1" };
  }
  const action = STEPS[stop.step].act(run, timeOf(run, stop));
  if (action) return action;
  const following = stop.step === "processes" ? "relays" : ORDER[ORDER.indexOf(stop.step) + 1];
  if (following) return { do: "begin", step: following };
  const file = timelineFile(run);
  return file !== undefined && run.drawn !== "stop" ? { do: "draw", file } : exit;
}

/** The times for the step where the shutdown is. */
export function timeOf(run: Run, { step, since, askedAt, drained = 0, hurry }: Stop): Time {
  const { timeouts } = readTimeouts(run.environment, run.services?.timeouts);
  const overall = hurry ? 0 : timeouts.overall;
  return { timeouts, since, latest: askedAt + drained + overall * STEPS[step].ninths / 9 };
}

/** The exit status. If a signal came before the main command was started, the command counts as killed by it. */
function finalStatus({ options, mainStatus }: Run, { status, signal = 0 }: Stop): number {
  const neverStarted = options.command.length > 0 ? 128 + signal : 0;
  return status ?? mainStatus ?? neverStarted;
}

/** Ends a startup script that was running when the stop was asked for. */
function endStartupScript(run: Run, time: Time): Action | undefined {
  return end(run, scriptOf(run, "startup"), time);
}

/** Everything still answers, while those who send the requests see that `healthy` fails and send no more. */
function drain(run: Run, { since }: Time): Action | undefined {
  const end = since + drainSeconds(run);
  if (run.now >= end) return undefined;
  const action = supervise(run);
  return action.do === "wait"
    ? { do: "wait", until: Math.min(end, action.until ?? Infinity) }
    : action;
}

function runPreShutdownScripts(run: Run, time: Time): Action | undefined {
  const nothingToStop = run.runit === "absent" && run.main === "absent";
  return nothingToStop ? undefined : runScripts(run, "preShutdown", time);
}

/**
 * The main command gets the signal that the container got, which it may take as a request to end gracefully. If it is
 * still there a second before it would be killed, it gets SIGTERM, too.
 */
function endMainCommand(run: Run, time: Time): Action | undefined {
  const { SIGINT, SIGQUIT } = SIGNALS;
  const asked = run.stop?.signal;
  return asked === SIGINT || asked === SIGQUIT
    ? end(run, childFor(run, "main"), time, asked, (_toldAt, late) => late - TERM_SECONDS)
    : end(run, childFor(run, "main"), time);
}

/** How long before its SIGKILL the main command gets a SIGTERM, if another signal was to end it, in seconds. */
const TERM_SECONDS = 1;

/** How long runsvdir gets to end after a SIGTERM that it has noticed, in seconds; it needs some milliseconds. */
const NOTICE_SECONDS = 0.05;

/**
 * runsvdir polls once a second, and may notice a SIGTERM only then if that came while it was not waiting. It notices a
 * second SIGTERM at once.
 */
function endRunit(run: Run, time: Time): Action | undefined {
  return end(
    run,
    childFor(run, "runit"),
    time,
    SIGNALS.SIGTERM,
    (terminatedAt) => terminatedAt + NOTICE_SECONDS,
  );
}

/**
 * How long an idle runsv gets to end after its SIGTERM before it is killed, in seconds. It needs a millisecond, unless its
 * service ended within its first second: then it sleeps for one.
 */
const IDLE_SECONDS = 0.005;
/** How long a runsvdir can be forking after a SIGTERM, in seconds. */
const FORK_SECONDS = 1;
/**
 * The pause before the processes are listed again, for changes that send us no signal, in seconds. It is a quarter of what
 * the step has taken, so that nobody notices it and a slow stop does not keep the processor busy.
 */
const SHORTEST_PAUSE = 0.005, LONGEST_PAUSE = 0.2;

/**
 * Terminates each service by its runsv, which ends the service and its log before itself. runsvdir could do that, but
 * would miss a runsv that it is just starting (#315). When runsvdir is gone no new runsv comes, so we send SIGTERM
 * ourselves, once to each.
 */
function endServices(run: Run, time: Time): Action | undefined {
  const { listed, runitPid } = run;
  const { since } = time;
  const { directory, last = [], plans = {} } = run.services ?? {};
  if (runitPid === undefined) return undefined;
  // At first it is enough to know to whom the signals go.
  if (!listed) return { do: "list", which: run.now === since ? "runit" : "services" };
  const children = listed.processes.filter(({ parent, ours }) =>
    ours && (parent === run.pid || parent === runitPid)
  );
  const services = children.filter(({ program, name }) =>
    program === "runsv" && !last.includes(name)
  );
  const fates = services.map((runsv) => {
    const { timeoutSeconds, latest } = timeForService(runsv.name, run, time);
    return { runsv, fate: fateOf(run, runsv.pid, timeoutSeconds, latest) };
  });
  const withFate = (is: Fate["is"]) => fates.flatMap((it) => it.fate.is === is ? [it.runsv] : []);

  const unfinished = fates.filter(({ fate }) => fate.is !== "hopeless");
  const isNeeded = ({ name }: ProcessInfo) =>
    whoNeeds(name, plans).some((other) => unfinished.some(({ runsv }) => runsv.name === other));
  const running = withFate("running").filter((runsv) => !isNeeded(runsv));
  if (running.length > 0) return terminate(pidsOf(running));
  const late = withFate("late");
  if (late.length > 0 && listed.which === "runit") return { do: "list", which: "services" };
  if (late.length > 0) return killServices(listed.processes, late, plans);
  const waiting = withFate("waiting");
  const leftBehind = orphansOf(waiting, listed.processes, run);
  if (leftBehind.length > 0) return terminate(pidsOf(leftBehind));

  const isForking = children.some(({ program, name }) =>
    program === "runsvdir" && name === directory
  );
  if (isForking && run.now < since + FORK_SECONDS) return listLater(run, since);
  if (waiting.length === 0) return undefined;
  const unreachable = new Set(pidsOf(listed.processes.filter(({ reachable }) => !reachable)));
  const terminatedAt = (pid: number) => run.ending[pid]?.terminatedAt ?? run.now;
  const done = idleOf(listed.processes);
  const idle = waiting.filter((runsv) =>
    (done.has(runsv) || unreachable.has(runsv.service ?? 0)) &&
    run.ending[runsv.pid]?.killedAt === undefined &&
    terminatedAt(runsv.pid) + IDLE_SECONDS <= run.now
  );
  if (idle.length > 0) return signal("kill", pidsOf(idle), [SIGNALS.SIGKILL]);
  const due = fates.map(({ fate }) => fate.is === "waiting" ? fate.until : Infinity);
  // The pause begins anew at each end: to list hundreds of them while they end would keep the processor from them.
  return { ...listLater(run, since, Math.min(...due), run.now), for: pidsOf(waiting) };
}

/** How long a service may take after it was terminated, and until when in any case. */
export function timeForService(
  name: ByteString,
  { services }: Run,
  { timeouts, since, latest }: Time,
): { timeoutSeconds: number; latest: number } {
  return {
    timeoutSeconds: services?.timeouts[name] ?? timeouts.process,
    latest: since + (latest - since) * shareOf(name, services?.plans ?? {}),
  };
}

/**
 * Which part of the time a service and those that need it may use together: the same for each of them and of those that
 * it needs, which end after it.
 */
function shareOf(name: ByteString, plans: Plans): number {
  const turn = heightOf(name, plans) + 1;
  return turn / (turn + depthOf(name, plans));
}

/** The runsvs with nothing left to do: service and log have ended, and they end, too, or sleep for a second before it. */
function idleOf(processes: readonly ProcessInfo[]): Set<ProcessInfo> {
  const parents = new Set(processes.map(({ parent }) => parent));
  return new Set(processes.filter(({ pid, service }) => service === 0 && !parents.has(pid)));
}

/**
 * The orphans of services that are down and whose runsv waits for the log: one that holds the log's input open keeps the
 * log from ending. They are in the session that runsvdir made for the runsv.
 */
function orphansOf(
  waiting: readonly ProcessInfo[],
  processes: readonly ProcessInfo[],
  run: Run,
): ProcessInfo[] {
  const down = new Set(waiting.flatMap(({ pid, service }) => service === 0 ? [pid] : []));
  return processes.filter(({ pid, parent, session, reachable }) =>
    reachable && parent === run.pid && pid !== session && down.has(session) && !run.ending[pid]
  );
}

/**
 * Kills services and their runsv, but neither their logs, which read to the end, nor what else they have started, such
 * as the server behind a wrapper that ignores SIGTERM: that is terminated with the remaining processes. But what is
 * left behind by one that owns it was terminated by its `finish`.
 */
function killServices(
  processes: readonly ProcessInfo[],
  late: readonly ProcessInfo[],
  plans: Plans,
): Action {
  const isItsOwn = (pid: number, { name, finishing, service, log }: ProcessInfo) =>
    plans[name]?.ownsDescendants && finishing ? pid !== log : pid === service;
  const running = processes.filter(({ pid, parent }) =>
    late.some((runsv) => runsv.pid === parent && isItsOwn(pid, runsv))
  );
  return {
    ...signal("kill", pidsOf([...late, ...running]), [SIGNALS.SIGKILL]),
    named: late.map(({ name, pid }) => ({ name, pid, kind: "service" })),
  };
}

function runPostShutdownScripts(run: Run, { timeouts, since, latest }: Time): Action | undefined {
  return runScripts(run, "postShutdown", {
    timeouts,
    since,
    latest: Math.max(latest, since + LAST_SCRIPTS_SECONDS),
  });
}

/**
 * Terminates the remaining processes, all at once: a script whose child is terminated before itself goes on to its next
 * command. A process that is started meanwhile is terminated when it is listed. Those that are left at the end of the step
 * are killed. Thousands of processes are terminated before they are listed.
 */
function endProcesses(run: Run, { timeouts, since, latest }: Time): Action | undefined {
  if (!run.options.killAllOnExit) return undefined;
  const until = Math.min(since + timeouts.remaining, latest);
  if (isCrowded(run)) {
    if (run.ending[-1]?.terminatedAt === undefined) return terminate([-1]);
    if (run.now >= until) return { do: "begin", step: "kill" };
    // To reap one of thousands takes the kernel milliseconds: they are not reaped, and end when PID 1 ends.
    const listAt = (run.listed?.at ?? since) + run.listSeconds;
    const canList = listAt + run.listSeconds < until;
    if (!canList || run.now < listAt) {
      return { do: "wait", until: canList ? listAt : until, for: [] };
    }
  }
  if (!run.listed) return { do: "list", which: "all" };
  const left = run.listed.processes.filter(isToEnd);
  if (left.length === 0) return undefined;
  if (run.now >= until) return { do: "begin", step: "kill" };
  const idle = [...idleOf(left)].filter(({ pid }) => run.ending[pid]?.killedAt === undefined);
  if (idle.length > 0) return signal("kill", pidsOf(idle), [SIGNALS.SIGKILL]);
  const running = left.filter(({ pid }) => run.ending[pid]?.terminatedAt === undefined);
  if (running.length > 0) {
    const isAll = running.length === left.length;
    return terminate(run.pid === 1 && isAll ? [-1] : pidsOf(parentsFirst(running)));
  }
  return listLater(run, since, until);
}

/**
 * Kills the remaining processes. PID 1 does it once, since the kernel kills the rest of the container when PID 1 ends; otherwise it is
 * repeated, since one of the processes may just be starting another.
 */
function killProcesses(run: Run, { since }: Time): Action | undefined {
  if (run.pid === 1 && (isCrowded(run) || !hasRelays(run.environment))) {
    return run.ending[-1]?.killedAt === undefined
      ? signal("kill", [-1], [SIGNALS.SIGKILL])
      : undefined;
  }
  if (!run.listed) return { do: "list", which: "all" };
  const left = run.listed.processes.filter(isToEnd);
  if (left.length === 0 || run.now >= since + KILL_SECONDS) return undefined;
  const pids = pidsOf(left);
  const lastKill = Math.max(...pids.map((pid) => run.ending[pid]?.killedAt ?? -Infinity));
  return lastKill < run.listed.at
    ? signal("kill", pids, [SIGNALS.SIGKILL])
    : listLater(run, since, since + KILL_SECONDS);
}

/** A relay ends by itself, when all whose lines it carries have ended. */
function isToEnd({ reachable, program }: ProcessInfo): boolean {
  return reachable && program !== RELAY;
}

/** How long a relay may take for the last lines, in seconds; it ends at once unless a process holds its pipe that we cannot end. */
const RELAY_SECONDS = 1;

/** The last lines are written. */
function endRelays(run: Run, { since, latest }: Time): Action | undefined {
  const until = Math.min(since + RELAY_SECONDS, Math.max(latest, since + KILL_SECONDS));
  if (!hasRelays(run.environment) || run.now >= until) return undefined;
  if (!run.listed) return { do: "list", which: "all" };
  const isDone = run.listed.processes.every(({ program }) => program !== RELAY);
  return isDone ? undefined : listLater(run, since, until);
}

/** Runs the scripts of a stage one after the other, until its time is over. */
function runScripts(run: Run, stage: Stage, { timeouts, latest }: Time): Action | undefined {
  const script = scriptOf(run, stage);
  if (script) {
    const ownTimeout = timeouts.overall === Infinity
      ? script.startedAt + timeouts.script
      : Infinity;
    const fate = fateOf(run, script.pid, 0, Math.min(ownTimeout, latest), script.startedAt);
    if (fate.is === "waiting") return { do: "wait", until: fate.until };
    if (fate.is === "late") return kill(script);
  }
  const scripts = run.scripts[stage];
  if (run.now >= latest && scripts?.length) return { do: "skipScripts", stage, scripts };
  return startScript(run, stage);
}

/** The script of a stage that is running; the last one, since one that SIGKILL could not end may still be there. */
function scriptOf(run: Run, stage: Stage): Child | undefined {
  return run.children.findLast(({ purpose }) =>
    purpose.kind === "script" && purpose.stage === stage
  );
}

// ---------------------------------------------------------------------------------- the end of a process

/** How far a process is on the way to its end. */
type Fate =
  | { is: "running" }
  /** Until this time nothing has to be done. */
  | { is: "waiting"; until: number }
  | { is: "late" }
  /** It cannot be ended. */
  | { is: "hopeless" };

/**
 * The one rule of escalation: terminated, waited for, killed when it is late, and given up if it is still there.
 *
 * @param timeoutSeconds how long it may take after it was terminated
 * @param latest its deadline, whatever the timeout
 * @param runsSince when it was started; only for a script, which ends by itself and is not terminated
 */
function fateOf(
  run: Run,
  pid: number,
  timeoutSeconds: number,
  latest: number,
  runsSince?: number,
): Fate {
  const { terminatedAt, killedAt, refused } = run.ending[pid] ?? {};
  if (refused) return { is: "hopeless" };
  if (killedAt !== undefined) {
    const until = killedAt + KILL_SECONDS;
    return run.now >= until ? { is: "hopeless" } : { is: "waiting", until };
  }
  if (terminatedAt === undefined && runsSince === undefined) return { is: "running" };
  const until = runsSince === undefined ? Math.min(terminatedAt! + timeoutSeconds, latest) : latest;
  return run.now >= until ? { is: "late" } : { is: "waiting", until };
}

/**
 * What is to be done next to end one of our children; undefined when it has ended or cannot be ended.
 *
 * @param first the signal that terminates it
 * @param remindAt when it gets a SIGTERM after that; computed from when it was terminated and when it is late
 */
function end(
  run: Run,
  child: Child | undefined,
  { timeouts, latest }: Time,
  first: number = SIGNALS.SIGTERM,
  remindAt: (terminatedAt: number, late: number) => number = () => Infinity,
): Action | undefined {
  if (!child) return undefined;
  const { pid } = child;
  const fate = fateOf(run, pid, timeouts.process, latest);
  switch (fate.is) {
    case "running":
      return { ...terminate([pid], first), named: [describe(child)] };
    case "waiting": {
      const { terminatedAt = run.now, reminded } = run.ending[pid];
      const reminder = reminded
        ? Infinity
        : Math.max(terminatedAt, remindAt(terminatedAt, fate.until));
      return run.now >= reminder
        ? signal("remind", [pid], [SIGNALS.SIGTERM])
        : { do: "wait", until: Math.min(fate.until, reminder) };
    }
    case "late":
      return kill(child);
    case "hopeless":
      return undefined;
  }
}

/** A stopped process gets its signal only when it is continued. */
function terminate(pids: readonly number[], first: number = SIGNALS.SIGTERM) {
  return signal("terminate", pids, [first, SIGNALS.SIGCONT]);
}

function kill(child: Child): Action {
  return { ...signal("kill", [child.pid], [SIGNALS.SIGKILL]), named: [describe(child)] };
}

function signal(
  why: (Action & { do: "signal" })["why"],
  pids: readonly number[],
  signals: readonly number[],
): Action & { do: "signal" } {
  return { do: "signal", why, pids, signals };
}

function describe({ name, pid, purpose: { kind } }: Child) {
  return { name, pid, kind };
}

/**
 * Waits before the processes are listed again; no more than a fifth of a processor is used for that.
 *
 * @param since when the step has begun
 * @param latest when the wait ends in any case
 * @param from when the pause begins
 */
function listLater({ listed }: Run, since: number, latest = Infinity, from = listed!.at) {
  const { at, cost } = listed!;
  const pause = Math.min(Math.max(SHORTEST_PAUSE, (at - since) / 4), LONGEST_PAUSE);
  const until = Math.min(latest, Math.max(from + pause, at + 4 * cost));
  return { do: "wait" as const, until };
}

function pidsOf(processes: readonly ProcessInfo[]): number[] {
  return processes.map(({ pid }) => pid);
}

/** Sorts parents before their children, each generation in the order of the list. */
function parentsFirst(processes: readonly ProcessInfo[]): ProcessInfo[] {
  const byPid = new Map(processes.map((process) => [process.pid, process]));
  const depths = new Map<number, number>();
  const depthOf = (process: ProcessInfo): number => {
    const known = depths.get(process.pid);
    if (known !== undefined) return known;
    depths.set(process.pid, 0); // Two processes can seem to be each other's parents when PIDs are used again.
    const parent = byPid.get(process.parent);
    const depth = parent ? depthOf(parent) + 1 : 0;
    depths.set(process.pid, depth);
    return depth;
  };
  return processes.toSorted((a, b) => depthOf(a) - depthOf(b));
}
