/**
 * What a reader of the readme has: a shell on docker's host.
 *
 * @module
 */
import type { Result } from "./container.ts";
import { until } from "./until.ts";

type Variables = Record<string, string>;

/** Runs a line as the reader would type it. */
export async function typed(line: string, env: Variables = {}): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", line],
    env,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, stdout: text(stdout), stderr: text(stderr) };
}

/** A terminal on which a line is run. Dispose of it, and it is closed. */
export class Terminal implements AsyncDisposable {
  /** All that it shows. */
  screen = "";
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #collected: Promise<void>;

  constructor(line: string, env: Variables = {}, [rows, columns] = [50, 200]) {
    this.#child = new Deno.Command("script", {
      args: ["-qec", `stty rows ${rows} columns ${columns}; ${line}`, "/dev/null"],
      env: { ...env, SHELL: "/bin/bash", TERM: "xterm" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keyboard = this.#child.stdin.getWriter();
    this.#collected = this.#collect();
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      this.screen += decoder.decode(chunk, { stream: true });
    }
  }

  /** Waits until it shows a text. */
  async shows(text: string, from = 0, seconds = 20): Promise<void> {
    const shown = () => this.screen.includes(text, from);
    await until(shown, seconds, () => `"${text}" in ${JSON.stringify(this.screen)}`);
  }

  async type(keys: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(keys));
  }

  /** Types a line to a shell, and gives what that prints. */
  async answer(line: string): Promise<string> {
    const from = this.screen.length;
    await this.type(`${line}; echo en''d\n`);
    const end = "\r\nend\r\n";
    await this.shows(end, from);
    const lines = this.screen.slice(from, this.screen.indexOf(end, from)).split("\r\n");
    // The line itself is shown once, or twice if it came before the shell's editor was ready.
    const answer = lines.slice(lines.findLastIndex((it) => it.includes("echo en''d")) + 1);
    // deno-lint-ignore no-control-regex
    return answer.join("\n").replace(/\x1b\[\?2004[hl]\r?/g, "");
  }

  /** Waits until the line has ended; gives its status. */
  async status(): Promise<number> {
    await this.#collected;
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.status();
    await this.#keyboard.close().catch(() => {});
  }
}
