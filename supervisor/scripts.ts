import { type ByteString } from "../posix/bytes.ts";
import {
  attempt,
  findUser,
  identity,
  listDirectory,
  mayExecute,
  mayWrite,
  stat,
} from "../posix/libc.ts";
import { type Environment, get } from "../env/environment.ts";
import { ADAPT, ENABLE_INSECURE_KEY, SCRIPT_DIRECTORIES } from "./conventions.ts";
import { type Options } from "./options.ts";

/** When scripts are run, as `MY_INIT_STAGE` tells them. */
export type Stage = "startup" | "preShutdown" | "postShutdown";

/** The scripts of a stage in their order, and warnings about those that are left out. */
export interface Scripts {
  paths: readonly ByteString[];
  warnings: readonly ByteString[];
}

/** Finds the scripts of a stage: executable files, by name; hidden ones are left out. */
export function findScripts(stage: Stage, options: Options, environment: Environment): Scripts {
  const warnings: ByteString[] = [];
  if (stage !== "startup") {
    return { paths: executables(SCRIPT_DIRECTORIES[stage], warnings), warnings };
  }
  const paths: ByteString[] = [];
  if ((asksToAdapt(environment) || mayGetName()) && mayExecute(ADAPT)) paths.push(ADAPT);
  if (options.enableInsecureKey) {
    if (stat(ENABLE_INSECURE_KEY)) paths.push(ENABLE_INSECURE_KEY);
    else warnings.push(`Cannot enable the insecure key: there is no ${ENABLE_INSECURE_KEY}`);
  }
  if (options.startupFiles) {
    const directory = get(environment, "ENV_INIT_DIRECTORY") ?? SCRIPT_DIRECTORIES.startup;
    paths.push(...executables(directory, warnings), ...executable("/etc/rc.local", warnings));
  }
  return { paths, warnings };
}

function asksToAdapt(environment: Environment): boolean {
  return ["PUID", "PGID", "TZ"].some((name) => get(environment, name) !== undefined);
}

/** Whether nobody has our number, as on OpenShift, and we may change that. */
function mayGetName(): boolean {
  const { uid } = identity();
  return uid !== 0 && findUser(uid) === undefined && mayWrite("/etc/passwd");
}

function executables(directory: ByteString, warnings: ByteString[]): ByteString[] {
  if (stat(directory)?.type !== "directory") return [];
  const names = attempt(() => listDirectory(directory), warnings) ?? [];
  return names.filter((name) => !name.startsWith("."))
    .flatMap((name) => executable(`${directory}/${name}`, warnings));
}

function executable(path: ByteString, warnings: ByteString[]): ByteString[] {
  if (stat(path)?.type !== "file") return [];
  if (mayExecute(path)) return [path];
  warnings.push(`Skipping ${path}: it is not executable; try chmod +x ${path}`);
  return [];
}
