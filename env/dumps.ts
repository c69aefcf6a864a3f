import { type ByteString, fromUnicode, toUnicode } from "../posix/bytes.ts";
import { type Environment, type Variable } from "./environment.ts";
import { PERSONAL } from "./policy.ts";

/**
 * Names that bash keeps for itself: setting one fails, prints an error, changes the shell, or evaluates the value, which
 * runs the commands in it. And dash does not start at all with an invalid OPTIND.
 *
 * @see https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html
 */
const KEPT_BY_SHELLS = new Set<ByteString>([
  ...["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"], // Read-only.
  ...["BASHPID", "BASH_MONOSECONDS", "BASH_SUBSHELL", "EPOCHREALTIME", "EPOCHSECONDS", "HISTCMD"],
  ...["LINENO", "OPTIND", "RANDOM", "SECONDS", "SRANDOM"], // Numbers.
  ...["BASH_ARGV0", "BASH_COMPAT", "BASH_XTRACEFD"], // Not for every value.
]);

/**
 * Prints an environment for shells (sh, dash and bash): a line `export NAME=value` for each variable. A character that a
 * shell does not allow in a name becomes `_`. If two names become the same, the one that was not changed wins, else the
 * first. Each changed name and each variable that is left out gets a warning.
 */
export function toShell(
  environment: Environment,
): { text: ByteString; warnings: ByteString[] } {
  const warnings: ByteString[] = [];
  const lines = new Map<ByteString, ByteString>();
  const dumped = environment.filter(([name]) => !PERSONAL.includes(name)).toSorted(compareNames);
  const taken = new Set(dumped.map(([name]) => name));
  for (const [name, value] of dumped) {
    const shellName = name.replaceAll(/[^A-Za-z0-9_]/g, "_").replace(/^[0-9]/, "_");
    const changed = shellName !== name;
    const kept = KEPT_BY_SHELLS.has(shellName);
    if (kept || changed && (taken.has(shellName) || lines.has(shellName))) {
      const why = kept ? `bash keeps ${shellName} for itself` : "its name is taken there";
      warnings.push(`Variable ${name} is left out of the shell's dump: ${why}`);
      continue;
    }
    if (changed) warnings.push(`Variable ${name} is ${shellName} in the shell's dump`);
    lines.set(shellName, `export ${shellName}=${quote(value)}\n`);
  }
  return { text: [...lines.values()].join(""), warnings };
}

/** Prints an environment as a JSON object. What is not UTF-8 becomes U+FFFD, since JSON is text. */
export function toJson(environment: Environment): ByteString {
  const members = environment.toSorted(compareNames).map(([name, value]) =>
    `${JSON.stringify(toUnicode(name))}: ${JSON.stringify(toUnicode(value))}`
  );
  return fromUnicode(`{${members.join(", ")}}`);
}

/** Variables that belong to one process, one user or one terminal, or that only a startup script needs. */
const NOT_FOR_SESSIONS = new Set<ByteString>([
  ...PERSONAL,
  ...["LOGNAME", "MAIL", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "SSH_AUTHORIZED_KEYS"],
]);

/**
 * Prints an environment for `pam_env`, which gives it to cron jobs and SSH sessions. Its format has no way to write a
 * newline or a `#`, and it cuts lines: such variables are left out, with one warning.
 *
 * @param longest how many bytes `NAME=value` may have
 */
export function toPam(
  environment: Environment,
  longest: number,
): { text: ByteString; warnings: ByteString[] } {
  const wanted = environment.filter(([name]) => !NOT_FOR_SESSIONS.has(name)).toSorted(compareNames);
  const fits = ([name, value]: Variable) =>
    /^[A-Za-z0-9_]+$/.test(name) && !/[\n#]/.test(value) &&
    name.length + 1 + value.length <= longest;
  // PAM removes the first quote and the last one, and keeps those in between.
  const text = wanted.filter(fits).map(([name, value]) => `${name}="${value}"\n`).join("");
  const names = wanted.filter((variable) => !fits(variable)).map(([name]) => name);
  const warnings = names.length === 0 ? [] : [
    `Not in the environment of cron jobs and SSH sessions, because of a #, a newline, the name or the length: ` +
    `${names.join(", ")}. They can source /etc/container_environment.sh`,
  ];
  return { text, warnings };
}

/** Quotes a value for a shell when it needs that. */
function quote(value: ByteString): ByteString {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'"'"'`)}'`;
}

function compareNames([a]: Variable, [b]: Variable) {
  return a < b ? -1 : a > b ? 1 : 0;
}
