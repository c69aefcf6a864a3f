import { type ByteString } from "../posix/bytes.ts";
import { type Exit, signalName } from "../posix/signals.ts";
import { ENABLE_INSECURE_KEY, SERVICES } from "./conventions.ts";
import { readTimeouts } from "./timeouts.ts";
import { logFormProblems } from "./logs.ts";
import { type Action, type Event, type Message, type Run } from "./run.ts";

/** The messages before an action. This file has all words of a run, and is pure. */
export function announce(action: Action, run: Run): Message[] {
  switch (action.do) {
    case "start": {
      const { argv, purpose: { kind } } = action;
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
      return action.step === "kill"
        ? [warning("Not all processes have exited in time. Forcing them to exit.")]
        : [];
    case "skipScripts":
      return [warning(`Skipping ${action.scripts.join(", ")}: no time is left`)];
    case "signal":
      return announceSignal(action, run);
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

/** Tells how to get more time, unless a second stop signal has ended the waiting. */
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
    case "services":
      return event.services.warnings.map(warning);
    case "serviceEnded":
      return [warning(`Critical service ${event.name} ended with status ${event.status}`)];
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
