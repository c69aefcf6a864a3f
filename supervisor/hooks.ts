import { type ByteString } from "../posix/bytes.ts";
import { listDirectory, mayExecute, stat, SystemError } from "../posix/libc.ts";
import { type Environment, get } from "../env/environment.ts";
import { ENABLE_INSECURE_KEY, SCRIPTS } from "./conventions.ts";
import { type Options } from "./options.ts";

/** When scripts are run. */
export type Stage = "startup" | "preShutdown" | "postShutdown";

/** The scripts of a stage in their order, and what one should know about those that are left out. */
export interface Hooks {
  scripts: readonly ByteString[];
  warnings: readonly ByteString[];
}

/** Finds the scripts of a stage: executable files, by name; hidden ones are left out. */
export function findHooks(stage: Stage, options: Options, environment: Environment): Hooks {
  const warnings: ByteString[] = [];
  if (stage !== "startup") return { scripts: executables(SCRIPTS[stage], warnings), warnings };
  const scripts: ByteString[] = [];
  if (options.enableInsecureKey) {
    if (stat(ENABLE_INSECURE_KEY)) scripts.push(ENABLE_INSECURE_KEY);
    else warnings.push(`Cannot enable the insecure key: there is no ${ENABLE_INSECURE_KEY}`);
  }
  if (options.startupFiles) {
    const folder = get(environment, "ENV_INIT_DIRECTORY") ?? SCRIPTS.startup;
    scripts.push(...executables(folder, warnings), ...executable("/etc/rc.local", warnings));
  }
  return { scripts, warnings };
}

function executables(folder: ByteString, warnings: ByteString[]): ByteString[] {
  if (stat(folder)?.type !== "directory") return [];
  try {
    const names = listDirectory(folder).filter((name) => !name.startsWith("."));
    return names.flatMap((name) => executable(`${folder}/${name}`, warnings));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    warnings.push(error.message);
    return [];
  }
}

function executable(path: ByteString, warnings: ByteString[]): ByteString[] {
  if (stat(path)?.type !== "file") return [];
  if (mayExecute(path)) return [path];
  warnings.push(`Skipping ${path}: it is not executable; try chmod +x ${path}`);
  return [];
}
