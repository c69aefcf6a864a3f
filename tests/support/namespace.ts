/**
 * Runs the compiled programs as PID 1 of a PID namespace of their own, with an /etc of their own.
 *
 * Inside, `/etc` has the files that the test gives and the user database. `/mnt` is a directory that the test can access
 * from outside, below `folder`. The two programs are in `/mnt/bin`, which is in the PATH. Nothing that is done there
 * changes the machine: when the namespace's first process ends, the kernel kills all others.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import { type ByteString, fromBytes, toBytes } from "../../posix/bytes.ts";
import { kill } from "../../posix/libc.ts";
import { Terminal } from "./terminal.ts";
import { until } from "./until.ts";

export { SIGNALS, SIGRTMIN } from "../../posix/signals.ts";

export const project = dirname(dirname(dirname(fromFileUrl(import.meta.url))));
export const PATH = "/mnt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A setting's `before` with which `read` waits until `release()`. */
export const HELD = "mkfifo /mnt/in; exec 0<>/mnt/in";

/** What a test sets; everything else is the default. All texts are byte strings. */
export interface Setting {
  /** Files by path, below /etc or /mnt. One that begins with `#!` can be executed. */
  files?: Record<string, ByteString>;
  /** The environment, besides PATH. A list can have a name twice. */
  env?: Record<string, ByteString> | [string, ByteString][];
  /** Shell commands that are run before the program, with the namespace already there. */
  before?: ByteString;
  /** Shell commands that are run after it: then a shell is PID 1, and the program a child of it. */
  after?: ByteString;
  /** What the program reads from standard input, which is /dev/null if absent. */
  stdin?: ByteString;
  /** How long it may take; after that it counts as hanging. */
  seconds?: number;
}

export interface Result {
  status: number;
  stdout: ByteString;
  stderr: ByteString;
}

/** Words for my_init that make it run a shell script as main command, without runit. */
export function sh(script: ByteString): ByteString[] {
  return ["--skip-runit", "--", "sh", "-c", script];
}

/** Runs my_init to its end. */
export function runInit(words: ByteString[], setting: Setting = {}): Promise<Result> {
  return run(["my_init", ...words], setting);
}

/** Runs a program to its end. */
export async function run(command: ByteString[], setting: Setting = {}): Promise<Result> {
  await using running = await start(command, setting);
  return await running.end(setting.seconds);
}

/** Starts my_init. */
export function startInit(words: ByteString[], setting: Setting = {}): Promise<Running> {
  return start(["my_init", ...words], setting);
}

/** Starts a program. */
export async function start(command: ByteString[], setting: Setting = {}): Promise<Running> {
  const folder = await prepare(command, setting, false);
  const child = new Deno.Command("unshare", {
    args: ["--mount", "sh", join(folder, "start")],
    stdin: setting.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (setting.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(toBytes(setting.stdin));
    await writer.close();
  }
  return new Running(child, folder, command[0]);
}

/** Starts my_init as leader of a session with a terminal of its own, as `docker run -it` does. */
export async function startOnTerminal(
  words: ByteString[],
  setting: Setting = {},
): Promise<TerminalOfInit> {
  const folder = await prepare(["my_init", ...words], setting, true);
  const terminal = new TerminalOfInit(folder);
  const [root] = await until(() => onlyIfAny(childrenOf(terminal.child.pid)));
  terminal.inside = new Processes(root, "my_init");
  return terminal;
}

/** The processes of a namespace. */
export class Processes {
  #hostPid?: number;

  constructor(
    /** The first process of the namespace: when it ends, the kernel kills the others. */
    readonly root: number,
    readonly program: string,
  ) {}

  /** The program's PID as the machine sees it. */
  async pid(): Promise<number> {
    return this.#hostPid ??= await until(() => this.find(this.program), 10, () => this.program);
  }

  /** Finds a program of the namespace by its name; returns its PID on the machine. */
  find(name: string): number | undefined {
    return descendantsOf(this.root).find((pid) => programOf(pid).endsWith(`/${name}`));
  }

  /** Sends signals to the program. */
  async signal(...signals: number[]): Promise<void> {
    const pid = await this.pid();
    for (const signal of signals) kill(pid, signal);
  }
}

/** A program that runs in its namespace. Disposing ends it and removes its files. */
export class Running extends Processes implements AsyncDisposable {
  stdout: ByteString = "";
  stderr: ByteString = "";
  #collected: Promise<unknown>;
  #ended = false;

  constructor(readonly child: Deno.ChildProcess, readonly folder: string, program: string) {
    super(child.pid, program);
    this.#collected = Promise.all([
      collect(child.stdout, (text) => this.stdout += text),
      collect(child.stderr, (text) => this.stderr += text),
      child.status.then(() => this.#ended = true),
    ]);
  }

  /** Lets a program continue that waits at `HELD`. */
  async release(): Promise<void> {
    await Deno.writeTextFile(join(this.folder, "mnt/in"), "\n");
  }

  /** Waits until the program has printed a text, on standard output or error. */
  async says(text: ByteString, seconds = 10): Promise<void> {
    const said = () => this.stdout.includes(text) || this.stderr.includes(text);
    await until(() => said() || this.#ended, seconds, () => `"${text}"; ${this.story()}`);
    if (!said()) await this.#collected;
    if (!said()) throw new Error(`It ended without saying "${text}"; ${this.story()}`);
  }

  /** Waits for the program's end. */
  async end(seconds = 30): Promise<Result> {
    await until(() => this.#ended, seconds, () => `the end; ${this.story()}`);
    await this.#collected;
    const { code } = await this.child.status;
    return { status: code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Reads a file of the namespace, below /etc or /mnt; undefined when there is none. */
  read(path: string): ByteString | undefined {
    try {
      return fromBytes(Deno.readFileSync(join(this.folder, path)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  story(): string {
    return `stdout: ${JSON.stringify(this.stdout)}, stderr: ${JSON.stringify(this.stderr)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended || isNamespace(this.root)) kill(this.root, 9);
    await this.#collected;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** my_init on a terminal of its own; `inside` are the processes of its namespace. */
export class TerminalOfInit extends Terminal {
  inside = new Processes(0, "my_init");

  constructor(readonly folder: string) {
    super(`exec unshare --mount sh ${join(folder, "start")}`);
  }

  /** Changes the size of the terminal's window. */
  async resize(rows: number, columns: number): Promise<void> {
    const device = await Deno.readLink(`/proc/${await this.inside.pid()}/fd/0`);
    const args = ["-F", device, "rows", `${rows}`, "columns", `${columns}`];
    const { success } = await new Deno.Command("stty", { args }).output();
    if (!success) throw new Error(`Cannot change the size of ${device}`);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (isNamespace(this.inside.root)) kill(this.inside.root, 9);
    await super[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Waits until PID 1 sleeps: then it has a signalfd, as in every wait, and one thread, while Deno always has more. */
export async function asleep(init: Running): Promise<number> {
  const pid = await init.pid();
  await until(() => isAsleep(pid), 10, () => init.story());
  return pid;
}

/** Whether a PID 1 sleeps, as the machine sees it. */
export function isAsleep(pid: number): boolean {
  try {
    const files = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) =>
      Deno.readLinkSync(`/proc/${pid}/fd/${name}`)
    );
    return files.includes("anon_inode:[signalfd]") && statusField(pid, "Threads") === "1";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false; // Closed meanwhile.
    throw error;
  }
}

/** Lists the children of a process. */
export function childrenOf(pid: number): number[] {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
    return text.split(" ").filter((it) => it !== "").map(Number);
  } catch {
    return []; // It has ended.
  }
}

/** Lists a process's children, their children, and so on. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Whether a process is still the first one of a namespace, and not another that has got its PID. */
function isNamespace(pid: number): boolean {
  return programOf(pid).endsWith("/unshare");
}

function onlyIfAny<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function programOf(pid: number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ""); // It was built anew meanwhile.
  } catch {
    return "";
  }
}

/** A field of /proc/PID/status, such as `VmRSS`. */
export function statusField(pid: number, name: string): string {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return text.match(new RegExp(`^${name}:\\s*(.*)$`, "m"))?.[1] ?? "";
}

/** Quotes words for a shell. */
export function quote(...words: ByteString[]): ByteString {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

async function prepare(
  command: ByteString[],
  { files = {}, env = {}, before = "", after }: Setting,
  onTerminal: boolean,
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "namespace-" });
  await Deno.chmod(folder, 0o755);
  await Deno.mkdir(join(folder, "etc"), { mode: 0o755 });
  await Deno.mkdir(join(folder, "mnt/bin"), { recursive: true, mode: 0o755 });
  await Deno.chmod(join(folder, "mnt"), 0o1777);
  for (const file of ["passwd", "group", "nsswitch.conf", "ld.so.cache"]) {
    await Deno.copyFile(`/etc/${file}`, join(folder, "etc", file)).catch(() => {});
  }
  for (const [path, content] of Object.entries(files)) {
    await writeFile(join(folder, path), content);
  }
  const variables = Array.isArray(env) ? env : Object.entries(env);
  const sleep = Deno.env.get("MY_INIT_SLEEP"); // Run the tests once more with 0.001: then PID 1 sleeps as soon as it can.
  if (sleep !== undefined) variables.unshift(["MY_INIT_SLEEP", sleep]);
  const assignments = [["PATH", PATH], ...variables].map(([name, value]) => `${name}=${value}`);
  const isOurs = command[0] === "my_init" || command[0] === "setuser";
  const program = isOurs ? `/mnt/bin/${command[0]}` : command[0];
  const line = `env -i ${quote(...assignments, program, ...command.slice(1))}`;
  const leader = onTerminal ? "setsid -c " : "";
  const last = after === undefined ? `exec ${leader}${line}` : `${line}\n${after}`;
  await Deno.writeFile(join(folder, "mnt/inside"), toBytes(`${before}\n${last}\n`));
  await Deno.writeTextFile(
    join(folder, "start"),
    `mount --bind ${folder}/etc /etc &&
    mount --bind ${folder}/mnt /mnt &&
    mount --bind ${join(project, "dist")} /mnt/bin &&
    cd / &&
    exec unshare --pid --fork --mount-proc --kill-child sh /mnt/inside
    `,
  );
  return folder;
}

async function writeFile(path: string, content: ByteString): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await Deno.writeFile(path, toBytes(content), { mode: content.startsWith("#!") ? 0o755 : 0o644 });
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  add: (text: ByteString) => void,
): Promise<void> {
  for await (const chunk of stream) add(fromBytes(chunk));
}
