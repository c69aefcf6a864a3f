import { type ByteString } from "../posix/bytes.ts";
import { type Word } from "./shell.ts";

/** The program that a command becomes, perhaps by others before: `exec setuser www nginx` becomes nginx. */
export interface Invocation {
  /** Undefined when it is known only when it is run. */
  program?: ByteString;
  args: readonly Word[];
  /** Whether the shell becomes it. */
  isExec: boolean;
  /** The programs before it, such as setuser, with their own arguments. */
  via: readonly { program: ByteString; options: readonly Word[] }[];
}

/** A program that becomes another: its options that have a value, by letter, and how many words come before the command. */
interface Wrapper {
  values: string;
  words: number;
}

const WRAPPERS: Readonly<Record<ByteString, Wrapper>> = {
  exec: { values: "a", words: 0 },
  command: { values: "", words: 0 },
  env: { values: "uC", words: 0 },
  setuser: { values: "", words: 1 },
  gosu: { values: "", words: 1 },
  "su-exec": { values: "", words: 1 },
  chpst: { values: "uUbe/nlLmdopfcrtC", words: 0 },
  sudo: { values: "ugCDhpRTU", words: 0 },
  nice: { values: "n", words: 0 },
  ionice: { values: "cn", words: 0 },
  stdbuf: { values: "ioe", words: 0 },
  taskset: { values: "", words: 1 },
  nohup: { values: "", words: 0 },
  setsid: { values: "", words: 0 },
  "dumb-init": { values: "", words: 0 },
  tini: { values: "p", words: 0 },
};

/** Says which program a simple command runs. */
export function identify(words: readonly Word[]): Invocation {
  let rest = words;
  let isExec = false;
  const via: { program: ByteString; options: readonly Word[] }[] = [];
  for (;;) {
    while (rest.length > 0 && /^[A-Za-z_]\w*\+?=/.test(rest[0].text)) rest = rest.slice(1);
    const [first, ...args] = rest;
    if (!first?.literal) return { args, isExec, via };
    const name = baseName(first.text);
    const wrapper = Object.hasOwn(WRAPPERS, name) ? WRAPPERS[name] : undefined;
    if (!wrapper) return { program: first.text, args, isExec, via };
    if (name === "exec") isExec = args.length > 0;
    const length = countOptions(args, wrapper) + wrapper.words;
    via.push({ program: name, options: args.slice(0, length) });
    rest = args.slice(length);
  }
}

function countOptions(args: readonly Word[], { values }: Wrapper): number {
  let count = 0;
  while (args[count]?.literal && /^-./.test(args[count].text)) {
    const { text } = args[count++];
    if (text === "--") break;
    if (!text.startsWith("--") && text.length === 2 && values.includes(text[1])) count++;
  }
  return count;
}

/** The users and groups that a command becomes. */
export function identities(
  { via }: Invocation,
): { program: ByteString; user?: ByteString; group?: ByteString }[] {
  return via.flatMap(({ program, options }) => {
    let who: Word | undefined;
    if (["setuser", "gosu", "su-exec"].includes(program)) who = options.at(-1);
    if (program === "chpst") {
      const at = options.findIndex(({ text }) => /^-u/.test(text));
      const found = options[at];
      who = found?.text === "-u"
        ? options[at + 1]
        : found && { ...found, text: found.text.slice(2) };
    }
    if (!who?.literal || who.text.startsWith("-")) return [];
    const [user, ...groups] = who.text.replace(/^:/, "").split(":");
    if (program === "chpst" && who.text.startsWith(":")) return []; // Numbers.
    return [{ program, user, group: groups[0] }];
  });
}

/** The name of a program, without its directory. */
export function baseName(path: ByteString): ByteString {
  return path.split("/").at(-1) ?? path;
}
