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
  readRegularFile,
  stat,
} from "../posix/libc.ts";

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

/**
 * Lists the other processes: for PID 1 all of the container, otherwise its descendants. Zombies have ended, and do not
 * count.
 *
 * @param which only runit's own processes, and what they have started in their sessions, or all
 */
export function listProcesses(which: "all" | "services"): ProcessInfo[] {
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
  const chosen = which === "all" ? within : servicesOf(within);
  const reachesAll = maySignalAnyone();
  return chosen.flatMap((process) => describe(process, reachesAll));
}

type Stat = Pick<ProcessInfo, "pid" | "parent" | "session" | "program">;

function servicesOf(processes: readonly Stat[]): Stat[] {
  const isRunit = ({ program }: Stat) => program === "runsv" || program === "runsvdir";
  const runit = new Set(processes.filter(isRunit).map(({ pid }) => pid));
  return processes.filter(({ pid, parent, session }) =>
    runit.has(pid) || runit.has(parent) || runit.has(session)
  );
}

/** As much of /proc/PID/stat as we need: this is done thousands of times where a container is full. */
const beginning = new Uint8Array(128);

/** Reads the kernel's data about a process; an empty list if it has ended. */
function examine(pid: number): Stat[] {
  const text = fromBytes(beginning.subarray(0, readBeginning(`/proc/${pid}/stat`, beginning)));
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
    read(() => readFile("/proc/self/status")).match(/^CapEff:\s*(\w+)$/m) ?? [];
  return (BigInt(`0x${effective}`) >> CAP_KILL & 1n) === 1n;
}

function describe(process: Stat, reachesAll: boolean): ProcessInfo[] {
  const { pid, program } = process;
  const reachable = reachesAll || kill(pid, 0);
  if (!reachable && !stat(`/proc/${pid}`)) return []; // It has just ended.
  const known = { ...process, name: printable(program), reachable };
  if (program !== "runsv" && program !== "runsvdir") return [known];
  const ours = stat(`/proc/${pid}`)?.uid === identity().uid;
  // No service has a longer name. With more words it is another program that only has this name.
  const words = read(() => readFile(`/proc/${pid}/cmdline`, 512)).split("\0");
  const name = program === "runsv" && words.length === 3 || program === "runsvdir"
    ? printable(words.at(-2) ?? "")
    : known.name;
  return [{ ...known, name, ours, ...(program === "runsv" && ours && supervisedBy(pid)) }];
}

/** The processes that a runsv supervises. Its working directory is its service's; the files in it may be anything. */
function supervisedBy(pid: number): Partial<ProcessInfo> {
  const status = (file: string) => read(() => readRegularFile(`/proc/${pid}/cwd/${file}`, 32));
  const state = status("supervise/stat");
  return {
    service: state === "down\n" ? 0 : Number(status("supervise/pid")) || undefined,
    finishing: state.startsWith("finish"),
    log: Number(status("log/supervise/pid")) || undefined,
  };
}

/** Reads a file of a process; an empty text when it has ended meanwhile. */
function read(file: () => ByteString): ByteString {
  return attempt(file) ?? "";
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
