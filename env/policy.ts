import { type ByteString } from "../posix/bytes.ts";
import { DEFAULT_PATH, type Environment, get, without, withVariables } from "./environment.ts";

/** Variables that belong to one process or its user: they are not written to the directory and to the shell's dump. */
export const PERSONAL: readonly ByteString[] = [
  ...["HOME", "USER", "GROUP", "UID", "GID", "SHELL"],
  "NOTIFY_SOCKET",
];

/**
 * The environment at the beginning: what the container was given, and those variables of the directory that it was not
 * given. Docker gives every container a PATH, so a PATH in the directory wins over docker's default.
 */
export function beginWith(given: Environment, directory: Environment): Environment {
  const chosen = get(given, "PATH") === DEFAULT_PATH && get(directory, "PATH") !== undefined
    ? without(given, ["PATH"])
    : given;
  return withVariables(directory, chosen);
}

/**
 * The environment after a startup script: what the directory contains, and the variables that were never in it.
 *
 * @param unwritten names of variables that could not be written into the directory
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

/** A variable whose value is read from a file that `FILE__NAME` names. */
export interface Secret {
  name: ByteString;
  /** The variable that has the file's path: `FILE__` and the name. */
  variable: ByteString;
  file: ByteString;
}

/**
 * Lists the variables whose values are in files: `FILE__NAME=/path` gives NAME, as in linuxserver's images (#201).
 * Such a value is a secret: programs get it, but it is written to no file.
 */
export function secretsOf(environment: Environment): Secret[] {
  const PREFIX = "FILE__";
  return environment.filter(([name]) => name.startsWith(PREFIX) && name !== PREFIX)
    .map(([variable, file]) => ({ name: variable.slice(PREFIX.length), variable, file }));
}

/** Lists the secrets that are still to be read. One that was read is not read again: its file may have been removed. */
export function missingSecrets(environment: Environment, before: Environment = []): Secret[] {
  const loaded = loadedSecrets(environment, before);
  return secretsOf(environment).filter(({ name }) => !loaded.includes(name));
}

/** The names of secrets that the environment before has already, from the same file. */
function loadedSecrets(environment: Environment, before: Environment): ByteString[] {
  return secretsOf(environment)
    .filter(({ name, variable, file }) =>
      get(before, variable) === file && get(before, name) !== undefined
    )
    .map(({ name }) => name);
}

/** The environment that may be written to files: without the secrets. */
export function withoutSecrets(environment: Environment): Environment {
  return without(environment, secretsOf(environment).map(({ name }) => name));
}

/**
 * The environment for services: without the HOME that docker sets to the home of the container's user. A service that
 * becomes another user, such as by `chpst -u`, would use it, and the original did not give it to services.
 *
 * @param home what docker sets; undefined when a HOME was chosen
 */
export function forServices(environment: Environment, home: ByteString | undefined): Environment {
  return get(environment, "HOME") === home ? without(environment, ["HOME"]) : environment;
}
