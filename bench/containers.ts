/**
 * The containers of a run of the bench. None of them outlives it.
 *
 * @module
 */
import $ from "@david/dax";
import { Problem } from "../build/project.ts";

const label = `baseimage.bench=${crypto.randomUUID()}`;

/** Runs docker with these words and gives what it prints; a Problem if it fails. */
export async function docker(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await $`docker ${words}`.stdout("piped").stderr("piped")
    .noThrow();
  if (code === 0) return stdout.trim();
  throw new Problem(`docker ${words[0]} failed: ${reasonIn(stderr)}`);
}

/** The line that says it; docker adds one about --help. */
function reasonIn(stderr: string): string {
  const lines = stderr.split("\n").filter((it) => it && !it.startsWith("Run '"));
  return lines.at(-1) ?? "it said nothing";
}

/** What is to be run: the image, docker's options, and the command. */
export interface Subject {
  image: string;
  options?: string[];
  command: string[];
}

function runWords({ image, options = [], command }: Subject, ...more: string[]): string[] {
  return ["run", "--label", label, ...more, ...options, image, ...command];
}

/** Starts a container in the background; gives its id. */
export function start(subject: Subject): Promise<string> {
  return docker(...runWords(subject, "--detach"));
}

/** Runs a container to its end; gives what it printed. */
export function run(subject: Subject, ...options: string[]): Promise<string> {
  return docker(...runWords(subject, "--rm", ...options));
}

/** Runs a container to its end; gives the milliseconds until its first output, and until `docker run` was done. */
export async function timeRun(subject: Subject): Promise<{ first: number; end: number }> {
  const began = performance.now();
  await using attached = attach(subject, "--rm");
  await attached.lines(1);
  const first = performance.now() - began;
  await attached.end();
  return { first, end: performance.now() - began };
}

/** A container whose standard output is read. Dispose of it, and it is gone. */
export function attach(subject: Subject, ...options: string[]): Attached {
  return new Attached(runWords(subject, ...options));
}

export class Attached implements AsyncDisposable {
  readonly name = `bench-${crypto.randomUUID()}`;
  #process: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #errors: Promise<string>;
  #text = "";
  #lines = 0;

  constructor([run, ...words]: string[]) {
    this.#process = new Deno.Command("docker", {
      args: [run, "--name", this.name, ...words],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reader = this.#process.stdout.getReader();
    this.#errors = new Response(this.#process.stderr).text();
  }

  /** Waits until it has said "up" so many times; false if it ended before. What is logged beside that does not count. */
  async readLines(count: number): Promise<boolean> {
    while (this.#lines < count) {
      const { value, done } = await this.#reader.read();
      if (done) return false;
      const lines = (this.#text + new TextDecoder().decode(value)).split("\n");
      this.#text = lines.pop()!;
      this.#lines += lines.filter((it) => it === "up").length;
    }
    return true;
  }

  /** The same; a Problem if it ended before. */
  async lines(count: number): Promise<void> {
    if (await this.readLines(count)) return;
    const reason = reasonIn(await this.#errors);
    throw new Problem(`docker run ended when ${this.#lines} of ${count} were up: ${reason}`);
  }

  async end(): Promise<void> {
    while (!(await this.#reader.read()).done);
    await this.#process.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await $`docker rm --force --volumes ${this.name}`.quiet().noThrow();
    await this.#reader.cancel();
    await this.#errors;
    await this.#process.status;
  }
}

/** What the kernel says of a container's PID 1, in kB. It is read from a container of its own, whose memory is not the subject's. */
export async function readMemory(
  id: string,
  image: string,
): Promise<{ rss: number; pss: number; private: number }> {
  const script = "cat /proc/1/smaps_rollup 2>/dev/null || cat /proc/1/status";
  const options = ["--pid", `container:${id}`, "--cap-add", "SYS_PTRACE"];
  const text = await run({ image, options, command: ["sh", "-c", script] });
  const field = (name: string) =>
    Number(text.match(RegExp(`^${name}:\\s*(\\d+) kB`, "m"))?.[1] ?? 0);
  return {
    rss: field("Rss") || field("VmRSS"),
    pss: field("Pss"),
    private: field("Private_Clean") + field("Private_Dirty"),
  };
}

/** What `docker stats` shows of containers, in MiB: the cgroup's usage less the inactive part of the page cache. */
export async function readStats(ids: string[]): Promise<number[]> {
  const text = await docker(
    "stats",
    "--no-stream",
    "--no-trunc",
    "--format",
    "{{.ID}} {{.MemUsage}}",
    ...ids,
  );
  const units: Record<string, number> = { B: 2 ** -20, KiB: 2 ** -10, MiB: 1, GiB: 2 ** 10 };
  const byId = new Map(
    [...text.matchAll(/^(\S+) ([\d.]+)(\w+) /gm)].map((
      [, id, size, unit],
    ) => [id, Number(size) * units[unit]]),
  );
  return ids.map((id) => byId.get(id) ?? NaN);
}

/** Removes all containers of this run that are left. */
export async function removeAll(ids?: string[]): Promise<void> {
  const left = ids ??
    (await $`docker ps --all --quiet --filter label=${label}`.text().catch(() => "")).split("\n");
  const words = left.filter(Boolean);
  if (words.length > 0) await $`docker rm --force --volumes ${words}`.quiet().noThrow();
}
