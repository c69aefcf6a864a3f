import { type ByteString } from "../posix/bytes.ts";

/** A variable: its name and its value. */
export type Variable = readonly [name: ByteString, value: ByteString];

/** An environment: no name appears twice. Plain data, so that it can be written down. environ(7) */
export type Environment = readonly Variable[];

/** Variables of one process and its user, not of all: they stay out of the directory and of the shell's dump. */
export const PERSONAL: readonly ByteString[] = ["HOME", "USER", "GROUP", "UID", "GID", "SHELL"];

/**
 * The longest `NAME=value` that the kernel passes to a program, in bytes (MAX_ARG_STRLEN less the final NUL).
 *
 * @see https://man7.org/linux/man-pages/man2/execve.2.html
 */
export const LONGEST_VARIABLE = 131071;

/** Reads `NAME=value` texts separated by NUL, as in `/proc/self/environ`; of a repeated name the first counts. */
export function parseEnvironment(block: ByteString): Environment {
  const variables = new Map<ByteString, ByteString>();
  for (const text of block.split("\0")) {
    const [, name, value] = text.match(/^([^=]*)=([^]*)$/) ?? [];
    if (name && !variables.has(name)) variables.set(name, value);
  }
  return [...variables];
}

/** Prints an environment as programs get it: `NAME=value`. */
export function toStrings(environment: Environment): ByteString[] {
  return environment.map(([name, value]) => `${name}=${value}`);
}

/** The value of a variable, if it is set. */
export function get(environment: Environment, name: ByteString): ByteString | undefined {
  return environment.find(([key]) => key === name)?.[1];
}

/** An environment with further variables, which win. */
export function withVariables(environment: Environment, further: Environment): Environment {
  return [...new Map([...environment, ...further])];
}

/** An environment without the variables of these names. */
export function without(environment: Environment, names: readonly ByteString[]): Environment {
  const unwanted = new Set(names);
  return environment.filter(([name]) => !unwanted.has(name));
}

/** What docker sets when nobody chose a PATH. */
const DOCKER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The environment at the beginning: what the container was given, and from the directory what it was not given.
 * Docker gives every container a PATH, so a PATH in the directory wins over that one.
 */
export function beginWith(given: Environment, directory: Environment): Environment {
  const chosen = get(given, "PATH") === DOCKER_PATH && get(directory, "PATH") !== undefined
    ? without(given, ["PATH"])
    : given;
  return withVariables(directory, chosen);
}

/**
 * Variables whose value is in a file: `FILE__NAME=/path` gives NAME, as in linuxserver's images (#201).
 */
export function filesNamedBy(environment: Environment): { name: ByteString; file: ByteString }[] {
  const PREFIX = "FILE__";
  return environment.filter(([name]) => name.startsWith(PREFIX) && name !== PREFIX)
    .map(([name, file]) => ({ name: name.slice(PREFIX.length), file }));
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
  return [...new Map([...personal, ...directory, ...kept])];
}
