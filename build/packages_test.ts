// What is got for this machine: by an apt-get and a dpkg-deb that only pretend
import $ from "@david/dax";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { cacheFolder, projectFolder } from "./project.ts";

const name = `package-of-a-test-${Deno.pid}`;
const script = `
  import { ensureProgram, extractPackage } from "${join(projectFolder, "build/packages.ts")}";
  import { Problem } from "${join(projectFolder, "build/project.ts")}";
`;

/** Runs code that gets something, with these scripts as programs, $FOLDER being a folder for them. */
async function get(code: string, programs: Record<string, string>) {
  const folder = await Deno.makeTempDir({ prefix: "packages-" });
  try {
    for (const [name, text] of Object.entries({ sleep: "", ...programs })) {
      await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
    await Deno.writeTextFile(join(folder, "code.ts"), script + code);
    const config = join(projectFolder, "deno.json");
    const { code: status, stderr } =
      await $`${Deno.execPath()} run -A --no-check --config ${config} ${folder}/code.ts`
        .env({ PATH: `${folder}:${Deno.env.get("PATH")}`, FOLDER: folder })
        .stderr("piped").noThrow();
    const calls = await Deno.readTextFile(join(folder, "calls")).catch(() => "");
    return { status, stderr, calls };
  } finally {
    await $`rm -rf ${folder} ${join(cacheFolder, name)}`;
  }
}

Deno.test("two that need the same package at once both have it", async () => {
  const { status, stderr } = await get(
    `await Promise.all([1, 2].map(() => extractPackage("${name}")));`,
    {
      "apt-get": '[ "$3" != download ] || touch it.deb',
      "dpkg-deb": 'mkdir "$3"; touch "$3/file"',
    },
  );
  assertEquals([status, stderr], [0, ""]);
});

Deno.test("a program is installed while apt's daily run has the locks", async () => {
  const { status, stderr, calls } = await get(`await ensureProgram("program-of-a-test");`, {
    "apt-get": 'echo "$@" >>"$FOLDER/calls"; [ "$(wc -l <"$FOLDER/calls")" -gt 3 ]',
  });
  assertEquals(status, 0, stderr);
  const [install, ...updates] = calls.trim().split("\n").reverse();
  assertEquals(updates.map((it) => it.endsWith(" update")), [true, true, true, true]);
  assertStringIncludes(install, "-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install --yes");
});

Deno.test("of two that install at once, each shows why its own apt-get failed", async () => {
  const { stderr } = await get(
    `await Promise.allSettled(["one-of-a-test", "two-of-a-test"].map((it) => ensureProgram(it)));`,
    { "apt-get": 'for last; do :; done; echo "no $last"; [ "$last" = update ]' },
  );
  assertEquals(stderr.match(/^no .*$/gm)?.sort(), ["no one-of-a-test", "no two-of-a-test"]);
});
