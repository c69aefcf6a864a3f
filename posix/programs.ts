import { type ByteString } from "./bytes.ts";
import { mayExecute, readFile, stat } from "./libc.ts";

/** A program that can be run, or the status and the reason for which it cannot. */
export type Found = { file: ByteString } | { status: 126 | 127; reason: string };

/**
 * Finds the program that a command means, as execvp(3) does, or says why it cannot be run: with status 127 when it is
 * missing and 126 when it is there, as in a shell.
 *
 * @param searchPath the value of `PATH`
 */
export function findProgram(name: ByteString, searchPath: ByteString): Found {
  if (name === "") return { status: 127, reason: "the command is empty" };
  if (name.includes("/")) return examine(name) ?? missing("no such file");
  let unusable: Found | undefined;
  for (const directory of searchPath.split(":")) {
    const file = directory === "" ? name : `${directory}/${name}`;
    if (stat(file)?.type === "directory") continue;
    const found = examine(file);
    if (found && "file" in found) return found;
    unusable ??= found;
  }
  return unusable ?? missing(`not found in PATH (${searchPath})`);
}

function missing(reason: string): Found {
  return { status: 127, reason };
}

/** Examines one path; undefined when it does not exist. */
function examine(file: ByteString): Found | undefined {
  const status = stat(file);
  if (!status) return undefined;
  if (status.type === "directory") return { status: 126, reason: `${file} is a directory` };
  if (!mayExecute(file)) {
    return (status.mode & 0o111) === 0
      ? { status: 126, reason: `${file} is not executable; try chmod +x ${file}` }
      : { status: 126, reason: `permission denied for ${file}` };
  }
  return examineBeginning(file) ?? { file };
}

/** Says what is wrong with the interpreter line of a script; undefined if nothing is, or for any other program. */
function examineBeginning(file: ByteString): Found | undefined {
  let beginning: ByteString;
  try {
    beginning = readFile(file, 256);
  } catch {
    return undefined; // A program may be executable and not readable.
  }
  if (beginning.startsWith("#!")) {
    const line = beginning.slice(2).split("\n")[0];
    const interpreter = line.replace(/^[ \t]+/, "").split(/[ \t\0]/)[0];
    if (interpreter === "") return noInterpreter(file);
    if (stat(interpreter)) return undefined;
    return missing(
      interpreter.endsWith("\r")
        ? `${file} has Windows line ends; convert them`
        : `the interpreter ${interpreter} of ${file} does not exist; install it or correct the first line`,
    );
  }
  // The kernel decides whether a binary file can be run: it may know more formats than ELF.
  return beginning.includes("\0") ? undefined : noInterpreter(file);
}

function noInterpreter(file: ByteString): Found {
  return { status: 126, reason: `${file} has no interpreter line; let it begin with #!/bin/sh` };
}
