import { type ByteString } from "../posix/bytes.ts";
import { entries, type Entry, type Image } from "./image.ts";
import { type Problem } from "./problems.ts";
import { checkScript, isMissing } from "./scripts.ts";

/** Where tables are, and the directories whose programs are run by run-parts. */
export const TABLES = "/etc/cron.d";
export const CRONTAB = "/etc/crontab";
export const PARTS: readonly ByteString[] = ["hourly", "daily", "weekly", "monthly"]
  .map((it) => `/etc/cron.${it}`);

/** Names of files that are ignored on purpose. */
const LEFT_OUT = /(\.(disabled|bak|old|orig|save|sample|example|md|dpkg-\w+|ucf-\w+)|~)$|^README/;

/** Finds what is wrong with the tables of the system, and with what is run every hour, day, week and month. */
export function checkCron(image: Image): Problem[] {
  const crontab = image.nodes[CRONTAB];
  const tables = entries(image, TABLES).filter(({ name }) => !LEFT_OUT.test(name));
  const parts = PARTS.flatMap((it) => entries(image, it))
    .filter(({ name }) => !LEFT_OUT.test(name));
  return [
    ...tables.flatMap(({ name, path, node }): Problem[] =>
      node.type === "file" && !isName(name)
        ? [{ kind: "cronName", file: path, isTable: true }]
        : checkTable(image, { name, path, node })
    ),
    ...(crontab ? checkTable(image, { name: "crontab", path: CRONTAB, node: crontab }) : []),
    ...parts.flatMap((it): Problem[] =>
      it.node.type === "file" && !isName(it.name)
        ? [{ kind: "cronName", file: it.path, isTable: false }]
        : checkScript(image, it)
    ),
  ];
}

/** The names that cron and run-parts accept; they ignore all others without a message. */
function isName(name: ByteString): boolean {
  return /^[A-Za-z0-9_-]+$/.test(name);
}

function checkTable(image: Image, { path: file, node }: Entry): Problem[] {
  if (node.type === "nothing") return [{ kind: "danglingLink", file }];
  if (node.type !== "file") return [];
  const problems: Problem[] = [];
  if (node.uid !== 0) problems.push({ kind: "cronOwner", file, uid: node.uid });
  if ((node.mode & 0o022) !== 0) problems.push({ kind: "cronWritable", file });
  const lines = (node.text ?? "").split("\n");
  const returns = lines.findIndex((it) => it.endsWith("\r"));
  if (returns >= 0) problems.push({ kind: "windowsLineEnds", file, line: returns + 1 });
  for (const [index, line] of lines.entries()) {
    const found = checkUser(image, line.trim());
    if (found) problems.push({ ...found, file, line: index + 1 });
  }
  if (!/^\s*(#|$)/.test(lines.at(-1) ?? "")) {
    problems.push({ kind: "cronNoNewline", file, line: lines.length });
  }
  return problems;
}

function checkUser(
  image: Image,
  line: ByteString,
): { kind: "cronNoUser" | "cronUnknownUser"; name: ByteString } | undefined {
  if (line === "" || line.startsWith("#")) return undefined;
  if (/^("[^"]*"|'[^']*'|[^\s=]+)\s*=/.test(line)) return undefined; // A variable.
  const words = line.split(/\s+/);
  const user = words[line.startsWith("@") ? 1 : 5];
  if (user !== undefined && image.users?.includes(user)) return undefined;
  if (user === undefined || /[/.$>|]/.test(user)) return { kind: "cronNoUser", name: user ?? "" };
  return isMissing(image, user, image.users) ? { kind: "cronUnknownUser", name: user } : undefined;
}
