/**
 * The charts of the page, as SVG. Pure: the same results give the same charts.
 *
 * @module
 */
import { type Figures, type Results } from "./figures.ts";
import { px, text } from "../timeline/svg.ts";
import { amount, unitOf } from "./report.ts";

const width = 760;

/** Readable on light and on dark pages: the page's own background shows. */
const style = `
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #333d48 }
  .title { font-size: 16px; font-weight: 600; fill: #17202a }
  .unit, .tick { font-size: 12px; fill: #66717e }
  .strong { font-weight: 600; fill: #17202a }
  .right { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #8a94a0; stroke-opacity: .28 }
  .noise { stroke: #333d48; stroke-opacity: .65 }
  .ours { fill: #1d6fd8 } .previous { fill: #9dc3f2 } .peer { fill: #b3bac3 }
  path { fill: none; stroke-width: 2; stroke-linejoin: round }
  .line0 { stroke: #1d6fd8; stroke-width: 3 } .line1 { stroke: #8db9ee } .line2 { stroke: #d9822b }
  .line3 { stroke: #2f9e77 } .line4 { stroke: #a25fc4 }
  .dot0 { fill: #1d6fd8 } .dot1 { fill: #8db9ee } .dot2 { fill: #d9822b } .dot3 { fill: #2f9e77 } .dot4 { fill: #a25fc4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #c9d1d9 } .title, .strong { fill: #f0f3f6 } .unit, .tick { fill: #9aa5b1 }
    .noise { stroke: #e6edf3 } .ours { fill: #4c9bff } .previous { fill: #2c5c99 } .peer { fill: #5f6975 }
    .line0 { stroke: #4c9bff } .dot0 { fill: #4c9bff } .line1 { stroke: #3c72b5 } .dot1 { fill: #3c72b5 }
  }`;

/** Every chart that the results have figures for, by the name of its file. */
export function charts({ figures }: Results): Record<string, string> {
  const { memory, exec, start, stop, setuser, services } = figures;
  const all: Record<string, string | undefined> = {
    memory: memory && bars("Memory of an idle container", [
      panel("PID 1, RSS", memory, "PID 1 RSS, kB"),
      panel("Container, as docker stats shows it", memory, "container, MiB"),
    ]),
    start: (exec || start) && bars("What an init adds to the run of one command", [
      ...exec
        ? [panel("As PID 1, inside one container", exec, "whole process, ms, beyond bare")]
        : [],
      ...start ? [panel("By docker run, beyond a bare one", start, "end, ms, beyond bare")] : [],
    ]),
    stop: stop && bars("What an init adds to docker stop", [
      panel("Idle, beyond a program that ends at TERM", stop, "stop, ms, beyond bare"),
    ]),
    setuser: setuser && bars("Becoming another user", [
      panel("From fork to the end of /bin/true", setuser, "whole process, ms"),
    ]),
    services: services && lines("Boot and stop with many services", [
      { title: "Boot", figures: services, metric: /^boot with (\d+), ms$/ },
      { title: "docker stop", figures: services, metric: /^stop with (\d+), ms$/ },
    ]),
  };
  return Object.fromEntries(Object.entries(all).flatMap(([name, svg]) => svg ? [[name, svg]] : []));
}

interface Bar {
  label: string;
  value: number;
  noise: number;
}

interface Panel {
  title: string;
  unit: string;
  bars: Bar[];
}

function panel(title: string, figures: Figures, metric: string): Panel {
  const measured = Object.entries(figures).filter(([, it]) => it[metric]);
  return {
    title,
    unit: unitOf(metric),
    bars: measured.map(([label, { [metric]: { median, noise } }]) => ({
      label,
      value: median,
      noise,
    })),
  };
}

function kindOf(label: string): "ours" | "previous" | "peer" {
  if (!/^(my_init|setuser)\b/.test(label)) return "peer";
  return label.includes("1.0.0") ? "previous" : "ours";
}

/** Horizontal bars, panel below panel, each panel with a scale of its own. */
function bars(title: string, panels: Panel[]): string {
  const [left, right, rowHeight] = [218, 110, 25];
  let y = 30;
  const parts = [text(title, 0, 20, "title")];
  for (const { title, unit, bars } of panels) {
    y += 30;
    parts.push(text(title, 0, y, "unit"));
    const most = Math.max(...bars.map((it) => it.value + it.noise), Number.MIN_VALUE);
    const scale = (value: number) => left + Math.max(0, value) / most * (width - left - right);
    y += 8;
    for (const { label, value, noise } of bars) {
      const kind = kindOf(label);
      const strong = kind === "ours" ? " strong" : "";
      const middle = y + rowHeight / 2;
      parts.push(
        text(label, left - 10, middle + 4.5, `right${strong}`),
        `<rect class="${kind}" x="${left}" y="${y + 4}" width="${
          px(Math.max(1.5, scale(value) - left))
        }" height="${rowHeight - 8}" rx="2"/>`,
      );
      const [from, to] = [scale(value - noise), scale(value + noise)];
      if (to - from > 3) {
        parts.push(
          `<line class="noise" x1="${px(from)}" x2="${px(to)}" y1="${middle}" y2="${middle}"/>`,
        );
      }
      parts.push(
        text(amount(value, unit), Math.max(scale(value), to) + 8, middle + 4.5, strong.trim()),
      );
      y += rowHeight;
    }
  }
  return svg(title, y + 8, parts);
}

/** Lines over the number of services, side by side; both axes by powers of ten. */
function lines(
  title: string,
  panels: { title: string; figures: Figures; metric: RegExp }[],
): string {
  const [top, height, left, labels, gap] = [66, 250, 50, 98, 16];
  const parts = [text(title, 0, 20, "title")];
  const panelWidth = (width - gap) / panels.length;
  const values = panels.flatMap(({ figures, metric }) =>
    pointsOf(figures, metric).flatMap((it) => it.points)
  );
  const counts = [...new Set(values.map((it) => it.count))].sort((a, b) => a - b);
  const decades = rangeOf(values.map((it) => it.value));
  for (const [index, { title, figures, metric }] of panels.entries()) {
    const x0 = index * (panelWidth + gap) + left;
    const x1 = x0 - left + panelWidth - labels;
    const x = (count: number) => x0 + position(count, counts[0], counts.at(-1)!) * (x1 - x0);
    const y = (value: number) =>
      top + height - position(value, decades[0], decades.at(-1)!) * height;
    parts.push(text(title, x0 - left, 50, "unit"));
    for (const decade of decades) {
      parts.push(
        `<line class="grid" x1="${px(x0)}" x2="${px(x1)}" y1="${px(y(decade))}" y2="${
          px(y(decade))
        }"/>`,
        text(amount(decade, "ms"), x0 - 8, y(decade) + 4, "tick right"),
      );
    }
    for (const count of counts) {
      parts.push(text(String(count), x(count), top + height + 20, "tick middle"));
    }
    parts.push(text("services", (x0 + x1) / 2, top + height + 40, "tick middle"));
    const series = pointsOf(figures, metric);
    for (const [number, { points }] of [...series.entries()].reverse()) {
      const path = points.map(({ count, value }) => `${px(x(count))} ${px(y(value))}`).join(" L ");
      parts.push(`<path class="line${number}" d="M ${path}"/>`);
      for (const { count, value } of points) {
        parts.push(
          `<circle class="dot${number}" cx="${px(x(count))}" cy="${px(y(value))}" r="3.5"/>`,
        );
      }
    }
    const wanted = series.map(({ points }) => y(points.at(-1)!.value) + 4.5);
    for (const [number, at] of spread(wanted, 16).entries()) {
      const { label } = series[number];
      parts.push(text(label, x1 + 9, at, kindOf(label) === "ours" ? "strong" : ""));
    }
  }
  return svg(title, top + height + 50, parts);
}

function pointsOf(
  figures: Figures,
  metric: RegExp,
): { label: string; points: { count: number; value: number }[] }[] {
  return Object.entries(figures).map(([label, metrics]) => ({
    label,
    points: Object.entries(metrics).flatMap(([name, { median }]) => {
      const [, count] = name.match(metric) ?? [];
      return count ? [{ count: Number(count), value: Math.max(1, median) }] : [];
    }),
  }));
}

/** The powers of ten around the values. */
function rangeOf(values: number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)].map(Math.log10);
  const [first, last] = [Math.floor(low), Math.max(Math.ceil(high), Math.floor(low) + 1)];
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

/** From 0 at `low` to 1 at `high`, by the logarithm. */
function position(value: number, low: number, high: number): number {
  return low === high ? 0.5 : Math.log(value / low) / Math.log(high / low);
}

/** Moves labels apart that would lie on one another; none moves further than it must. */
export function spread(wanted: number[], distance: number): number[] {
  const order = wanted.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at);
  for (let pass = 0; pass < 50; pass++) {
    for (let i = 1; i < order.length; i++) {
      const overlap = distance - (order[i].at - order[i - 1].at);
      if (overlap <= 0) continue;
      order[i - 1].at -= overlap / 2;
      order[i].at += overlap / 2;
    }
  }
  const result: number[] = [];
  for (const { at, index } of order) result[index] = at;
  return result;
}

function svg(title: string, height: number, parts: string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -6 ${width + 24} ${
    px(height + 12)
  }" width="${width + 24}" height="${px(height + 12)}" role="img" aria-label="${title}">
<style>${style}
</style>
${parts.join("\n")}
</svg>
`;
}
