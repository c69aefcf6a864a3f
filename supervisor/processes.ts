import { type ByteString } from "../posix/bytes.ts";
import { getpid, kill, listDirectory, readFile, readLink, SystemError } from "../posix/libc.ts";

/** A running process, as `/proc` shows it. proc(5) */
export interface Seen {
  /** −1 stands for everybody: then `/proc` does not show whom we can reach. */
  pid: number;
  parent: number;
  /** The first 15 bytes of the program's name. */
  program: ByteString;
  /** What a person calls it: a runsv by its service, a runsvdir by its folder. */
  name: ByteString;
  /** Of a runsv: the process of its service, or that service's `finish`; 0 when both have ended. */
  service?: number;
}

/**
 * Looks who runs here besides us: as PID 1 everybody in the container, otherwise our descendants. Zombies have
 * ended, and do not count.
 */
export function lookAround(): Seen[] {
  const ours = getpid();
  if (readLink("/proc/self") !== String(ours)) {
    return ours === 1 && kill(-1, 0) ? [{ pid: -1, parent: 0, program: "", name: "" }] : [];
  }
  const everybody = listDirectory("/proc").filter((name) => /^\d+$/.test(name)).flatMap(look);
  const others = everybody.filter(({ pid }) => pid !== ours);
  return (ours === 1 ? others : descendants(others, ours)).filter(({ zombie }) => !zombie)
    .map(describe);
}

function describe({ pid, parent, program }: Omit<Seen, "name">): Seen {
  if (program !== "runsv" && program !== "runsvdir") return { pid, parent, program, name: program };
  const name = read(`/proc/${pid}/cmdline`).split("\0").at(-2) ?? program; // The last argument.
  if (program === "runsvdir") return { pid, parent, program, name };
  const status = `/proc/${pid}/cwd/supervise`; // It works in its service's folder.
  const service = read(`${status}/stat`) === "down\n"
    ? 0
    : Number(read(`${status}/pid`)) || undefined;
  return { pid, parent, program, name, service };
}

function look(pid: string): (Omit<Seen, "name"> & { zombie: boolean })[] {
  const [, program, state, parent] = read(`/proc/${pid}/stat`).match(/\(([^]*)\) (\S) (\d+)/) ?? [];
  if (program === undefined) return [];
  return [{ pid: Number(pid), parent: Number(parent), program, zombie: /[ZX]/.test(state) }];
}

/** Reads a file of a process; nothing when it has ended meanwhile. */
function read(path: ByteString): ByteString {
  try {
    return readFile(path);
  } catch (error) {
    if (error instanceof SystemError) return "";
    throw error;
  }
}

function descendants<T extends Pick<Seen, "pid" | "parent">>(
  processes: T[],
  ancestor: number,
): T[] {
  const family = new Set([ancestor]);
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const { pid, parent } of processes) if (family.has(parent)) family.add(pid);
  }
  return processes.filter(({ pid }) => family.has(pid));
}
