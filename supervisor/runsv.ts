import { type ByteString, toBytes } from "../posix/bytes.ts";
import { readRegularFile, stat, unlink, writeToPipe } from "../posix/libc.ts";
import { type End, type Ordered, type ServiceStatus } from "./service.ts";

// What runsv and our own programs leave in a service's directory `supervise`. `place` is the service's directory, as
// runsvdir has it.

/** Where a service says that it is ready. */
export const NOTIFIED = "supervise/notified";

/** What runsv writes into `supervise/status`. */
interface Status {
  /** What runs: the service, or its `finish`. */
  process: "down" | "run" | "finish";
  /** 0 when nothing runs. */
  pid: number;
  isWanted: boolean;
  /** Since when it has been so, in seconds of Unix time. */
  since: number;
}

/** Reads how a service is. */
export function readServiceStatus(place: ByteString): ServiceStatus {
  const status = currentStatus(place);
  if (!status) return { process: "none", seconds: 0, isWanted: false, hasNotified: false };
  const { process, pid, isWanted, since } = status;
  const hasNotified = readRegularFile(`${place}/${NOTIFIED}`, 20)?.trim() === `${pid}`;
  return { process, seconds: Date.now() / 1000 - since, isWanted, hasNotified };
}

/** How soon runsv has written its status after the change that is in it, in seconds; it needs a millisecond. */
const WRITING_SECONDS = 0.9;

/**
 * Has runsv start a service, unless somebody has said meanwhile that it is to be down: runsv then writes its status anew,
 * and nothing is different in it but the time at which it was written.
 */
export function order(place: ByteString, isPaused: boolean): Ordered {
  const status = currentStatus(place);
  if (!status) return "unreachable";
  const { process, isWanted, since, writtenAt } = status;
  if (isPaused && process === "down" && !isWanted && writtenAt > since + WRITING_SECONDS) {
    unlink(`${place}/supervise/crashes`);
    return "unwanted";
  }
  return writeToPipe(`${place}/supervise/control`, "u") ? "up" : "unreachable";
}

/** Takes what `report_end` has written. */
export function takeEnd(place: ByteString): Omit<End, "name"> | undefined {
  const file = `${place}/supervise/ended`;
  const [status, how, seconds] = readRegularFile(file, 100)?.trim().split(" ") ?? [];
  if (seconds === undefined) return undefined;
  unlink(file);
  const ways: Record<string, End["how"]> = {
    restart: "restart",
    down: "down",
    unhealthy: "unhealthy",
  };
  return { status: Number(status) & 0xff, how: ways[how] ?? "itself", seconds: Number(seconds) };
}

/** The last line that a service's check has printed. */
export function lastOutput(place: ByteString): ByteString {
  const lines = (readRegularFile(`${place}/supervise/checked`, 4096) ?? "").split("\n");
  const last = lines.map((line) => line.trim()).findLast((line) => line !== "") ?? "";
  // deno-lint-ignore no-control-regex
  return last.slice(0, 200).replaceAll(/[\x00-\x1f\x7f]/g, "?");
}

/** What runsv says, and when it wrote that; nothing when there is no runsv, of which an earlier one may have left a status. */
function currentStatus(place: ByteString): Status & { writtenAt: number } | undefined {
  if (!writeToPipe(`${place}/supervise/ok`, "")) return undefined;
  const status = readStatus(place);
  const written = stat(`${place}/supervise/status`);
  return status && written && { ...status, writtenAt: written.modifiedAt };
}

/** What a runsv has said last of the service or log in this directory. */
export function readStatus(place: ByteString): Status | undefined {
  const bytes = toBytes(readRegularFile(`${place}/supervise/status`, 20) ?? "");
  if (bytes.length < 20) return undefined;
  const view = new DataView(bytes.buffer);
  const EPOCH = 2n ** 62n + 10n; // As a TAI64N label: 1970, and TAI was ten seconds ahead.
  return {
    process: (["down", "run", "finish"] as const)[view.getUint8(19)] ?? "down",
    pid: view.getUint32(12, true),
    isWanted: view.getUint8(17) === "u".charCodeAt(0),
    since: Number(view.getBigUint64(0) - EPOCH) + view.getUint32(8) / 1e9,
  };
}
