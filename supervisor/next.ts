import { SIGNALS } from "../posix/signals.ts";
import { ENABLE_INSECURE_KEY, type Stage } from "./hooks.ts";
import { type Limits, readLimits } from "./limits.ts";
import {
  type Action,
  currentStage,
  type Message,
  type Process,
  type Role,
  type Run,
  type Stop,
} from "./run.ts";
import { type Seen } from "./processes.ts";

/** Decides what to do next, by all that has happened. Pure. */
export function next(run: Run): Action {
  const { messages, forward, processes: { main } } = run;
  if (messages.length > 0) return { do: "say", messages };
  if (forward.length > 0 && main?.state === "running") {
    return { do: "signal", why: "forward", pids: [main.pid], signals: forward };
  }
  return run.stop ? shutDown(run, run.stop) : boot(run);
}

// ------------------------------------------------------------------------------------------------ boot

/** What remains to be done to bring the container up, and to keep it so. */
function boot(run: Run): Action {
  const { options: { runit, command }, processes, services } = run;
  if (processes.hook?.state === "running") return { do: "wait" };
  if (run.directory !== "current") return { do: "readEnvironment" };
  const hook = startHook(run, "startup");
  if (hook) return hook;
  if (runit && !services) return { do: "prepareServices" };
  if (services && !processes.runit) {
    const argv = ["/usr/bin/runsvdir", "-P", services.directory];
    return start("runit", argv, "Booting runit daemon...");
  }
  if (command.length > 0 && !processes.main) {
    return start("main", command, `Running ${command.join(" ")}...`);
  }
  if (services && run.serviceEnded) return { do: "findEndedService", services };
  return { do: "wait" };
}

function startHook(run: Run, stage: Stage): Action | undefined {
  const scripts = run.hooks[stage];
  if (!scripts) return { do: "findHooks", stage };
  if (scripts.length === 0) return undefined;
  const isKey = scripts[0] === ENABLE_INSECURE_KEY;
  return start(
    "hook",
    [scripts[0]],
    isKey ? "Installing insecure SSH key for user root" : `Running ${scripts[0]}...`,
  );
}

function start(role: Role, argv: readonly string[], text: string): Action {
  return { do: "start", role, argv, announce: info(text) };
}

// -------------------------------------------------------------------------------------------- shutdown

/** A step of the shutdown: what it still has to do, or nothing when it is done. */
type Step = (run: Run, plan: Plan) => Action | undefined;

/** The shutdown, in order. */
const STEPS: readonly Step[] = [
  endStartupScript,
  runPreShutdownScripts,
  endMainCommand,
  endRunit,
  endServices,
  runPostShutdownScripts,
  endEverybody,
];

function shutDown(run: Run, stop: Stop): Action {
  const MOST_FAILURES = 3;
  const plan = makePlan(run, stop);
  if (run.failures <= MOST_FAILURES) {
    for (const step of STEPS) {
      const action = step(run, plan);
      if (action) return action;
    }
  }
  return { do: "exit", status: finalStatus(run, stop) };
}

/** A command that was to be run, and never was because of a signal, counts as ended by that. */
function finalStatus({ options, processes }: Run, { status, signal = 0 }: Stop): number {
  const neverStarted = options.command.length > 0 ? 128 + signal : 0;
  return status ?? processes.main?.status ?? neverStarted;
}

/** Until when each step may last, in monotonic seconds; the steps share the overall time in this order. */
interface Plan {
  limits: Limits;
  preShutdown: number;
  main: number;
  runit: number;
  services: number;
  postShutdown: number;
  everybody: number;
}

function makePlan(run: Run, stop: Stop): Plan {
  const { limits } = readLimits(run.environment, run.services?.limits);
  const overall = stop.hurry ? 0 : limits.overall;
  const share = (ninths: number) => stop.askedAt + overall * ninths / 9;
  return {
    limits,
    preShutdown: share(3),
    main: share(6),
    runit: share(6.5),
    services: share(7),
    // However late it is: a second for the last things, such as flushing logs.
    postShutdown: Math.max(share(8), (run.began.postShutdown ?? run.now) + 1),
    everybody: share(9),
  };
}

/** A startup script that was running when the stop was asked for. */
function endStartupScript(run: Run, plan: Plan): Action | undefined {
  return currentStage(run) === "startup"
    ? end(run, run.processes.hook, plan.limits.process, plan.preShutdown)
    : undefined;
}

function runPreShutdownScripts(run: Run, plan: Plan): Action | undefined {
  const nothingToStop = !run.processes.runit && !run.processes.main;
  if (nothingToStop || currentStage(run) === "postShutdown") return undefined;
  return runHooks(run, "preShutdown", plan.preShutdown, plan.limits);
}

function endMainCommand(run: Run, plan: Plan): Action | undefined {
  return end(run, run.processes.main, plan.limits.process, plan.main);
}

function endRunit(run: Run, plan: Plan): Action | undefined {
  return end(run, run.processes.runit, plan.limits.process, plan.runit);
}

/**
 * Each service by its runsv: when that is told to end, it ends the service and its log first. runsvdir could tell
 * them, but would miss one that it is just starting (#315); when it is gone no new one comes, so we tell them
 * ourselves, once each.
 */
function endServices(run: Run, plan: Plan): Action | undefined {
  const { processes: { runit }, began } = run;
  if (!runit || began.postShutdown !== undefined) return undefined;
  if (began.services === undefined) return { do: "begin", phase: "services" };
  if (!run.seen) return { do: "look" };
  const children = run.seen.filter(({ parent }) => parent === run.pid || parent === runit.pid);
  const services = children.filter(({ program }) => program === "runsv");
  const untold = services.filter(({ pid }) => !run.told[pid]);
  if (untold.length > 0) return tell(pidsOf(untold));
  const ownLimits = run.services?.limits ?? {};
  const inTime = ({ pid, name }: Seen) =>
    Math.min(run.told[pid].at + (ownLimits[name] ?? plan.limits.process), plan.services);
  const late = services.filter((service) => inTime(service) <= run.now);
  const spared = late.filter(({ pid }) => run.forced[pid] === undefined);
  if (spared.length > 0) return forceServices(run.seen, spared);
  const waiting = services.filter(({ pid }) => !isHopeless(run, pid));
  // A child of our runsvdir that has not become runsv yet, which is a matter of milliseconds.
  const unborn = children.some(({ program, name }) =>
    program === "runsvdir" && name === run.services?.directory
  );
  if (unborn && run.now < began.services + 1) return { do: "wait", until: run.now + 0.02 };
  if (waiting.length === 0) return undefined;
  // With nothing to look after any longer it ends, but first it sleeps for a second if its service was that short.
  const parents = run.seen.map(({ parent }) => parent);
  const asleep = waiting.filter(({ pid, service }) =>
    service === 0 && !parents.includes(pid) && run.forced[pid] === undefined &&
    run.told[pid].at + 0.05 <= run.now
  );
  if (asleep.length > 0) return force(pidsOf(asleep));
  const due = waiting.map((service) => dueTime(run, service.pid, inTime(service)));
  const mayFallAsleep = waiting.some(({ pid }) => run.now < run.told[pid].at + 1);
  return { do: "wait", until: Math.min(...due, mayFallAsleep ? run.now + 0.05 : Infinity) };
}

/**
 * Forces services and their runsv, but neither their logs, which read to the end, nor what else they have started, such
 * as the server behind a wrapper that ignores SIGTERM: that is told to end like everybody.
 */
function forceServices(seen: readonly Seen[], late: readonly Seen[]): Action {
  const names = late.map(({ name, pid }) => `${name} (PID ${pid})`).join(", ");
  const services = seen.filter(({ pid, parent }) =>
    late.some((runsv) => runsv.pid === parent && runsv.service === pid)
  );
  return {
    ...force(pidsOf([...late, ...services])),
    announce: warning(`Services did not shut down in time: ${names}. Forcing them to exit.`),
  };
}

function runPostShutdownScripts(run: Run, plan: Plan): Action | undefined {
  if (run.began.postShutdown === undefined) return { do: "begin", phase: "postShutdown" };
  return runHooks(run, "postShutdown", plan.postShutdown, plan.limits);
}

/** Whoever is left: told as soon as they are seen, for a process may be born during all this; then forced. */
function endEverybody(run: Run, plan: Plan): Action | undefined {
  if (!run.options.killAllOnExit) return undefined;
  if (run.began.everybody === undefined) {
    return { do: "begin", phase: "everybody", announce: info("Killing all processes...") };
  }
  if (!run.seen) return { do: "look" };
  if (run.seen.length === 0) return undefined;
  const untold = run.seen.filter(({ pid }) => !run.told[pid]);
  const until = Math.min(run.began.everybody + plan.limits.everybody, plan.everybody);
  if (run.now < until) {
    if (untold.length > 0) return tell(pidsOf(untold));
    // The end of a child wakes us; a birth, or the end of somebody else's child (docker exec), does not.
    return { do: "wait", until: Math.min(until, run.now + 0.1) };
  }
  if (run.began.force === undefined) {
    const text = "Not all processes have exited in time. Forcing them to exit.";
    return { do: "begin", phase: "force", announce: warning(text) };
  }
  if (run.now > run.began.force + KILL_SECONDS) return undefined;
  const pids = run.pid === 1 ? [-1] : pidsOf(run.seen);
  const [last] = Object.values(run.forced).toSorted((a, b) => b - a);
  return last !== undefined && run.now < last + 0.05
    ? { do: "wait", until: last + 0.05 }
    : force(pids);
}

/** Runs the scripts of a stage one after the other, until its time is over. */
function runHooks(run: Run, stage: Stage, latest: number, limits: Limits): Action | undefined {
  const { hook } = run.processes;
  if (hook?.state === "running" && !isHopeless(run, hook.pid)) {
    const limit = limits.overall === Infinity ? hook.startedAt + limits.hook : Infinity;
    const until = Math.min(limit, latest);
    if (run.now < until || run.forced[hook.pid] !== undefined) {
      return { do: "wait", until: dueTime(run, hook.pid, until) };
    }
    return { ...force([hook.pid]), announce: lateness(hook) };
  }
  if (run.now >= latest && run.hooks[stage]?.length) {
    const names = run.hooks[stage].join(", ");
    return { do: "skipHooks", stage, announce: warning(`Skipping ${names}: no time is left`) };
  }
  return startHook(run, stage);
}

/** How long after SIGKILL a process may still be there before we go on without it. */
const KILL_SECONDS = 1;

/** Tells a process to end and forces it when it is late; nothing when it has ended, or nothing helps. */
function end(
  run: Run,
  process: Process | undefined,
  limitSeconds: number,
  latest: number,
): Action | undefined {
  if (process?.state !== "running" || isHopeless(run, process.pid)) return undefined;
  const { pid, name } = process;
  const told = run.told[pid];
  if (!told) {
    return { ...tell([pid]), announce: info(`Shutting down ${name} (PID ${pid})...`) };
  }
  const until = Math.min(told.at + limitSeconds, latest);
  if (run.now < until || run.forced[pid] !== undefined) {
    return { do: "wait", until: dueTime(run, pid, until) };
  }
  return { ...force([pid]), announce: lateness(process) };
}

function isHopeless(run: Run, pid: number): boolean {
  return run.forced[pid] !== undefined && run.now >= run.forced[pid] + KILL_SECONDS;
}

/** When a process is to be looked after again: when it is late, or is not gone in spite of SIGKILL. */
function dueTime(run: Run, pid: number, late: number): number {
  return run.forced[pid] === undefined ? late : run.forced[pid] + KILL_SECONDS;
}

/** A stopped process hears SIGTERM only when it is continued. */
function tell(pids: readonly number[]): Action {
  return { do: "signal", why: "tell", pids, signals: [SIGNALS.SIGTERM, SIGNALS.SIGCONT] };
}

function force(pids: readonly number[]): Action {
  return { do: "signal", why: "force", pids, signals: [SIGNALS.SIGKILL] };
}

function pidsOf(processes: readonly Seen[]): number[] {
  return processes.map(({ pid }) => pid);
}

function lateness({ name, pid }: Process): Message {
  return warning(`${name} (PID ${pid}) did not shut down in time. Forcing it to exit.`);
}

function info(text: string): Message {
  return { level: "info", text };
}

function warning(text: string): Message {
  return { level: "warning", text };
}
