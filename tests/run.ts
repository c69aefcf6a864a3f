// Runs all checks and tests, or only the given test files. Run by `make test` and `deno task test`.
// Afterwards: the last line says how many passed and failed; the exit status is 0 if none failed and some passed.

import $ from "@david/dax";
import { exists, walk } from "@std/fs";
import { join, relative } from "@std/path";
import { buildImage, nameOn } from "../build/image.ts";
import { ensureProgram } from "../build/packages.ts";
import type { Target } from "../build/permissions.ts";
import { thisMachine } from "../build/platform.ts";
import {
  Problem,
  projectFolder,
  readCommandLine,
  runTool,
  say,
  withFolder,
} from "../build/project.ts";

const usage = `Usage: deno task test [FILE...]

Runs all checks (formatting, lint, types, shellcheck) and all tests, on every base, or
only the tests in the given files and folders, on the image that \`make build\` makes.
The last line says how many passed and failed.

  -h, --help  show this text
`;

const jobs = 2; // How many test files run at the same time.

/** Those that keep the machine so busy that others would miss their deadlines: one after the other, and alone. */
const alone = /\/(storms|builders|swarm)_test\.ts$/;

const oldest = "ubuntu:16.04";

/** Which tests are run on which base, for which machine: all of them on the oldest. */
const smoke = ["tests/image/smoke_test.ts"];
const bases: { base: string; target?: Target; tests: string[] }[] = [
  { base: oldest, tests: [""] },
  {
    base: "ubuntu:24.04",
    tests: ["tests/original_readme/", "tests/repository/readme_test.ts", ...smoke],
  },
  { base: "ubuntu:22.04", tests: smoke },
  { base: "debian:12", tests: smoke },
  { base: "debian:12", target: "aarch64-unknown-linux-gnu", tests: smoke },
];

/** Where qemu emulates the machine all takes longer, and so may what the tests wait for. */
const patience = 10;

/** Not run a second time: tests that compare all variables, and those that set MY_INIT_SLEEP themselves. */
const awake = ["environment", "dumps", "sleep"].map((it) => `tests/process/${it}_test.ts`);

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, and why. */
  failures: string[];
}

Deno.chdir(projectFolder);
await runTool(async () => {
  const { words: files } = readCommandLine(usage, { words: "files" });
  for (const file of files) {
    if (!await exists(file)) throw new Problem(`there is no ${file}`, 2);
  }
  const results = files.length > 0 ? await runTests(files) : await runEverything();
  const [passed, failed, skipped] = (["passed", "failed", "skipped"] as const)
    .map((key) => results.reduce((sum, counts) => sum + counts[key], 0));
  const failures = results.flatMap(({ failures }) => failures);
  if (failures.length > 0) console.log(["\nWhat failed:", ...failures].join("\n\n"));
  console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
  Deno.exit(failed === 0 && passed > 0 ? 0 : 1);
});

async function runEverything(): Promise<Counts[]> {
  await ensureProgram("git");
  const { code, stderr } = await $`git ls-files --error-unmatch README.md`.quiet().noThrow();
  if (code !== 0) {
    const [reason] = stderr.split("\n");
    throw new Problem(
      `all tests need a git checkout; get the project by git clone (git: ${reason})`,
    );
  }
  await ensureProgram("shellcheck");
  const results = [await runChecks()];
  const files = await findTests();
  for (const { base, target = thisMachine, tests } of bases) {
    const chosen = files.filter((it) => tests.some((start) => it.startsWith(start)));
    try {
      const variables: Record<string, string> = target === thisMachine
        ? {}
        : { PATIENCE: String(patience) };
      const image = await buildImage(nameOn(base), base, target);
      results.push(...await runTests(chosen, image, variables));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      console.error(`error: ${error.message}`); // The other bases are tested anyway.
      results.push({ ...none(), failed: chosen.length, failures: [error.message] });
    }
  }
  const asleep = files.filter((it) => it.startsWith("tests/process/") && !awake.includes(it));
  say("Once more, with a PID 1 that sleeps whenever it waits:");
  results.push(...await runTests(asleep, nameOn(oldest), { MY_INIT_SLEEP: "0.001" }));
  return results;
}

async function runChecks(): Promise<Counts> {
  const deno = Deno.execPath();
  const checks = {
    "formatting (deno fmt)": [deno, "fmt", "--check", "--quiet"],
    "lint (deno lint)": [deno, "lint", "--quiet"],
    "types (deno check)": [deno, "check", "--quiet"],
    "what is pure, without any permission (deno test)": [deno, "test", "--no-check", "tests/unit/"],
    "shell scripts (shellcheck)": ["shellcheck", "--external-sources", ...await findShellScripts()],
  };
  const counts = none();
  for (const [name, command] of Object.entries(checks)) {
    const { code, combined } = await $`${command}`.env("RUST_BACKTRACE", "0").captureCombined()
      .noThrow();
    const result = `${name} ... ${code === 0 ? "ok" : `FAILED\n${combined}`}`;
    console.log(result);
    counts[code === 0 ? "passed" : "failed"]++;
    if (code !== 0) counts.failures.push(result);
  }
  return counts;
}

/** Runs test files. If no image is given they run on the one that `make build` makes, unless they need none. */
async function runTests(
  files: string[],
  given?: string,
  variables: Record<string, string> = {},
): Promise<Counts[]> {
  const needsImage = files.some((it) => it.startsWith("tests/") && !it.startsWith("tests/unit/"));
  const image = given ?? (needsImage ? await buildImage() : "");
  const busy = files.filter((it) => alone.test(it));
  const others = files.filter((it) => !busy.includes(it));
  const results: Counts[] = [];
  for (const [group, jobsAtOnce] of [[others, jobs], [busy, 1]] as const) {
    if (group.length > 0) results.push(await runGroup(group, jobsAtOnce, image, variables));
  }
  return results;
}

async function runGroup(
  files: string[],
  jobs: number,
  image: string,
  variables: Record<string, string>,
): Promise<Counts> {
  say(
    `Running the tests of ${files.length} files ${image && `on ${image}, `}${jobs} at a time ...`,
  );
  return await withFolder(async (folder) => {
    const report = join(folder, "junit.xml");
    const flags = ["--allow-all", "--no-check", "--parallel", `--junit-path=${report}`];
    const { code } = await $`${Deno.execPath()} test ${flags} ${files}`
      .env({ DENO_JOBS: String(jobs), IMAGE: image, RUST_BACKTRACE: "0", ...variables }).noThrow();
    return count(await Deno.readTextFile(report).catch(() => ""), files, code);
  });
}

/** Counts the tests that ran. A file that could not be loaded is not in the report, and counts as failed. */
function count(report: string, files: string[], code: number): Counts {
  const counts = none();
  const suites = [...report.matchAll(/<testsuite .*?<\/testsuite>/gs)].map(([suite]) => suite);
  for (const suite of suites) {
    const cases = [...suite.matchAll(/<testcase name="(.*?)".*?<\/testcase>/gs)];
    const names = cases.map(([, name]) => name);
    for (const [text, name] of cases) {
      const [, failure] = text.match(/<failure [^>]*>(.*)<\/failure>/s) ?? [];
      if (failure) counts.failures.push(fromXml(`${name}\n${failure}`));
      const isStep = names.some((other) => name.startsWith(`${other} &gt; `));
      if (isStep) continue; // It is part of its test, which is counted.
      if (failure) counts.failed++;
      else if (text.includes("<skipped")) counts.skipped++;
      else counts.passed++;
    }
  }
  counts.failed += Math.max(0, files.length - suites.length);
  if (code !== 0 && counts.failed === 0) counts.failed++;
  return counts;
}

function none(): Counts {
  return { passed: 0, failed: 0, skipped: 0, failures: [] };
}

function fromXml(text: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(\w+);/g, (entity, name) => characters[name] ?? entity);
}

async function findTests(): Promise<string[]> {
  return await findFiles((path) => /[_.]test\.ts$/.test(path));
}

async function findShellScripts(): Promise<string[]> {
  return await findFiles((path) =>
    path.endsWith(".sh") ||
    /^#!.*\b(ba|da)?sh\b|^# shellcheck shell=/.test(Deno.readTextFileSync(path))
  );
}

async function findFiles(isWanted: (path: string) => boolean): Promise<string[]> {
  const files: string[] = [];
  const skip = [".git", ".cache", "dist"].map((it) =>
    new RegExp(`^${join(projectFolder, it)}(/|$)`)
  );
  for await (
    const { path } of walk(projectFolder, { includeDirs: false, includeSymlinks: false, skip })
  ) {
    if (isWanted(path)) files.push(relative(projectFolder, path));
  }
  return files.sort();
}
