// The timeline as SVG. Pure: the same marks give the same picture.

import { type ByteString, toUnicode } from "../posix/bytes.ts";
import { type Step } from "../supervisor/run.ts";
import { type Mark, type Timeline } from "./marks.ts";
import { escape, px, text } from "./svg.ts";

type Kind = Mark["kind"];

/** The colours, and what the legend says of each. On light and on dark pages. */
const COLOURS: Record<string, { of: readonly Kind[]; light: string; dark: string }> = {
  script: { of: ["startup", "preShutdown", "postShutdown"], light: "#8a63d2", dark: "#a98bea" },
  "runit daemon": { of: ["runit"], light: "#8a94a0", dark: "#77828e" },
  "main command": { of: ["main"], light: "#1d6fd8", dark: "#4c9bff" },
  "service: waiting": { of: ["waiting"], light: "#d5dae0", dark: "#3d4650" },
  starting: { of: ["starting"], light: "#e8a33d", dark: "#d0892a" },
  ready: { of: ["ready"], light: "#2f9e77", dark: "#2f9e77" },
  "backing off": { of: ["backing off"], light: "#f0b8b0", dark: "#7a3b36" },
  failed: { of: ["failed"], light: "#cc3d33", dark: "#e5534b" },
  stopping: { of: ["stopping"], light: "#5fa8c9", dark: "#3f86a6" },
  "step of the stop": { of: ["step"], light: "#b3bac3", dark: "#56606b" },
};
const LEGEND = Object.keys(COLOURS);

const STEPS: Record<Step, string> = {
  startupScript: "startup script",
  drain: "drain",
  preShutdown: "first scripts",
  main: "main command",
  runit: "runit daemon",
  services: "services",
  postShutdown: "last scripts",
  processes: "remaining processes",
  kill: "kill",
  relays: "last lines",
};

/** The marks that belong to a step of the shutdown. */
const OF_STEP: Partial<Record<Step, readonly Kind[]>> = {
  startupScript: ["startup"],
  preShutdown: ["preShutdown"],
  main: ["main"],
  runit: ["runit"],
  postShutdown: ["postShutdown"],
};
const OF_SERVICES: readonly Kind[] = [
  "waiting",
  "starting",
  "ready",
  "backing off",
  "stopping",
  "down",
  "failed",
];

/** In pixels: names, bars, and what is said of them, side by side; rows below each other. */
const LEFT = 196,
  BARS = 476,
  RIGHT = 168,
  GAP = 10,
  ROW = 19,
  WIDTH = LEFT + BARS + RIGHT + 2 * GAP;
/** As many characters fit into the column of names. */
const LONGEST_NAME = 26;

const STYLE = `
  rect.page { fill: #fff }
  text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #333d48 }
  .title { font-size: 16px; font-weight: 600; fill: #17202a }
  .strong { font-weight: 600; fill: #17202a }
  .small { font-size: 11px; fill: #5b6672 }
  .right { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #8a94a0; stroke-opacity: .3 }
  .limit { stroke: #cc3d33; stroke-width: 2 }
  ${fills("light")}
  @media (prefers-color-scheme: dark) {
    rect.page { fill: #0d1117 } text { fill: #c9d1d9 } .title, .strong { fill: #f0f3f6 }
    .small { fill: #9aa5b1 } .limit { stroke: #ff6b61 }
    ${fills("dark")}
  }`;

function fills(page: "light" | "dark"): string {
  return LEGEND.map((name, index) => `.c${index} { fill: ${COLOURS[name][page]} }`).join(" ");
}

/** A line of the picture. */
interface Row {
  name: string;
  /** What is said of it at the right. */
  note: string;
  marks: readonly Mark[];
  isHeading?: boolean;
}

interface Panel {
  title: string;
  from: number;
  to: number;
  rows: readonly Row[];
}

/** Draws the boot, and the stop if there was one. The time between them is left out. */
export function draw(timeline: Timeline): string {
  const { begunAt, bootedAt = Infinity, askedAt = Infinity, now, marks } = timeline;
  const booted = Math.min(bootedAt, askedAt, now);
  const verb = bootedAt <= askedAt && bootedAt <= now ? "Boot" : "Boot, not complete";
  const panels: Panel[] = [{
    title: `${verb}: ${seconds(booted - begunAt)}`,
    from: begunAt,
    to: booted,
    rows: rowsOfBoot(marks, begunAt, booted),
  }];
  if (askedAt <= now) {
    panels.push({
      title: `Stop: ${seconds(now - askedAt)}`,
      from: askedAt,
      to: now,
      rows: rowsOfStop(marks, askedAt, now),
    });
  }
  const shown = panels.map(({ rows, from, to }) => {
    const marks = rows.flatMap((row) => row.marks.filter((mark) => isWithin(mark, from, to)));
    return { marks, hasLimits: marks.some((mark) => hasLimit(mark, from, to)) };
  });
  const parts: string[] = [];
  let y = legend(shown.flatMap(({ marks }) => marks), shown.some((it) => it.hasLimits), parts);
  for (const panel of panels) y = drawPanel(panel, y + 14, parts);
  return document(panels.map(({ title }) => title), y + 8, parts);
}

// ------------------------------------------------------------------------------------------- what is drawn

function rowsOfBoot(marks: readonly Mark[], from: number, to: number): Row[] {
  const begun = marks.filter(({ start }) => start <= to);
  const of = (...kinds: Kind[]) => begun.filter(({ kind }) => kinds.includes(kind));
  const scripts = of("startup").map((mark) => ({
    name: baseName(mark.name),
    note: mark.end === undefined ? "" : seconds(mark.end - mark.start),
    marks: [mark],
  }));
  const started = of("runit", "main").map((mark) => ({
    name: mark.kind === "main" ? baseName(mark.name) : mark.name,
    note: `started at ${seconds(mark.start - from)}`,
    marks: [mark],
  }));
  const services = byName(marks.filter(({ kind }) => OF_SERVICES.includes(kind)))
    .map(([name, marks]) => ({ name, marks, note: noteOfService(marks, from, to) }));
  return [
    ...scripts,
    ...started.filter(({ marks: [{ kind }] }) => kind === "runit"),
    ...services.toSorted((a, b) => whenStarted(a.marks) - whenStarted(b.marks)),
    ...started.filter(({ marks: [{ kind }] }) => kind === "main"),
  ];
}

function noteOfService(marks: readonly Mark[], from: number, to: number): string {
  const within = marks.filter(({ start }) => start <= to);
  const starts = within.filter(({ kind }) => kind === "starting").length;
  const again = starts > 1 ? `, ${starts} starts` : "";
  const ready = within.find(({ kind }) => kind === "ready");
  if (ready) return `ready at ${seconds(ready.start - from)}${again}`;
  const last = within.at(-1);
  if (!last) return `started at ${seconds(marks[0].start - from)}`;
  return last.kind === "starting" ? `not seen ready${again}` : `${last.kind}${again}`;
}

function whenStarted(marks: readonly Mark[]): number {
  return (marks.find(({ kind }) => kind !== "waiting" && kind !== "down") ?? marks[0]).start;
}

/** Each step that has taken time, and below it what it has ended. */
function rowsOfStop(marks: readonly Mark[], from: number, to: number): Row[] {
  const late = marks.filter(({ end = to }) => end >= from);
  const services = byName(late.filter(({ kind }) => OF_SERVICES.includes(kind)))
    .filter(([, marks]) => marks.some(({ kind }) => kind !== "down" && kind !== "stopping"));
  return late.filter(({ kind }) => kind === "step").flatMap((step) => {
    const { name, start, end = to } = step;
    const kinds = OF_STEP[name as Step] ?? [];
    const ended = late.filter((mark) =>
      kinds.includes(mark.kind) && mark.start <= end && (mark.end ?? to) > start
    );
    const rows: Row[] = name === "services"
      ? services.map(([name, marks]) => ({ name, marks, note: noteOfEnd(marks, to) }))
      : ended.map((mark) => ({
        name: baseName(mark.name),
        marks: [mark],
        note: noteOfEnd([mark], to),
      }));
    const BRIEF = 0.005;
    if (rows.length === 0 && end - start < BRIEF) return [];
    const allowed = step.limit === undefined
      ? ""
      : ` of ${seconds(Math.max(0, step.limit - start))}`;
    const note = `${seconds(end - start)}${allowed}`;
    return [{ name: STEPS[name as Step], marks: [step], note, isHeading: true }, ...rows];
  });
}

function noteOfEnd(marks: readonly Mark[], to: number): string {
  const scripts: readonly Kind[] = ["startup", "preShutdown", "postShutdown"];
  const ending = marks.find(({ kind, limit }) => kind === "stopping" || limit !== undefined);
  const script = marks.find(({ kind }) => scripts.includes(kind));
  if (ending?.limit !== undefined && ending.end !== undefined && ending.end >= ending.limit) {
    return "killed at its deadline";
  }
  const ended = ending?.kind === "stopping" ? ending : script;
  return ended ? seconds((ended.end ?? to) - ended.start) : "";
}

function byName(marks: readonly Mark[]): [string, Mark[]][] {
  return [...Map.groupBy(marks, ({ name }) => name)];
}

function baseName(path: ByteString): ByteString {
  return path.split("/").at(-1) || path;
}

// ------------------------------------------------------------------------------------------ how it is drawn

function legend(used: readonly Mark[], hasLimits: boolean, parts: string[]): number {
  let [x, y] = [0, 12];
  const put = (symbol: (x: number, y: number) => string, name: string) => {
    const needed = 20 + 7 * name.length + 16;
    if (x + needed > WIDTH) [x, y] = [0, y + 18];
    parts.push(symbol(x, y), text(name, x + 20, y, "small"));
    x += needed;
  };
  for (const [index, name] of LEGEND.entries()) {
    if (!used.some(({ kind }) => COLOURS[name].of.includes(kind))) continue;
    put((x, y) => rect(x, y - 9, 14, 10, `c${index}`), name);
  }
  if (hasLimits) {
    put((x, y) => line(x + 7, y - 10, x + 7, y + 2, "limit"), "deadline");
  }
  return y + 8;
}

function drawPanel({ title, from, to, rows }: Panel, top: number, parts: string[]): number {
  const left = LEFT + GAP;
  const span = Math.max(to - from, 0.001);
  const x = (time: number) => left + Math.min(1, Math.max(0, (time - from) / span)) * BARS;
  const first = top + 44, bottom = first + rows.length * ROW;
  parts.push(text(title, 0, top + 16, "title"));
  for (const tick of ticks(span)) {
    const at = x(from + tick);
    parts.push(line(at, first - 4, at, bottom, "grid"));
    parts.push(text(seconds(tick), at, first - 9, "small middle"));
  }
  for (const [index, row] of rows.entries()) {
    const y = first + index * ROW;
    parts.push(...drawRow(row, y, from, to, x));
  }
  return bottom;
}

function drawRow(
  { name, note, marks, isHeading }: Row,
  y: number,
  from: number,
  to: number,
  x: (time: number) => number,
): string[] {
  const full = printable(name);
  const short = full.length > LONGEST_NAME ? `${full.slice(0, LONGEST_NAME - 1)}…` : full;
  const shown = marks.filter((mark) => isWithin(mark, from, to));
  const [height, inset] = isHeading ? [6, 6] : [13, 3];
  const bars = shown.map(({ kind, start, end = to }) => {
    const index = LEGEND.findIndex((it) => COLOURS[it].of.includes(kind));
    if (index < 0) return ""; // Down.
    const [x0, x1] = [x(start), x(end)];
    return rect(x0, y + inset, Math.max(1.5, x1 - x0), height, `c${index}`);
  });
  const limits = shown.filter((mark) => hasLimit(mark, from, to)).map(({ limit = to }) =>
    line(x(limit), y + 1, x(limit), y + ROW - 1, "limit")
  );
  const heading = isHeading ? " strong" : "";
  return [
    "<g>",
    `<title>${escape([full, note].filter((it) => it !== "").join(": "))}</title>`,
    text(short, LEFT, y + 13.5, `right${heading}`),
    ...bars.filter((it) => it !== ""),
    ...limits,
    text(note, LEFT + BARS + 2 * GAP, y + 13.5, "small"),
    "</g>",
  ];
}

function isWithin({ start, end = Infinity }: Mark, from: number, to: number): boolean {
  return start <= to && end >= from;
}

function hasLimit({ limit }: Mark, from: number, to: number): boolean {
  return limit !== undefined && limit >= from && limit <= to;
}

/** Times for the axis: some six, each a round number. */
function ticks(span: number): number[] {
  const rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough) ?? 10 * power;
  const count = Math.floor(span / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, index) => index * step);
}

/** A time as people say it. */
function seconds(time: number): string {
  const digits = (value: number, of: number) => String(Number(value.toFixed(of)));
  if (time === 0) return "0";
  if (time < 0.9995) return `${digits(time * 1000, time < 0.01 ? 1 : 0)} ms`;
  return `${digits(time, time < 10 ? 2 : time < 100 ? 1 : 0)} s`;
}

/** As Unicode, and without control characters, which XML cannot hold. */
function printable(name: ByteString): string {
  // deno-lint-ignore no-control-regex
  return toUnicode(name).replaceAll(/[\x00-\x1f\x7f\ufffe\uffff]/g, "?");
}

function rect(x: number, y: number, width: number, height: number, kind: string): string {
  const place = `x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${height}"`;
  return `<rect class="${kind}" ${place} rx="2"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line class="${kind}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`;
}

function document(titles: readonly string[], height: number, parts: readonly string[]): string {
  const [width, tall] = [WIDTH + 24, height + 18];
  const box = `viewBox="-12 -6 ${width} ${px(tall)}" width="${width}" height="${px(tall)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img">
<title>${titles.join(". ")}</title>
<style>${STYLE}
</style>
<rect class="page" x="-12" y="-6" width="${width}" height="${px(tall)}"/>
${parts.join("\n")}
</svg>
`;
}
