import { type ByteString } from "../posix/bytes.ts";
import {
  attempt,
  exit,
  giveTerminal,
  isTerminal,
  kill,
  monotonicSeconds,
  nameProcess,
  ownsTerminal,
  processorSeconds,
  type Program,
  readFile,
  reap,
  releaseCode,
  sendDatagram,
  signalSet,
  spawn,
  stackLimit,
  startAgain,
  stat,
  SystemError,
  waitForAny,
  waitForSignal,
  writeError,
} from "../posix/libc.ts";
import { findExcess } from "../posix/arguments.ts";
import { findProgram } from "../posix/programs.ts";
import {
  allSignalsBut,
  type Exit,
  FAULTS,
  SIGNALS,
  SUSPENDING_SIGNALS,
  type Suspension,
} from "../posix/signals.ts";
import { dockersHome, loadEnvironment, reloadEnvironment } from "../env/directory.ts";
import {
  type Environment,
  get,
  pathOf,
  toStrings,
  without,
  withVariables,
} from "../env/environment.ts";
import { forServices } from "../env/policy.ts";
import { writeTimeline } from "../timeline/write.ts";
import { NOTE_FILE, writeNote } from "./asleep.ts";
import { DRAINING, RELAYS, SERVICE_ENDED } from "./conventions.ts";
import { readUmask } from "./identity.ts";
import { writeLastWords } from "./last_words.ts";
import { beginToCount, countKills } from "./memory.ts";
import { findScripts } from "./scripts.ts";
import { hasRelays, jsonLine, nameOnLines, readLogForm } from "./logs.ts";
import { listProcesses } from "./processes.ts";
import { STOP_SIGNALS } from "./record.ts";
import { lastOutput, order, readServiceStatus, takeEnd } from "./runsv.ts";
import { prepareServices, removeWait } from "./services.ts";
import {
  type Action,
  childFor,
  drainSeconds,
  type Event,
  type Message,
  nameOf,
  type Purpose,
  type Run,
  wantsAllReady,
} from "./run.ts";
import { announce, lastWords } from "./words.ts";

/** What happened, before it is given its time. */
type Outcome<E = Event> = E extends Event ? Omit<E, "now"> : never;

/** Performs an action, and returns what happened. The only place with effects; it never throws. */
export function perform(action: Action, run: Run): Event {
  let outcome: Outcome;
  try {
    // A stop signal that has come meanwhile counts before anything new is started.
    const received = action.do === "start" ? waitForSignal(STOPS, 0) : undefined;
    if (received) return { type: "received", received, now: monotonicSeconds() };
    say(announce(action, run), run);
    outcome = act(action, run);
  } catch (error) {
    outcome = { type: "failed", reason: String(error) };
  }
  const now = monotonicSeconds();
  if (!run.memory) {
    // While what was started runs, so that the boot does not wait for this.
    return { ...outcome, now, counting: outcome.type === "started" ? beginToCount() : undefined };
  }
  return {
    ...outcome,
    now,
    killed: mayHaveKilled(outcome, run) ? countKills(run.memory) : undefined,
  };
}

/**
 * Whether the kernel may have killed somebody for lack of memory, and this is the time to look. It sends us no signal, so
 * we look when something has happened that may come of it, and when we are awake anyway, but not for each of many orphans.
 */
function mayHaveKilled(outcome: Outcome, { children }: Run): boolean {
  switch (outcome.type) {
    case "ended":
      return outcome.exits.some(({ pid, status }) =>
        status === 128 + SIGNALS.SIGKILL || children.some((child) => child.pid === pid)
      );
    case "received":
      return outcome.received.signal !== SERVICE_ENDED; // Which service that was comes next.
    case "servicesEnded":
    case "time":
      return true;
    default:
      return false;
  }
}

function act(action: Action, run: Run): Outcome {
  switch (action.do) {
    case "say":
      say(action.messages, run);
      return { type: "said" };
    case "readEnvironment":
      return readEnvironment(run);
    case "findScripts": {
      const { stage } = action;
      return { type: "scripts", stage, scripts: findScripts(stage, run.options, run.environment) };
    }
    case "skipScripts":
      return { type: "scripts", stage: action.stage, scripts: { paths: [], warnings: [] } };
    case "prepareServices":
      return {
        type: "services",
        services: prepareServices(run.environment, wantsAllReady(run)),
      };
    case "findEndedServices": {
      const { directory, critical, plans } = action.services;
      const names = [...new Set([...critical, ...Object.keys(plans)])];
      const ends = names.flatMap((name) => {
        const place = `${directory}/${name}`;
        const end = takeEnd(place);
        const isCritical = critical.includes(name) && stat(`${place}/critical`) !== undefined;
        return end ? [{ ...end, name, critical: isCritical }] : [];
      });
      return { type: "servicesEnded", ends };
    }
    case "order":
      return { type: "ordered", results: action.names.map((name) => startService(name, run)) };
    case "readStatuses": {
      const { services: { directory }, names } = action;
      return {
        type: "statuses",
        statuses: names.map((name) => ({ name, ...readServiceStatus(`${directory}/${name}`) })),
      };
    }
    case "findReasons": {
      const { services: { directory }, names } = action;
      const outputs = names.map((name) => ({ name, output: lastOutput(`${directory}/${name}`) }));
      return { type: "reasons", outputs };
    }
    case "start":
      return start(action.purpose, action.argv, run);
    case "signal":
      return sendSignals(action);
    case "list": {
      const { which } = action;
      const [start, used] = [monotonicSeconds(), processorSeconds()];
      const processes = listProcesses(which);
      const [seconds, cost] = [monotonicSeconds() - start, processorSeconds() - used];
      return { type: "listed", which, seconds, cost, processes };
    }
    case "begin":
      if (action.step === "drain" && drainSeconds(run) > 0) nameProcess(DRAINING);
      return { type: "began", step: action.step };
    case "draw":
      return { type: "drawn", warnings: writeTimeline(action.file, run) };
    case "notify": {
      const { socket, state } = action, warnings: ByteString[] = [];
      attempt(() => sendDatagram(socket, state, "NOTIFY_SOCKET"), warnings);
      return { type: "notified", state, warnings };
    }
    case "wait":
      return wait(action, run);
    case "exit":
      writeLastWords(lastWords(run, action.status));
      return exit(action.status);
  }
}

function say(messages: readonly Message[], { options, environment }: Run): void {
  const isJson = readLogForm(environment) === "json";
  for (const { level, text } of messages) {
    if (level !== "warning" && options.quiet) continue;
    writeError(isJson ? jsonLine(text, new Date()) : `*** ${text}`);
  }
}

function startService(name: ByteString, { services, managed }: Run) {
  const place = `${services?.directory}/${name}`;
  const result = order(place, managed[name].state === "backing off");
  if (result === "up") removeWait(place);
  return { name, result };
}

function readEnvironment({ directory, environment, unwritten, options }: Run): Outcome {
  const { runit, startupFiles } = options;
  const loaded = directory === "stale"
    ? reloadEnvironment(environment, unwritten, runit)
    : loadEnvironment(environment, runit && !startupFiles); // Startup scripts switch services on and off.
  return { type: "environment", ...loaded };
}

/** The only spawner. */
function start(purpose: Purpose, argv: readonly ByteString[], run: Run): Outcome {
  const name = nameOf(purpose, argv);
  const environment = environmentFor(purpose, run);
  const found = findProgram(argv[0], pathOf(environment));
  if (!("file" in found)) return { type: "notStarted", purpose, name: argv[0], ...found };
  const isMain = purpose.kind === "main";
  const foreground = isMain && ownsTerminal();
  const isInteractive = isTerminal() || run.options.command.length === 0;
  const plain = { file: found.file, argv, envp: toStrings(environment) };
  const ready = isMain ? withSockets(plain, run.pid) : plain;
  const hasName = purpose.kind === "script" || isMain && !isTerminal();
  const program = hasName ? withRelay(ready, argv[0], environment) : ready;
  const excess = findExcess(program, stackLimit());
  if (excess) return { type: "notStarted", purpose, name: argv[0], status: 126, reason: excess };
  try {
    const pid = spawn(program, {
      // With a terminal it leads a process group, which becomes the terminal's foreground group.
      ownGroup: foreground || purpose.kind === "runit",
      // What is on standard input is for the main command.
      noInput: purpose.kind === "runit" || purpose.kind === "check" ||
        purpose.kind === "script" && !isInteractive,
      umask: readUmask(run.environment),
    });
    if (foreground) {
      giveTerminal(pid);
      kill(-pid, SIGNALS.SIGCONT); // If it has read before it had the terminal, it was stopped.
    }
    return { type: "started", purpose, name, pid, ownsTerminal: foreground };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { type: "notStarted", purpose, name: argv[0], status: 126, reason: error.reason };
  }
}

/**
 * A service manager above us, such as systemd or podman, may hand over sockets for the process LISTEN_PID, which is us. The
 * main command is another process, whose PID is known only when it runs: so a shell sets LISTEN_PID and executes it.
 *
 * @see https://man7.org/linux/man-pages/man3/sd_listen_fds.3.html
 */
function withSockets(program: Program, ourPid: number): Program {
  const { argv, envp } = program;
  const isForUs = `LISTEN_PID=${ourPid}`;
  if (!envp.includes(isForUs)) return program;
  const script = 'exec env -i "LISTEN_PID=$$" "$@"'; // env keeps variables that a shell would drop.
  const variables = envp.filter((variable) => variable !== isForUs);
  return {
    file: "/bin/sh",
    argv: ["sh", "-c", script, "sh", ...variables, ...argv],
    envp: envp.filter((variable) => variable.startsWith("PATH=")),
  };
}

/** Our own native code runs it, with a relay that gives its lines a name (native/relay.ts). */
function withRelay(program: Program, name: ByteString, environment: Environment): Program {
  if (!hasRelays(environment)) return program;
  const variable = `SERVICE_LOGS=${readLogForm(environment)}`;
  const { file, argv, envp } = program;
  return {
    file: "/proc/self/exe",
    argv: ["relay", nameOnLines(name), file, ...argv],
    envp: envp.includes(variable) ? envp : [...envp, variable],
  };
}

/**
 * Scripts get their stage, and the main command if there is one. Only the command gets NOTIFY_SOCKET: syslog-ng and sshd
 * would say READY=1 there before my_init does.
 */
function environmentFor(purpose: Purpose, run: Run): Environment {
  const { options: { command }, services } = run;
  if (purpose.kind === "main") return run.environment;
  const environment = without(run.environment, ["NOTIFY_SOCKET"]);
  if (purpose.kind === "runit" || purpose.kind === "check") {
    const own = forServices(environment, dockersHome()), path = get(own, "PATH");
    const plans = Object.values(services?.plans ?? {});
    const needsOurs = hasRelays(environment) || plans.some((plan) => plan.ownsDescendants);
    const hasOurs = purpose.kind === "runit" && needsOurs && path !== undefined;
    return hasOurs ? withVariables(own, [["PATH", `${RELAYS}:${path}`]]) : own;
  }
  const stage = { startup: "startup", preShutdown: "pre_shutdown", postShutdown: "post_shutdown" };
  return withVariables(environment, [
    ["MY_INIT_STAGE", stage[purpose.stage]],
    ...(command.length > 0 ? [["MY_INIT_COMMAND", command[0]] as const] : []),
  ]);
}

function sendSignals({ why, pids, signals }: Action & { do: "signal" }): Outcome {
  const refused = pids.filter((pid) => {
    const chosen = why === "forward" ? signals.map((signal) => effective(signal, pid)) : signals;
    const reached = chosen.map((signal) => kill(pid, signal));
    return !reached[0] && pid > 0 && stat(`/proc/${pid}`) !== undefined;
  });
  return { type: "signalled", why, pids, refused };
}

/**
 * Without a terminal the kernel ignores SIGTSTP, SIGTTIN and SIGTTOU unless the program handles them: nobody in the session
 * could continue the process. But the sender of the signal can continue it, so it gets SIGSTOP.
 */
function effective(signal: number, pid: number): number {
  if (!SUSPENDING_SIGNALS.includes(signal) || isTerminal()) return signal;
  const status = readFile(`/proc/${pid}/status`);
  const bit = 1n << BigInt(signal - 1);
  const isHandled = ["SigCgt", "SigIgn"].some((field) => {
    const [, mask = "0"] = status.match(new RegExp(`^${field}:\\s*(\\w+)$`, "m")) ?? [];
    return (BigInt(`0x${mask}`) & bit) !== 0n;
  });
  return isHandled ? signal : SIGNALS.SIGSTOP;
}

/** The signals that are waited for. They are taken before children, so that a signal is known before the exit it caused. */
const SIGNALS_TO_US = signalSet(allSignalsBut(SIGNALS.SIGCHLD, ...FAULTS));
const CHILD = signalSet([SIGNALS.SIGCHLD]);
const STOPS = signalSet(STOP_SIGNALS);
const ALL = signalSet(allSignalsBut(...FAULTS));

/** How long PID 1 waits before it sleeps: most waits in a boot are shorter. */
const SLEEP_AFTER_SECONDS = 2;

/** The same with MY_INIT_SLEEP, where 0 means never. A PID 1 that woke without a reason does not sleep again. */
function secondsUntilSleep({ environment, stop, sleep }: Run): number {
  const given = Number(get(environment, "MY_INIT_SLEEP") ?? SLEEP_AFTER_SECONDS);
  if (stop || sleep === "in vain" || given === 0) return Infinity;
  return given > 0 ? given : SLEEP_AFTER_SECONDS;
}

/**
 * How long to let ends gather, for each child that may be the one that has ended. To ask for each of hundreds, and to decide
 * anew, for every single end would take longer than the ends do.
 */
const SECONDS_PER_CHILD = 30e-6;

/** How long it waits before it gives its code back: not for each of many orphans. */
const RELEASE_AFTER_SECONDS = 0.02;

/**
 * The only reaper. Waits for signals, the end of children, files that can be read, or a time; of these, the first that comes.
 * Signals stay pending until they are taken one by one, and ended children stay until they are reaped, so nothing is lost
 * between two turns of the loop. SIGCHLD is taken before children are reaped: a child that ends later sends a new one.
 */
function wait(
  { until = Infinity, for: which, files = [] }: Action & { do: "wait" },
  run: Run,
): Outcome {
  let sleepsAt = files.length === 0 ? monotonicSeconds() + secondsUntilSleep(run) : Infinity;
  let releasesAt = run.stop ? Infinity : monotonicSeconds() + RELEASE_AFTER_SECONDS;
  let readable: readonly number[] = [];
  const gatherSeconds = (which?.length ?? 0) * SECONDS_PER_CHILD;
  for (;;) {
    const received = waitForSignal(SIGNALS_TO_US, gatherSeconds);
    if (received) return { type: "received", received };
    waitForSignal(CHILD, 0);
    const outcome = which ? reapThese(which) : reapAll(run);
    if (outcome) return outcome;
    if (readable.length > 0) return { type: "readable", files: readable };
    const now = monotonicSeconds();
    if (until <= now) return { type: "time" };
    if (run.sleep === "woken") return { type: "wokenInVain" };
    if (sleepsAt <= now) {
      fallAsleep(until, run);
      sleepsAt = Infinity; // It was not possible.
    }
    if (releasesAt <= now) {
      releaseCode();
      releasesAt = Infinity;
    }
    const signals = which?.length === 0 ? SIGNALS_TO_US : ALL;
    readable = waitForAny(signals, files, Math.min(until, sleepsAt, releasesAt) - now);
  }
}

/** Executes the sleeper, which starts Deno anew when it wakes: init.ts continues from the run. Returns if that is impossible. */
function fallAsleep(until: number, run: Run): void {
  const main = childFor(run, "main");
  const note = writeNote({
    pid: run.pid,
    waking: [
      ...STOP_SIGNALS,
      ...SUSPENDING_SIGNALS,
      ...(run.runit === "absent" ? [] : [SERVICE_ENDED]),
    ],
    due: until === Infinity ? undefined : until,
    main: main?.pid,
    ownsTerminal: main?.ownsTerminal ?? false,
    watched: run.children.map(({ pid }) => pid),
    state: JSON.stringify({ ...run, sleep: "woken" }),
  });
  const { lock } = run.services ?? {};
  if (note) startAgain(note, NOTE_FILE, lock === undefined ? [] : [lock]);
}

/** After so many children the clock is read again: if there are thousands, each takes the kernel up to a millisecond. */
const MOST_AT_ONCE = 100;

function reapAll(run: Run): Outcome | undefined {
  const exits: Exit[] = [], suspended: Suspension[] = [];
  let childless = false;
  while (exits.length < MOST_AT_ONCE) {
    const child = reap();
    childless = child === "no child";
    if (typeof child !== "object") break;
    if ("status" in child) exits.push(child);
    else suspended.push(child);
  }
  if (exits.length + suspended.length === 0) return undefined;
  const main = childFor(run, "main");
  if (main?.ownsTerminal && exits.some(({ pid }) => pid === main.pid)) giveTerminal();
  return { type: "ended", exits, suspended, childless };
}

function reapThese(pids: readonly number[]): Outcome | undefined {
  const ended = pids.map((pid) => reap(pid)).filter((child) => typeof child === "object");
  const exits = ended.filter((child) => "status" in child);
  return exits.length > 0 ? { type: "ended", exits, suspended: [], childless: false } : undefined;
}
