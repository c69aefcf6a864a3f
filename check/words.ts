import { type ByteString, fromUnicode, toUnicode } from "../posix/bytes.ts";
import { type Place, type Problem } from "./problems.ts";

/** A problem in words: what is wrong, and what to do. An error will fail; a warning may be meant so. */
export interface Finding {
  severity: "error" | "warning";
  file: ByteString;
  line?: number;
  problem: string;
  remedy: string;
}

/** Puts a problem into words. This file has all words of `my_init --check`. */
export function describe(found: Problem): Finding {
  const error = (problem: string, remedy: string) => say(found, "error", problem, remedy);
  const warning = (problem: string, remedy: string) => say(found, "warning", problem, remedy);
  switch (found.kind) {
    case "notExecutable":
      return (found.isScript ? error : warning)(
        "not executable, so it is not run",
        `chmod +x ${found.file}`,
      );
    case "danglingLink":
      return error("a link that leads nowhere", "correct the link, or make what it leads to");
    case "emptyScript":
      return error("empty", "write a script that begins with #!/bin/sh, or delete the file");
    case "windowsLineEnds":
      return error("Windows line ends", `sed -i 's/\\r$//' ${found.file}`);
    case "byteOrderMark":
      return error(
        "a byte order mark before the #!",
        `sed -i '1s/^\\xEF\\xBB\\xBF//' ${found.file}`,
      );
    case "noInterpreter":
      return error("no interpreter line", "let it begin with #!/bin/sh");
    case "missingInterpreter":
      return error(
        `the interpreter ${found.interpreter} does not exist`,
        "install it, or correct the first line",
      );
    case "programNotInPath":
      return error(
        `the interpreter ${found.program} is not in PATH`,
        "install it, or correct the first line",
      );
    case "interpreterAndOptions":
      return error(
        `env looks for a program that is called "${found.words}", options and all`,
        "write the interpreter's path instead of env",
      );
    case "unknownUser":
      return error(
        `${found.program}: there is no user ${found.name}`,
        `add it: useradd ${found.name}`,
      );
    case "unknownGroup":
      return error(
        `${found.program}: there is no group ${found.name}`,
        `add it: groupadd ${found.name}`,
      );
    case "noDirectory":
      return (found.isScript ? error : warning)(
        "not a directory, so it is no service",
        `make it the file run in a directory: ${found.file}/run`,
      );
    case "noRun":
      return (found.isDown ? warning : error)(
        "no file run, so nothing can be started",
        found.meant === undefined
          ? "add an executable run"
          : `rename ${found.meant}: mv ${found.file}/${found.meant} ${found.file}/run`,
      );
    case "noExec":
      return warning(
        `${found.program} is run without exec, so a stop ends the shell and not ${found.program}`,
        `put exec before ${found.program}`,
      );
    case "endsAtOnce":
      return error(
        "the last command goes to the background, so run ends at once and is started again",
        "take the & away and put exec before the command",
      );
    case "background":
      return error(
        `${found.program} goes to the background, so it is started again and again`,
        found.remedy,
      );
    case "ignoresTerm":
      return warning(`${found.program} ignores the stop of the service`, found.remedy);
    case "unknownFile":
      return warning(
        "this name has no meaning",
        `is ${found.meant} meant? rename it, if so`,
      );
    case "badSetting":
      return warning(`cannot understand "${found.content}"`, `write ${found.form}`);
    case "saysNo":
      return warning(
        `the file counts by being there, although it says ${found.content}`,
        "delete it",
      );
    case "unknownNeed":
      return error(
        `there is no service ${found.name}`,
        found.meant === undefined
          ? "correct the name, or add the service"
          : `is ${found.meant} meant? correct the name, if so`,
      );
    case "cycle":
      return error(
        `services need each other: ${found.names.join(" needs ")}`,
        "delete one of these lines",
      );
    case "cronName":
      return error(
        `cron ignores ${found.isTable ? "a table" : "a program"} of this name`,
        "use only letters, digits, _ and - in it: no dots",
      );
    case "cronWritable":
      return error("cron refuses a table that not only root can write", `chmod go-w ${found.file}`);
    case "cronOwner":
      return error(`cron refuses a table of user ${found.uid}`, `chown root ${found.file}`);
    case "cronNoNewline":
      return error("no newline at the end, so cron refuses the table", `echo >>${found.file}`);
    case "cronNoUser":
      return error(
        found.name === "" ? "no user" : `no user: ${found.name} stands in its place`,
        "write the user between the times and the command: * * * * * root COMMAND",
      );
    case "cronUnknownUser":
      return error(
        `there is no user ${found.name}, so cron refuses the table`,
        `add the user: useradd ${found.name}; or write one before the command`,
      );
    case "variableName":
      return warning(
        `${found.name} is no name of a variable for shells`,
        "use only letters, digits and _ in it",
      );
  }
}

/** The last line: how many errors and warnings there are. */
export function summarize(findings: readonly Finding[], unread: readonly ByteString[]): string {
  const count = (severity: Finding["severity"]) => {
    const number = findings.filter((it) => it.severity === severity).length;
    return number === 0 ? [] : [`${number} ${severity}${number === 1 ? "" : "s"}`];
  };
  const all = [...count("error"), ...count("warning")].join(", ") || "All is well";
  if (unread.length === 0) return `${all}.`;
  return `${all}, as far as this user may read: not ${unread.join(", ")}.`;
}

/** Prints a finding as a line. */
export function toLine({ severity, file, line, problem, remedy }: Finding): ByteString {
  const place = line === undefined ? file : `${file}:${line}`;
  return `${place}: ${severity}: ${problem}; ${remedy}`.replace(/[^ -~\x80-\xff]/g, "?");
}

/** Prints findings as a JSON array, with what is not UTF-8 replaced. */
export function toJson(findings: readonly Finding[]): ByteString {
  const lines = findings.map((it) => fromUnicode(toUnicode(JSON.stringify(it))));
  return lines.length === 0 ? "[]\n" : `[\n${lines.join(",\n")}\n]\n`;
}

function say(
  { file, line }: Place,
  severity: Finding["severity"],
  problem: string,
  remedy: string,
): Finding {
  return { severity, file, ...(line !== undefined && { line }), problem, remedy };
}
