import { type ByteString } from "../posix/bytes.ts";
import { type Environment } from "../env/environment.ts";
import {
  createFile,
  listDirectory,
  lstat,
  makeDirectory,
  makeLink,
  makeOld,
  mayWrite,
  readFile,
  readLink,
  rename,
  stat,
  SystemError,
  unlink,
} from "../posix/libc.ts";
import { SERVICES } from "./conventions.ts";
import { parseSeconds } from "./timeouts.ts";
import { makePrivateDirectory, PLACES } from "./private_directory.ts";
import { readSwitches, type Switch } from "./switches.ts";

/** Runit's services, as they are just before it is started. */
export interface Services {
  /** The directory that runsvdir is given. */
  directory: ByteString;
  /** The open file that locks it, if it is a private one. */
  lock?: number;
  /** For each service that has a timeout of its own: seconds from SIGTERM to SIGKILL. */
  timeouts: Readonly<Record<ByteString, number>>;
  /** The services whose end ends the container. */
  critical: readonly ByteString[];
  /** The services that are not stopped with the others; they end after the shutdown scripts. */
  last: readonly ByteString[];
  warnings: readonly ByteString[];
}

/** An empty directory, for when no service can be run: otherwise each runsv would report an error, once a second. */
const NO_SERVICES = "/usr/lib/baseimage/no_services";

/** The `finish` of a critical service. A link to it can be executed even where the link is on a noexec file system. */
export const FINISH = "/usr/lib/baseimage/finish_critical";

/** The file in a service's directory that has its own timeout. */
const TIMEOUT_FILE = "KILL_PROCESS_TIMEOUT";

/**
 * Prepares the services for runit: each runsv needs a directory `supervise` beside its `run`. A service
 * where that, or what the environment's switches ask for, cannot be written, is moved: it gets a directory of links.
 * Then runsvdir is given a private directory, in which the other services are links to their own directories.
 */
export function prepareServices(environment: Environment): Services {
  const warnings: ByteString[] = [];
  const attempt = (act: () => void) => {
    try {
      act();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      warnings.push(error.message);
    }
  };
  let names: readonly ByteString[] = [];
  if (isDirectory(SERVICES)) attempt(() => names = listServices());
  const { switches, warnings: ofSwitches } = readSwitches(environment, names);
  warnings.push(...ofSwitches);
  const has = (file: ByteString) => names.filter((name) => stat(`${SERVICES}/${name}/${file}`));
  const [critical, last] = [has("critical"), has("stop_last")];
  const timeouts: Record<ByteString, number> = {};
  for (const name of has(TIMEOUT_FILE)) {
    attempt(() => timeouts[name] = readTimeout(`${SERVICES}/${name}`));
  }

  const moved = names.filter((name) => {
    const own = `${SERVICES}/${name}`;
    const isAsWanted = isAs(own, switches[name]) && (reportsEnd(own) || !critical.includes(name));
    return ![own, `${own}/log`].filter(isDirectory).every(isWritable) ||
      (!isAsWanted && !mayWrite(own));
  });
  const moveTo = moved.length > 0 ? makePrivateDirectory() : undefined;
  let directory = moved.length > 0 ? moveTo?.path : SERVICES;
  if (directory === undefined) {
    const where = [SERVICES, ...PLACES].join(", ");
    const advice = "docker run --tmpfs /tmp helps";
    warnings.push(`Cannot run ${moved.join(", ")}: none of ${where} can be written; ${advice}`);
    names = names.filter((name) => !moved.includes(name));
    directory = names.length === 0 && isDirectory(NO_SERVICES) ? NO_SERVICES : SERVICES;
  } else if (directory !== SERVICES) {
    for (const name of names) {
      const [own, place] = [`${SERVICES}/${name}`, `${directory}/${name}`];
      attempt(() => moved.includes(name) ? copyAsLinks(own, place) : makeLink(own, place));
    }
    makeOld(directory); // runsvdir waits until a directory is a second old.
    warnings.push(`Cannot write below ${SERVICES}: running ${moved.join(", ")} from ${directory}`);
  }
  for (const name of names) {
    const place = `${directory}/${name}`;
    attempt(() => apply(switches[name], place));
    if (critical.includes(name)) attempt(() => reportEnd(place));
  }
  return { directory, lock: moveTo?.lock, timeouts, critical, last, warnings };
}

function listServices(): ByteString[] {
  return listDirectory(SERVICES).filter((name) =>
    !name.startsWith(".") && isDirectory(`${SERVICES}/${name}`)
  );
}

function isDirectory(path: ByteString): boolean {
  return stat(path)?.type === "directory";
}

/** Whether runsv can work in the directory of a service or of its log. */
function isWritable(directory: ByteString): boolean {
  const supervise = `${directory}/supervise`;
  return mayWrite(stat(supervise) ? supervise : directory);
}

/** Makes a directory with links to everything in another one, except for what runsv makes. */
function copyAsLinks(from: ByteString, to: ByteString): void {
  makeDirectory(to);
  for (const name of listDirectory(from)) {
    if (name === "supervise") continue;
    if (name === "log" && isDirectory(`${from}/log`)) copyAsLinks(`${from}/log`, `${to}/log`);
    else makeLink(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Whether a service is on or off as a switch wants it. */
function isAs(service: ByteString, wanted: Switch | undefined): boolean {
  return wanted === undefined || wanted.on === (stat(`${service}/down`) === undefined);
}

function apply(wanted: Switch | undefined, service: ByteString): void {
  if (wanted === undefined || isAs(service, wanted)) return;
  const down = `${service}/down`;
  if (wanted.on) unlink(down);
  else createFile(down, `Switched off by ${wanted.variable}\n`, { mode: 0o644, uid: 0, gid: 0 });
}

function readTimeout(service: ByteString): number {
  const file = `${service}/${TIMEOUT_FILE}`;
  const seconds = parseSeconds(readFile(file, 100));
  if (seconds !== undefined) return seconds;
  throw new SystemError(`Ignoring ${file}`, "it must hold seconds, such as 5, 1.5, 5s or 2m");
}

/** Makes a service report its end. Its own `finish` is still run: it becomes `finish.own`. */
function reportEnd(service: ByteString): void {
  unlink(`${service}/supervise/ended`);
  if (!stat(FINISH)) throw new SystemError(`Cannot watch ${service}`, `there is no ${FINISH}`);
  if (reportsEnd(service)) return;
  const finish = `${service}/finish`;
  if (lstat(finish)) rename(finish, `${service}/finish.own`);
  makeLink(FINISH, finish);
}

/** Whether it does so already; in a moved service a link leads to the link. */
function reportsEnd(service: ByteString): boolean {
  const target = readLink(`${service}/finish`);
  return target === FINISH || (target !== undefined && readLink(target) === FINISH);
}

/** Finds the critical service that has ended, and its status: 128 + n when signal n did it. */
export function findEnded(
  directory: ByteString,
  critical: readonly ByteString[],
): { name: ByteString; status: number } | undefined {
  for (const name of critical) {
    const file = `${directory}/${name}/supervise/ended`;
    if (stat(file)) return { name, status: Number(readFile(file, 10)) };
  }
}
