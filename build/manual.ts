// Makes the manual pages of dist/man. Called by programs.ts.
// A page is what `--help` prints, and what docs/manual adds to it, in the same plain form:
// headings in capitals, paragraphs, and items that are indented, with two spaces or a new line before their text.

import { exists } from "@std/fs";
import { join } from "@std/path";
import { projectFolder, withFolder } from "./project.ts";

/** The pages, and where the text of `--help` is: it begins with "Usage:" and ends with its quotation mark. */
export const pages = {
  "my_init.8": "supervisor/options.ts",
  "setuser.8": "setuser.ts",
  "install_clean.8": "image/system/rootfs/usr/sbin/install_clean",
  "healthy.1": "image/runit/rootfs/usr/bin/healthy",
} as const;

export type Page = keyof typeof pages;

/** Brings the pages in dist/man up to date, laid out as /usr/share/man is; each is written whole or not at all. */
export async function writeManual(version: string): Promise<void> {
  for (const page of Object.keys(pages) as Page[]) {
    const text = printPage(page, version, await readUsage(page), await read("docs/manual", page));
    const folder = join(projectFolder, "dist/man", `man${page.at(-1)}`);
    const file = join(folder, page);
    if (await exists(file) && await Deno.readTextFile(file) === text) continue;
    await Deno.mkdir(folder, { recursive: true });
    await withFolder(async (work) => {
      const unfinished = join(work, page);
      await Deno.writeTextFile(unfinished, text);
      await Deno.rename(unfinished, file);
    });
  }
}

/** The text that the program prints upon `--help`. */
export async function readUsage(page: Page): Promise<string> {
  const [, usage] = (await read(pages[page])).match(/(Usage: .*?)(?:`;|"\n|^USAGE$)/ms) ?? [];
  if (usage === undefined) throw new Error(`${pages[page]} has no text that begins with "Usage: "`);
  return usage.trimEnd() + "\n";
}

function read(...path: string[]): Promise<string> {
  return Deno.readTextFile(join(projectFolder, ...path));
}

/**
 * Prints a page in man(7)'s language.
 *
 * @param usage what `--help` prints
 * @param more further sections, the first of which is NAME
 */
export function printPage(page: string, version: string, usage: string, more: string): string {
  const [name, section] = page.split(".");
  const sections = splitSections(more);
  const all = [...sections.splice(0, 1), ...splitUsage(usage)];
  // A section that both have is one: what --help says of it, and then the rest.
  for (const { heading, text } of sections) {
    const same = all.find((it) => it.heading === heading);
    if (same) same.text += `\n\n${text}`;
    else all.push({ heading, text });
  }
  return [
    `.TH ${name.toUpperCase()} ${section} "" "baseimage ${version}"`,
    ".nh",
    ...all.flatMap(({ heading, text }) => [
      `.SH ${heading}`,
      ...(heading === "SYNOPSIS" ? printLines(text) : printText(text)),
    ]),
  ].join("\n") + "\n";
}

interface Section {
  heading: string;
  text: string;
}

function splitSections(text: string): Section[] {
  return text.trim().split(/\n*^(?=[A-Z][A-Z ]+$)/m).map((it) => {
    const [heading, ...lines] = it.split("\n");
    return { heading, text: lines.join("\n").trimEnd() };
  });
}

/** The parts of a text of `--help`, by the sections that a page has for them. */
function splitUsage(usage: string): Section[] {
  const [first, ...paragraphs] = usage.trim().split(/\n\n(?! )|\n\n(?= +-)/);
  const sections: Section[] = [
    { heading: "SYNOPSIS", text: first.replace(/^Usage: /, "").replace(/^ +/gm, "") },
  ];
  for (const text of paragraphs) {
    const [start, title] = text.match(/^(Environment|Exit status): /) ?? [];
    const heading = title ? title.toUpperCase() : /^ +-/.test(text) ? "OPTIONS" : "DESCRIPTION";
    const content = text.slice(start?.length ?? 0).replace(/^ +(?=[A-Z])/gm, title ? "" : "$&");
    const same = sections.find((it) => it.heading === heading);
    if (same) same.text += `\n\n${content}`;
    else sections.push({ heading, text: content });
  }
  return sections;
}

function printLines(text: string): string[] {
  return text.split("\n").flatMap((line, index) => [...(index > 0 ? [".br"] : []), escape(line)]);
}

/** Paragraphs and items. An item's text follows two spaces, or is on the next lines, indented deeper. */
function printText(text: string): string[] {
  const output: string[] = [];
  let indented = false;
  for (const line of text.split("\n")) {
    const [, spaces, content] = line.match(/^( *)(.*)$/)!;
    if (content === "") {
      output.push(".PP");
      indented = false;
    } else if (spaces.length >= 2 && spaces.length <= 6) {
      const [, term, rest] = content.match(/^(.*?)(?: {2,}(.*))?$/)!;
      output.push(".TP", `.B ${escape(term)}`, ...(rest ? [escape(rest)] : []));
      indented = true;
    } else if (spaces === "" && indented) {
      output.push(".PP", escape(content));
      indented = false;
    } else output.push(escape(content));
  }
  return output.filter((line, index) => line !== ".PP" || !/^\.(PP|TP)/.test(output[index + 1]));
}

/** Text as roff shows it unchanged: minus signs that can be copied, and no requests. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha").replace(/^(?=[.'])/, "\\&");
}
