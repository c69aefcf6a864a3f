// Ours, the previous release of ours and its peers, side by side. Run by `deno task bench`.
// Afterwards: bench/results.json has the figures, docs/BENCHMARKS.md and its charts show them; no container is left.

import { join } from "@std/path";
import {
  cacheFolder,
  Problem,
  projectFolder,
  readCommandLine,
  runTool,
  say,
} from "../build/project.ts";
import { charts } from "./charts.ts";
import { removeAll } from "./containers.ts";
import { type Question, questions, type Results } from "./figures.ts";
import { buildImages, describeMachine } from "./images.ts";
import { full, measure, quick } from "./measurements.ts";
import { report } from "./report.ts";

const usage = `Usage: deno task bench [--quick] [--only QUESTION,...] [--runs N] [--to FOLDER]

Measures the image, its previous release and its peers in containers, taking turns,
and writes bench/results.json, docs/BENCHMARKS.md and the charts in docs/benchmarks.
It takes 15 minutes on a quiet machine, and the first time 5 more for the images.

  --quick              less of everything, in 2 minutes; results go to .cache/bench
  --only QUESTION,...  these alone; results go to .cache/bench
                       ${questions.join(", ")}
  --runs N             so many rounds of each; results go to .cache/bench
  --to FOLDER          results, page and charts go to this folder
  --report             measures nothing: makes page and charts from the results anew
  -h, --help           show this text
`;

if (import.meta.main) await runTool(main);

async function main(): Promise<void> {
  const { options, switches } = readCommandLine(usage, {
    options: ["only", "runs", "to"],
    switches: ["quick", "report"],
  });
  const chosen = readQuestions(options.only);
  const runs = readRuns(options.runs);
  const isWhole = !switches.quick && !options.only && !runs;
  const places = options.to || !isWhole ? inFolder(options.to ?? join(cacheFolder, "bench")) : {
    results: join(projectFolder, "bench/results.json"),
    page: join(projectFolder, "docs/BENCHMARKS.md"),
    charts: join(projectFolder, "docs/benchmarks"),
  };
  if (!switches.report) {
    const plan = switches.quick ? quick : full;
    if (runs) { for (const question of questions) plan.runs[question] = runs; }
    await write(places.results, JSON.stringify(await measureAll(chosen, plan), null, 2) + "\n");
  }
  const results: Results = JSON.parse(await Deno.readTextFile(places.results));
  await write(places.page, report(results));
  for (const [name, svg] of Object.entries(charts(results))) {
    await write(join(places.charts, `${name}.svg`), svg);
  }
  say(`The results are in ${places.results}, and ${places.page} shows them.`);
}

function inFolder(folder: string) {
  return {
    results: join(folder, "results.json"),
    page: join(folder, "BENCHMARKS.md"),
    charts: join(folder, "benchmarks"),
  };
}

async function write(file: string, text: string): Promise<void> {
  await Deno.mkdir(join(file, ".."), { recursive: true });
  await Deno.writeTextFile(file, text);
}

function readQuestions(only?: string): Question[] {
  if (only === undefined) return [...questions];
  return only.split(",").map((word) => {
    const question = questions.find((it) => it === word);
    if (question) return question;
    throw new Problem(`there is no question ${word}: choose from ${questions.join(", ")}`, 2);
  });
}

function readRuns(text?: string): number | undefined {
  if (text === undefined || /^[1-9]\d{0,3}$/.test(text)) return text && Number(text) || undefined;
  throw new Problem(`--runs needs a number from 1 on, not ${text}`, 2);
}

async function measureAll(chosen: Question[], plan: typeof full): Promise<Results> {
  const stop = () => void removeAll().finally(() => Deno.exit(130));
  const signals = ["SIGINT", "SIGTERM"] as const;
  const images = await buildImages();
  const results: Results = {
    date: new Date().toISOString().slice(0, 10),
    machine: await describeMachine(),
    orphans: plan.orphans,
    figures: {},
  };
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    for (const [index, question] of chosen.entries()) {
      const began = performance.now();
      const title = `${question} (${index + 1} of ${chosen.length})`;
      say(`Measuring ${title} ...`);
      const told = { at: began };
      results.figures[question] = await measure[question](images, plan, (progress) => {
        if (performance.now() - told.at < 5_000) return;
        told.at = performance.now();
        say(`Measuring ${title}: ${progress} ...`);
      });
      say(`Measured ${title} in ${Math.round((performance.now() - began) / 1000)} s.`);
    }
  } finally {
    await removeAll();
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
  return results;
}
