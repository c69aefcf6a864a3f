import { type ByteString } from "../posix/bytes.ts";
import { DEFAULT_PATH, type Environment, get, without, withVariables } from "./environment.ts";

/** Variables of one process and its user, not of all: they stay out of the directory and of the shell's dump. */
export const PERSONAL: readonly ByteString[] = ["HOME", "USER", "GROUP", "UID", "GID", "SHELL"];

/**
 * The environment at the beginning: what the container was given, and from the directory what it was not given.
 * Docker gives every container a PATH, so a PATH in the directory wins over that one.
 */
export function beginWith(given: Environment, directory: Environment): Environment {
  const chosen = get(given, "PATH") === DEFAULT_PATH && get(directory, "PATH") !== undefined
    ? without(given, ["PATH"])
    : given;
  return withVariables(directory, chosen);
}

/**
 * The environment after a startup script: what the directory holds, and of the rest what was never in there.
 *
 * @param unwritten names whose value the directory could not take
 */
export function reloadFrom(
  directory: Environment,
  before: Environment,
  unwritten: readonly ByteString[],
): Environment {
  const personal = before.filter(([name]) => PERSONAL.includes(name));
  const kept = before.filter(([name]) => unwritten.includes(name));
  const environment = withVariables([...personal, ...directory], kept);
  const loaded = loadedSecrets(environment, before);
  return withVariables(environment, before.filter(([name]) => loaded.includes(name)));
}

/** A variable whose value is in a file. */
export interface Secret {
  name: ByteString;
  /** The variable that says where: `FILE__` and the name. */
  variable: ByteString;
  file: ByteString;
}

/**
 * Lists the variables whose values are in files: `FILE__NAME=/path` gives NAME, as in linuxserver's images (#201).
 * Such a value is a secret: programs get it, but no file of ours does.
 */
export function secretsOf(environment: Environment): Secret[] {
  const PREFIX = "FILE__";
  return environment.filter(([name]) => name.startsWith(PREFIX) && name !== PREFIX)
    .map(([variable, file]) => ({ name: variable.slice(PREFIX.length), variable, file }));
}

/** Lists the secrets that are still to be read. One that was read is kept: its file may have been removed. */
export function missingSecrets(environment: Environment, before: Environment = []): Secret[] {
  const loaded = loadedSecrets(environment, before);
  return secretsOf(environment).filter(({ name }) => !loaded.includes(name));
}

/** The names of secrets that an earlier environment has from the same file. */
function loadedSecrets(environment: Environment, before: Environment): ByteString[] {
  return secretsOf(environment)
    .filter(({ name, variable, file }) =>
      get(before, variable) === file && get(before, name) !== undefined
    )
    .map(({ name }) => name);
}

/** The environment as files may hold it: without the secrets. */
export function withoutSecrets(environment: Environment): Environment {
  return without(environment, secretsOf(environment).map(({ name }) => name));
}

/**
 * The environment for services. Docker sets HOME to the home of the container's user, and a service that becomes another
 * user, such as by `chpst -u`, would use that one; the original did not pass it on.
 *
 * @param home what docker sets; nothing when a HOME was chosen
 */
export function forServices(environment: Environment, home: ByteString | undefined): Environment {
  return get(environment, "HOME") === home ? without(environment, ["HOME"]) : environment;
}
