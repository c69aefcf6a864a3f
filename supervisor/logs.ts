import { type ByteString, fromBytes, toBytes } from "../posix/bytes.ts";
import { type Environment, get } from "../env/environment.ts";

/** How the lines of services, scripts and the main command are written: as they are, with a name, or as JSON. */
export type LogForm = "raw" | "prefix" | "json";

/** Reads SERVICE_LOGS; undefined when it is none of the forms. */
export function readLogForm(environment: Environment): LogForm | undefined {
  const form = get(environment, "SERVICE_LOGS") || "raw";
  return form === "raw" || form === "prefix" || form === "json" ? form : undefined;
}

/** Whether there are relays, which put names before lines. */
export function hasRelays(environment: Environment): boolean {
  return (readLogForm(environment) ?? "raw") !== "raw";
}

/** The warning about a SERVICE_LOGS that is none of the forms: an application may have a variable of this name. */
export function logFormProblems(environment: Environment): ByteString[] {
  if (readLogForm(environment) !== undefined) return [];
  const value = get(environment, "SERVICE_LOGS");
  return [`Ignoring SERVICE_LOGS=${value}: use prefix, json, or raw for lines as they are`];
}

/** The name before the lines of a program: without its path, and, if it begins with a number, without that and what follows a dot. */
export function nameOnLines(program: ByteString): ByteString {
  const name = program.split("/").at(-1) ?? program;
  return name.replace(/^\d+[-_]?([^.]+)\..*$|^\d+[-_](.+)$/, "$1$2");
}

/** A line of my_init's own, in the form in which a relay writes the lines of programs. */
export function jsonLine(message: ByteString, now: Date): ByteString {
  const LONGEST = 600; // In characters: as JSON it must still fit into a pipe at once.
  const decode = (text: ByteString) => new TextDecoder().decode(toBytes(text));
  const line = {
    time: now.toISOString(),
    service: "my_init",
    stream: "stderr",
    message: decode(message.slice(0, LONGEST)),
  };
  return fromBytes(new TextEncoder().encode(JSON.stringify(line)));
}
