import { type ByteString } from "../posix/bytes.ts";
import {
  type Exit,
  exit,
  giveTerminal,
  kill,
  monotonicSeconds,
  ownsTerminal,
  reap,
  signalSet,
  spawn,
  startAgain,
  SystemError,
  waitForSignal,
  writeError,
} from "../posix/libc.ts";
import { findProgram } from "../posix/programs.ts";
import { allSignalsBut, FAULTS, SIGNALS } from "../posix/signals.ts";
import { exportDirectory, importDirectory, readFiles, writeDumps } from "../env/directory.ts";
import { beginWith, get, reloadFrom, toStrings, withVariables } from "../env/environment.ts";
import { NOTE_FILE, writeNote } from "./asleep.ts";
import { findHooks } from "./hooks.ts";
import { lookAround } from "./processes.ts";
import { STOP_SIGNALS } from "./record.ts";
import { findEnded, prepareServices, SERVICE_ENDED } from "./services.ts";
import { type Action, type Event, type Message, nameOf, type Role, type Run } from "./run.ts";

/** What happened, before it is given its time. */
type Outcome<E = Event> = E extends Event ? Omit<E, "now"> : never;

/** Turns an action into its effect and says what came of it. The only place with effects; it never throws. */
export function perform(action: Action, run: Run): Event {
  let outcome: Outcome;
  try {
    // A stop that was asked for meanwhile is heard before anything new is started.
    const received = action.do === "start" ? waitForSignal(STOPS, 0) : undefined;
    if (received) return { type: "received", received, now: monotonicSeconds() };
    if (action.announce) say([action.announce], run.options.quiet);
    outcome = act(action, run);
  } catch (error) {
    outcome = { type: "failed", reason: String(error) };
  }
  return { ...outcome, now: monotonicSeconds() };
}

function act(action: Action, run: Run): Outcome {
  switch (action.do) {
    case "say":
      say(action.messages, run.options.quiet);
      return { type: "said" };
    case "readEnvironment":
      return readEnvironment(run);
    case "findHooks": {
      const { stage } = action;
      return { type: "hooks", stage, hooks: findHooks(stage, run.options, run.environment) };
    }
    case "skipHooks":
      return { type: "hooks", stage: action.stage, hooks: { scripts: [], warnings: [] } };
    case "prepareServices":
      return { type: "services", services: prepareServices() };
    case "findEndedService": {
      const ended = findEnded(action.services.directory, action.services.critical);
      return ended ? { type: "serviceEnded", ...ended } : { type: "serviceRuns" };
    }
    case "start":
      return start(action.role, action.argv, run);
    case "signal":
      for (const pid of action.pids) for (const signal of action.signals) kill(pid, signal);
      return { type: "signalled", why: action.why, pids: action.pids };
    case "look":
      return { type: "seen", processes: lookAround() };
    case "begin":
      return { type: "began", phase: action.phase };
    case "wait":
      return wait(action.until ?? Infinity, run);
    case "exit":
      return exit(action.status);
  }
}

function say(messages: readonly Message[], quiet: boolean): void {
  for (const { level, text } of messages) {
    if (level === "warning" || !quiet) writeError(`*** ${text}`);
  }
}

function readEnvironment(run: Run): Outcome {
  const { environment: before, unwritten } = run;
  const { variables, warnings } = importDirectory();
  if (run.directory === "stale") {
    const environment = variables ? reloadFrom(variables, before, unwritten) : before;
    if (variables) warnings.push(...writeDumps(environment));
    return { type: "environment", environment, unwritten, warnings };
  }
  const first = beginWith(before, variables ?? []);
  const secrets = readFiles(first);
  const environment = withVariables(first, secrets.variables);
  warnings.push(...secrets.warnings);
  if (!variables) return { type: "environment", environment, unwritten, warnings };
  const exported = exportDirectory(environment, variables);
  warnings.push(...exported.warnings, ...writeDumps(environment));
  return { type: "environment", environment, unwritten: exported.unwritten, warnings };
}

/**
 * The only spawner. The main command gets the terminal: it leads a process group, which we make the foreground one.
 * Until we have done so it may have been stopped for reading too early, hence the SIGCONT.
 */
function start(role: Role, argv: readonly ByteString[], { environment }: Run): Outcome {
  const name = nameOf(role, argv);
  const found = findProgram(argv[0], get(environment, "PATH"));
  if (!("file" in found)) return { type: "notStarted", role, name: argv[0], ...found };
  const foreground = role === "main" && ownsTerminal();
  try {
    const pid = spawn(found.file, argv, toStrings(environment), role !== "hook");
    if (foreground) {
      giveTerminal(pid);
      kill(-pid, SIGNALS.SIGCONT);
    }
    return { type: "started", role, name, pid, ownsTerminal: foreground };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { type: "notStarted", role, name: argv[0], status: 126, reason: error.reason };
  }
}

/** Everything that is waited for; the end of a child last, so that a signal is known before what it ended. */
const SIGNALS_TO_US = signalSet(allSignalsBut(SIGNALS.SIGCHLD, ...FAULTS));
const STOPS = signalSet(STOP_SIGNALS);
const ALL = signalSet(allSignalsBut(...FAULTS));

/** For how long a wait must have been one before we sleep: MY_INIT_SLEEP, where 0 means for ever; else 2 seconds. */
function secondsUntilSleep({ environment, stop }: Run): number {
  const given = Number(get(environment, "MY_INIT_SLEEP") ?? 2);
  return stop || given === 0 ? Infinity : given > 0 ? given : 2;
}

let hasWoken = false;
/** Whether we woke for nothing: then a kernel like this is no place to sleep. */
let sleepsBadly = false;

/** Tells that this process has just been asleep. */
export function wake(): void {
  hasWoken = true;
}

/** The only reaper. Waits for a signal, the end of children, or a time; of these, whatever comes first. */
function wait(until: number, run: Run): Outcome {
  let sleepsAt = monotonicSeconds() + secondsUntilSleep(run);
  for (;;) {
    const received = waitForSignal(SIGNALS_TO_US, 0);
    const exits = received ? [] : reapAll();
    const now = monotonicSeconds();
    if (hasWoken && !received && exits.length === 0 && now < until) sleepsBadly = true;
    hasWoken = false;
    if (received) return { type: "received", received };
    if (exits.length > 0) {
      const { main } = run.processes;
      if (main?.ownsTerminal && exits.some(({ pid }) => pid === main.pid)) giveTerminal();
      return { type: "ended", exits };
    }
    if (until <= now) return { type: "time" };
    if (sleepsAt <= now) {
      if (!sleepsBadly) fallAsleep(until, run);
      sleepsAt = Infinity; // It was not possible.
    }
    const next = waitForSignal(ALL, Math.min(until, sleepsAt) - now);
    if (next && next.signal !== SIGNALS.SIGCHLD) return { type: "received", received: next };
  }
}

/** Hands over to the sleeper, who wakes us by starting us anew: init.ts goes on from the run. Returns if it cannot be. */
function fallAsleep(until: number, run: Run): void {
  const running = Object.values(run.processes).filter(({ state }) => state === "running");
  const note = writeNote({
    pid: run.pid,
    waking: run.services?.critical.length ? [...STOP_SIGNALS, SERVICE_ENDED] : STOP_SIGNALS,
    due: until === Infinity ? undefined : until,
    main: running.find(({ pid }) => pid === run.processes.main?.pid)?.pid,
    watched: running.map(({ pid }) => pid),
    state: JSON.stringify(run),
  });
  if (note) startAgain(note, NOTE_FILE);
}

function reapAll(): Exit[] {
  const exits: Exit[] = [];
  for (let exit = reap(); exit; exit = reap()) exits.push(exit);
  return exits;
}
