// What the kernel says of a container's memory: where it says it, and how to read that. Pure. cgroups(7)

import { type ByteString } from "./bytes.ts";

/** The files of a control group that tell of its memory. */
export interface MemoryFiles {
  /** Has a line `oom_kill`: how many of its processes were killed for lack of memory. */
  counter: ByteString;
  limit: ByteString;
}

const MEMORY_FILES = {
  1: { counter: "memory.oom_control", limit: "memory.limit_in_bytes" },
  2: { counter: "memory.events", limit: "memory.max" },
};

/**
 * Finds the files for the group of a process; nothing where no group counts memory, or is not mounted.
 *
 * @param cgroup /proc/PID/cgroup
 * @param mountinfo /proc/PID/mountinfo
 */
export function findMemoryFiles(
  cgroup: ByteString,
  mountinfo: ByteString,
): MemoryFiles | undefined {
  const groups = cgroup.split("\n").map((line) => line.match(/^\d+:([^:]*):(.*)$/) ?? []);
  const groupOf = (controller: string) =>
    groups.find(([, controllers]) => controllers?.split(",").includes(controller))?.[2];
  const first = groupOf("memory"), unified = groupOf("");
  const version = first !== undefined ? 1 : 2;
  const group = first ?? unified;
  if (group === undefined) return undefined;
  const mount = mountinfo.split("\n").map(parseMount).findLast((mount) =>
    version === 1
      ? mount?.type === "cgroup" && mount.options.includes("memory")
      : mount?.type === "cgroup2"
  );
  if (!mount) return undefined;
  const directory = mount.point + below(mount.root, group);
  const { counter, limit } = MEMORY_FILES[version];
  return { counter: `${directory}/${counter}`, limit: `${directory}/${limit}` };
}

/** The path of a group below what is mounted; a group elsewhere counts as the one that is mounted. */
function below(root: ByteString, group: ByteString): ByteString {
  const prefix = root === "/" ? "" : root;
  const isBelow = group.startsWith(`${prefix}/`) && !group.startsWith("/..");
  return isBelow && group !== "/" ? group.slice(prefix.length) : "";
}

/** A line of /proc/PID/mountinfo. proc(5) */
function parseMount(line: ByteString) {
  const [before, after] = line.split(" - ");
  if (after === undefined) return undefined;
  const [, , , root, point] = before.split(" ").map(unescape);
  const [type, , options = ""] = after.split(" ");
  return { root, point, type, options: options.split(",") };
}

/** The kernel writes a space in a path as `\040`. */
function unescape(text: ByteString): ByteString {
  return text.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
}

/** How many processes were killed; nothing where the kernel does not count them. */
export function parseKills(counter: ByteString): number | undefined {
  const [, kills] = counter.match(/^oom_kill (\d+)$/m) ?? [];
  return kills === undefined ? undefined : Number(kills);
}

/** The limit in bytes; nothing if there is none, which is `max` or a number near 2⁶³. */
export function parseLimit(limit: ByteString): number | undefined {
  const bytes = /^\d+\n?$/.test(limit) ? Number(limit) : Infinity;
  return bytes < 2 ** 60 ? bytes : undefined;
}
