import { type ByteString } from "../posix/bytes.ts";
import { type Exit, type Received, type Suspension } from "../posix/signals.ts";
import { type Environment } from "../env/environment.ts";
import { type Hooks, type Stage } from "./hooks.ts";
import { type Options } from "./options.ts";
import { type ProcessInfo } from "./processes.ts";
import { type Services } from "./services.ts";

/** What a process that we watch is for. Every other child is an orphan: collected and forgotten. */
export type Purpose = { kind: "script"; stage: Stage } | { kind: "runit" } | { kind: "main" };

/** A process that we started, and that still runs. Times are monotonic seconds. */
export interface Child {
  purpose: Purpose;
  name: ByteString;
  pid: number;
  startedAt: number;
  /** Whether it was given the terminal, which is to be taken back. */
  ownsTerminal: boolean;
}

/** The steps of a shutdown, in order. */
export type Step =
  | "startupScript"
  | "preShutdown"
  | "main"
  | "runit"
  | "services"
  | "postShutdown"
  | "processes"
  | "kill"
  | "relays";

/** The container is being taken down. */
export interface Stop {
  askedAt: number;
  /** The signal that has asked for it, be it only after it had begun. */
  signal?: number;
  /** Asked for once more: nothing is waited for any longer. */
  hurry: boolean;
  /** The status to end with; absent when it is the main command's. */
  status?: number;
  /** Where the shutdown is, and since when. */
  step: Step;
  since: number;
}

/** A process that is to end. The record of a PID goes when the PID is reaped, or is not seen any longer. */
export interface Ending {
  /** When it got its signal to end; absent for a script that was killed without one. */
  toldAt?: number;
  /** As which program it was told. Whoever has become another one since is told again. */
  program?: ByteString;
  /** Whether it was told a second time. */
  reminded?: boolean;
  killedAt?: number;
  /** We may not send it signals. */
  refused?: boolean;
}

/** A line for standard error; `--quiet` leaves out `info`. */
export interface Message {
  level: "info" | "warning";
  text: ByteString;
}

/** Whether something has been started, and has ended. */
export type State = "absent" | "running" | "exited";

/**
 * All that is known of a run of the container: plain data, so that it can be written down as JSON and be continued by
 * another program with the same PID. `record()` makes it from what happened, `next()` decides by it.
 */
export interface Run {
  /** Of this form. */
  version: 2;
  /** When the last event happened. */
  now: number;
  pid: number;
  options: Options;
  environment: Environment;
  /** Whether the environment is what the directory holds: not before the boot, and not after a startup script. */
  directory: "unread" | "stale" | "current";
  /** Names of variables whose value the directory could not take. */
  unwritten: readonly ByteString[];
  /** The scripts of a stage that are still to be run; absent until they are looked for. */
  hooks: Partial<Record<Stage, readonly ByteString[]>>;
  children: readonly Child[];
  main: State;
  /** How the main command ended: 128 + n when signal n did it. */
  mainStatus?: number;
  runit: State;
  runitPid?: number;
  /** Absent until they have been prepared for runit. */
  services?: Omit<Services, "warnings">;
  /** A critical service says that it has ended; which one is to be found out. */
  serviceEnded: boolean;
  /** Signals that are still to be passed on to the main command. */
  forward: readonly number[];
  /** The main command was stopped by the terminal, where nobody can continue it. */
  suspended: boolean;
  stop?: Stop;
  /** Who else runs here; absent when they are to be listed. */
  seen?: { at: number; processes: readonly ProcessInfo[] };
  /** How long it took to list them the last time. */
  listSeconds: number;
  /** Who is to end, by PID; −1 is everybody. */
  ending: Readonly<Record<number, Ending>>;
  /** What is still to be said, and which warnings have been. */
  messages: readonly Message[];
  warned: readonly ByteString[];
  /** How often we failed ourselves. */
  failures: number;
}

/** Why a signal is sent. */
export type Why = "terminate" | "remind" | "kill" | "forward" | "continue";

/** What can be done next. */
export type Action =
  | { do: "say"; messages: readonly Message[] }
  | { do: "readEnvironment" }
  | { do: "findHooks"; stage: Stage }
  | { do: "skipHooks"; stage: Stage; scripts: readonly ByteString[] }
  | { do: "prepareServices" }
  | { do: "findEndedService"; services: Omit<Services, "warnings"> }
  | { do: "start"; purpose: Purpose; argv: readonly ByteString[] }
  | {
    do: "signal";
    why: Why;
    signals: readonly number[];
    /** −1 is everybody, and below that is a process group. */
    pids: readonly number[];
    /** Of whom this is told. */
    whom?: readonly { name: ByteString; pid: number; kind: Purpose["kind"] | "service" }[];
  }
  | { do: "list"; which: "all" | "services" }
  | { do: "begin"; step: Step }
  | {
    do: "wait";
    until?: number;
    /** The children that matter now; without it all. */
    for?: readonly number[];
  }
  | { do: "exit"; status: number };

/** What came of an action. */
export type Event =
  & { now: number }
  & (
    | { type: "said" }
    | {
      type: "environment";
      environment: Environment;
      unwritten: readonly ByteString[];
      warnings: readonly ByteString[];
    }
    | { type: "hooks"; stage: Stage; hooks: Hooks }
    | { type: "services"; services: Services }
    | { type: "serviceEnded"; name: ByteString; status: number }
    | { type: "serviceRuns" }
    | { type: "started"; purpose: Purpose; name: ByteString; pid: number; ownsTerminal: boolean }
    | { type: "notStarted"; purpose: Purpose; name: ByteString; status: number; reason: ByteString }
    | { type: "signalled"; why: Why; pids: readonly number[]; refused: readonly number[] }
    | { type: "listed"; seconds: number; processes: readonly ProcessInfo[] }
    | { type: "began"; step: Step }
    | {
      type: "ended";
      exits: readonly Exit[];
      suspended: readonly Suspension[];
      /** Whether no child is left. */
      childless: boolean;
    }
    | { type: "received"; received: Received }
    | { type: "time" }
    | { type: "failed"; reason: ByteString }
  );

/** The beginning of a run. */
export function newRun(
  { now, pid, options, environment }: Pick<Run, "now" | "pid" | "options" | "environment">,
): Run {
  return {
    version: 2,
    now,
    pid,
    options,
    environment,
    directory: "unread",
    unwritten: [],
    hooks: {},
    children: [],
    main: "absent",
    runit: "absent",
    serviceEnded: false,
    forward: [],
    suspended: false,
    listSeconds: 0,
    ending: {},
    messages: [],
    warned: [],
    failures: 0,
  };
}

/** What a person calls a process: a main command by its first word. */
export function nameOf(purpose: Purpose, argv: readonly ByteString[]): ByteString {
  return purpose.kind === "runit" ? "runit daemon" : argv[0];
}

/** Whether there are so many thousands of processes that even to list them takes long. */
export function isCrowded({ pid, listSeconds }: Run): boolean {
  return pid === 1 && listSeconds > 0.5;
}

/** The child that is there for this, if it runs. */
export function childFor(run: Run, kind: Purpose["kind"]): Child | undefined {
  return run.children.find(({ purpose }) => purpose.kind === kind);
}
