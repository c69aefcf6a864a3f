// The manual pages and what completes a command line
import $ from "@david/dax";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { image, runContainer } from "../support/container.ts";
import { type Page, pages, readUsage } from "../../build/manual.ts";
import { ensureProgram } from "../../build/packages.ts";
import { projectFolder } from "../../build/project.ts";

await ensureProgram("groff", ["groff-base"]);

const words = (text: string) => text.replace(/[-‐]\n\s*/g, "-").match(/\S+/g) ?? [];

for (const page of Object.keys(pages) as Page[]) {
  const [name, section] = page.split(".");

  Deno.test(`${page} in the image says all that ${name} --help says, and groff has no warning`, async () => {
    const { stdout: help } = await runContainer([name, "--help"], {
      options: ["--entrypoint", ""],
    });
    assertEquals(help, await readUsage(page));
    const file = `/usr/share/man/man${section}/${page}`;
    const { stdout: source } = await runContainer(["cat", file]);
    assert(source.startsWith(".TH "), `there is no ${file}`);
    const rendered = await $`groff -man -ww -Tascii -P-cbou -rLL=200n`.stdinText(source)
      .stdout("piped").stderr("piped");
    assertEquals(rendered.stderr, "");
    const shown = new Set(words(rendered.stdout));
    assertEquals(
      words(help).filter((it) => !/^(Usage|Environment|Exit|status):?$/.test(it) && !shown.has(it)),
      [],
    );
  });
}

Deno.test("my_init.8 explains each variable that --help names", async () => {
  const usage = await readUsage("my_init.8");
  const more = await Deno.readTextFile(join(projectFolder, "docs/manual/my_init.8"));
  const [, list] = usage.match(/^Environment: (.*)/ms)!;
  for (const name of list.match(/\w+/g)!) {
    assertStringIncludes(more, `  ${name}`.replace("  ENABLE", ", ENABLE"));
  }
});

/** What bash offers when the last word is completed. */
async function complete(...line: string[]): Promise<string[]> {
  const script = `
    mkdir -p /etc/service/web /etc/service/none; touch /etc/service/web/run
    source /usr/share/bash-completion/completions/${line[0]}
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _baseimage "$1" "\${COMP_WORDS[-1]}" "\${COMP_WORDS[-2]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const options = ["--entrypoint", "bash"];
  const { stdout, stderr } = await runContainer(["-c", script, "bash", ...line], { options });
  assertEquals(stderr, "");
  return stdout.trim().split("\n");
}

Deno.test(`Tab completes options, users, groups, services and commands (${image})`, async () => {
  assertEquals(await complete("my_init", "--skip"), ["--skip-runit", "--skip-startup-files"]);
  assertEquals(await complete("my_init", "--quiet", "--", "setuse"), ["setuser"]);
  assertEquals(await complete("setuser", "www-d"), ["www-data"]);
  assertEquals(await complete("setuser", "nobody", ":", "www-d"), ["www-data"]);
  assertEquals(await complete("setuser", "nobody", "setuse"), ["setuser"]);
  assertEquals(await complete("healthy", "we"), ["web"]);
  assertEquals(await complete("healthy", "no"), [""]);
  assertEquals(await complete("healthy", "--j"), ["--json"]);
  assertEquals(await complete("install_clean", "--inst"), ["--install-recommends"]);
});
