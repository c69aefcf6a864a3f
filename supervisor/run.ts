import { type ByteString } from "../posix/bytes.ts";
import { type Exit, type Received, type Suspension } from "../posix/signals.ts";
import { type Environment, get } from "../env/environment.ts";
import { type Mark } from "../timeline/marks.ts";
import { type Scripts, type Stage } from "./scripts.ts";
import { type Kills, type Memory } from "./memory.ts";
import { type Options } from "./options.ts";
import { type Listing, type ProcessInfo } from "./processes.ts";
import { type End, type Ordered, type Service, type ServiceStatus } from "./service.ts";
import { byName } from "./plans.ts";
import { type Services } from "./services.ts";
import { readTimeouts } from "./timeouts.ts";

/** What a process that we watch is for. Every other child is an orphan: reaped and forgotten. */
export type Purpose =
  | { kind: "script"; stage: Stage }
  | { kind: "runit" }
  | { kind: "main" }
  | { kind: "check"; service: ByteString };

/** A process that we started, and that still runs. Times are monotonic seconds. */
export interface Child {
  purpose: Purpose;
  name: ByteString;
  pid: number;
  startedAt: number;
  /** Whether it was given the terminal, which is taken back when it ends. */
  ownsTerminal: boolean;
}

/** The steps of a shutdown, in order. */
export type Step =
  | "startupScript"
  | "drain"
  | "preShutdown"
  | "main"
  | "runit"
  | "services"
  | "postShutdown"
  | "processes"
  | "kill"
  | "relays";

/** What is known of the shutdown, once it has begun. */
export interface Stop {
  askedAt: number;
  /** The signal that asked for it, perhaps after it had begun for another reason. */
  signal?: number;
  /** The stop was asked for a second time: nothing is waited for any longer. */
  hurry: boolean;
  /** The status to end with; absent when it is the main command's. */
  status?: number;
  /** For how long everything still answered, in seconds; absent before the end of the drain. */
  drained?: number;
  /** Why, in the lines that were said; empty when it was asked for by a signal. */
  reason: readonly ByteString[];
  /** Where the shutdown is, and since when. */
  step: Step;
  since: number;
}

/** A process that is to end. The record is removed when the PID is reaped, or is not listed any longer. */
export interface Ending {
  /** When it was sent the signal to terminate; absent for a script that was killed without one. */
  terminatedAt?: number;
  /** The program that it was then. If it executes another one it may have lost the signal, and is terminated again. */
  program?: ByteString;
  /** Whether it got a second signal. */
  reminded?: boolean;
  killedAt?: number;
  /** We may not send it signals. */
  refused?: boolean;
}

/** A line for standard error; `--quiet` leaves out `info`, and a warning is said once unless it `repeats`. */
export interface Message {
  level: "info" | "warning";
  repeats?: true;
  text: ByteString;
}

/** Whether something has been started, and has ended. */
export type State = "absent" | "running" | "exited";

/**
 * All that is known of a run of the container. It is plain data: PID 1 writes it down as JSON before it sleeps, and
 * continues from it when it wakes. `record()` makes it from what happened; `next()` reads it to decide.
 */
export interface Run {
  /** The version of this data: PID 1 cannot continue from another one. */
  version: typeof RUN_VERSION;
  /** When it began, and when the last event happened. */
  begunAt: number;
  now: number;
  /** When everything was started, and nobody waited for a service any longer. */
  bootedAt?: number;
  /** What has ended during the boot and the stop. */
  marks: readonly Mark[];
  /** What the file that TIMELINE names shows. */
  drawn?: "boot" | "stop";
  /** What NOTIFY_SOCKET was told last. */
  notified?: "READY=1" | "STOPPING=1";
  pid: number;
  options: Options;
  environment: Environment;
  /** Whether the environment is as in the directory: "unread" at the beginning, "stale" after a startup script. */
  directory: "unread" | "stale" | "current";
  /** Names of variables that could not be written into the directory. */
  unwritten: readonly ByteString[];
  /** The scripts of a stage that are still to be run; absent until they are looked for. */
  scripts: Partial<Record<Stage, readonly ByteString[]>>;
  children: readonly Child[];
  main: State;
  /** How the main command ended: 128 + n when signal n did it. */
  mainStatus?: number;
  runit: State;
  runitPid?: number;
  /** Absent until they have been prepared for runit. */
  services?: PreparedServices;
  /** The services that we look after, by name: where each is in its life. */
  managed: Readonly<Record<ByteString, Service>>;
  /** A service has sent the signal that it has ended; which one is to be found out. */
  serviceEnded: boolean;
  /** Signals that are still to be forwarded to the main command. */
  forward: readonly number[];
  /** The main command was stopped from the terminal, where nobody can continue it. */
  suspended: boolean;
  stop?: Stop;
  /** The other processes, and how long a processor was used to list them; absent when they must be listed anew. */
  listed?: { at: number; which: Listing; cost: number; processes: readonly ProcessInfo[] };
  /** How long the last listing took. */
  listSeconds: number;
  /** The processes that are to end, by PID; −1 stands for all. */
  ending: Readonly<Record<number, Ending>>;
  /** The messages that are still to be printed, and the warnings that were printed. */
  messages: readonly Message[];
  warned: readonly ByteString[];
  /** Absent before something has been started, and where the kernel does not count whom it kills for lack of memory. */
  memory?: Memory;
  /** How many errors of our own there were. */
  failures: number;
  /** PID 1 may sleep; or it has just woken; or it woke without a reason, and so does not sleep again. */
  sleep: "allowed" | "woken" | "in vain";
}

/** Runit's services, when their warnings have been said. */
export type PreparedServices = Omit<Services, "warnings" | "fault">;

/** Why a signal is sent. */
export type Why = "terminate" | "remind" | "kill" | "forward" | "continue";

/** What can be done next. */
export type Action =
  | { do: "say"; messages: readonly Message[] }
  | { do: "readEnvironment" }
  | { do: "findScripts"; stage: Stage }
  | { do: "skipScripts"; stage: Stage; scripts: readonly ByteString[] }
  | { do: "prepareServices" }
  | { do: "findEndedServices"; services: PreparedServices }
  /** Starts services, looks whether they run, finds out why they are not ready. */
  | {
    do: "order" | "readStatuses" | "findReasons";
    services: PreparedServices;
    names: readonly ByteString[];
  }
  | { do: "start"; purpose: Purpose; argv: readonly ByteString[] }
  | {
    do: "signal";
    why: Why;
    signals: readonly number[];
    /** −1 means all processes, and a number below that a process group. */
    pids: readonly number[];
    /** The processes that the message of this action names. */
    named?: readonly { name: ByteString; pid: number; kind: Purpose["kind"] | "service" }[];
  }
  | { do: "list"; which: Listing }
  | { do: "begin"; step: Step }
  | { do: "draw"; file: ByteString }
  | { do: "notify"; socket: ByteString; state: NonNullable<Run["notified"]> }
  | {
    do: "wait";
    until?: number;
    /** The children that are waited for; without it all. */
    for?: readonly number[];
    /** Open files, such as sockets: the wait ends when one of them can be read. */
    files?: readonly number[];
  }
  | { do: "exit"; status: number };

/** What happened when an action was performed. */
export type Event =
  & { now: number; counting?: Memory; killed?: Kills }
  & (
    | { type: "said" }
    | {
      type: "environment";
      environment: Environment;
      unwritten: readonly ByteString[];
      warnings: readonly ByteString[];
    }
    | { type: "scripts"; stage: Stage; scripts: Scripts }
    | { type: "services"; services: Services }
    | { type: "servicesEnded"; ends: readonly (End & { critical: boolean })[] }
    | { type: "ordered"; results: readonly { name: ByteString; result: Ordered }[] }
    | { type: "statuses"; statuses: readonly (ServiceStatus & { name: ByteString })[] }
    /** What the check of each has printed last. */
    | { type: "reasons"; outputs: readonly { name: ByteString; output: ByteString }[] }
    | { type: "started"; purpose: Purpose; name: ByteString; pid: number; ownsTerminal: boolean }
    | { type: "notStarted"; purpose: Purpose; name: ByteString; status: number; reason: ByteString }
    | { type: "signalled"; why: Why; pids: readonly number[]; refused: readonly number[] }
    | {
      type: "listed";
      which: Listing;
      seconds: number;
      cost: number;
      processes: readonly ProcessInfo[];
    }
    | { type: "began"; step: Step }
    | { type: "drawn"; warnings: readonly ByteString[] }
    | { type: "notified"; state: NonNullable<Run["notified"]>; warnings: readonly ByteString[] }
    | {
      type: "ended";
      exits: readonly Exit[];
      suspended: readonly Suspension[];
      /** Whether no child is left. */
      childless: boolean;
    }
    | { type: "received"; received: Received }
    | { type: "readable"; files: readonly number[] }
    | { type: "time" }
    | { type: "wokenInVain" }
    | { type: "replaced" }
    | { type: "failed"; reason: ByteString }
  );

/** Changes with the form of a `Run`. */
const RUN_VERSION = 6;

/** Reads a run that was written down; undefined if another version of my_init wrote it. */
export function readRun(text: ByteString): Run | undefined {
  const run: Run = JSON.parse(text);
  if (run.version !== RUN_VERSION) return undefined;
  const { services, managed } = run;
  return {
    ...run,
    managed: byName(managed),
    ...(services && {
      services: { ...services, timeouts: byName(services.timeouts), plans: byName(services.plans) },
    }),
  };
}

/** The beginning of a run. */
export function newRun(
  { now, pid, options, environment }: Pick<Run, "now" | "pid" | "options" | "environment">,
): Run {
  return {
    version: RUN_VERSION,
    begunAt: now,
    now,
    marks: [],
    pid,
    options,
    environment,
    directory: "unread",
    unwritten: [],
    scripts: {},
    children: [],
    main: "absent",
    runit: "absent",
    managed: byName(),
    serviceEnded: false,
    forward: [],
    suspended: false,
    listSeconds: 0,
    ending: {},
    messages: [],
    warned: [],
    failures: 0,
    sleep: "allowed",
  };
}

/** The name of a process in messages: a main command's is its first word. */
export function nameOf(purpose: Purpose, argv: readonly ByteString[]): ByteString {
  return purpose.kind === "runit" ? "runit daemon" : argv[0];
}

/** Whether there are so many processes that to list them takes long: half a second for some 10,000. */
export function isCrowded({ pid, listSeconds }: Run): boolean {
  return pid === 1 && listSeconds > 0.5;
}

/** The child of this kind, if it runs. */
export function childFor(run: Run, kind: Purpose["kind"]): Child | undefined {
  return run.children.find(({ purpose }) => purpose.kind === kind);
}

/** Whether the end of a service may concern us. */
export function awaitsEnds({ services, managed }: Run): boolean {
  return (services?.critical.length ?? 0) + Object.keys(managed).length > 0;
}

/** The running `check` of a service. */
export function checkOf(service: ByteString, { children }: Run): Child | undefined {
  return children.find(({ purpose }) => purpose.kind === "check" && purpose.service === service);
}

/** Whether everything was started that the options ask for. */
export function hasStarted({ options: { runit, command }, ...run }: Run): boolean {
  return (!runit || run.runit !== "absent") && (command.length === 0 || run.main !== "absent");
}

/** The file that is to show the boot and the stop, if one is wanted. */
export function timelineFile({ environment }: Run): ByteString | undefined {
  return get(environment, "TIMELINE") || undefined;
}

/** The socket where a service manager above us, such as systemd or podman, is told that we are ready, if there is one. */
export function notifySocket({ environment }: Run): ByteString | undefined {
  return get(environment, "NOTIFY_SOCKET") || undefined;
}

/** Whether the main command still waits for all services. */
export function commandWaits({ options: { waitReady, command }, main }: Run): boolean {
  return waitReady && command.length > 0 && main === "absent";
}

/** Whether it must be known of each service when it is ready. */
export function wantsAllReady(run: Run): boolean {
  return run.options.waitReady || timelineFile(run) !== undefined ||
    notifySocket(run) !== undefined;
}

/** How long everything still answers after a stop signal, in seconds: not when the main command has ended, or a second signal has cut it short. */
export function drainSeconds({ environment, stop, main, runit }: Run): number {
  const runs = main === "running" || runit === "running" && main === "absent";
  const isAsked = stop?.signal !== undefined && stop.status === undefined &&
    stop.drained === undefined;
  return runs && isAsked ? readTimeouts(environment).timeouts.drain : 0;
}
