// The variable PLATFORM, and the names of what is for another machine
import $ from "@david/dax";
import { assertEquals, assertThrows } from "@std/assert";
import { type Target, targets } from "./permissions.ts";
import { baseFor, readPlatform, thisMachine, versionFor } from "./platform.ts";
import { Problem, projectFolder } from "./project.ts";

const [other] = (Object.keys(targets) as Target[]).filter((it) => it !== thisMachine);
const { architecture, owner } = targets[other];

Deno.test("PLATFORM names a machine as docker does", () => {
  assertEquals(readPlatform("linux/amd64"), "x86_64-unknown-linux-gnu");
  assertEquals(readPlatform("linux/arm64"), "aarch64-unknown-linux-gnu");
  for (const wrong of ["linux/mips", "arm64", "linux/arm64/v8", "windows/amd64", ""]) {
    const error = assertThrows(() => readPlatform(wrong), Problem);
    assertEquals(
      [error.message, error.status],
      [`cannot build for PLATFORM="${wrong}": choose linux/amd64 or linux/arm64`, 2],
    );
  }
});

Deno.test("a wrong PLATFORM is one line, before anything is done", async () => {
  const { code, stdout, stderr } = await $`make --no-print-directory build`.cwd(projectFolder)
    .env({ PLATFORM: "arm64", DOCKER_HOST: "unix:///nosuch" })
    .stdout("piped").stderr("piped").noThrow();
  const [line] = stderr.split("\n");
  assertEquals([code, stdout, line], [
    2,
    "",
    'error: cannot build for PLATFORM="arm64": choose linux/amd64 or linux/arm64',
  ]);
});

Deno.test("an image for this machine has the plain names, one for another machine others", () => {
  assertEquals(versionFor(thisMachine, "1.0.0"), "1.0.0");
  assertEquals(versionFor(other, "1.0.0"), `1.0.0-${architecture}`);
  assertEquals(baseFor(thisMachine, "debian:12"), "debian:12");
  assertEquals(baseFor(other, "debian:12"), `${owner}/debian:12`);
});

Deno.test("a base that has an owner, or is given by its checksum, keeps its name", () => {
  for (const base of ["joe/base:1", "localhost:5000/base", `debian@sha256:${"0".repeat(64)}`]) {
    assertEquals(baseFor(other, base), base);
  }
});
