import { type ByteString } from "../posix/bytes.ts";
import { type Exit, signalName, SIGNALS } from "../posix/signals.ts";
import { ENABLE_INSECURE_KEY, SERVICES } from "./conventions.ts";
import { readTimeouts } from "./timeouts.ts";
import { type Plan, type Plans, whoNeeds } from "./plans.ts";
import {
  type Action,
  checkOf,
  commandWaits,
  drainSeconds,
  type Event,
  type Message,
  type Run,
} from "./run.ts";
import { type End, type Service } from "./service.ts";
import { logFormProblems } from "./logs.ts";

/** The messages before an action. This file has all words of a run, and is pure. */
export function announce(action: Action, run: Run): Message[] {
  switch (action.do) {
    case "start": {
      const { argv, purpose: { kind } } = action;
      if (kind === "check") return [];
      if (kind === "runit") return [info("Booting runit daemon...")];
      if (kind === "script" && argv[0] === ENABLE_INSECURE_KEY) {
        return [info("Installing insecure SSH key for user root")];
      }
      return [info(`Running ${argv.join(" ")}...`)];
    }
    case "begin":
      if (action.step === "processes" && run.options.killAllOnExit) {
        return [info("Killing all processes...")];
      }
      if (action.step === "drain" && drainSeconds(run) > 0) {
        return [info(`Draining for ${drainSeconds(run)} seconds...`)];
      }
      return action.step === "kill"
        ? [warning("Not all processes have exited in time. Forcing them to exit.")]
        : [];
    case "skipScripts":
      return [warning(`Skipping ${action.scripts.join(", ")}: no time is left`)];
    case "signal":
      return announceSignal(action, run);
    case "exit": {
      // A command may end with 1 as well.
      const { status, reason } = run.stop ?? {};
      return status === 1 ? [warning(`Ending with status 1: ${reason?.at(-1)}`)] : [];
    }
    default:
      return [];
  }
}

function announceSignal({ why, named = [] }: Action & { do: "signal" }, run: Run): Message[] {
  if (named.length === 0) return [];
  const all = named.map(({ name, pid }) => `${name} (PID ${pid})`).join(", ");
  const [{ name, kind }] = named;
  if (kind === "service") {
    const file = `the file ${SERVICES}/${name}/KILL_PROCESS_TIMEOUT or `;
    return [
      warning(`Services did not shut down in time: ${all}. Forcing them to exit.`),
      ...moreTime(run, file),
    ];
  }
  if (why === "terminate") return [info(`Shutting down ${all}...`)];
  return [
    warning(`${all} did not shut down in time. Forcing it to exit.`),
    ...(kind === "runit" ? [] : moreTime(run)),
  ];
}

/** Says how to get more time, unless a second stop signal has ended the waiting. */
function moreTime({ environment, stop }: Run, file = ""): Message[] {
  if (stop?.hurry) return [];
  const { overall } = readTimeouts(environment).timeouts;
  const shared = Number.isFinite(overall) ? `SHUTDOWN_TIMEOUT (${overall} seconds now) or ` : "";
  return [warning(`For more time, set ${file}${shared}KILL_PROCESS_TIMEOUT.`)];
}

/** The messages after an event; `run` is the one before it. */
export function report(event: Event, run: Run): Message[] {
  switch (event.type) {
    case "environment":
      return [
        ...event.warnings,
        ...readTimeouts(event.environment).warnings,
        ...logFormProblems(event.environment),
      ].map(warning);
    case "scripts":
      return event.scripts.warnings.map(warning);
    case "drawn":
    case "notified":
      return event.warnings.map(warning);
    case "services":
      return event.services.warnings.map(warning);
    case "reasons":
      return event.outputs.map(({ name, output }) =>
        repeated(reasonOf(name, output, event.now, run))
      );
    case "started":
      return event.purpose.kind === "runit" ? [info(`Runit started as PID ${event.pid}`)] : [];
    case "notStarted":
      return [warning(`Cannot run ${event.name}: ${event.reason}`)];
    case "signalled":
      return cannotSignal(run, event.refused);
    case "listed": {
      const { processes } = event;
      const refused = processes.filter(({ reachable }) => !reachable).map(({ pid }) => pid);
      return cannotSignal({ ...run, listed: { ...event, at: 0 } }, refused);
    }
    case "replaced":
      return [
        warning(
          "my_init was replaced by another version while it slept and cannot go on. Ending all processes.",
        ),
      ];
    case "failed":
      return [warning(`Internal error: ${event.reason}`)];
    default:
      return [];
  }
}

/** The messages after the end of a child that we watch. */
export function reportExit(exit: Exit, run: Run): Message[] {
  const child = run.children.find(({ pid }) => pid === exit.pid);
  if (!child) return [];
  const { name, purpose } = child;
  switch (purpose.kind) {
    case "main":
      return [info(`${name} exited with status ${describe(exit, ".")}`)];
    case "check":
      return [];
    case "runit":
      return run.stop ? [] : [warning(`Runit exited with status ${describe(exit)}`)];
    case "script": {
      const wasTerminated = run.ending[exit.pid]?.terminatedAt !== undefined;
      return exit.status === 0 || wasTerminated
        ? []
        : [warning(`${name} failed with status ${describe(exit)}`)];
    }
  }
}

/** The messages after the end of a service, which was in the state `before` and now is `after`. */
export function reportEnd(
  { name, status, how, seconds }: End,
  isFatal: boolean,
  before: Service | undefined,
  after: Service | undefined,
  plan: Plan | undefined,
): Message[] {
  if (how === "unhealthy") return [warning(`Service ${name} is not healthy: ending the container`)];
  const told: Message[] = [];
  if (before && after && how === "itself" && after.reportedAt !== before.reportedAt) {
    told.push(repeated(crash(name, status, seconds, before, after, plan)));
  }
  return isFatal
    ? [...told, warning(`Critical service ${name} ended with status ${status}`)]
    : told;
}

function crash(
  name: ByteString,
  status: number,
  seconds: number,
  before: Service,
  after: Service,
  plan: Plan | undefined,
): ByteString {
  if (after.state === "failed" && plan?.giveUp) {
    const { ends, seconds } = plan.giveUp;
    const often = ends === 1 ? "once" : `${ends} times`;
    const what = `Service ${name} has ended ${often} in ${seconds} s`;
    return `${what}, now with status ${status}: it stays down; \`sv up ${name}\` starts it again`;
  }
  const next = after.pause > 0 ? `; started again in ${after.pause} s` : "";
  if (before.reportedAt === undefined || before.unreported === 0) {
    return `Service ${name} ended with status ${status} after ${seconds} s${next}`;
  }
  const since = Math.round(after.since - before.reportedAt);
  const often = `${before.unreported + 1} times in ${since} s`;
  return `Service ${name} keeps ending: ${often}, now with status ${status}${next}`;
}

/** The status of timeout(1) when it has ended its program. */
const TIMED_OUT = 124;

/** Why others still wait for a service. */
function reasonOf(name: ByteString, output: ByteString, now: number, run: Run): ByteString {
  const { state, unreadySince, checkStatus, status } = run.managed[name];
  const plans: Plans = run.services?.plans ?? {};
  const waiting = whoNeeds(name, plans).filter((other) => run.managed[other].state === "waiting");
  const who = waiting.length > 0
    ? waiting.join(", ")
    : commandWaits(run)
    ? "the command"
    : "READY=1";
  const verb = waiting.length > 1 ? "wait" : "waits";
  const begun = `${who} ${verb} for service ${name}`;
  if (state === "down") return `${begun}, which is down: \`sv up ${name}\` starts it`;
  if (state === "failed") return `${begun}, which stays down; \`sv up ${name}\` starts it`;
  const last = output === "" ? "" : `, and prints: ${output}`;
  const isChecked = state === "starting" && plans[name].readyBy === "check";
  const reason = isChecked && checkStatus === TIMED_OUT
    ? `its check takes too long${last}`
    : isChecked && checkStatus !== undefined
    ? `its check ends with status ${checkStatus}${last}`
    : status !== undefined
    ? `it has ended with status ${status}`
    : plans[name].readyBy === "notification"
    ? "it does not say that it is ready"
    : isChecked && checkOf(name, run)
    ? "its check has not ended yet"
    : "it is not up";
  return `${begun}, not ready after ${Math.round(now - unreadySince)} s: ${reason}`;
}

/** A variable has an impossible value, or the services cannot be started in the order that they ask for. */
export function faultOf(fault: ByteString): Message {
  return warning(fault);
}

/** How long nothing more is said of processes whose name is not known, in seconds. */
const REPORT_KILLS_SECONDS = 60;

/**
 * The message of processes that the kernel has killed for lack of memory. It counts them without names; but who was
 * killed at this very time, and not by us, was one of them.
 */
export function reportKills(event: Event, { children, ending, memory }: Run): Message[] {
  const { killed, now } = event;
  const count = memory && killed ? killed.kills - memory.kills : 0;
  if (count <= 0) return [];
  const names = event.type === "ended"
    ? children.filter(({ pid }) =>
      ending[pid]?.killedAt === undefined &&
      event.exits.some((exit) => exit.pid === pid && exit.signal === SIGNALS.SIGKILL)
    ).map(({ name }) => name)
    : event.type === "servicesEnded"
    ? event.ends.filter(({ status }) => status === 128 + SIGNALS.SIGKILL)
      .map(({ name }) => `Service ${name}`)
    : [];
  const isRecent = memory?.reportedAt !== undefined &&
    now < memory.reportedAt + REPORT_KILLS_SECONDS;
  if (names.length === 0 && isRecent) return [];
  const who = names.length > 0 ? names.join(", ") : count > 1 ? `${count} processes` : "A process";
  const were = names.length > 1 || names.length === 0 && count > 1 ? "were" : "was";
  const why = killed?.limit === undefined
    ? "the container has no limit of its own, but the machine, or a group above it, had none left"
    : `the container may use ${Math.round(killed.limit / 2 ** 20)} MiB; give it more ` +
      "(docker run -m), or let its programs use less, by their own settings";
  return [{
    level: "warning",
    repeats: true,
    text: `${who} ${were} killed for lack of memory: ${why}`,
  }];
}

/** Why we end, for whoever asks later; nothing after a stop that was asked for, and a command that ended well. */
export function lastWords({ stop, options: { command } }: Run, status: number): ByteString[] {
  const { reason = [], signal = 0 } = stop ?? {};
  if (reason.length > 0 || status === 0) return [...reason];
  return [`Stopped by ${signalName(signal)} before ${command[0]} was started`];
}

/** Said once, however many there are. */
function cannotSignal(run: Run, pids: readonly number[]): Message[] {
  const beginning = "Cannot end processes of other users";
  if (pids.length === 0 || run.warned.some((text) => text.startsWith(beginning))) return [];
  const names = pids.slice(0, 3).map((pid) => {
    const name = run.children.find((child) => child.pid === pid)?.name ??
      run.listed?.processes.find((process) => process.pid === pid)?.name;
    return name ? `${name} (PID ${pid})` : `PID ${pid}`;
  });
  const more = pids.length > names.length ? ` and ${pids.length - names.length} more` : "";
  return [
    warning(
      `${beginning}, such as ${names.join(", ")}${more}: ` +
        "the capability KILL is missing; run the container with --cap-add KILL",
    ),
  ];
}

/** The boot did not complete. */
export const ABORTED: Message = warning("Init system aborted.");

function describe({ status, signal }: Exit, end = ""): string {
  return signal === undefined
    ? `${status}${end}`
    : `${status}${end} (killed by ${signalName(signal)})`;
}

function info(text: ByteString): Message {
  return { level: "info", text };
}

function warning(text: ByteString): Message {
  return { level: "warning", text };
}

function repeated(text: ByteString): Message {
  return { level: "warning", repeats: true, text };
}
