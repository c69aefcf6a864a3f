import { type ByteString } from "../posix/bytes.ts";
import { SERVICES } from "../supervisor/conventions.ts";
import { findCycles } from "../supervisor/plans.ts";
import { parseSeconds } from "../supervisor/timeouts.ts";
import { baseName, identify } from "./commands.ts";
import { goesToBackground, ignoresTerm } from "./daemons.ts";
import { entries, type Entry, type Image } from "./image.ts";
import { type Problem } from "./problems.ts";
import { checkScript, readShell } from "./scripts.ts";
import { type Command, type Script } from "./shell.ts";

/** Finds what is wrong with runit's services. */
export function checkServices(image: Image): Problem[] {
  if (!image.services) return [];
  const found = entries(image, SERVICES);
  const services = found.filter(({ node }) => node.type === "directory");
  return [
    ...found.flatMap(({ path, node }): Problem[] => {
      if (node.type === "nothing") return [{ kind: "danglingLink", file: path }];
      if (node.type !== "file") return [];
      return [{ kind: "noDirectory", file: path, isScript: node.text?.startsWith("#!") === true }];
    }),
    ...services.flatMap((service) => checkService(image, service)),
    ...checkNeeds(image, services),
  ];
}

/** The files whose content is a setting, and how to check it. */
const SETTINGS: Readonly<
  Record<ByteString, { form: string; fits: (text: ByteString) => boolean }>
> = {
  KILL_PROCESS_TIMEOUT: {
    form: "seconds, such as 5, 1.5, 5s or 2m",
    fits: (text) => parseSeconds(text) !== undefined,
  },
  unhealthy: {
    form: "restart or end, and after how many failures: restart 3",
    fits: (text) => /^\s*(restart|end)\s+[1-9]\d*\s*$/.test(text),
  },
  backoff: {
    form: "the longest pause in seconds, such as 60",
    fits: (text) => (parseSeconds(text) ?? 0) > 0,
  },
  give_up: {
    form: "how many ends in how many seconds: 5 in 60",
    fits: (text) => /^\s*[1-9]\d*\s+in\s+[1-9]\d*\s*[smh]?\s*$/.test(text),
  },
  "notification-fd": {
    form: "the number of an open file, from 3 to 9, or socket",
    fits: (text) => /^\s*([3-9]|socket)\s*$/.test(text),
  },
};

/** The files that have their meaning by existing. */
const MARKS = ["critical", "down", "stop_last", "owns_descendants"];

/** The scripts besides `run`. */
const SCRIPTS_BESIDE = ["finish", "check", "finish.own"];

/** All names that have a meaning in a service's directory, or are usual there for the program's own use. */
const DIRECTORIES = ["log", "control", "supervise", "env", "conf", "data"];
const KNOWN = [
  ...DIRECTORIES,
  "run",
  "needs",
  ...SCRIPTS_BESIDE,
  ...MARKS,
  ...Object.keys(SETTINGS),
];

function checkService(image: Image, { path, node }: Entry): Problem[] {
  if (node.names === undefined) return []; // May not be looked at.
  const files = entries(image, path);
  const find = (name: ByteString) => files.find((it) => it.name === name);
  const log = find("log");
  const scripts = [
    ...SCRIPTS_BESIDE.flatMap((name) => find(name) ?? []),
    ...entries(image, `${path}/control`),
  ];
  return [
    ...checkRun(image, path, files),
    ...scripts.flatMap((it) => checkScript(image, it, true)),
    ...(log?.node.type === "directory" && log.node.names !== undefined
      ? checkRun(image, log.path, entries(image, log.path))
      : []),
    ...checkSettings(files),
    ...checkNames(files),
  ];
}

/** Checks a directory that runsv will run: a service's, or its log's. */
function checkRun(image: Image, directory: ByteString, files: readonly Entry[]): Problem[] {
  const run = files.find(({ name }) => name === "run");
  if (!run) {
    const isDown = files.some(({ name }) => name === "down");
    const meant = files.find(({ name }) => meantBy(name) === "run")?.name;
    return [{ kind: "noRun", file: directory, isDown, meant }];
  }
  const problems = checkScript(image, run, true);
  const script = readShell(run.node.text ?? "");
  if (script && problems.every(({ kind }) => kind !== "windowsLineEnds")) {
    problems.push(...checkProgram(image, run.path, script));
  }
  return problems;
}

/** Finds out whether the shell becomes the program, and whether that stays in the foreground. */
function checkProgram(image: Image, file: ByteString, script: Script): Problem[] {
  const { commands, functions, last } = script;
  const executed = commands.filter(({ words }) => isExec(words));
  const candidates = last?.command && !last.background ? [...executed, last.command] : executed;
  for (const { words, line } of candidates) {
    const invocation = identify(words);
    const program = baseName(invocation.program ?? "");
    const background = goesToBackground(image, invocation);
    if (background) return [{ kind: "background", file, line, program, remedy: background }];
    const instead = ignoresTerm(invocation);
    if (instead) return [{ kind: "ignoresTerm", file, line, program, remedy: instead }];
  }
  if (!last || executed.length > 0 || commands.some(takesDown)) return [];
  if (last.background) return [{ kind: "endsAtOnce", file, line: last.line }];
  if (!last.command || last.command.piped || commands.some(decidesItself)) return [];
  const { program } = identify(last.command.words);
  if (program === undefined || functions.has(program) || NO_PROGRAMS.has(baseName(program))) {
    return [];
  }
  return [{ kind: "noExec", file, line: last.line, program: baseName(program) }];
}

/** Whether the shell becomes the program of the service: `exec sv down .` only takes it down. */
function isExec(words: Command["words"]): boolean {
  const { isExec, program } = identify(words);
  return isExec && baseName(program ?? "") !== "sv";
}

/** Commands of the shell, and short ones, which need no `exec` when they come last. */
const NO_PROGRAMS = new Set(
  (". : [ [[ (( alias break cd continue echo eval exit export false fg kill let local logger mkdir printf " +
    "pwd read readonly return rm set shift sleep source sv test touch trap true ulimit umask unset wait")
    .split(" "),
);

/** Whether a script takes its service down when it has done its work, and so is run once. */
function takesDown({ words }: Command): boolean {
  return baseName(words[0].text) === "sv" && /^(d|down|o|once|x|exit)$/.test(words[1]?.text ?? "");
}

/** Whether a script supervises its programs itself, or is run again and again on purpose. */
function decidesItself({ words: [{ text }], depth }: Command): boolean {
  return text === "trap" || (text === "sleep" && depth === 0);
}

function checkSettings(files: readonly Entry[]): Problem[] {
  return files.flatMap(({ name, path, node }): Problem[] => {
    if (node.type !== "file" || node.text === undefined) return [];
    const content = node.text.trim();
    if (MARKS.includes(name) && /^(0|no|false|off)$/i.test(content)) {
      return [{ kind: "saysNo", file: path, line: 1, content }];
    }
    const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
    if (!setting || setting.fits(node.text)) return [];
    return [{ kind: "badSetting", file: path, line: 1, content, form: setting.form }];
  });
}

/** Finds files whose names are almost those of files that have a meaning and are missing. */
function checkNames(files: readonly Entry[]): Problem[] {
  const texts = files.flatMap(({ node }) => node.text ?? []);
  return files.flatMap(({ name, path }): Problem[] => {
    const meant = meantBy(name);
    const isUsed = texts.some((text) => text.includes(`/${name}`));
    if (meant === undefined || meant === "run" || isUsed) return []; // A missing `run` is told elsewhere.
    if (files.some((it) => it.name === meant)) return [];
    return [{ kind: "unknownFile", file: path, meant }];
  });
}

/** The known name that is meant by another one, if any. */
function meantBy(name: ByteString): ByteString | undefined {
  if (KNOWN.includes(name)) return undefined;
  return nearest(name.replace(/\.(sh|bash|txt|py|pl)$/, ""), KNOWN.slice(DIRECTORIES.length));
}

/** Finds a name that differs by case, by - and _, or by one letter. */
function nearest(name: ByteString, names: readonly ByteString[]): ByteString | undefined {
  const simple = (text: ByteString) => text.toLowerCase().replace(/[-_. ]/g, "");
  return names.find((it) => simple(it) === simple(name)) ??
    names.find((it) => it.length >= 4 && isOneOff(simple(it), simple(name)));
}

/** Whether one letter is missing, added, another one, or has changed its place with the next. */
function isOneOff(a: ByteString, b: ByteString): boolean {
  if (a.length < b.length) return isOneOff(b, a);
  if (a.length - b.length > 1) return false;
  let at = 0;
  while (at < b.length && a[at] === b[at]) at++;
  if (a.length > b.length) return a.slice(at + 1) === b.slice(at);
  return a.slice(at + 1) === b.slice(at + 1) ||
    (a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2));
}

interface Need {
  name: ByteString;
  file: ByteString;
  line: number;
}

function checkNeeds(image: Image, services: readonly Entry[]): Problem[] {
  const names = services.map(({ name }) => name);
  const needs = new Map<ByteString, Need[]>();
  const problems: Problem[] = [];
  for (const { name, path } of services) {
    const file = `${path}/needs`;
    const text = image.nodes[file]?.text ?? "";
    const lines = text.split("\n").map((it, index) => ({ it, line: index + 1 }));
    const crlf = lines.find(({ it }) => it.endsWith("\r"));
    if (crlf) problems.push({ kind: "windowsLineEnds", file, line: crlf.line });
    const read = lines.map(({ it, line }) => ({ name: it.replace(/#.*/, "").trim(), file, line }))
      .filter((it) => it.name !== "");
    needs.set(name, read.filter((it) => names.includes(it.name)));
    for (const it of read.filter((it) => !names.includes(it.name))) {
      problems.push({ kind: "unknownNeed", ...it, meant: nearest(it.name, names) });
    }
  }
  return [
    ...problems,
    ...findCycles(needs).map(({ names, last: { file, line } }): Problem => ({
      kind: "cycle",
      file,
      line,
      names,
    })),
  ];
}
