import { type ByteString } from "../posix/bytes.ts";
import { findGroup, listDirectory, readFile, stat, SystemError, unlink } from "../posix/libc.ts";
import { replaceFile, UNFINISHED } from "../posix/files.ts";
import { toJson, toShell } from "./dumps.ts";
import {
  type Environment,
  filesNamedBy,
  LONGEST_VARIABLE,
  PERSONAL,
  type Variable,
} from "./environment.ts";

/** The directory in which each file is a variable; the dumps lie beside it. */
export const DIRECTORY = "/etc/container_environment";

/** What is in the directory, and what one should know about the rest of it. */
export interface Imported {
  /** Absent when there is no directory, or none that we may read. */
  variables?: Environment;
  warnings: ByteString[];
}

/**
 * Reads the directory: a file's name is the variable's, its content the value, less one final newline. Links are
 * followed and folders passed over, so a mounted Kubernetes ConfigMap or Secret can be read. What cannot be a
 * variable gets a warning.
 */
export function importDirectory(directory = DIRECTORY): Imported {
  const warnings: ByteString[] = [];
  if (stat(directory)?.type !== "directory") return { warnings };
  const names = attempt(() => listDirectory(directory), warnings);
  if (!names) return { warnings };
  const variables: Variable[] = [];
  for (const name of names) {
    const path = `${directory}/${name}`;
    if (name.endsWith(UNFINISHED)) unlink(path);
    else if (stat(path)?.type !== "directory") {
      const value = readValue(path, name, warnings);
      if (value !== undefined) variables.push([name, value]);
    }
  }
  return { variables, warnings };
}

/** Reads the variables that an environment says are in files. */
export function readFiles(environment: Environment): Required<Imported> {
  const warnings: ByteString[] = [];
  const variables = filesNamedBy(environment).flatMap(({ name, file }) => {
    const value = readValue(file, name, warnings);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { variables, warnings };
}

function readValue(
  path: ByteString,
  name: ByteString,
  warnings: ByteString[],
): ByteString | undefined {
  const ignore = (why: string) => void warnings.push(`Ignoring ${path}: ${why}`);
  if (name.includes("=")) return ignore("the name of a variable cannot have a =");
  const status = stat(path);
  if (status?.type !== "file") return ignore(status ? "it is not a file" : "there is no such file");
  const content = attempt(() => readFile(path, LONGEST_VARIABLE + 1), warnings);
  if (content === undefined) return undefined;
  const value = content.replace(/\n$/, "");
  if (value.includes("\0")) return ignore("the value of a variable cannot have a NUL byte");
  if (name.length + 1 + value.length > LONGEST_VARIABLE) {
    return ignore(`it is too large for a variable (at most ${LONGEST_VARIABLE} bytes)`);
  }
  return value;
}

/**
 * Writes an environment into the directory, so that it holds what programs are given. A file is touched only when
 * its value is another; a new one is as secret as the directory is. A value's own final newline is written twice,
 * since one is stripped on reading.
 *
 * @param held what is in the directory already
 * @returns the names that could not be written, and warnings
 */
export function exportDirectory(
  environment: Environment,
  held: Environment,
  directory = DIRECTORY,
): { unwritten: ByteString[]; warnings: ByteString[] } {
  const warnings: ByteString[] = [];
  const unwritten: ByteString[] = [];
  const values = new Map(held);
  const { mode, uid, gid } = stat(directory) ?? { mode: 0o750, uid: 0, gid: 0 };
  let failure: string | undefined;
  for (const [name, value] of environment) {
    if (PERSONAL.includes(name) || values.get(name) === value) continue;
    if (!canBeFileName(name)) {
      warnings.push(`Variable ${name} is not in ${directory}: a file cannot have this name`);
      unwritten.push(name);
      continue;
    }
    const content = value.endsWith("\n") ? value + "\n" : value;
    const write = () =>
      replaceFile(`${directory}/${name}`, content, { mode: mode & 0o666, uid, gid });
    const failures: ByteString[] = [];
    attempt(write, failures);
    failure ??= failures[0];
    if (failures.length > 0) unwritten.push(name);
  }
  // One that cannot be written mostly means that none can, so one line is enough.
  if (failure) {
    warnings.push(`${failure}. Programs get the variable, but it is not in ${directory}`);
  }
  return { unwritten, warnings };
}

function canBeFileName(name: ByteString): boolean {
  const LONGEST = 255 - UNFINISHED.length;
  return name !== "." && name !== ".." && !name.includes("/") && name.length <= LONGEST;
}

/**
 * Writes the dumps for shells and for everything else, 0640 root:docker_env unless they exist with another mode.
 *
 * @returns warnings
 */
export function writeDumps(environment: Environment, directory = DIRECTORY): ByteString[] {
  const { text, warnings } = toShell(environment);
  const fresh = { mode: 0o640, uid: 0, gid: findGroup("docker_env") ?? 0 };
  attempt(() => {
    replaceFile(`${directory}.sh`, text, fresh);
    replaceFile(`${directory}.json`, toJson(environment), fresh);
  }, warnings);
  return warnings;
}

/** Does something with files; a failure becomes a warning. */
function attempt<T>(act: () => T, warnings: ByteString[]): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    warnings.push(error.message);
  }
}
