import { assertEquals, assertThrows } from "@std/assert";
import { sourceAddress, timeOfBuild } from "./origin.ts";
import { Problem } from "./project.ts";

Deno.test("an image says that it was made now, or at SOURCE_DATE_EPOCH", () => {
  assertEquals(timeOfBuild("0"), "1970-01-01T00:00:00Z");
  assertEquals(timeOfBuild("1700000000"), "2023-11-14T22:13:20Z");
  for (const unset of [undefined, ""]) {
    const made = Date.parse(timeOfBuild(unset));
    assertEquals(Math.abs(Date.now() - made) < 60_000, true);
  }
});

Deno.test("a SOURCE_DATE_EPOCH that is no number of seconds is refused", () => {
  for (const it of ["today", "1.5", "-1", "0x10", "9".repeat(20)]) {
    assertThrows(() => timeOfBuild(it), Problem, `SOURCE_DATE_EPOCH="${it}"`);
  }
});

Deno.test("an image names git's remote as its source, without a password", () => {
  for (
    const [remote, address] of [
      ["https://example.com/joe/baseimage.git", "https://example.com/joe/baseimage.git"],
      ["https://joe:secret@example.com/joe/baseimage", "https://example.com/joe/baseimage"],
      ["git@example.com:joe/baseimage.git", "ssh://example.com/joe/baseimage.git"],
      ["ssh://git@example.com:22/joe/baseimage", "ssh://example.com:22/joe/baseimage"],
    ]
  ) assertEquals(sourceAddress(remote), address);
});

Deno.test("an image names no source where git has none, or a folder of this machine", () => {
  for (const remote of ["", "/home/joe/baseimage", "../baseimage", "file:///home/joe/baseimage"]) {
    assertEquals(sourceAddress(remote), "");
  }
});
