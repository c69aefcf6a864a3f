import { type ByteString } from "../posix/bytes.ts";
import { replaceFile } from "../posix/files.ts";
import {
  getpid,
  listDirectory,
  makeDirectory,
  makeLink,
  makeOld,
  mayWrite,
  readFile,
  rename,
  stat,
  SystemError,
  unlink,
} from "../posix/libc.ts";
import { SERVICE_ENDED, SERVICES } from "./conventions.ts";
import { parseSeconds } from "./limits.ts";

/** Runit's services, as they are just before it is started. */
export interface Services {
  /** The folder of their folders. */
  directory: ByteString;
  /** For each service that has a time limit of its own: seconds from being told to end until being forced. */
  limits: Readonly<Record<ByteString, number>>;
  /** The services whose end ends the container. */
  critical: readonly ByteString[];
  /** The services that end last, after the scripts at the end. */
  last: readonly ByteString[];
  warnings: readonly ByteString[];
}

/** Where services are put when theirs cannot be written: memory, and there even on a read-only root. */
const WRITABLE = "/dev/shm/service";

/** The file of a service's folder with its own time limit. */
const LIMIT = "KILL_PROCESS_TIMEOUT";

/**
 * Sees to it that runit can run the services: each runsv needs a folder `supervise` beside its `run`. Where that
 * cannot be made, as on a read-only root or as another user than root, the services get folders of links in memory.
 */
export function prepareServices(): Services {
  const warnings: ByteString[] = [];
  const services: Services = { directory: SERVICES, limits: {}, critical: [], last: [], warnings };
  if (stat(SERVICES)?.type !== "directory") return services;
  try {
    const names = listDirectory(SERVICES).filter((name) =>
      !name.startsWith(".") && stat(`${SERVICES}/${name}`)?.type === "directory"
    );
    const folders = names.flatMap((name) => [`${SERVICES}/${name}`, `${SERVICES}/${name}/log`])
      .filter((folder) => stat(folder)?.type === "directory");
    const directory = folders.every(isWritable) ? SERVICES : WRITABLE;
    if (directory === WRITABLE) {
      for (const name of names) linkFolder(`${SERVICES}/${name}`, `${WRITABLE}/${name}`);
      makeOld(WRITABLE); // runsvdir waits until a folder is a second old.
      warnings.push(`Cannot write below ${SERVICES}: services are run from ${WRITABLE} instead`);
    }
    const critical = names.filter((name) => stat(`${SERVICES}/${name}/critical`));
    for (const name of critical) reportEnd(`${directory}/${name}`);
    const last = names.filter((name) => stat(`${SERVICES}/${name}/stop_last`));
    return { directory, limits: readServiceLimits(names, warnings), critical, last, warnings };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { ...services, warnings: [...warnings, error.message] };
  }
}

function isWritable(folder: ByteString): boolean {
  const supervise = `${folder}/supervise`;
  return stat(supervise) ? mayWrite(supervise) : mayWrite(folder);
}

/** Makes a folder that has all that another one has, except for what runsv makes. */
function linkFolder(from: ByteString, to: ByteString): void {
  makeDirectory(WRITABLE);
  makeDirectory(to);
  for (const name of listDirectory(from)) {
    if (name === "supervise") continue;
    if (name === "log" && stat(`${from}/log`)?.type === "directory") {
      linkFolder(`${from}/log`, `${to}/log`);
    } else makeLink(`${from}/${name}`, `${to}/${name}`);
  }
}

function readServiceLimits(
  names: readonly ByteString[],
  warnings: ByteString[],
): Record<ByteString, number> {
  const limits: Record<ByteString, number> = {};
  for (const name of names) {
    const file = `${SERVICES}/${name}/${LIMIT}`;
    if (!stat(file)) continue;
    const seconds = parseSeconds(readFile(file, 100));
    if (seconds !== undefined) limits[name] = seconds;
    else warnings.push(`Ignoring ${file}: it must hold seconds, such as 5, 1.5, 5s or 2m`);
  }
  return limits;
}

const FINISH = `#!/bin/sh
# Made by my_init, because this service is critical. runsv runs it when the service has ended.
[ ! -x ./finish.own ] || ./finish.own "$@"
[ "$1" -ge 0 ] && status=$1 || status=$((128 + ($2 & 127)))
echo "$status" >supervise/ended
`;

/** Makes a service tell us when it ends. Its own `finish` is still run: it becomes `finish.own`. */
function reportEnd(folder: ByteString): void {
  unlink(`${folder}/supervise/ended`);
  const finish = `${folder}/finish`;
  const text = `${FINISH}kill -${SERVICE_ENDED} ${getpid()}\n`;
  const isThere = stat(finish) !== undefined;
  if (isThere && readFile(finish, FINISH.length) !== FINISH) rename(finish, `${folder}/finish.own`);
  unlink(finish);
  replaceFile(finish, text, { mode: 0o755, uid: 0, gid: 0 });
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
