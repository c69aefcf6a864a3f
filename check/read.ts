import { type ByteString } from "../posix/bytes.ts";
import { attempt, listDirectory, lstat, readFile, stat } from "../posix/libc.ts";
import { type Environment, get, pathOf } from "../env/environment.ts";
import { SCRIPT_DIRECTORIES, SERVICES } from "../supervisor/conventions.ts";
import { type Options } from "../supervisor/options.ts";
import { CRONTAB, PARTS, TABLES } from "./cron.ts";
import { CONFIGURATIONS } from "./daemons.ts";
import { ENVIRONMENT } from "./environment.ts";
import { type Image, type Node } from "./image.ts";
import { interpreterOf, pathsOf, RC_LOCAL } from "./scripts.ts";

/** The largest size of a script or table that is checked. */
const LARGEST = 1_000_000;

/** Reads everything in this image that is checked, and lists what this user may not read. */
export function readImage(
  options: Options,
  environment: Environment,
): { image: Image; unread: ByteString[] } {
  const nodes: Record<ByteString, Node> = {};
  const unread: ByteString[] = [];
  const reading = <T>(path: ByteString, act: () => T): T | undefined => {
    const result = attempt(act);
    if (result === undefined) unread.push(path);
    return result;
  };
  const look = (path: ByteString): Node | undefined => {
    if (nodes[path]) return nodes[path];
    const status = stat(path);
    if (status) nodes[path] = status;
    else if (lstat(path)) nodes[path] = { type: "nothing", mode: 0, uid: 0 };
    return nodes[path];
  };
  const read = (path: ByteString) => {
    const node = look(path);
    if (node?.type === "file") node.text = reading(path, () => readText(path));
  };
  const list = (directory: ByteString): ByteString[] => {
    const node = look(directory);
    if (node?.type !== "directory") return [];
    node.names = reading(directory, () => listDirectory(directory));
    const paths = (node.names ?? []).map((name) => `${directory}/${name}`);
    paths.forEach(look);
    return paths;
  };
  const readAll = (directory: ByteString) => list(directory).forEach(read);

  const startup = options.startupFiles
    ? get(environment, "ENV_INIT_DIRECTORY") ?? SCRIPT_DIRECTORIES.startup
    : undefined;
  if (startup !== undefined) {
    readAll(startup);
    read(RC_LOCAL);
  }
  for (const directory of [SCRIPT_DIRECTORIES.preShutdown, SCRIPT_DIRECTORIES.postShutdown]) {
    readAll(directory);
  }
  if (options.runit) {
    readAll(SERVICES);
    for (const service of list(SERVICES)) {
      for (const it of [service, `${service}/log`, `${service}/control`]) readAll(it);
    }
  }
  for (const directory of [TABLES, ...PARTS]) readAll(directory);
  list(ENVIRONMENT); // Names only: the values may be secrets.
  for (const file of [CRONTAB, ...CONFIGURATIONS]) read(file);

  const searchPath = pathOf(environment).split(":").map((it) => it || ".");
  for (const { text } of Object.values(nodes)) {
    if (!text?.startsWith("#!")) continue;
    const interpreter = interpreterOf(text);
    if (interpreter) pathsOf(interpreter, searchPath).forEach(look);
    for (const [file] of text.matchAll(/\/[\w/.-]+\.(conf|cnf|cfg|ini)\b/g)) read(file);
  }
  const { users, groups } = readNames();
  return { image: { nodes, startup, services: options.runit, users, groups, searchPath }, unread };
}

/** The content of a file; of a binary only the beginning. */
function readText(path: ByteString): ByteString {
  const beginning = readFile(path, 256);
  return beginning.includes("\0") ? beginning : readFile(path, LARGEST);
}

/** The names of users and groups, as long as the files are the only place where they are. */
function readNames(): { users?: ByteString[]; groups?: ByteString[] } {
  const lines = (path: ByteString) => attempt(() => readFile(path))?.split("\n");
  const sources = (lines("/etc/nsswitch.conf") ?? [])
    .filter((it) => /^\s*(passwd|group):/.test(it)).join(" ")
    .replace(/#.*|\[[^\]]*\]|(passwd|group):/g, " ").split(/\s+/).filter((it) => it !== "");
  if (!sources.every((it) => ["files", "compat", "systemd"].includes(it))) return {};
  const names = (path: ByteString) =>
    lines(path)?.map((it) => it.split(":")[0]).filter((it) => it !== "");
  return { users: names("/etc/passwd"), groups: names("/etc/group") };
}
