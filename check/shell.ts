import { type ByteString } from "../posix/bytes.ts";

/** A word of a shell script, without its quotes. */
export interface Word {
  text: ByteString;
  /** Whether its text is literal: nothing in it is expanded. */
  literal: boolean;
}

/** A simple command: a program and its arguments. */
export interface Command {
  words: readonly Word[];
  line: number;
  /** How many compound commands and functions it is in. */
  depth: number;
  /** Whether it is part of a pipeline. */
  piped: boolean;
}

/** A shell script, as far as it must be understood here. */
export interface Script {
  /** In their order, those of compound commands and functions, too. */
  commands: readonly Command[];
  functions: ReadonlySet<ByteString>;
  /** What the script ends with: a simple command, or nothing when it is a compound one. */
  last?: { command?: Command; line: number; background: boolean };
}

type Token =
  & { line: number; end: number }
  & ({ kind: "word"; text: ByteString; literal: boolean; quoted: boolean } | {
    kind: "operator";
    text: ByteString;
  });

/**
 * Reads a script in the language of sh or bash. Here-documents, redirections and comments are left out.
 *
 * @returns nothing when it is not understood
 */
export function parseShell(text: ByteString): Script | undefined {
  try {
    return arrange(tokenize(text));
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

class NotUnderstood extends Error {}

const OPERATORS = [";;&", "&&", "||", ";;", ";&", "|&", ";", "&", "|", "(", ")", "\n"];

function tokenize(text: ByteString): Token[] {
  const tokens: Token[] = [];
  const documents: { delimiter: ByteString; tabs: boolean }[] = [];
  let at = 0, line = 1;
  let inTest = false; // Between [[ and ]], where && and < are no operators.
  const advance = (to: number) => {
    for (; at < to; at++) if (text[at] === "\n") line++;
  };
  const readWord = () => {
    const word = scanWord(text, at);
    const start = line;
    advance(word.end);
    return { ...word, line: start };
  };
  while (at < text.length) {
    const blank = /^(?:[ \t\r]|\\\r?\n)+/.exec(text.slice(at, at + 1000));
    if (blank) {
      advance(at + blank[0].length);
      continue;
    }
    if (text[at] === "#") {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
      continue;
    }
    if (inTest && /[()<>|&]/.test(text[at])) {
      at++;
      continue;
    }
    const redirection = /^(\d*|&)(<<<|<<-?|<>|<&|>\||>>|>&|<(?!\()|>(?!\())[ \t]*/.exec(
      text.slice(at, at + 100),
    );
    if (redirection) {
      at += redirection[0].length;
      const target = readWord();
      if (/^<<-?$/.test(redirection[2])) {
        documents.push({ delimiter: target.text, tabs: redirection[2] === "<<-" });
      }
      continue;
    }
    const operator = OPERATORS.find((it) => text.startsWith(it, at));
    const before = tokens.at(-1);
    if (operator === "(" && text[at + 1] === "(" && before?.end !== at) {
      const start = line;
      advance(scanTo(text, at + 2, "))"));
      tokens.push({ kind: "word", text: "((", literal: false, quoted: true, line: start, end: at });
    } else if (operator !== undefined) {
      tokens.push({ kind: "operator", text: operator, line, end: at + operator.length });
      advance(at + operator.length);
      if (operator === "\n") { for (const it of documents.splice(0)) advance(endOf(it, text, at)); }
    } else {
      const word = readWord();
      tokens.push({ kind: "word", ...word });
      if (!word.quoted && word.text === "[[") inTest = true;
      if (!word.quoted && word.text === "]]") inTest = false;
    }
  }
  return tokens;
}

/** Where a here-document has ended. */
function endOf(
  { delimiter, tabs }: { delimiter: ByteString; tabs: boolean },
  text: ByteString,
  at: number,
): number {
  while (at < text.length) {
    const found = text.indexOf("\n", at);
    const end = found < 0 ? text.length : found;
    const line = text.slice(at, end).replace(/\r$/, "");
    at = Math.min(end + 1, text.length);
    if ((tabs ? line.replace(/^\t+/, "") : line) === delimiter) return at;
  }
  return at;
}

function scanWord(
  source: ByteString,
  start: number,
): { text: ByteString; literal: boolean; quoted: boolean; end: number } {
  let at = start, text = "", literal = true, quoted = false;
  const take = (end: number) => {
    text += source.slice(at, end);
    at = end;
    literal = false;
  };
  while (at < source.length) {
    const character = source[at];
    if (character === "\\") {
      if (source[at + 1] !== "\n") text += source[at + 1] ?? "";
      quoted = true;
      at += 2;
    } else if (character === "'" || (character === "$" && source[at + 1] === "'")) {
      const from = source.indexOf("'", at) + 1;
      const end = character === "'" ? source.indexOf("'", from) : scanTo(source, from, "'") - 1;
      if (end < 0) throw new NotUnderstood();
      if (character === "$") literal = false;
      text += source.slice(from, end);
      at = end + 1;
      quoted = true;
    } else if (character === '"') {
      const end = scanTo(source, at + 1, '"');
      const inside = source.slice(at + 1, end - 1);
      if (/(?<!\\)[$`]/.test(inside)) literal = false;
      text += inside.replace(/\\([$`"\\\n])/g, (_, it) => it === "\n" ? "" : it);
      at = end;
      quoted = true;
    } else if (character === "`") take(scanTo(source, at + 1, "`"));
    else if (character === "$" && source[at + 1] === "(") take(scanTo(source, at + 2, ")"));
    else if (character === "$" && source[at + 1] === "{") take(scanTo(source, at + 2, "}"));
    else if (/[<>]/.test(character) && source[at + 1] === "(") take(scanTo(source, at + 2, ")"));
    else if (character === "(" && /[=?*+@!]$/.test(text)) take(scanTo(source, at + 1, ")"));
    else if (/[ \t\n;&|<>()]/.test(character)) break;
    else if (character === "\r" && source[at + 1] === "\n") break;
    else {
      if (character === "$") literal = false;
      text += character;
      at++;
    }
  }
  if (at === start) throw new NotUnderstood();
  return { text, literal, quoted, end: Math.min(at, source.length) };
}

/** Finds the end of a quotation or a parenthesis. Returns the place behind it. */
function scanTo(text: ByteString, at: number, end: ByteString): number {
  while (at < text.length) {
    if (text.startsWith(end, at)) return at + end.length;
    const character = text[at];
    const inDoubleQuotes = end === '"';
    if (character === "\\") at += 2;
    else if (end === "'" || end === "`") at++;
    else if (character === "'" && !inDoubleQuotes) {
      const close = text.indexOf("'", at + 1);
      if (close < 0) throw new NotUnderstood();
      at = close + 1;
    } else if (character === '"') at = scanTo(text, at + 1, '"');
    else if (character === "`") at = scanTo(text, at + 1, "`");
    else if (character === "$" && text[at + 1] === "(") at = scanTo(text, at + 2, ")");
    else if (character === "$" && text[at + 1] === "{") at = scanTo(text, at + 2, "}");
    else if (character === "(" && !inDoubleQuotes && end !== "}") at = scanTo(text, at + 1, ")");
    else if (character === "#" && end === ")" && /\s/.test(text[at - 1])) {
      const close = text.indexOf("\n", at);
      if (close < 0) throw new NotUnderstood();
      at = close;
    } else at++;
  }
  throw new NotUnderstood();
}

/** What a compound command has begun; a `case` waits for a pattern or is in a branch. */
interface Open {
  kind: "if" | "loop" | "pattern" | "branch" | "{" | "(";
  /** Whether it is the body of a function, which is only run when it is called. */
  isFunction: boolean;
}

const OPENING: Readonly<Record<ByteString, Open["kind"]>> = {
  if: "if",
  while: "loop",
  until: "loop",
  for: "loop",
  select: "loop",
  case: "pattern",
  "{": "{",
};
const CLOSING: Readonly<Record<ByteString, readonly Open["kind"][]>> = {
  fi: ["if"],
  done: ["loop"],
  esac: ["pattern", "branch"],
  "}": ["{"],
};

function arrange(tokens: readonly Token[]): Script {
  const commands: Command[] = [];
  const functions = new Set<ByteString>();
  const open: Open[] = [];
  let last: Script["last"];
  let isFunction = false; // The next compound command is a function's body.
  let afterPipe = false;
  let at = 0;
  const word = (index: number) => {
    const token = tokens[index];
    return token?.kind === "word" && !token.quoted ? token.text : undefined;
  };
  const operator = (index: number) => {
    const token = tokens[index];
    return token?.kind === "operator" ? token.text : undefined;
  };
  const close = (kinds: readonly Open["kind"][], line: number) => {
    const closed = open.pop();
    if (!closed || !kinds.includes(closed.kind)) throw new NotUnderstood();
    if (open.length === 0 && !closed.isFunction) last = { line, background: false };
  };
  const skipTo = (...texts: ByteString[]) => {
    while (!texts.includes(word(at) ?? operator(at) ?? "")) {
      if (at >= tokens.length) throw new NotUnderstood();
      at++;
    }
  };
  while (at < tokens.length) {
    const token = tokens[at];
    const text = token.text;
    const top = open.at(-1);
    if (top?.kind === "pattern" && !(word(at) === "esac")) {
      if (operator(at) !== "\n") {
        if (operator(at) === "(") at++;
        skipTo(")");
        top.kind = "branch";
      }
      at++;
    } else if (token.kind === "operator") {
      at++;
      if (text === "(") open.push({ kind: "(", isFunction });
      if (text === "(") isFunction = false;
      else if (text === ")") close(["("], token.line);
      else if (text.startsWith(";;") || text === ";&") {
        if (top?.kind !== "branch") throw new NotUnderstood();
        top.kind = "pattern";
      } else if (text === "&" && open.length === 0 && last) last.background = true;
      if (text.startsWith("|") && text !== "||") {
        afterPipe = true;
        const before = commands.at(-1);
        if (before) before.piped = true;
      } else if (text !== "\n") afterPipe = false;
    } else if (word(at) !== undefined && Object.hasOwn(OPENING, text)) {
      open.push({ kind: OPENING[text], isFunction });
      isFunction = false;
      at++;
      if (text === "for" || text === "select") {
        skipTo("do");
        at++;
      } else if (text === "case") {
        skipTo("in");
        at++;
      }
    } else if (word(at) !== undefined && Object.hasOwn(CLOSING, text)) {
      close(CLOSING[text], token.line);
      at++;
    } else if (["then", "elif", "else", "do", "!", "time"].includes(word(at) ?? "")) at++;
    else if (word(at) === "function") {
      functions.add(tokens[at + 1]?.text ?? "");
      at += operator(at + 2) === "(" ? 4 : 2;
      isFunction = true;
    } else if (operator(at + 1) === "(" && operator(at + 2) === ")") {
      functions.add(text);
      at += 3;
      isFunction = true;
    } else {
      const words: Word[] = [];
      for (let it = tokens[at]; it?.kind === "word"; it = tokens[++at]) {
        words.push({ text: it.text, literal: it.literal });
      }
      const command = { words, line: token.line, depth: open.length, piped: afterPipe };
      commands.push(command);
      if (open.length === 0) last = { command, line: token.line, background: false };
    }
  }
  if (open.length > 0) throw new NotUnderstood();
  return { commands, functions, last };
}
