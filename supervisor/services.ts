import { type ByteString } from "../posix/bytes.ts";
import { type Environment } from "../env/environment.ts";
import {
  attempt,
  createFile,
  listDirectory,
  lstat,
  makeDirectory,
  makeLink,
  makeOld,
  mayExecute,
  mayWrite,
  readFile,
  readLink,
  rename,
  stat,
  SystemError,
  unlink,
} from "../posix/libc.ts";
import { SERVICES } from "./conventions.ts";
import {
  byName,
  decides,
  findFault,
  isManaged,
  parseGiveUp,
  parseNeeds,
  type Plan,
  type Plans,
} from "./plans.ts";
import { parseSeconds, readTimeouts } from "./timeouts.ts";
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
  /** What the services that we look after ask for. */
  plans: Plans;
  warnings: readonly ByteString[];
  /** Why they cannot be started at all. */
  fault?: ByteString;
}

/** An empty directory, for when no service can be run: otherwise each runsv would report an error, once a second. */
const NO_SERVICES = "/usr/lib/baseimage/no_services";

/** The `finish` of a service whose end we must know. */
const FINISH = "/usr/lib/baseimage/report_end";
/** Its `control/t`, which notes that it was told to end. */
const TOLD = "/usr/lib/baseimage/told_to_end";

/** Its `run`, if it has a `notification-fd`. */
const NOTIFYING = "/usr/lib/baseimage/notifying_run";

/** What is in a file `down` of ours, which lets a service wait for what it needs. */
const WAITS = "my_init starts this service when what it needs is ready.\n";

/** Tells `report_end` that a service is not started again before my_init says so. */
const HELD = "supervise/held";

/** Tells `report_end` to end what the service has left behind, and within how many hundredths of a second. */
const LEFT_BEHIND = "supervise/left_behind";

/** The file in a service's directory that has its own timeout. */
const TIMEOUT_FILE = "KILL_PROCESS_TIMEOUT";

/**
 * Prepares the services for runit: each runsv needs a directory `supervise` beside its `run`. If that,
 * or what the environment's switches ask for, cannot be written there, the service is moved: it gets a directory of links.
 * Then runsvdir is given a private directory, in which the other services are links to their own directories.
 *
 * @param wantsAllReady whether we must know of each service when it is ready
 */
export function prepareServices(environment: Environment, wantsAllReady: boolean): Services {
  const warnings: ByteString[] = [];
  let names = isDirectory(SERVICES) ? attempt(listServices, warnings) ?? [] : [];
  const { switches, warnings: ofSwitches } = readSwitches(environment, names);
  warnings.push(...ofSwitches);
  const has = knowFiles(names);
  const having = (file: ByteString) => names.filter((name) => has(name, file));
  const [critical, last] = [having("critical"), having("stop_last")];
  const timeouts: Record<ByteString, number> = byName();
  for (const name of having(TIMEOUT_FILE)) {
    attempt(() => timeouts[name] = readTimeout(`${SERVICES}/${name}`), warnings);
  }
  let plans = readPlans(names, has, switches, wantsAllReady, warnings);
  const fault = findFault(plans, names);
  if (fault !== undefined) {
    return { directory: SERVICES, timeouts, critical, last, plans, warnings, fault };
  }
  const reporting = names.filter((name) =>
    critical.includes(name) || plans[name] && isManaged(name, plans)
  );

  const moved = names.filter((name) => {
    const own = `${SERVICES}/${name}`;
    const isAsWanted = isAs(own, switches[name]) && !(has(name, "down") && waits(own)) &&
      (!reporting.includes(name) || reportsEnd(own) && notesTerm(own, plans[name])) &&
      !plans[name]?.needs.length && plans[name]?.readyBy !== "notification";
    const log = `${own}/log`;
    return !isWritable(own) || has(name, "log") && isDirectory(log) && !isWritable(log) ||
      !isAsWanted && !mayWrite(own);
  });
  const moveTo = moved.length > 0 ? makePrivateDirectory() : undefined;
  let directory = moved.length > 0 ? moveTo?.path : SERVICES;
  if (directory === undefined) {
    const where = [SERVICES, ...PLACES].join(", ");
    const advice = "docker run --tmpfs /tmp helps";
    warnings.push(`Cannot run ${moved.join(", ")}: none of ${where} can be written; ${advice}`);
    names = names.filter((name) => !moved.includes(name));
    const downIfMoved = ([name, plan]: [ByteString, Plan]) =>
      [name, { ...plan, down: plan.down || moved.includes(name) }] as const;
    plans = byName(Object.fromEntries(Object.entries(plans).map(downIfMoved)));
    directory = names.length === 0 && isDirectory(NO_SERVICES) ? NO_SERVICES : SERVICES;
  } else if (directory !== SERVICES) {
    for (const name of names) {
      const [own, place] = [`${SERVICES}/${name}`, `${directory}/${name}`];
      attempt(
        () => moved.includes(name) ? copyAsLinks(own, place) : makeLink(own, place),
        warnings,
      );
    }
    makeOld(directory); // runsvdir waits until a directory is a second old.
    warnings.push(`Cannot write below ${SERVICES}: running ${moved.join(", ")} from ${directory}`);
  }
  const { timeouts: { process } } = readTimeouts(environment, timeouts);
  for (const name of names) {
    const place = `${moved.includes(name) ? directory : SERVICES}/${name}`;
    if (has(name, "down") && waits(place)) attempt(() => unlink(`${place}/down`), warnings);
    attempt(() => apply(switches[name], place), warnings);
    if (reporting.includes(name) || has(name, "finish") && reportsEnd(place)) {
      attempt(() => reportEnd(place), warnings);
    }
    if (plans[name]) {
      attempt(() => prepare(plans[name], place, timeouts[name] ?? process), warnings);
    }
  }
  return { directory, lock: moveTo?.lock, timeouts, critical, last, plans, warnings };
}

/** Whether a service has a file. */
type Has = (name: ByteString, file: ByteString) => boolean;

/** Most services have few files, so listing each directory once takes less than asking for all files that there may be. */
function knowFiles(names: readonly ByteString[]): Has {
  const files = new Map(
    names.map((name) => [name, attempt(() => listDirectory(`${SERVICES}/${name}`))] as const),
  );
  return (name, file) =>
    files.get(name)?.includes(file) !== false && stat(`${SERVICES}/${name}/${file}`) !== undefined;
}

/** Reads what the services ask of us. Most ask nothing, and have no plan. */
function readPlans(
  names: readonly ByteString[],
  has: Has,
  switches: Readonly<Record<ByteString, Switch>>,
  wantsAllReady: boolean,
  warnings: ByteString[],
): Plans {
  const read = (name: ByteString, file: ByteString): ByteString | undefined => {
    const path = `${SERVICES}/${name}/${file}`;
    return has(name, file) ? attempt(() => readFile(path, 65536), warnings) : undefined;
  };
  const parse = <T>(
    name: ByteString,
    file: ByteString,
    parser: (text: ByteString) => T | undefined,
    advice: string,
  ): T | undefined => {
    const text = read(name, file);
    const value = text === undefined ? undefined : parser(text);
    if (text === undefined || value !== undefined) return value;
    warnings.push(`Ignoring ${SERVICES}/${name}/${file}: ${advice}`);
  };
  const planOf = (name: ByteString): Plan => {
    const own = `${SERVICES}/${name}`;
    return {
      needs: parseNeeds(read(name, "needs") ?? ""),
      readyBy: has(name, "notification-fd")
        ? "notification"
        : has(name, "check") && mayExecute(`${own}/check`)
        ? "check"
        : "time",
      backoff: parse(name, "backoff", parseSeconds, "it must hold seconds, such as 30, 30s or 2m"),
      giveUp: parse(
        name,
        "give_up",
        parseGiveUp,
        "it must hold a number and a time, such as 5 in 60",
      ),
      unhealthy: has(name, "unhealthy"),
      ownsDescendants: has(name, "owns_descendants"),
      down: switches[name] ? !switches[name].on : has(name, "down") && !waits(own),
    };
  };
  const all = byName(Object.fromEntries(names.map((name) => [name, planOf(name)])));
  const chosen = names.filter((name) => wantsAllReady || isManaged(name, all));
  return byName(Object.fromEntries(chosen.map((name) => [name, all[name]])));
}

/** Whether a service has a `down` of ours; in a moved one it may be a link to one that an earlier start has left. */
function waits(service: ByteString): boolean {
  const down = `${service}/down`;
  return stat(down)?.type === "file" && attempt(() => readFile(down, WAITS.length)) === WAITS;
}

/** Makes a service wait for what it needs, and clears what is left of an earlier start. */
function prepare(plan: Plan, place: ByteString, timeoutSeconds: number): void {
  for (const file of ["told", "notified", "failures", "crashes"]) {
    unlink(`${place}/supervise/${file}`);
  }
  if (plan.needs.length > 0 && !plan.down) {
    createFile(`${place}/down`, WAITS, { mode: 0o644, uid: 0, gid: 0 });
  }
  if (plan.readyBy === "notification") standIn(place, "run", NOTIFYING);
  if (decides(plan)) writeForEnd(place, HELD, "");
  if (plan.ownsDescendants) {
    writeForEnd(place, LEFT_BEHIND, `${Math.ceil(timeoutSeconds * 100)}\n`);
  }
  if (notesTerm(place, plan)) return;
  if (!isDirectory(`${place}/control`)) makeDirectory(`${place}/control`);
  putProgram(TOLD, `${place}/control/t`);
}

/** Writes a file for `report_end`. */
function writeForEnd(place: ByteString, file: ByteString, content: ByteString): void {
  if (!isDirectory(`${place}/supervise`)) makeDirectory(`${place}/supervise`, 0o700);
  createFile(`${place}/${file}`, content, { mode: 0o600, uid: 0, gid: 0 });
}

/** Whether nothing is to be done so that `report_end` can tell an end that was ordered from a crash. */
function notesTerm(service: ByteString, plan: Plan | undefined): boolean {
  return !plan || !decides(plan) || lstat(`${service}/control/t`) !== undefined;
}

/** A service was started: it need not wait any more, and its `down` would only make `sv status` say something odd. */
export function removeWait(place: ByteString): void {
  if (waits(place)) unlink(`${place}/down`);
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
    const isCopied = name === "log" || name === "control";
    if (isCopied && isDirectory(`${from}/${name}`)) copyAsLinks(`${from}/${name}`, `${to}/${name}`);
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

/** Makes a service report its end. */
function reportEnd(service: ByteString): void {
  for (const file of ["supervise/ended", HELD, LEFT_BEHIND]) unlink(`${service}/${file}`);
  standIn(service, "finish", FINISH);
}

/** Puts a program of ours in the place of a service's file, which becomes FILE.own and is still run. */
function standIn(service: ByteString, file: ByteString, program: ByteString): void {
  const path = `${service}/${file}`;
  if (!stat(program)) throw new SystemError(`Cannot watch ${service}`, `there is no ${program}`);
  if (runs(path, program)) return;
  if (lstat(path)) rename(path, `${path}.own`);
  putProgram(program, path);
}

/**
 * Makes a file that runs a program of ours. It is no link, since a startup script may write a service's files anew at each
 * boot: that would go through the link. Only in a private directory it is one, which can be executed although the directory
 * may be on a noexec file system.
 */
function putProgram(program: ByteString, path: ByteString): void {
  if (!path.startsWith(`${SERVICES}/`)) makeLink(program, path);
  else createFile(path, scriptFor(program), { mode: 0o755, uid: 0, gid: 0 });
}

function scriptFor(program: ByteString): ByteString {
  return `#!/bin/sh\nexec ${program} "$@" # Put here by my_init.\n`;
}

function reportsEnd(service: ByteString): boolean {
  return runs(`${service}/finish`, FINISH);
}

/** Whether a file is what `putProgram` makes; in a moved service it leads to such a file. */
function runs(path: ByteString, program: ByteString): boolean {
  const target = readLink(path), script = scriptFor(program);
  return target === program || target !== undefined && readLink(target) === program ||
    stat(path)?.type === "file" && attempt(() => readFile(path, script.length + 1)) === script;
}
