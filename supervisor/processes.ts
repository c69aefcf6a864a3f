import { type ByteString } from "../posix/bytes.ts";
import {
  getpid,
  identity,
  kill,
  listDirectory,
  readFile,
  readLink,
  readRegularFile,
  stat,
  SystemError,
} from "../posix/libc.ts";

/** A running process, as `/proc` shows it. proc(5) */
export interface ProcessInfo {
  /** −1 stands for all: then `/proc` does not show whom we can reach. */
  pid: number;
  parent: number;
  session: number;
  /** The first 15 bytes of the program's name. */
  program: ByteString;
  /** What a person calls it: a runsv by its service, a runsvdir by its folder. */
  name: ByteString;
  /** Whether we may send it signals. */
  reachable: boolean;
  /** Of a runsv or runsvdir: whether it is our user's, so that what it says of itself may be believed. */
  ours?: boolean;
  /** Of a runsv: the process of its service, or that service's `finish`; 0 when both have ended. */
  service?: number;
}

/**
 * Lists who runs here besides us: as PID 1 everybody in the container, otherwise our descendants. Zombies have ended,
 * and do not count.
 */
export function listProcesses(): ProcessInfo[] {
  const ours = getpid();
  if (readLink("/proc/self") !== String(ours)) {
    const all = { pid: -1, parent: 0, session: 0, program: "", name: "", reachable: true };
    return ours === 1 && kill(-1, 0) ? [all] : [];
  }
  const others = listDirectory("/proc").flatMap((name) => {
    const pid = Number(name);
    return Number.isInteger(pid) && pid !== ours ? examine(pid) : [];
  });
  const chosen = ours === 1 ? others : descendants(others, ours);
  return chosen.map(describe);
}

type Stat = Pick<ProcessInfo, "pid" | "parent" | "session" | "program">;

/** Reads what the kernel says of a process; nothing of one that has ended. */
function examine(pid: number): Stat[] {
  const text = read(() => readFile(`/proc/${pid}/stat`, 512));
  const end = text.lastIndexOf(")"); // The name may hold parentheses.
  if (end < 0) return [];
  const [state, parent, , session] = text.slice(end + 2).split(" ", 4);
  if (state === "Z" || state === "X") return [];
  const program = text.slice(text.indexOf("(") + 1, end);
  return [{ pid, parent: Number(parent), session: Number(session), program }];
}

function describe(process: Stat): ProcessInfo {
  const { pid, program } = process;
  const known = { ...process, name: printable(program), reachable: kill(pid, 0) };
  if (program !== "runsv" && program !== "runsvdir") return known;
  const ours = stat(`/proc/${pid}`)?.uid === identity().uid;
  // No service has so long a name. What follows the name is somebody else's, who only calls itself a runsv.
  const words = read(() => readFile(`/proc/${pid}/cmdline`, 512)).split("\0");
  const name = program === "runsv" && words.length === 3 || program === "runsvdir"
    ? printable(words.at(-2) ?? "")
    : known.name;
  if (program === "runsvdir" || !ours) return { ...known, name, ours };
  return { ...known, name, ours, service: serviceOf(pid) };
}

/** The process that a runsv looks after. It works in its service's folder, whose files may be anything. */
function serviceOf(pid: number): number | undefined {
  const status = (file: string) =>
    read(() => readRegularFile(`/proc/${pid}/cwd/supervise/${file}`, 32));
  return status("stat") === "down\n" ? 0 : Number(status("pid")) || undefined;
}

/** Reads a file of a process; an empty text when it has ended meanwhile. */
function read(file: () => ByteString): ByteString {
  try {
    return file();
  } catch (error) {
    if (error instanceof SystemError) return "";
    throw error;
  }
}

/** A text that does nothing to a terminal, and forges no line. */
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
