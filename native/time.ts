// The time of day, as RFC 3339 writes it.

import { load8, store1, syscall } from "./machine.ts";

const MINUS = 45n, COLON = 58n, DOT = 46n, LETTER_T = 84n, LETTER_Z = 90n, DIGIT_0 = 48n;
const DAY = 86400n;

/** How long it is: `2026-11-24T22:05:43.123456Z`. */
export const TIME_SIZE = 27n;

/** Writes the time of day to a place, with the help of 16 bytes of room. clock_gettime(2) */
export function writeTime(to: bigint, room: bigint): void {
  const CLOCK_REALTIME = 0n;
  syscall("clock_gettime", CLOCK_REALTIME, room);
  const seconds = load8(room), microseconds = load8(room + 8n) / 1000n;
  let year = 1970n, month = 1n, day = seconds / DAY;
  while (day >= daysOfYear(year)) {
    day -= daysOfYear(year);
    year += 1n;
  }
  while (day >= daysOfMonth(year, month)) {
    day -= daysOfMonth(year, month);
    month += 1n;
  }
  const ofDay = seconds % DAY;
  let at = write(to, year, 4n, MINUS);
  at = write(at, month, 2n, MINUS);
  at = write(at, day + 1n, 2n, LETTER_T);
  at = write(at, ofDay / 3600n, 2n, COLON);
  at = write(at, ofDay / 60n % 60n, 2n, COLON);
  at = write(at, ofDay % 60n, 2n, DOT);
  write(at, microseconds, 6n, LETTER_Z);
}

function isLeap(year: bigint): boolean {
  return year % 4n === 0n && (year % 100n !== 0n || year % 400n === 0n);
}

function daysOfYear(year: bigint): bigint {
  return isLeap(year) ? 366n : 365n;
}

function daysOfMonth(year: bigint, month: bigint): bigint {
  if (month === 2n) return isLeap(year) ? 29n : 28n;
  return month === 4n || month === 6n || month === 9n || month === 11n ? 30n : 31n;
}

/** Writes a number with so many digits, and a character behind it. Says where that ends. */
function write(to: bigint, number: bigint, digits: bigint, behind: bigint): bigint {
  let rest = number;
  for (let at = to + digits; at > to; rest /= 10n) {
    at -= 1n;
    store1(at, DIGIT_0 + rest % 10n);
  }
  store1(to + digits, behind);
  return to + digits + 1n;
}
