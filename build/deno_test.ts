// The project's own Deno, in a copy of the two files that get it
import $ from "@david/dax";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { copy } from "@std/fs";
import { join } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { projectFolder } from "./project.ts";

const version = "2.3.3";
const needed = ["bash", "dirname", "sed", "sha256sum", "uname", "mkdir", "mktemp", "ln", "readlink"]
  .concat("cut", "mv", "rm", "chmod", "tar", "gzip");

/** A project of build/deno alone, on a machine that has a few programs, and these scripts. */
async function fresh(scripts: Record<string, string> = {}) {
  const folder = await Deno.makeTempDir({ prefix: "deno-" });
  const [build, bin] = ["build", "bin"].map((it) => join(folder, it));
  await $`mkdir ${build} ${bin}`;
  for (const it of ["deno", "pinned"]) {
    await Deno.copyFile(join(projectFolder, "build", it), join(build, it));
  }
  for (const it of needed) await Deno.symlink(await $`which ${it}`.text(), join(bin, it));
  for (const [name, text] of Object.entries(scripts)) {
    await Deno.writeTextFile(join(bin, name), text, { mode: 0o755 });
  }
  return {
    folder,
    bin,
    cached: join(folder, ".cache/bin", `deno-${version}`),
    run: async () => {
      const { code, stdout, stderr } = await $`${join(build, "deno")} --version`
        .clearEnv().env({ PATH: bin }).stdout("piped").stderr("piped").noThrow();
      return { status: code, stdout, stderr };
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

const nobody = "http://127.0.0.1:9"; // No server listens there.

/** What calls itself by the right version, and is something else. */
const impostor = `#!/bin/bash\necho "deno ${version} (stable)"\n`;

Deno.test("a deno on the PATH is taken if it is the pinned one, byte by byte", async () => {
  await using project = await fresh();
  await Deno.symlink(Deno.execPath(), join(project.bin, "deno"));
  const { status, stdout } = await project.run();
  assertEquals([status, stdout.split("(")[0]], [0, `deno ${version} `]);
});

Deno.test("a deno that only says the right version is not run, and each source says why it has no other", async () => {
  await using project = await fresh({
    deno: impostor,
    npm: "#!/bin/bash\necho 'npm error code ECONNREFUSED' >&2; exit 1\n",
  });
  const { status, stdout, stderr } = await project.run();
  assertEquals([status, stdout], [1, ""]);
  assertMatch(stderr, new RegExp(`^Getting Deno ${version}.*\n.*\n$`));
  assertStringIncludes(stderr, `error: cannot get Deno ${version} (`);
  assertStringIncludes(stderr, "the deno from PATH has another checksum");
  assertStringIncludes(stderr, "its own server needs curl and unzip");
  assertStringIncludes(stderr, "npm is here, but its registry does not send it (ECONNREFUSED)");
});

Deno.test("what Deno's own server or npm gives is not run with another checksum", async () => {
  const give = 'while [[ $# -gt 0 && $1 != -o ]]; do shift; done; : >"$2"\n';
  await using project = await fresh({
    curl: `#!/bin/bash\n${give}`,
    unzip: `#!/bin/bash\nprintf '%s' '${impostor}' >deno; chmod +x deno\n`,
    npm:
      `#!/bin/bash\nmkdir package; printf '%s' '${impostor}' >package/deno; tar -czf it.tgz package\n`,
  });
  const { status, stdout, stderr } = await project.run();
  assertEquals([status, stdout], [1, ""], stderr);
  assertStringIncludes(stderr, "the deno from release has another checksum");
  assertStringIncludes(stderr, "the deno from npm has another checksum");
});

Deno.test("a changed file in .cache is not run, but got anew", async () => {
  await using project = await fresh();
  await $`mkdir -p ${join(project.cached, "..")}`;
  await Deno.writeTextFile(project.cached, impostor, { mode: 0o755 });
  const alone = await project.run();
  assertEquals([alone.status, alone.stdout], [1, ""]);
  await Deno.symlink(Deno.execPath(), join(project.bin, "deno"));
  const { status, stdout } = await project.run();
  assertEquals([status, stdout.includes("v8")], [0, true]);
});

Deno.test("a base binary with another checksum is taken neither from DENORT_BIN nor from .cache", async () => {
  await using project = await fresh();
  for (const it of ["deno.json", "deno.lock", "main.ts", "init.ts", "setuser.ts", "build"]) {
    await copy(join(projectFolder, it), join(project.folder, it), { overwrite: true });
  }
  for (const it of ["check", "env", "native", "posix", "supervisor"]) {
    await Deno.symlink(join(projectFolder, it), join(project.folder, it));
  }
  const cached = join(project.folder, ".cache", `denort-${version}-${Deno.build.target}`);
  await $`mkdir ${join(project.folder, ".cache")}`;
  await Deno.writeTextFile(cached, impostor);
  const make = (env: Record<string, string>) =>
    $`${Deno.execPath()} run -A ${join(project.folder, "build/programs.ts")}`
      .cwd(project.folder).clearEnv()
      .env({ PATH: project.bin, DENO_DIR: Deno.env.get("DENO_DIR"), HTTPS_PROXY: nobody, ...env })
      .stdout("piped").stderr("piped").noThrow();

  const given = await make({ DENORT_BIN: "/bin/true" });
  assertEquals([given.code, given.stderr.trimEnd().split("\n").length], [1, 1], given.stderr);
  assertStringIncludes(given.stderr, "DENORT_BIN: /bin/true has another checksum than denort");
  const unreachable = await make({});
  assertEquals(unreachable.code, 1);
  assertStringIncludes(unreachable.stderr, "dl.deno.land: cannot be reached; PyPI: ");
});

Deno.test("every task goes through the pinned Deno, whichever one it was started by", () => {
  for (const [name, { command }] of Object.entries(config.tasks)) {
    assertEquals(command.split(" ")[0], "build/deno", name);
  }
});
