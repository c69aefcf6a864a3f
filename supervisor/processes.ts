import { type ByteString, fromBytes } from "../posix/bytes.ts";
import {
  attempt,
  getpid,
  identity,
  kill,
  listDirectory,
  readBeginning,
  readFile,
  readLink,
  stat,
} from "../posix/libc.ts";
import { readStatus } from "./runsv.ts";

/** A running process, as `/proc` shows it. proc(5) */
export interface ProcessInfo {
  /** −1 means all processes, if `/proc` is not that of our PID namespace. */
  pid: number;
  parent: number;
  session: number;
  /** The first 15 bytes of the program's name. */
  program: ByteString;
  /** Its name in messages: a runsv's is its service's, a runsvdir's its directory's. */
  name: ByteString;
  /** Whether we may send it signals. */
  reachable: boolean;
  /** Of a runsv or runsvdir: whether it runs as our user, so that its own data may be trusted. */
  ours?: boolean;
  /** Of a runsv: the process of its service, or that service's `finish`; 0 when both have ended. */
  service?: number;
  /** Of a runsv: whether its service has ended, and that is its `finish`. */
  finishing?: boolean;
  /** Of a runsv: the process of its service's log; absent when there is none. */
  log?: number;
}

/** Which processes are listed: runit's own, those and what they have started in their sessions, or all. */
export type Listing = "runit" | "services" | "all";

/**
 * Lists the other processes: for PID 1 all of the container, otherwise its descendants. Zombies have ended, and do not
 * count.
 *
 * @param which for "runit" it is not read what they supervise: that takes most of the time
 */
export function listProcesses(which: Listing): ProcessInfo[] {
  const ours = getpid();
  if (readLink("/proc/self") !== String(ours)) {
    const all = { pid: -1, parent: 0, session: 0, program: "", name: "", reachable: true };
    return ours === 1 && kill(-1, 0) ? [all] : [];
  }
  const others = listDirectory("/proc").flatMap((name) => {
    const pid = Number(name);
    return Number.isInteger(pid) && pid !== ours ? examine(pid) : [];
  });
  const within = ours === 1 ? others : descendants(others, ours);
  const our = { uid: identity().uid, reachesAll: maySignalAnyone() };
  return choose(within, which).flatMap((process) => describe(process, our, which));
}

type Stat = Pick<ProcessInfo, "pid" | "parent" | "session" | "program">;

function isRunit({ program }: Stat): boolean {
  return program === "runsv" || program === "runsvdir";
}

function choose(processes: readonly Stat[], which: Listing): readonly Stat[] {
  if (which === "all") return processes;
  const own = processes.filter(isRunit);
  if (which === "runit") return own;
  const runit = new Set(own.map(({ pid }) => pid));
  return processes.filter(({ pid, parent, session }) =>
    runit.has(pid) || runit.has(parent) || runit.has(session)
  );
}

/** As much of a file as we need: this is done thousands of times where a container is full. */
const BEGINNINGS = { stat: new Uint8Array(80), cmdline: new Uint8Array(512) };

/** The beginning of a file of a process; an empty text when it has ended. */
function read(pid: number, file: keyof typeof BEGINNINGS): ByteString {
  const buffer = BEGINNINGS[file];
  return fromBytes(buffer.subarray(0, readBeginning(`/proc/${pid}/${file}`, buffer)));
}

/** Reads the kernel's data about a process; an empty list if it has ended. */
function examine(pid: number): Stat[] {
  const text = read(pid, "stat");
  const end = text.lastIndexOf(")"); // The name may contain parentheses.
  if (end < 0) return [];
  const [state, parent, , session] = text.slice(end + 2).split(" ", 4);
  if (state === "Z" || state === "X") return [];
  const program = text.slice(text.indexOf("(") + 1, end);
  return [{ pid, parent: Number(parent), session: Number(session), program }];
}

/** Whether we have the capability KILL. capabilities(7) */
function maySignalAnyone(): boolean {
  const CAP_KILL = 5n;
  const [, effective = "0"] =
    (attempt(() => readFile("/proc/self/status")) ?? "").match(/^CapEff:\s*(\w+)$/m) ?? [];
  return (BigInt(`0x${effective}`) >> CAP_KILL & 1n) === 1n;
}

function describe(
  process: Stat,
  our: { uid: number; reachesAll: boolean },
  which: Listing,
): ProcessInfo[] {
  const { pid, program } = process;
  const reachable = our.reachesAll || kill(pid, 0);
  if (!reachable && !stat(`/proc/${pid}`)) return []; // It has just ended.
  const known = { ...process, name: printable(program), reachable };
  if (!isRunit(process)) return [known];
  const ours = stat(`/proc/${pid}`)?.uid === our.uid;
  // No service has a longer name. With more words it is another program that only has this name.
  const words = read(pid, "cmdline").split("\0");
  const name = program === "runsv" && words.length === 3 || program === "runsvdir"
    ? printable(words.at(-2) ?? "")
    : known.name;
  const supervises = which !== "runit" && program === "runsv" && ours;
  return [{ ...known, name, ours, ...(supervises && supervisedBy(pid)) }];
}

/** The processes that a runsv supervises. Its working directory is its service's; the files in it may be anything. */
function supervisedBy(pid: number): Partial<ProcessInfo> {
  const place = `/proc/${pid}/cwd`;
  const service = readStatus(place), log = readStatus(`${place}/log`);
  return {
    service: service?.process === "down" ? 0 : service?.pid || undefined,
    finishing: service?.process === "finish",
    log: log?.pid || undefined,
  };
}

/** A text without control characters, which could change a terminal or begin a new line. */
function printable(text: ByteString): ByteString {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\x00-\x1f\x7f]/g, "?");
}

function descendants<T extends Stat>(processes: T[], ancestor: number): T[] {
  const children = Map.groupBy(processes, ({ parent }) => parent);
  const family: T[] = [];
  const add = (pid: number) => {
    for (const child of children.get(pid) ?? []) {
      family.push(child);
      pending.push(child.pid);
    }
  };
  const pending = [ancestor];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) add(pid);
  return family;
}
