import { assert, assertEquals } from "@std/assert";
import { until } from "./until.ts";

export const CTRL_C = "\x03", CTRL_Z = "\x1a", CTRL_BACKSLASH = "\x1c", CTRL_D = "\x04";

/** What a test sets for a terminal. */
export interface Settings {
  env?: Record<string, string>;
  rows?: number;
  columns?: number;
}

/** A terminal on which a line is run. Disposing closes it. */
export class Terminal implements AsyncDisposable {
  /** Everything that it has shown. */
  screen = "";
  readonly child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #collected: Promise<void>;

  constructor(line: string, { env = {}, rows = 50, columns = 200 }: Settings = {}) {
    this.child = new Deno.Command("script", {
      args: ["-qec", `stty rows ${rows} columns ${columns}; ${line}`, "/dev/null"],
      env: { ...env, SHELL: "/bin/bash", TERM: "xterm" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keyboard = this.child.stdin.getWriter();
    this.#collected = this.#collect();
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.child.stdout) {
      this.screen += decoder.decode(chunk, { stream: true });
    }
  }

  /** Waits until it shows a text. */
  async shows(text: string, from = 0, seconds = 20): Promise<void> {
    const shown = () => this.screen.includes(text, from);
    await until(shown, seconds, () => `"${text}" in ${JSON.stringify(this.screen)}`);
  }

  /** Presses keys. */
  async type(keys: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(keys));
  }

  /** Types a line to a shell. Returns what that prints. */
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

  /** Waits until the line has ended. Returns its status. */
  async status(seconds = 30): Promise<number> {
    let status: number | undefined;
    this.child.status.then(({ code }) => status = code);
    await until(
      () => status !== undefined,
      seconds,
      () => `the end; ${JSON.stringify(this.screen)}`,
    );
    await this.#collected;
    return status!;
  }

  /** Closes the window. */
  close(): void {
    this.child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.close();
    } catch {
      // It has ended.
    }
    await this.status();
    await this.#keyboard.close().catch(() => {});
  }
}

/** Checks that an interactive shell controls its jobs, and exits from it with status 4. */
export async function hasJobControl(terminal: Terminal): Promise<void> {
  await terminal.type("sh -c 'echo be''gun; exec sleep 1000'\n");
  await terminal.shows("begun");
  await terminal.type(CTRL_Z);
  await terminal.shows("Stopped");
  await terminal.type("fg\n");
  await terminal.shows("fg\r\nsh -c");
  await terminal.type(CTRL_C);
  await terminal.type("echo status=$?\n");
  await terminal.shows("status=130");
  await terminal.type("exit 4\n");
  assertEquals(await terminal.status(), 4);
  assert(!terminal.screen.includes("no job control"), terminal.screen);
}
