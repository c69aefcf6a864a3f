/**
 * The page that shows the results. Pure: the same results give the same page.
 *
 * @module
 */
import { type Figures, type Question, type Results, type Summary } from "./figures.ts";

interface Section {
  question: Question;
  title: string;
  chart?: string;
  /** The metrics that are shown; the first one is what subjects are compared by. */
  metrics: string[];
  text: string;
  /** Who is compared with whom. */
  groups: Group[];
}

interface Group {
  ours: string;
  peers: string[];
}

const oneCommand: Group = {
  ours: "my_init, command alone",
  peers: ["my_init 1.0.0, command alone", "tini", "dumb-init", "catatonit"],
};
const supervisors: Group = {
  ours: "my_init",
  peers: ["my_init 1.0.0", "runit", "s6", "supervisor"],
};

const sections: Section[] = [
  {
    question: "memory",
    title: "Memory of an idle container",
    chart: "memory",
    metrics: ["PID 1 RSS, kB", "PID 1 private, kB", "container, MiB"],
    text:
      `PID 1 by the kernel's \`smaps_rollup\`; the container as \`docker stats\` shows it, which is the cgroup's usage less the
inactive part of the page cache. In the container of my_init syslog-ng, cron and runit are running, too; in those of the
peers nothing but one \`sleep\`. "Command alone" is \`my_init --skip-startup-files --skip-runit\`, which is the same.`,
    groups: [oneCommand, supervisors],
  },
  {
    question: "start",
    title: "`docker run`, one command",
    metrics: ["first output, ms, beyond bare", "end, ms, beyond bare", "end, ms"],
    text:
      `\`docker run --rm … echo up\`, until the first output and until it has ended; "beyond bare" is what it took longer than the
same command without an init, in the same round. my_init alone means the whole boot, with syslog-ng, cron and runit,
and the whole stop.`,
    groups: [oneCommand, { ours: "my_init", peers: ["my_init 1.0.0"] }],
  },
  {
    question: "exec",
    title: "One command without docker's noise",
    chart: "start",
    metrics: ["whole process, ms, beyond bare", "whole process, ms"],
    text:
      `The same inits as PID 1 of a namespace that \`unshare\` makes inside one container, each with \`/bin/true\`, from fork to end.
"Python alone" is 16.04's Python 3.5, which imports five modules, runs the command and does nothing else.`,
    groups: [oneCommand],
  },
  {
    question: "stop",
    title: "`docker stop` of an idle container",
    chart: "stop",
    metrics: ["stop, ms, beyond bare", "stop, ms"],
    text:
      `Bare is a shell that ends at TERM. my_init stops cron, then syslog-ng when all is logged. runit gets HUP, which ends its
services, but it does not wait for them: docker's end of the container is theirs.`,
    groups: [oneCommand, supervisors],
  },
  {
    question: "setuser",
    title: "setuser and its peers",
    chart: "setuser",
    metrics: ["whole process, ms", "whole process, ms, beyond bare"],
    text:
      `\`setuser nobody /bin/true\` and the like inside one container, from fork to end; bare is \`/bin/true\` alone. su-exec is no
package of Debian or Ubuntu, so it is not here.`,
    groups: [{
      ours: "setuser",
      peers: ["setuser 1.0.0", "gosu", "setpriv", "chpst"],
    }],
  },
  {
    question: "users",
    title: "Memory to boot with ten services that become another user",
    metrics: ["least memory, MiB"],
    text:
      `The least \`docker run --memory\` in which ten services with \`exec setuser nobody …\` come up and nothing is killed, found
by bisection. With my_init that includes syslog-ng and cron, with runit nothing else.`,
    groups: [{ ours: "my_init", peers: ["my_init 1.0.0", "runit and gosu", "runit and chpst"] }],
  },
  {
    question: "services",
    title: "Boot and stop with many services",
    chart: "services",
    metrics: [1, 20, 200, 800].flatMap((it) => [`boot with ${it}, ms`, `stop with ${it}, ms`]),
    text:
      `From the exec of the init until the last of the services has said that it is up, and the whole of \`docker stop\`. my_init
starts syslog-ng and cron as well, and waits for every service at the stop. runit does not wait (see above). supervisor
cannot be relied on with 800: it has room for 1,024 open files. Before each container the kernel's caches are dropped.`,
    groups: [supervisors],
  },
  {
    question: "orphans",
    title: "Many orphans",
    metrics: ["RSS after, kB", "RSS before, kB", "time, s"],
    text:
      `Processes inside the container leave them behind, a hundred each. The time, of which making them is most, is over when none of
them is left.`,
    groups: [{
      ours: "my_init",
      peers: ["my_init 1.0.0", "tini", "dumb-init", "catatonit", "s6", "supervisor"],
    }],
  },
];

export function report(results: Results): string {
  const { machine, date } = results;
  const measured = sections.filter(({ question }) => results.figures[question]);
  return [
    "# Benchmarks",
    `The image on Ubuntu 16.04, the previous release of it (the last commit of 1.0.0, which had no native code) and its peers,
measured in one run, taking turns, on ${date}: ${machine.cores} cores, ${machine.architecture}, Linux ${machine.kernel}, docker ${machine.docker}. Made by
\`deno task bench\` from [bench/results.json](../bench/results.json), which has minima, maxima and counts, too.`,
    `Values are medians, ± the median distance from it. Less is better everywhere. gosu, runit and supervisor are
16.04's packages. tini, dumb-init and catatonit are Debian 12's, run on 16.04. s6 needs a newer C library than 16.04 has and
runs on Debian 12; setpriv is Debian 12's with its own libraries, on 16.04.`,
    "## What was to be reached",
    targetsText,
    table(["", "before", "to reach", "now", "reached"], targets(results).map(targetRow)),
    ...measured.flatMap((it) => showSection(it, results)),
    "## Where others are better",
    ...showBetter(findBetter(results)),
    "",
  ].join("\n\n").trimEnd() + "\n";
}

const targetsText =
  `"The original" is baseimage-docker. It was not in this run: its ratios are those that the previous release was known to have,
times what was measured here of now and then. Ratios of a stop and of 800 services are of whole times, not beyond a bare one.
One command is compared with Python itself, in which the original is written, so that the ratio is at most this.`;

function showSection(
  { question, title, chart, metrics, text }: Section,
  results: Results,
): string[] {
  const figures = results.figures[question]!;
  const shown = metrics.filter((it) => Object.values(figures).some((subject) => subject[it]));
  return [
    `## ${question === "orphans" ? `${results.orphans.toLocaleString("en")} orphans` : title}`,
    ...(chart ? [`![${title.replaceAll("`", "")}](benchmarks/${chart}.svg)`] : []),
    text,
    table(
      ["", ...shown],
      Object.entries(figures).map(([subject, it]) => [
        subject,
        ...shown.map((metric) => it[metric] ? cell(it[metric], unitOf(metric)) : "–"),
      ]),
    ),
  ];
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function cell({ median, noise, n }: Summary, unit: string): string {
  return amount(median, unit) + (n > 1 ? ` ± ${amount(noise, unit)}` : "");
}

export function unitOf(metric: string): string {
  return metric.match(/, (kB|MiB|ms|s)\b/)?.[1] ?? "";
}

/** With its unit, in two or three digits. */
export function amount(value: number, unit: string): string {
  if (unit === "ms" && Math.abs(value) >= 1000) return `${digits(value / 1000)} s`;
  if (unit === "kB" && Math.abs(value) >= 1024) return `${digits(value / 1024)} MiB`;
  return `${digits(value)} ${unit}`;
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2).replace(/\.0+$/, "");
}

export interface Target {
  name: string;
  before: string;
  wanted: string;
  now?: string;
  reached?: boolean;
}

/** The targets, and what became of them. */
export function targets({ figures }: Results): Target[] {
  const value = (question: Question, subject: string, metric: string) =>
    figures[question]?.[subject]?.[metric]?.median;
  const ratio = (
    name: string,
    { known, most, question, metric, subject = "my_init", also, atLeast }: {
      known: number;
      most: number;
      /** A subject of the same question that the original cannot be faster than. */
      atLeast?: string;
      question: Question;
      metric: string;
      subject?: string;
      also?: { text: string; isSo: (now: number) => boolean };
    },
  ): Target => {
    const previous = subject.replace(/^\w+/, "$& 1.0.0");
    const [now, then] = [subject, previous].map((it) => value(question, it, metric));
    const target = {
      name,
      before: `${known} × the original`,
      wanted: `≤ ${most} ×${also ? `, ${also.text}` : ""}`,
    };
    if (now === undefined || then === undefined) return target;
    const before = `it was ${amount(then, "ms")}`;
    const least = atLeast && value(question, atLeast, metric);
    const [estimate, text] = least
      ? [now / least, `${before}; ${atLeast} takes ${amount(least, "ms")}`]
      : [known * now / then, before];
    return {
      ...target,
      now: `${least ? "≤ " : ""}${digits(estimate)} × (${amount(now, "ms")}; ${text})`,
      reached: estimate <= most && (also?.isSo(now) ?? true),
    };
  };
  const absolute = (
    name: string,
    { before, most, unit, now }: { before: string; most: number; unit: string; now?: number },
  ): Target => ({
    name,
    before,
    wanted: `≤ ${most} ${unit}`,
    ...(now !== undefined && { now: amount(now, unit), reached: now <= most }),
  });
  const gosu = value("setuser", "gosu", "whole process, ms");
  return [
    absolute("idle container, `docker stats`", {
      before: "17.7 MiB",
      most: 4.2,
      unit: "MiB",
      now: value("memory", "my_init", "container, MiB"),
    }),
    absolute("PID 1, idle, RSS", {
      before: "50 MB",
      most: 64,
      unit: "kB",
      now: value("memory", "my_init", "PID 1 RSS, kB"),
    }),
    ratio("setuser", {
      known: 3.6,
      most: 0.15,
      question: "setuser",
      metric: "whole process, ms",
      subject: "setuser",
      also: { text: "and not slower than gosu", isSo: (now) => gosu !== undefined && now <= gosu },
    }),
    absolute("ten services with setuser boot in", {
      before: "more than 96 MiB",
      most: 48,
      unit: "MiB",
      now: value("users", "my_init", "least memory, MiB"),
    }),
    ratio("one command without startup files and runit, beyond bare", {
      known: 2.8,
      most: 1.8,
      question: "exec",
      metric: "whole process, ms, beyond bare",
      subject: "my_init, command alone",
      atLeast: "Python alone",
    }),
    ratio("boot, a command, end, beyond bare", {
      known: 0.3,
      most: 0.2,
      question: "start",
      metric: "end, ms, beyond bare",
    }),
    ratio("`docker stop`, idle", { known: 0.43, most: 0.25, question: "stop", metric: "stop, ms" }),
    ratio("boot with 800 services", {
      known: 0.88,
      most: 0.7,
      question: "services",
      metric: "boot with 800, ms",
    }),
    ratio("stop with 800 services", {
      known: 0.93,
      most: 0.7,
      question: "services",
      metric: "stop with 800, ms",
    }),
  ];
}

function targetRow({ name, before, wanted, now, reached }: Target): string[] {
  return [
    name,
    before,
    wanted,
    now ?? "not measured",
    reached === undefined ? "–" : reached ? "yes" : "**no**",
  ];
}

export interface Better {
  question: Question;
  title: string;
  metric: string;
  ours: string;
  peer: string;
  values: { ours: Summary; peer: Summary };
}

/** Every figure in which a peer, or our previous release, is better than ours, by more than chance explains. */
export function findBetter({ figures }: Results): Better[] {
  return sections.flatMap(({ question, title, metrics, groups }) =>
    groups.flatMap(({ ours, peers }) =>
      peers.flatMap((peer) =>
        metrics.flatMap((metric) => {
          const [own, other] = [ours, peer].map((it) =>
            (figures[question] as Figures)?.[it]?.[metric]
          );
          if (!own || !other || own.median - other.median <= chance(own, other)) return [];
          return [{ question, title, metric, ours, peer, values: { ours: own, peer: other } }];
        })
      )
    )
  );
}

/** How far two medians may be apart by chance: twice the standard error of their difference. */
function chance(...summaries: Summary[]): number {
  const errors = summaries.map(({ noise, n }) => 1.4826 * 1.2533 * noise / Math.sqrt(n));
  return 2 * Math.hypot(...errors);
}

function showBetter(found: Better[]): string[] {
  if (found.length === 0) return ["Nowhere in this run."];
  return [
    "By more than chance explains (twice the standard error of the medians' difference):",
    table(
      ["", "", "who", "theirs", "ours", "ours is"],
      found.map(({ title, metric, ours, peer, values }) => {
        const unit = unitOf(metric);
        const [own, other] = [values.ours.median, values.peer.median];
        return [
          title,
          metric,
          peer,
          amount(other, unit),
          `${amount(own, unit)} (${ours})`,
          other > 0 ? `${digits(own / other)} ×` : `${amount(own - other, unit)} more`,
        ];
      }),
    ),
  ];
}
