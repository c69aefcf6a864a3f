import { type ByteString, fromBytes, toBytes } from "../posix/bytes.ts";

/**
 * What PID 1 writes into the open file 250 before it executes itself to sleep: first what the sleeper needs, which is
 * native code (native/sleeper.ts), then what Deno continues from.
 */
export interface Note {
  /** The process that the note is for: any other process ignores it. */
  pid: number;
  /** The signals that wake PID 1. All others are forwarded to the main command. */
  waking: readonly number[];
  /** When to wake at the latest, in monotonic seconds. */
  due?: number;
  main?: number;
  /** Whether the main command has the terminal: then PID 1 wakes, too, when the command is stopped from there. */
  ownsTerminal?: boolean;
  /** The children whose end wakes PID 1; all others are reaped. */
  watched: readonly number[];
  /** What Deno continues from. */
  state: ByteString;
}

/** The open file that the sleeper inherits. The lowest `ulimit -n` in use is 256. */
export const NOTE_FILE = 250;

/** If it watches more processes PID 1 does not sleep. Usually it watches the main command, runsvdir and a script at most. */
const MOST_WATCHED = 16;

/** "asleep", and the version of this layout. */
const MAGIC = 0x0001_7065_656c_7361n;
const NUMBERS = 9; // Besides the watched PIDs: magic, pid, waking, due, main, ownsTerminal, their count; then size and checksum of the state.

/** Makes a note; undefined if it watches too many processes. */
export function writeNote(
  { pid, waking, due, main, ownsTerminal = false, watched, state }: Note,
): Uint8Array<ArrayBuffer> | undefined {
  if (watched.length > MOST_WATCHED) return undefined;
  const bytes = toBytes(state);
  const mask = waking.reduce((mask, signal) => mask | 1n << BigInt(signal - 1), 0n);
  const nanoseconds = due === undefined ? 0n : BigInt(Math.max(1, Math.ceil(due * 1e9)));
  const numbers = BigInt64Array.from([
    MAGIC,
    BigInt(pid),
    BigInt.asIntN(64, mask),
    nanoseconds,
    BigInt(main ?? 0),
    BigInt(ownsTerminal),
    BigInt(watched.length),
    ...watched.map(BigInt),
    BigInt(bytes.length),
    checksum(bytes),
  ]);
  const note = new Uint8Array(numbers.byteLength + bytes.length);
  note.set(new Uint8Array(numbers.buffer));
  note.set(bytes, numbers.byteLength);
  return note;
}

/**
 * Reads a note of this process.
 *
 * @returns the state; undefined if the note is not for this process or not complete
 */
export function readNote(
  text: ByteString,
  pid: number,
): { state: ByteString } | "another version" | undefined {
  const note = toBytes(text);
  const view = new DataView(note.buffer);
  const number = (index: number) => view.getBigInt64(8 * index, true);
  const WORD = 0xffff_ffff_ffffn; // "asleep", without the version.
  const isOurs = note.length >= 16 && (number(0) & WORD) === (MAGIC & WORD) &&
    number(1) === BigInt(pid);
  if (!isOurs) return undefined;
  if (number(0) !== MAGIC) return "another version";
  if (note.length < 8 * NUMBERS) return undefined;
  const count = NUMBERS + Number(number(6));
  if (count > NUMBERS + MOST_WATCHED || note.length < 8 * count) return undefined;
  const state = note.subarray(8 * count);
  const isWhole = BigInt(state.length) === number(count - 2) &&
    checksum(state) === number(count - 1);
  return isWhole ? { state: fromBytes(state) } : undefined;
}

/** FNV-1a of 32 bits. http://www.isthe.com/chongo/tech/comp/fnv/ */
function checksum(bytes: Uint8Array): bigint {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return BigInt(hash >>> 0);
}
