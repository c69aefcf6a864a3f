// What everything that is run here does with its command line
import $ from "@david/dax";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { projectFolder } from "./project.ts";

const tools = [
  "build/programs.ts",
  "build/image.ts",
  "tests/run.ts",
  "build/run.ts",
  "build/sbom.ts",
  "build/release.ts",
  "bench/bench.ts",
];

async function run(tool: string, ...words: string[]) {
  const { code, stdout, stderr } = await $`${Deno.execPath()} run --allow-all ${
    join(projectFolder, tool)
  } ${words}`
    .stdout("piped").stderr("piped").noThrow();
  return { status: code, stdout, stderr };
}

const problem = (line: string) => ({ status: 2, stdout: "", stderr: `error: ${line}\n` });

for (const tool of tools) {
  Deno.test(`${tool} --help shows how it is used, and does nothing else`, async () => {
    for (const help of ["--help", "-h"]) {
      const { status, stdout, stderr } = await run(tool, help);
      assertEquals([status, stderr], [0, ""]);
      assertStringIncludes(stdout, "Usage: ");
    }
  });
  Deno.test(`${tool} refuses an option that it does not know`, async () => {
    assertEquals(
      await run(tool, "--tagret", "x"),
      problem("unknown option --tagret; --help shows how it is used"),
    );
  });
}

for (const tool of ["build/programs.ts", "build/image.ts", "build/release.ts", "bench/bench.ts"]) {
  Deno.test(`${tool} refuses a word, since it takes none`, async () => {
    assertEquals(
      await run(tool, "x86_64"),
      problem("unexpected argument x86_64; --help shows how it is used"),
    );
  });
}

Deno.test("build/programs.ts says for what it can build", async () => {
  const choice = "choose x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu";
  assertEquals(
    await run("build/programs.ts", "--target=mips"),
    problem(`cannot build for mips: ${choice}`),
  );
  assertEquals(
    await run("build/programs.ts", "--target"),
    problem("--target needs a value; --help shows how it is used"),
  );
});

Deno.test("tests/run.ts says which file is not there", async () => {
  assertEquals(
    await run("tests/run.ts", "nosuch_test.ts"),
    problem("there is no nosuch_test.ts"),
  );
});

Deno.test("a fault of a tool is one line, and where it happened can be found", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fault-" });
  try {
    await $`mkdir ${folder}/build`;
    await Deno.copyFile(join(projectFolder, "build/project.ts"), `${folder}/build/project.ts`);
    await Deno.writeTextFile(
      `${folder}/build/faulty.ts`,
      `import { runTool } from "./project.ts";
       await runTool(function faulty() { throw new TypeError("one\\ntwo"); });`,
    );
    const config = join(projectFolder, "deno.json");
    const { code, stderr } =
      await $`${Deno.execPath()} run --allow-all --config ${config} ${folder}/build/faulty.ts`
        .stderr("piped").noThrow();
    assertEquals([code, stderr], [
      1,
      "error: TypeError: one (unexpected; where it happened is in .cache/error.log)\n",
    ]);
    assertStringIncludes(await Deno.readTextFile(`${folder}/.cache/error.log`), "at faulty (");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("dist/my_init and dist/setuser are the files of this machine that the image gets", async () => {
  const architecture = { x86_64: "amd64", aarch64: "arm64" }[Deno.build.arch];
  for (const name of ["my_init", "setuser"]) {
    const files = [`dist/${name}`, `dist/${architecture}/${name}`].map((it) =>
      join(projectFolder, it)
    );
    const [ours, images] = await Promise.all(files.map((it) => Deno.stat(it)));
    assertEquals(ours.ino, images.ino, "hard links, which cost nothing");
  }
});
