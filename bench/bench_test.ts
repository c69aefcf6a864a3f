// That the bench still runs, in its smallest form, and what it does when it cannot
import $ from "@david/dax";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { projectFolder } from "../build/project.ts";
import { charts } from "./charts.ts";
import { type Results } from "./figures.ts";
import { report } from "./report.ts";

async function bench(words: string[], variables: Record<string, string> = {}) {
  const file = join(projectFolder, "bench/bench.ts");
  const { code, stderr } = await $`${Deno.execPath()} run --allow-all ${file} ${words}`
    .env(variables).stdout("null").stderr("piped").noThrow();
  return { status: code, stderr };
}

async function withTemporaryFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const containers = async () =>
  (await $`docker ps --all --quiet --filter label=baseimage.bench`.text()).trim();

Deno.test("setuser is measured beside its peers, and no container is left", async () => {
  await withTemporaryFolder(async (folder) => {
    const before = await containers();
    const { status, stderr } = await bench(["--only", "setuser", "--runs", "2", "--to", folder]);
    assertEquals(status, 0, stderr);
    const { figures: { setuser } }: Results = JSON.parse(
      await Deno.readTextFile(join(folder, "results.json")),
    );
    for (const subject of ["setuser", "setuser 1.0.0", "gosu", "setpriv", "chpst"]) {
      const { n, median, min, max } = setuser![subject]["whole process, ms"];
      assertEquals(n, 2);
      assert(0 < min && min <= median && median <= max);
    }
    assertStringIncludes(await Deno.readTextFile(join(folder, "BENCHMARKS.md")), "| gosu | ");
    assertStringIncludes(await Deno.readTextFile(join(folder, "benchmarks/setuser.svg")), "<svg");
    assertEquals(await containers(), before);
  });
});

Deno.test("a docker that does not answer is one line and status 1", async () => {
  const { status, stderr } = await bench(["--only", "setuser"], {
    DOCKER_HOST: "unix:///nonexistent",
  });
  assertEquals(status, 1);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
  assertStringIncludes(stderr, "error: the docker of DOCKER_HOST does not answer");
});

Deno.test("a question that does not exist, or no number of runs, is refused before anything is built", async () => {
  const refuses = async (words: string[], line: string) =>
    assertEquals(await bench(words), { status: 2, stderr: `error: ${line}\n` });
  await refuses(
    ["--only", "setuser,speed"],
    "there is no question speed: choose from memory, start, stop, exec, setuser, users, services, orphans",
  );
  await refuses(["--runs", "0"], "--runs needs a number from 1 on, not 0");
});

Deno.test("docs/BENCHMARKS.md and its charts are what the results say: `deno task bench --report` makes them anew", async () => {
  const read = (path: string) => Deno.readTextFile(join(projectFolder, path));
  const results: Results = JSON.parse(await read("bench/results.json"));
  assertEquals(await read("docs/BENCHMARKS.md"), report(results));
  for (const [name, svg] of Object.entries(charts(results))) {
    assertEquals(await read(`docs/benchmarks/${name}.svg`), svg);
  }
});
