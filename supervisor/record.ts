import { type ByteString } from "../posix/bytes.ts";
import { type Exit, type Received } from "../posix/libc.ts";
import { withVariables } from "../env/environment.ts";
import { signalName, SIGNALS, SIGRTMIN } from "../posix/signals.ts";
import { type Stage } from "./hooks.ts";
import { readLimits } from "./limits.ts";
import { SERVICE_ENDED, SERVICES } from "./services.ts";
import { currentStage, type Event, type Process, type Role, type Run, type Stop } from "./run.ts";

/** The signals that stop the container. SIGRTMIN+3 is systemd's for containers, SIGPWR is LXC's. */
export const STOP_SIGNALS: readonly number[] = [
  SIGNALS.SIGTERM,
  SIGNALS.SIGINT,
  SIGNALS.SIGQUIT,
  SIGNALS.SIGPWR,
  SIGRTMIN + 3,
];

/** Takes down what happened. Pure: the new run is all that comes of it. */
export function record(before: Run, event: Event): Run {
  const run: Run = { ...before, now: event.now };
  switch (event.type) {
    case "said":
      return { ...run, messages: [] };
    case "environment": {
      const { environment, unwritten, warnings } = event;
      const known: Run = { ...run, environment, unwritten, directory: "current" };
      return warn(known, ...warnings, ...readLimits(environment).warnings);
    }
    case "hooks":
      return warn(withHooks(run, event.stage, event.hooks.scripts), ...event.hooks.warnings);
    case "services": {
      const { warnings, ...services } = event.services;
      const moved = services.directory !== SERVICES;
      const environment = moved
        ? withVariables(run.environment, [["SVDIR", services.directory]]) // For sv(8).
        : run.environment;
      return warn({ ...run, environment, services }, ...warnings);
    }
    case "serviceEnded": {
      const { name, status } = event;
      const told = warn(
        { ...run, serviceEnded: false },
        `Critical service ${name} ended with status ${status}`,
      );
      return stop(told, { status });
    }
    case "serviceRuns":
      return { ...run, serviceEnded: false };
    case "started": {
      const { role, name, pid, ownsTerminal } = event;
      const process: Process = { name, pid, startedAt: run.now, ownsTerminal, state: "running" };
      const started = withProcess(withoutHook(run, role), role, process);
      return role === "runit" ? say(started, `Runit started as PID ${pid}`) : started;
    }
    case "notStarted": {
      const told = warn(withoutHook(run, event.role), `Cannot run ${event.name}: ${event.reason}`);
      if (run.stop) return told;
      const status = event.role === "main" ? event.status : 1;
      return event.role === "main" ? stop(told, { status }) : abort(told, { status });
    }
    case "signalled":
      return recordSignals(run, event.why, event.pids);
    case "seen": {
      // Whoever has become another program since, as a shell's child does, may have missed it.
      const programs = new Map(event.processes.map(({ pid, program }) => [pid, program]));
      for (const { pid } of Object.values(run.processes)) {
        programs.set(pid, programs.get(pid) ?? "");
      }
      const told = Object.entries(run.told).filter(([pid, { program }]) => {
        const now = programs.get(Number(pid));
        return now !== undefined && (program === undefined || program === now);
      });
      return { ...run, told: Object.fromEntries(told), seen: event.processes };
    }
    case "began":
      return { ...run, began: { ...run.began, [event.phase]: run.now } };
    case "ended":
      return event.exits.reduce(recordExit, { ...run, seen: undefined });
    case "received":
      return recordSignal({ ...run, seen: undefined }, event.received);
    case "time":
      return { ...run, seen: undefined };
    case "failed": {
      const failed = warn(
        { ...run, seen: undefined, failures: run.failures + 1 },
        `Internal error: ${event.reason}`,
      );
      return run.stop ? failed : stop(failed, { status: 1 });
    }
  }
}

/** A child has ended. Only one that is watched, and still runs, means anything. */
function recordExit(before: Run, exit: Exit): Run {
  const { [exit.pid]: _told, ...told } = before.told;
  const run = { ...before, told };
  const roles = Object.keys(run.processes) as Role[];
  const role = roles.find((role) => {
    const process = run.processes[role];
    return process?.state === "running" && process.pid === exit.pid;
  });
  if (role === undefined) return run;
  const process = run.processes[role] as Process;
  const { name } = process;
  const ended = withProcess(run, role, { ...process, state: "exited", status: exit.status });
  switch (role) {
    case "main": {
      const said = say(ended, `${name} exited with status ${describe(exit, ".")}`);
      return run.stop ? said : stop(said, {});
    }
    case "runit": {
      if (run.stop) return ended;
      const said = warn(ended, `Runit exited with status ${describe(exit)}`);
      return stop(said, { status: exit.status });
    }
    case "hook": {
      if (exit.status === 0) return { ...ended, directory: "stale" };
      if (before.told[exit.pid] !== undefined) return ended; // As it should.
      const said = warn(ended, `${name} failed with status ${describe(exit)}`);
      return run.stop ? said : abort(said, { status: 1 });
    }
  }
}

function describe({ status, signal }: Exit, end = ""): string {
  return signal === undefined
    ? `${status}${end}`
    : `${status}${end} (killed by ${signalName(signal)})`;
}

/** A signal has reached us: it stops the container, or it is for the main command. */
function recordSignal(run: Run, { signal, fromTerminal }: Received): Run {
  const { main } = run.processes;
  const toMain = { ...run, forward: [...run.forward, signal] };
  // Typed before the main command had been given the terminal: its group has not got it.
  if (fromTerminal && main?.state === "running" && main.ownsTerminal && !run.stop) return toMain;
  if (STOP_SIGNALS.includes(signal)) {
    if (run.stop?.signal) return { ...run, stop: { ...run.stop, hurry: true } };
    if (run.stop) return { ...run, stop: { ...run.stop, signal } };
    return abort(run, { signal });
  }
  if (signal === SERVICE_ENDED && run.services?.critical.length) {
    return { ...run, serviceEnded: true };
  }
  return main?.state === "running" ? toMain : run;
}

function recordSignals(run: Run, why: "tell" | "force" | "forward", pids: readonly number[]): Run {
  if (why === "forward") return { ...run, forward: [] };
  if (why === "force") {
    const forced = Object.fromEntries(pids.map((pid) => [pid, run.now]));
    return { ...run, forced: { ...run.forced, ...forced } };
  }
  const programOf = (pid: number) => run.seen?.find((process) => process.pid === pid)?.program;
  const told = Object.fromEntries(
    pids.map((pid) => [pid, { at: run.now, program: programOf(pid) }]),
  );
  return { ...run, told: { ...run.told, ...told } };
}

function stop(run: Run, how: Partial<Stop>): Run {
  return { ...run, stop: { askedAt: run.now, hurry: false, ...how } };
}

/** Stops before it was time. */
function abort(run: Run, how: Partial<Stop>): Run {
  return warn(stop(run, how), "Init system aborted.");
}

function say(run: Run, text: ByteString): Run {
  return { ...run, messages: [...run.messages, { level: "info", text }] };
}

/** Says each warning once. */
function warn(run: Run, ...warnings: readonly ByteString[]): Run {
  const fresh = [...new Set(warnings)].filter((text) => !run.warned.includes(text));
  const messages = fresh.map((text) => ({ level: "warning" as const, text }));
  return { ...run, warned: [...run.warned, ...fresh], messages: [...run.messages, ...messages] };
}

function withProcess(run: Run, role: Role, process: Process): Run {
  return { ...run, processes: { ...run.processes, [role]: process } };
}

function withHooks(run: Run, stage: Stage, scripts: readonly ByteString[]): Run {
  return { ...run, hooks: { ...run.hooks, [stage]: scripts } };
}

/** Takes the script that was just started off its list. */
function withoutHook(run: Run, role: Role): Run {
  if (role !== "hook") return run;
  const stage = currentStage(run);
  return withHooks(run, stage, run.hooks[stage]?.slice(1) ?? []);
}
