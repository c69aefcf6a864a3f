// Text within a JSON string: valid UTF-8, whatever the bytes were.

import { load1, load8, store1, store8, text } from "./machine.ts";
import { copyText } from "./memory.ts";

const QUOTE = 34n, BACKSLASH = 92n, SPACE = 32n, TAB = 9n, RETURN = 13n, NEWLINE = 10n;
const FIRST_OF_MANY = 0x80n;

/**
 * Writes bytes as they are in a JSON string, as long as the place is below `limit`, beyond which up to 5 bytes may go.
 * Says how far it has come, and stores at `ended` where the text ends.
 */
export function escape(
  to: bigint,
  limit: bigint,
  from: bigint,
  end: bigint,
  ended: bigint,
): bigint {
  let at = from, place = to;
  while (at < end && place < limit) {
    const byte = load1(at);
    if (byte >= FIRST_OF_MANY) {
      const size = characterSize(at, end);
      if (size === 0n) place = copyText(place, text("\xef\xbf\xbd")); // U+FFFD
      for (let done = 0n; done < size; done += 1n) {
        store1(place, load1(at + done));
        place += 1n;
      }
      at += size === 0n ? 1n : size;
    } else if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) {
      store1(place, byte);
      place += 1n;
      at += 1n;
    } else {
      place = escapeByte(place, byte);
      at += 1n;
    }
  }
  store8(ended, place);
  return at;
}

/** Writes all of a text, for which there is room. Says where it ends. */
export function escapeAll(to: bigint, from: bigint, end: bigint, ended: bigint): bigint {
  const limit = to + 6n * (end - from);
  escape(to, limit, from, end, ended);
  return load8(ended);
}

function escapeByte(to: bigint, byte: bigint): bigint {
  const DIGIT_0 = 48n, LETTER_A = 97n;
  if (byte === TAB) return copyText(to, text("\\t"));
  if (byte === NEWLINE) return copyText(to, text("\\n"));
  if (byte === RETURN) return copyText(to, text("\\r"));
  if (byte >= SPACE) {
    store1(to, BACKSLASH);
    store1(to + 1n, byte);
    return to + 2n;
  }
  const low = byte & 15n, at = copyText(to, text("\\u00"));
  store1(at, DIGIT_0 + (byte >> 4n));
  store1(at + 1n, low < 10n ? DIGIT_0 + low : LETTER_A + low - 10n);
  return at + 2n;
}

/**
 * How many bytes the character has that begins here; 0 when it is no valid UTF-8.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3629#section-4
 */
export function characterSize(at: bigint, end: bigint): bigint {
  const first = load1(at);
  const size = first < 0x80n
    ? 1n
    : first < 0xc2n
    ? 0n
    : first < 0xe0n
    ? 2n
    : first < 0xf0n
    ? 3n
    : first < 0xf5n
    ? 4n
    : 0n;
  if (size < 2n) return size;
  if (at + size > end) return 0n;
  for (let place = at + 1n; place < at + size; place += 1n) {
    if ((load1(place) & 0xc0n) !== 0x80n) return 0n;
  }
  // Longer than needed, a surrogate, or beyond the last character.
  const second = load1(at + 1n);
  if (first === 0xe0n && second < 0xa0n || first === 0xedn && second > 0x9fn) return 0n;
  return first === 0xf0n && second < 0x90n || first === 0xf4n && second > 0x8fn ? 0n : size;
}
