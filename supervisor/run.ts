import { type ByteString } from "../posix/bytes.ts";
import { type Exit, type Received } from "../posix/libc.ts";
import { type Environment } from "../env/environment.ts";
import { type Hooks, type Stage } from "./hooks.ts";
import { type Options } from "./options.ts";
import { type Seen } from "./processes.ts";
import { type Services } from "./services.ts";

/** What a process that we watch is to us. Every other child is an orphan: collected and forgotten. */
export type Role = "hook" | "runit" | "main";

/** A process that we started. Times are monotonic seconds. */
export interface Process {
  name: ByteString;
  pid: number;
  startedAt: number;
  /** Whether it was given the terminal, which is to be taken back. */
  ownsTerminal: boolean;
  state: "running" | "exited";
  /** How it ended: 128 + n when signal n did it. */
  status?: number;
}

/** The container is being taken down. */
export interface Stop {
  askedAt: number;
  /** The signal that has asked for it, be it only after it had begun. */
  signal?: number;
  /** Asked for once more: nothing is waited for any longer. */
  hurry: boolean;
  /** The status to end with; absent when it is the main command's. */
  status?: number;
}

/** Steps of the shutdown whose beginning counts. */
export type Phase = "services" | "postShutdown" | "everybody" | "force";

/** A line for standard error; `--quiet` leaves out `info`. */
export interface Message {
  level: "info" | "warning";
  text: ByteString;
}

/**
 * All that is known of a run of the container: plain data, so that it could be written down as JSON and be continued
 * by another program with the same PID. `record()` makes it from what happened, `next()` decides by it.
 */
export interface Run {
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
  processes: Partial<Record<Role, Process>>;
  /** Absent until they have been prepared for runit. */
  services?: Omit<Services, "warnings">;
  /** A critical service says that it has ended; which one is to be found out. */
  serviceEnded: boolean;
  /** Signals that are still to be passed on to the main command. */
  forward: readonly number[];
  stop?: Stop;
  began: Partial<Record<Phase, number>>;
  /** Who else runs here, as of now; absent when that has to be looked up. */
  seen?: readonly Seen[];
  /** Who was told to end, by PID: when, and as which program, if that is known. */
  told: Readonly<Record<number, { at: number; program?: ByteString }>>;
  /** When which PID was forced to end. */
  forced: Readonly<Record<number, number>>;
  /** What is still to be said, and which warnings have been. */
  messages: readonly Message[];
  warned: readonly ByteString[];
  /** How often we failed ourselves. */
  failures: number;
}

/** What can be done next; `announce` is said before it. */
export type Action =
  & { announce?: Message }
  & (
    | { do: "say"; messages: readonly Message[] }
    | { do: "readEnvironment" }
    | { do: "findHooks"; stage: Stage }
    | { do: "skipHooks"; stage: Stage }
    | { do: "prepareServices" }
    | { do: "findEndedService"; services: Omit<Services, "warnings"> }
    | { do: "start"; role: Role; argv: readonly ByteString[] }
    | {
      do: "signal";
      why: "tell" | "force" | "forward";
      /** −1 is everybody. */
      pids: readonly number[];
      signals: readonly number[];
    }
    | { do: "look" }
    | { do: "begin"; phase: Phase }
    | { do: "wait"; until?: number }
    | { do: "exit"; status: number }
  );

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
    | { type: "started"; role: Role; name: ByteString; pid: number; ownsTerminal: boolean }
    | { type: "notStarted"; role: Role; name: ByteString; status: number; reason: ByteString }
    | { type: "signalled"; why: "tell" | "force" | "forward"; pids: readonly number[] }
    | { type: "seen"; processes: readonly Seen[] }
    | { type: "began"; phase: Phase }
    | { type: "ended"; exits: readonly Exit[] }
    | { type: "received"; received: Received }
    | { type: "time" }
    | { type: "failed"; reason: ByteString }
  );

/** The beginning of a run. */
export function newRun(
  { now, pid, options, environment }: Pick<Run, "now" | "pid" | "options" | "environment">,
): Run {
  return {
    now,
    pid,
    options,
    environment,
    directory: "unread",
    unwritten: [],
    hooks: {},
    processes: {},
    serviceEnded: false,
    forward: [],
    began: {},
    told: {},
    forced: {},
    messages: [],
    warned: [],
    failures: 0,
  };
}

/** What a person calls a process: a main command by its first word. */
export function nameOf(role: Role, argv: readonly ByteString[]): ByteString {
  return role === "runit" ? "runit daemon" : argv[0];
}

/** Which scripts a running script is one of. */
export function currentStage({ stop, hooks, began }: Run): Stage {
  if (began.postShutdown !== undefined) return "postShutdown";
  return stop && hooks.preShutdown ? "preShutdown" : "startup";
}
