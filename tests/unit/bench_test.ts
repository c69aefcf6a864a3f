import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { charts, spread } from "../../bench/charts.ts";
import {
  type Figures,
  median,
  type Results,
  Samples,
  summarize,
  type Summary,
} from "../../bench/figures.ts";
import { amount, findBetter, report, targets } from "../../bench/report.ts";

function of(median: number, noise = 0, n = 9): Summary {
  return { median, noise, n, min: median - noise, max: median + noise };
}

function results(figures: Results["figures"]): Results {
  const machine = { cores: 2, architecture: "x86_64", kernel: "6.18", docker: "20.10" };
  return { date: "2026-11-24", machine, orphans: 60_000, figures };
}

const setuser = (ours: number, previous: number, gosu: number, noise = 0): Figures => ({
  setuser: { "whole process, ms": of(ours, noise) },
  "setuser 1.0.0": { "whole process, ms": of(previous, noise) },
  gosu: { "whole process, ms": of(gosu, noise) },
});

Deno.test("a sample that is far off moves neither the median nor the noise", () => {
  assertEquals(median([4, 1, 3, 2]), 2.5);
  assertEquals(summarize([10, 11, 12, 13, 5000]), {
    median: 12,
    min: 10,
    max: 5000,
    noise: 1,
    n: 5,
  });
});

Deno.test("beyond bare is by the round, so what slows a whole round counts for nothing", () => {
  const samples = new Samples();
  samples.addBeyond("end, ms", { bare: 100, tini: 101 });
  samples.addBeyond("end, ms", { bare: 900, tini: 901 });
  const { bare, tini } = samples.figures();
  assertEquals(tini["end, ms, beyond bare"], of(1, 0, 2));
  assertEquals(tini["end, ms"].median, 501);
  assertEquals(Object.keys(bare), ["end, ms"]);
});

Deno.test("a ratio to the original is the one that was known, times what changed since", () => {
  const [target] = targets(results({ setuser: setuser(1, 40, 3) })).filter((it) =>
    it.name === "setuser"
  );
  assertEquals(target.now, "0.09 × (1 ms; it was 40 ms)");
  assertEquals(target.reached, true);
});

Deno.test("setuser's target is missed when it is slower than gosu, however fast it is", () => {
  const reached = (figures: Figures) =>
    targets(results({ setuser: figures })).find((it) => it.name === "setuser")?.reached;
  assertEquals(reached(setuser(3, 100, 2)), false);
  assertEquals(reached(setuser(3, 100, 3)), true);
  assertEquals(reached(setuser(3, 10, 4)), false, "1.08 × the original");
});

Deno.test("a target that was not measured is neither reached nor missed", () => {
  for (const { now, reached } of targets(results({}))) {
    assertEquals([now, reached], [undefined, undefined]);
  }
  assertStringIncludes(report(results({})), "| not measured | – |");
});

Deno.test("where a peer is better, the page says so; not where chance explains it", () => {
  const better = (figures: Figures) =>
    findBetter(results({ setuser: figures })).map((it) => it.peer);
  assertEquals(better(setuser(3, 40, 2)), ["gosu"]);
  assertEquals(better(setuser(3, 2, 4)), ["setuser 1.0.0"], "worse than it was");
  assertEquals(better(setuser(3, 40, 2.9, 1)), []);
  assertEquals(better(setuser(2, 40, 3)), []);
  const page = (figures: Figures) => report(results({ setuser: figures }));
  assertStringIncludes(page(setuser(3, 40, 2)), "| gosu | 2 ms | 3 ms (setuser) | 1.50 × |");
  assertStringIncludes(page(setuser(2, 40, 3)), "Nowhere in this run.");
});

Deno.test("an amount has two or three digits, and a unit that fits", () => {
  assertEquals(
    [[0.994, "ms"], [12.34, "ms"], [740, "ms"], [2345, "ms"], [60, "kB"], [51_200, "kB"], [
      3.98,
      "MiB",
    ]]
      .map(([value, unit]) => amount(value as number, unit as string)),
    ["0.99 ms", "12.3 ms", "740 ms", "2.35 s", "60 kB", "50 MiB", "3.98 MiB"],
  );
});

Deno.test("there is a chart for what was measured, and none for what was not", () => {
  const figures = { setuser: setuser(1, 40, 3, 0.1) };
  assertEquals(Object.keys(charts(results(figures))), ["setuser"]);
  const { setuser: svg } = charts(results(figures));
  assertMatch(svg, /^<svg xmlns=/);
  assertStringIncludes(svg, "prefers-color-scheme: dark");
  for (const label of ["setuser", "setuser 1.0.0", "gosu"]) assertStringIncludes(svg, `>${label}<`);
  const widths = [...svg.matchAll(/<rect .*?width="([\d.]+)"/g)].map(([, it]) => Number(it));
  assert(Math.abs(widths[1] / widths[0] - 40) < 1, `bars are as long as what they show: ${widths}`);
});

Deno.test("a figure below zero, by chance, breaks no chart", () => {
  const metric = "stop, ms, beyond bare";
  const { stop } = charts(
    results({ stop: { tini: { [metric]: of(-1) }, my_init: { [metric]: of(5) } } }),
  );
  assert(!/(NaN|Infinity|width="-)/.test(stop));
});

Deno.test("labels at the ends of lines do not lie on one another", () => {
  const places = spread([100, 101, 102, 300], 16).toSorted((a, b) => a - b);
  for (const [index, at] of places.slice(1).entries()) {
    assert(at - places[index] > 15.9, `${places}`);
  }
  assertEquals(places[3], 300);
});
