/**
 * Text whose characters are bytes: each is U+0000 to U+00FF and stands for one byte.
 *
 * Environment, arguments and paths on Unix are bytes in no certain encoding. As a byte string they can be
 * compared, split and written as JSON like any other text, and nothing is lost.
 *
 * @see https://webidl.spec.whatwg.org/#idl-ByteString
 */
export type ByteString = string;

/** Turns bytes into a byte string. */
export function fromBytes(bytes: Uint8Array): ByteString {
  const CHUNK = 8192; // As many arguments as a call can surely take.
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    // A spread, `...`, takes three times as long.
    text += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(at, at + CHUNK));
  }
  return text;
}

/** Turns a byte string into its bytes. */
export function toBytes(text: ByteString): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Reads a byte string as UTF-8; what is not UTF-8 becomes U+FFFD. */
export function toUnicode(text: ByteString): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(toBytes(text));
}

/** Encodes ordinary text as UTF-8. */
export function fromUnicode(text: string): ByteString {
  return fromBytes(new TextEncoder().encode(text));
}
