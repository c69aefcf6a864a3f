import { type ByteString } from "../posix/bytes.ts";
import { LONGEST_STRING } from "../posix/arguments.ts";
import {
  attempt,
  findGroup,
  findUser,
  identity,
  listDirectory,
  mayWrite,
  readFile,
  stat,
  SystemError,
  unlink,
} from "../posix/libc.ts";
import { replaceFile, UNFINISHED, writeAnew } from "../posix/files.ts";
import { toJson, toPam, toShell } from "./dumps.ts";
import { type Environment, type Variable, withVariables } from "./environment.ts";
import {
  beginWith,
  missingSecrets,
  PERSONAL,
  reloadFrom,
  type Secret,
  withoutSecrets,
} from "./policy.ts";

/** The directory in which each file is a variable; the dumps are beside it. */
export const DIRECTORY = "/etc/container_environment";

/** The environment for all programs that are started from now on. */
export interface Loaded {
  environment: Environment;
  /** The names of variables that could not be written into the directory. */
  unwritten: readonly ByteString[];
  warnings: ByteString[];
}

/**
 * Makes the environment from what the container was given and what the directory contains, and writes it to the directory.
 *
 * @param hasServices whether services will run, else warnings about cron and sshd are useless
 */
export function loadEnvironment(given: Environment, hasServices: boolean): Loaded {
  const { variables, warnings } = importDirectory();
  const begun = beginWith(given, variables ?? []);
  const environment = withVariables(begun, readSecrets(missingSecrets(begun), warnings));
  warnings.push(...writePam(environment, hasServices));
  if (!variables) return { environment, unwritten: [], warnings };
  const exported = exportDirectory(withoutSecrets(environment), variables);
  warnings.push(...exported.warnings, ...writeDumps(environment));
  return { environment, unwritten: exported.unwritten, warnings };
}

/** Makes the environment anew after a startup script, which may have changed the directory. */
export function reloadEnvironment(
  before: Environment,
  unwritten: readonly ByteString[],
  hasServices: boolean,
): Loaded {
  const { variables, warnings } = importDirectory();
  if (!variables) return { environment: before, unwritten, warnings };
  const reloaded = reloadFrom(variables, before, unwritten);
  const secrets = readSecrets(missingSecrets(reloaded, before), warnings);
  const environment = withVariables(reloaded, secrets);
  warnings.push(...writeDumps(environment), ...writePam(environment, hasServices));
  return { environment, unwritten, warnings };
}

/** The HOME that docker sets when none is chosen; undefined when the directory has one. */
export function dockersHome(): ByteString | undefined {
  if (stat(`${DIRECTORY}/HOME`)) return undefined;
  return findUser(identity().uid)?.home || "/";
}

/**
 * Reads the directory: a file's name is the variable's, its content the value, without one newline at its end. Links are
 * followed and directories skipped, so a mounted Kubernetes ConfigMap or Secret can be read. A file that cannot be a
 * variable gets a warning.
 *
 * @returns no variables when there is no directory, or it cannot be read
 */
function importDirectory(): { variables?: Environment; warnings: ByteString[] } {
  const warnings: ByteString[] = [];
  if (stat(DIRECTORY)?.type !== "directory") return { warnings };
  const names = attempt(() => listDirectory(DIRECTORY), warnings);
  if (!names) {
    const advice = "Programs do not get the variables in it; the group docker_env may read it " +
      "(docker run --group-add docker_env)";
    return { warnings: warnings.map((failure) => `${failure}. ${advice}`) };
  }
  const variables: Variable[] = [];
  for (const name of names) {
    const path = `${DIRECTORY}/${name}`;
    if (name.endsWith(UNFINISHED)) unlink(path);
    else if (stat(path)?.type !== "directory") {
      const value = readValue(name, path);
      if ("text" in value) variables.push([name, value.text]);
      else warnings.push(`Ignoring ${path}: ${value.problem}`);
    }
  }
  return { variables, warnings };
}

function readSecrets(secrets: readonly Secret[], warnings: ByteString[]): Variable[] {
  return secrets.flatMap(({ name, variable, file }): Variable[] => {
    const value = file === ""
      ? { problem: "it is empty; let it be the path of a file" }
      : readValue(name, file);
    if ("text" in value && value.text !== "") return [[name, value.text]];
    const problem = "text" in value ? "the file is empty; write the value there" : value.problem;
    warnings.push(`Ignoring ${variable}=${file}: ${problem}`);
    return [];
  });
}

/** Reads the value of a variable from a file, or says why that is impossible and what to do. */
function readValue(
  name: ByteString,
  path: ByteString,
): { text: ByteString } | { problem: ByteString } {
  if (name.includes("=")) return { problem: "the name of a variable cannot have a =" };
  const status = stat(path);
  if (status?.type === "directory") return { problem: "it is a directory; name a file in it" };
  if (status && status.type !== "file") return { problem: "it is not a regular file" };
  let content: ByteString;
  try {
    content = readFile(path, LONGEST_STRING + 1);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const advice = status ? `let UID ${identity().uid} read it` : "mount it, or correct the path";
    return { problem: `${error.reason}; ${advice}` };
  }
  const text = content.replace(/\n$/, "");
  if (text.includes("\0")) return { problem: "the value of a variable cannot have a NUL byte" };
  if (name.length + 1 + text.length > LONGEST_STRING) {
    return { problem: `it is too large for a variable (at most ${LONGEST_STRING} bytes)` };
  }
  return { text };
}

/**
 * Writes an environment into the directory, so that it contains what programs are given. A file is written only when its
 * value changes; a new one can be read by those who can read the directory. A newline at the end of a value is written
 * twice, since reading removes one.
 *
 * @param held what the directory contains already
 * @returns the names that could not be written, and warnings
 */
function exportDirectory(
  environment: Environment,
  held: Environment,
): { unwritten: ByteString[]; warnings: ByteString[] } {
  const warnings: ByteString[] = [];
  const unwritten: ByteString[] = [];
  const values = new Map(held);
  const { mode, uid, gid } = stat(DIRECTORY) ?? { mode: 0o750, uid: 0, gid: 0 };
  let failure: string | undefined;
  for (const [name, value] of environment) {
    if (PERSONAL.includes(name) || values.get(name) === value) continue;
    if (!canBeFileName(name)) {
      warnings.push(`Variable ${name} is not in ${DIRECTORY}: a file cannot have this name`);
      unwritten.push(name);
      continue;
    }
    const content = value.endsWith("\n") ? value + "\n" : value;
    const write = () =>
      replaceFile(`${DIRECTORY}/${name}`, content, { mode: mode & 0o666, uid, gid });
    const failures: ByteString[] = [];
    attempt(write, failures);
    failure ??= failures[0];
    if (failures.length > 0) unwritten.push(name);
  }
  // If one cannot be written, usually none can, so one line is enough.
  if (failure) {
    warnings.push(`${failure}. Programs get the variable, but it is not in ${DIRECTORY}`);
  }
  return { unwritten, warnings };
}

function canBeFileName(name: ByteString): boolean {
  const LONGEST = 255 - UNFINISHED.length;
  return name !== "." && name !== ".." && !name.includes("/") && name.length <= LONGEST;
}

/**
 * Writes the dumps, for shells and as JSON. They get mode 0640 and root:docker_env, unless they exist with others.
 *
 * @returns warnings
 */
function writeDumps(all: Environment): ByteString[] {
  const environment = withoutSecrets(all);
  const { text, warnings } = toShell(environment);
  const fresh = { mode: 0o640, uid: 0, gid: findGroup("docker_env") ?? 0 };
  attempt(() => {
    replaceFile(`${DIRECTORY}.sh`, text, fresh);
    replaceFile(`${DIRECTORY}.json`, toJson(environment), fresh);
  }, warnings);
  return warnings;
}

/** The PAM files of PAM_SERVICES include this one, which reads the environment from PAM_FILE. */
const PAM_RULE = "/etc/pam.d/container-environment";
const PAM_FILE = "/run/container_environment.pam";
/** The services that start programs by PAM. */
const PAM_SERVICES = ["cron", "sshd"];

/**
 * Writes the environment for PAM, which reads it as root. If /run is not writable there is no warning here: cron and
 * sshd need it, too, and give one.
 *
 * @returns warnings, if one of PAM_SERVICES will run
 */
function writePam(environment: Environment, hasServices: boolean): ByteString[] {
  if (!stat(PAM_RULE) || !mayWrite("/run")) return [];
  const { text, warnings } = toPam(withoutSecrets(environment), longestPamLine());
  attempt(() => writeAnew(PAM_FILE, text, { mode: 0o600, uid: 0, gid: 0 }), warnings);
  const isUsed = hasServices &&
    PAM_SERVICES.some((name) =>
      stat(`/etc/service/${name}/run`) && !stat(`/etc/service/${name}/down`)
    );
  return isUsed ? warnings : [];
}

/** PAM reads lines into a buffer of 1 kB on Ubuntu 16.04, and of 8 kB on newer bases. */
function longestPamLine(): number {
  const release = attempt(() => readFile("/etc/os-release", 10_000)) ?? "";
  return /^VERSION_ID="16\.04"$/m.test(release) ? 1000 : 8000;
}
