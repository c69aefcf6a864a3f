import { assertEquals } from "@std/assert";
import { fromBytes } from "../../posix/bytes.ts";
import { type Note, readNote, writeNote } from "../../supervisor/asleep.ts";

const note: Note = { pid: 1, waking: [15, 64], watched: [10, 11], main: 10, state: '{"a":"\xff"}' };
const text = fromBytes(writeNote(note)!);

Deno.test("a note gives back the state that was written", () => {
  for (const state of [note.state, "", "x".repeat(1_000_000)]) {
    for (const watched of [[], [1], Array(16).fill(7)]) {
      assertEquals(readNote(fromBytes(writeNote({ ...note, state, watched })!), 1), { state });
    }
  }
});

Deno.test("a note of another process, or one that is not whole, is none", () => {
  assertEquals(readNote(text, 2), undefined);
  assertEquals(readNote("", 1), undefined);
  for (let size = 0; size < text.length; size++) {
    assertEquals(readNote(text.slice(0, size), 1), undefined);
  }
  assertEquals(readNote(text + "x", 1), undefined);
  for (let at = text.length - note.state.length; at < text.length; at++) {
    assertEquals(readNote(text.slice(0, at) + "!" + text.slice(at + 1), 1), undefined);
  }
});

Deno.test("a note with more processes than the sleeper can watch is not written", () => {
  assertEquals(writeNote({ ...note, watched: Array(17).fill(7) }), undefined);
});

Deno.test("a note of another version is no note to continue from, and no boot from the beginning either", () => {
  const other = text.slice(0, 6) + "\x02" + text.slice(7);
  assertEquals(readNote(other, 1), "another version");
  assertEquals(readNote(other.slice(0, 16), 1), "another version");
  assertEquals(readNote(other, 2), undefined);
});
