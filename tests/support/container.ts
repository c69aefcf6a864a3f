/**
 * Runs the image in docker. `IMAGE` names it; without that it is `baseimage`.
 *
 * @module
 */
import $ from "@david/dax";
import { join } from "@std/path";
import { quote } from "./namespace.ts";
import { Terminal } from "./terminal.ts";
import { patience, until } from "./until.ts";

export const image = Deno.env.get("IMAGE") || "baseimage";

export interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

/** What a test sets; everything else is the default. */
export interface Setting {
  /** The image, if it is not the one that is tested. */
  from?: string;
  /** Options of `docker run`. */
  options?: string[];
  stdin?: string;
}

/** Runs docker with these words. */
export async function docker(words: string[], stdin = ""): Promise<Result> {
  const result = await $`docker ${words}`.stdinText(stdin).stdout("piped").stderr("piped")
    .noThrow();
  return { status: result.code, stdout: result.stdout, stderr: result.stderr };
}

/** Runs a container to its end, and removes it. */
export function runContainer(command: string[], setting: Setting = {}): Promise<Result> {
  const { options = [], from = image, stdin } = setting;
  const interactive = stdin === undefined ? [] : ["-i"];
  return docker(["run", "--rm", ...interactive, ...options, from, ...command], stdin);
}

/** Starts a container in the background. Without a command it runs the image's own. */
export async function startContainer(
  command: string[] = [],
  { options = [], from = image }: Setting = {},
): Promise<Container> {
  const name = uniqueName();
  await must(["run", "-d", "--name", name, ...options, from, ...command]);
  return new Container(name);
}

/** A container that was started. Disposing removes it. */
export class Container implements AsyncDisposable {
  constructor(readonly name: string) {}

  /** Runs a command inside. */
  exec(...command: string[]): Promise<Result> {
    return docker(["exec", this.name, ...command]);
  }

  /** Runs a shell script inside. Returns what it prints. */
  async sh(script: string): Promise<string> {
    const { status, stdout, stderr } = await this.exec("sh", "-c", script);
    if (status !== 0) throw new Error(`${script}: status ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  logs(): Promise<Result> {
    return docker(["logs", this.name]);
  }

  /** Waits until the logs contain a text. */
  async says(text: string, seconds = 20): Promise<void> {
    let seen = "";
    const said = async () => {
      const { stdout, stderr } = await this.logs();
      seen = stdout + stderr;
      return seen.includes(text);
    };
    await until(said, seconds, () => `"${text}" in: ${seen}`);
  }

  /** Waits until runit has been started. */
  booted(): Promise<void> {
    return this.says("Runit started as PID");
  }

  /** Stops it by `docker stop`, and fails if docker had to kill it. Returns its status. */
  async stop(graceSeconds = 10): Promise<number> {
    const since = Date.now() / 1000;
    await must(["stop", "-t", `${graceSeconds * patience}`, this.name]);
    const signals = await this.events("kill", "{{.Actor.Attributes.signal}}", since);
    if (signals.includes("9")) throw new Error("It did not end in docker's grace time");
    return await this.status();
  }

  /** The events of a kind, in docker's format, since a time in seconds. */
  async events(event: string, format: string, since = 0): Promise<string[]> {
    const time = ["--since", `${since}`, "--until", `${Date.now() / 1000}`];
    const filters = ["--filter", `container=${this.name}`, "--filter", `event=${event}`];
    const { stdout } = await must(["events", ...time, ...filters, "--format", format]);
    return stdout.split("\n").filter((line) => line !== "");
  }

  async signal(name: string): Promise<void> {
    await must(["kill", "-s", name, this.name]);
  }

  /** Reads a file in it; it need not run. */
  async read(file: string): Promise<string> {
    const copy = await Deno.makeTempFile();
    try {
      await must(["cp", `${this.name}:${file}`, copy]);
      return await Deno.readTextFile(copy);
    } finally {
      await Deno.remove(copy);
    }
  }

  async restart(): Promise<void> {
    await must(["restart", this.name]);
  }

  /** Waits for its end. Returns its status. */
  async status(): Promise<number> {
    return Number((await must(["wait", this.name])).stdout);
  }

  async inspect(format: string): Promise<string> {
    return (await must(["inspect", "-f", format, this.name])).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await docker(["rm", "-f", "-v", this.name]);
  }
}

/** A `docker run -it` on a terminal of its own. Disposing removes the container. */
export class DockerTerminal extends Terminal {
  readonly #name: string;

  constructor(command: string[], rows = 24, columns = 80) {
    const name = uniqueName();
    const words = ["docker", "run", "-it", "--rm", "--name", name, image, ...command];
    super(quote(...words), { rows, columns });
    this.#name = name;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await docker(["rm", "-f", this.#name]);
    await super[Symbol.asyncDispose]();
  }
}

/** Options of docker that restrict a container, in particular where services can be run. */
export const restrictions: Record<string, string[]> = {
  "nothing": [],
  "a read-only root": ["--read-only"],
  "another user": ["-u", "1000"],
  "no capabilities": ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  "a read-only root without /dev/shm": ["--read-only", "--ipc", "none"],
  "another user on a read-only root": ["--read-only", "-u", "1000"],
  "all that, and memory for /tmp": [
    ...["--read-only", "--ipc", "none", "-u", "1000", "--tmpfs", "/tmp"],
    ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ],
};

/** An image that was built from the one that is tested. Disposing removes it. */
export class Derived implements AsyncDisposable {
  constructor(readonly name: string) {}

  async [Symbol.asyncDispose](): Promise<void> {
    await docker(["rmi", "-f", this.name]);
  }
}

/**
 * Builds an image.
 *
 * @param dockerfile without its FROM
 * @param files what COPY finds; one that begins with `#!` can be executed
 * @param from the image, if it is not the one that is tested
 */
export async function derive(
  dockerfile: string,
  files: Record<string, string> = {},
  from = image,
): Promise<Derived> {
  const folder = await Deno.makeTempDir({ prefix: "derived-" });
  try {
    await Deno.writeTextFile(join(folder, "Dockerfile"), `FROM ${from}\n${dockerfile}\n`);
    for (const [name, text] of Object.entries(files)) {
      const mode = text.startsWith("#!") ? 0o755 : 0o644;
      await Deno.writeTextFile(join(folder, name), text, { mode });
    }
    const name = uniqueName();
    const built = await $`docker build --quiet --network host --tag ${name} ${folder}`
      .env({ DOCKER_BUILDKIT: "0" }).stdout("piped").stderr("piped").noThrow();
    if (built.code !== 0) throw new Error(`Cannot build: ${built.stdout}${built.stderr}`);
    return new Derived(name);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function must(words: string[]): Promise<Result> {
  const result = await docker(words);
  if (result.status !== 0) throw new Error(`docker ${words.join(" ")}: ${result.stderr}`);
  return result;
}

/** A new name for a container or an image. */
export function uniqueName(): string {
  return `baseimage-test-${crypto.randomUUID().slice(0, 8)}`;
}
