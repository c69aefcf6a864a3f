// When no release is made
import $ from "@david/dax";
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Problem, projectFolder } from "./project.ts";
import { isNewest, readNotes } from "./release.ts";

async function withRepository(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "release-" });
  try {
    await Deno.writeTextFile(
      join(folder, "CHANGELOG.md"),
      "# Changelog\n\n## 1.10.0 (2026-12-24)\n\n- Later.\n\n## 1.1.0 (2026-12-01)\n\n- New.\n- Newer.\n\n## 1.0.0\n",
    );
    await $`git init --quiet`.cwd(folder);
    await $`git add .`.cwd(folder);
    await $`git -c user.name=test -c user.email=test commit --quiet --message=All`.cwd(folder);
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the release notes are what CHANGELOG.md says about the version", async () => {
  await withRepository(async (folder) => {
    await $`git tag v1.1.0`.cwd(folder);
    assertEquals(await readNotes(folder, "1.1.0"), "## 1.1.0 (2026-12-01)\n\n- New.\n- Newer.\n");
  });
});

Deno.test("nothing is released from a commit without the version's tag", async () => {
  await withRepository(async (folder) => {
    const line = "this commit does not have the tag v1.1.0, as deno.json says";
    await assertRejects(() => readNotes(folder, "1.1.0"), Problem, line);
    await $`git tag v1.10.0`.cwd(folder);
    await assertRejects(() => readNotes(folder, "1.1.0"), Problem, line);
  });
});

Deno.test("nothing is released while something is not committed", async () => {
  await withRepository(async (folder) => {
    await $`git tag v1.1.0`.cwd(folder);
    await Deno.writeTextFile(join(folder, "new.ts"), "");
    const line = "not everything is committed: new.ts";
    await assertRejects(() => readNotes(folder, "1.1.0"), Problem, line);
  });
});

Deno.test("nothing is released that CHANGELOG.md does not know", async () => {
  await withRepository(async (folder) => {
    await $`git tag v1.2.0`.cwd(folder);
    const line = 'CHANGELOG.md has no section "## 1.2.0": write it';
    await assertRejects(() => readNotes(folder, "1.2.0"), Problem, line);
  });
});

Deno.test("latest goes neither back to an older version nor on to a pre-release", async () => {
  await withRepository(async (folder) => {
    const tags = ["v1.1.0-rc1", "v1.1.0", "v1.0.1", "v1.10.0-rc1", "v1.9.0", "vendored"];
    for (const tag of tags) await $`git tag ${tag}`.cwd(folder);
    const newest = [];
    for (const tag of tags) if (await isNewest(folder, tag.slice(1))) newest.push(tag);
    assertEquals(newest, ["v1.9.0"]);
  });
});

const wrong = {
  "REGISTRY=": "there is no REGISTRY: `make release REGISTRY=example.com/joe`",
  "REGISTRY=https://example.com":
    'docker does not accept REGISTRY/NAME="https://example.com/baseimage"',
  "REBUILD=next week": 'docker does not accept REBUILD="next week"',
  "VERSION=9.9.9": "VERSION=9.9.9: the version of a release is that of deno.json",
};
for (const [setting, line] of Object.entries(wrong)) {
  Deno.test(`make release refuses ${setting}, and says why in one line`, async () => {
    const { code, stderr } = await $`${Deno.execPath()} run -A build/release.ts`.cwd(projectFolder)
      .env({ REGISTRY: "example.com/joe", ...Object.fromEntries([setting.split("=")]) })
      .stderr("piped").noThrow();
    assertEquals([code, stderr.slice(0, 7 + line.length)], [2, `error: ${line}`]);
    assertEquals(stderr.split("\n").length, 2);
  });
}
