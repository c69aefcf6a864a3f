import { exit, writeOutput } from "../posix/libc.ts";
import { type Environment } from "../env/environment.ts";
import { type Options } from "../supervisor/options.ts";
import { findProblems } from "./problems.ts";
import { readImage } from "./read.ts";
import { describe, summarize, toJson, toLine } from "./words.ts";

/** Checks this image for what will fail, prints what it finds and ends: with status 1 when there is an error. */
export function check(options: Options, environment: Environment): never {
  const { image, unread } = readImage(options, environment);
  const findings = findProblems(image).map(describe);
  if (options.json) writeOutput(toJson(findings));
  else {
    const lines = findings.map(toLine);
    if (!options.quiet) lines.push(summarize(findings, unread));
    writeOutput(lines.map((it) => it + "\n").join(""));
  }
  exit(findings.some(({ severity }) => severity === "error") ? 1 : 0);
}
