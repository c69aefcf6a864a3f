import { type ByteString } from "../posix/bytes.ts";
import { type Image } from "./image.ts";
import { checkCron } from "./cron.ts";
import { checkEnvironment } from "./environment.ts";
import { checkScripts } from "./scripts.ts";
import { checkServices } from "./services.ts";

/** Where a problem is. */
export interface Place {
  file: ByteString;
  line?: number;
}

/** A problem of an image, without the words for it. */
export type Problem =
  & Place
  & (
    // Of every script.
    | { kind: "notExecutable"; isScript: boolean }
    | { kind: "danglingLink" }
    | { kind: "emptyScript" }
    | { kind: "windowsLineEnds" }
    | { kind: "byteOrderMark" }
    | { kind: "noInterpreter" }
    | { kind: "missingInterpreter"; interpreter: ByteString }
    | { kind: "programNotInPath"; program: ByteString }
    | { kind: "interpreterAndOptions"; words: ByteString }
    | { kind: "unknownUser"; name: ByteString; program: ByteString }
    | { kind: "unknownGroup"; name: ByteString; program: ByteString }
    // Of a service.
    | { kind: "noDirectory"; isScript: boolean }
    | { kind: "noRun"; isDown: boolean; meant?: ByteString }
    | { kind: "noExec"; program: ByteString }
    | { kind: "endsAtOnce" }
    | { kind: "background"; program: ByteString; remedy: string }
    | { kind: "ignoresTerm"; program: ByteString; remedy: string }
    | { kind: "unknownFile"; meant: ByteString }
    | { kind: "badSetting"; content: ByteString; form: string }
    | { kind: "saysNo"; content: ByteString }
    | { kind: "unknownNeed"; name: ByteString; meant?: ByteString }
    | { kind: "cycle"; names: readonly ByteString[] }
    // Of a cron table, and of what cron runs every hour or day.
    | { kind: "cronName"; isTable: boolean }
    | { kind: "cronWritable" }
    | { kind: "cronOwner"; uid: number }
    | { kind: "cronNoNewline" }
    | { kind: "cronNoUser"; name: ByteString }
    | { kind: "cronUnknownUser"; name: ByteString }
    // Of the environment.
    | { kind: "variableName"; name: ByteString }
  );

/** Finds what is wrong with an image, by file and line. */
export function findProblems(image: Image): Problem[] {
  return [
    ...checkScripts(image),
    ...checkServices(image),
    ...checkCron(image),
    ...checkEnvironment(image),
  ].toSorted((a, b) =>
    a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1
  );
}
