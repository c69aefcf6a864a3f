import { type ByteString } from "../posix/bytes.ts";
import { SCRIPT_DIRECTORIES } from "../supervisor/conventions.ts";
import { identify, identities } from "./commands.ts";
import { entries, type Entry, type Image, isExecutable } from "./image.ts";
import { type Problem } from "./problems.ts";
import { parseShell, type Script } from "./shell.ts";

/** Run at boot, after the directory's scripts. */
export const RC_LOCAL = "/etc/rc.local";

/** Finds what is wrong with startup and shutdown scripts. */
export function checkScripts(image: Image): Problem[] {
  const directories = [SCRIPT_DIRECTORIES.preShutdown, SCRIPT_DIRECTORIES.postShutdown];
  if (image.startup !== undefined) directories.unshift(image.startup);
  const scripts = directories.flatMap((directory) => entries(image, directory));
  const rcLocal = image.nodes[RC_LOCAL];
  if (image.startup !== undefined && rcLocal) {
    scripts.push({ name: "rc.local", path: RC_LOCAL, node: rcLocal });
  }
  return scripts.flatMap((it) => checkScript(image, it));
}

/**
 * Finds what is wrong with a script, whoever runs it.
 *
 * @param isWanted whether it is to be run for sure; else a file that does not look like a script may not be one
 */
export function checkScript(image: Image, { path, node }: Entry, isWanted = false): Problem[] {
  if (node.type === "nothing") return [{ kind: "danglingLink", file: path }];
  if (node.type !== "file") return [];
  const problems: Problem[] = [];
  const isScript = isWanted || node.text?.startsWith("#!") === true;
  if (!isExecutable(node)) problems.push({ kind: "notExecutable", file: path, isScript });
  if (node.text === undefined || (!isScript && !isExecutable(node))) return problems;
  problems.push(...checkBeginning(image, path, node.text));
  const script = readShell(node.text);
  if (script) problems.push(...checkUsers(image, path, script));
  return problems;
}

/** What a first line says: the program that reads the script, and whether it is found by PATH. */
export interface Interpreter {
  program: ByteString;
  byPath: boolean;
  /** All that follows, which is one argument. */
  argument: ByteString;
}

/** Reads the first line of a script; undefined when it names no interpreter. */
export function interpreterOf(text: ByteString): Interpreter | undefined {
  const [, path, argument] = text.match(/^#![ \t]*([^ \t\r\n\0]+)[ \t]*([^\r\n]*)/) ?? [];
  if (path === undefined) return undefined;
  const whole = { program: path, byPath: false, argument: argument.trimEnd() };
  if (!/\/env$/.test(path)) return whole;
  const words = whole.argument.split(/[ \t]+/);
  while (/^-|=/.test(words[0] ?? "")) words.shift();
  return words[0] ? { ...whole, program: words[0], byPath: true } : whole;
}

/** The paths that an interpreter may have. */
export function pathsOf(
  { program, byPath }: Interpreter,
  searchPath: readonly ByteString[],
): ByteString[] {
  return byPath && !program.includes("/") ? searchPath.map((it) => `${it}/${program}`) : [program];
}

/** Reads a script of a shell; undefined when it is another program, or not understood. */
export function readShell(text: ByteString): Script | undefined {
  const name = interpreterOf(text)?.program.split("/").at(-1) ?? "";
  return /^(ba|da|a|k|z)?sh$/.test(name) ? parseShell(text) : undefined;
}

function checkBeginning(image: Image, file: ByteString, text: ByteString): Problem[] {
  if (text === "") return [{ kind: "emptyScript", file }];
  if (text.startsWith("\xef\xbb\xbf")) return [{ kind: "byteOrderMark", file, line: 1 }];
  const isText = !text.slice(0, 256).includes("\0");
  const interpreter = interpreterOf(text);
  if (!interpreter) return isText ? [{ kind: "noInterpreter", file, line: 1 }] : [];
  const problems: Problem[] = [];
  const [first, ...lines] = text.split("\n");
  const isShell = readShellName(interpreter);
  const returns = lines.filter((it) => it.endsWith("\r")).length;
  if (first.endsWith("\r")) problems.push({ kind: "windowsLineEnds", file, line: 1 });
  else if (isShell && returns > 0 && returns * 2 >= lines.filter((it) => it !== "").length) {
    const line = lines.findIndex((it) => it.endsWith("\r")) + 2;
    problems.push({ kind: "windowsLineEnds", file, line });
  }
  const isThere = pathsOf(interpreter, image.searchPath).some((it) => {
    const type = image.nodes[it]?.type;
    return type !== undefined && type !== "nothing" && type !== "directory";
  });
  const { program, byPath, argument } = interpreter;
  if (byPath && /^[^-]\S*[ \t]/.test(argument)) {
    problems.push({ kind: "interpreterAndOptions", file, line: 1, words: argument });
  } else if (!isThere) {
    problems.push(
      byPath
        ? { kind: "programNotInPath", file, line: 1, program }
        : { kind: "missingInterpreter", file, line: 1, interpreter: program },
    );
  }
  return problems;
}

function readShellName({ program }: Interpreter): boolean {
  return /(^|\/)(ba|da|a|k|z)?sh$/.test(program);
}

/** Finds users and groups that a script becomes, and that are not there. */
function checkUsers(image: Image, file: ByteString, script: Script): Problem[] {
  return script.commands.flatMap(({ words, line }) =>
    identities(identify(words)).flatMap(({ program, user, group }): Problem[] => {
      const problems: Problem[] = [];
      if (user !== undefined && isMissing(image, user, image.users)) {
        problems.push({ kind: "unknownUser", file, line, name: user, program });
      }
      if (group !== undefined && isMissing(image, group, image.groups)) {
        problems.push({ kind: "unknownGroup", file, line, name: group, program });
      }
      return problems;
    })
  );
}

/** Whether a user or group is unknown, and no startup script adds it. */
export function isMissing(
  image: Image,
  name: ByteString,
  known: readonly ByteString[] | undefined,
): boolean {
  if (!known || /^\d*$/.test(name) || known.includes(name)) return false;
  const added = new RegExp(
    `(user|group)(add|mod)|(add|new)(user|group)|/etc/passwd|/etc/group`,
  );
  return !Object.values(image.nodes).some(({ text }) =>
    text?.startsWith("#!") &&
    text.split("\n").some((line) => added.test(line) && (line.includes(name) || /\$/.test(line)))
  );
}
