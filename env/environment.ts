import { type ByteString } from "../posix/bytes.ts";

/** A variable: its name and its value. */
export type Variable = readonly [name: ByteString, value: ByteString];

/** An environment: no name appears twice. Plain data, so that it can be part of the `Run`. environ(7) */
export type Environment = readonly Variable[];

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

/** The PATH that docker sets when none is chosen, and the one that is searched when there is none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The directories in which programs are searched for. */
export function pathOf(environment: Environment): ByteString {
  return get(environment, "PATH") ?? DEFAULT_PATH;
}

/** An environment with further variables, which replace those of the same name. */
export function withVariables(environment: Environment, further: Environment): Environment {
  return [...new Map([...environment, ...further])];
}

/** An environment without the variables of these names. */
export function without(environment: Environment, names: readonly ByteString[]): Environment {
  const unwanted = new Set(names);
  return environment.filter(([name]) => !unwanted.has(name));
}
