import { image } from "./container.ts";
import { quote } from "./namespace.ts";
import { until } from "./until.ts";

/** A `docker run -it` on a terminal of its own. Dispose of it, and the container is gone. */
export class DockerTerminal implements AsyncDisposable {
  /** All that the terminal shows. */
  screen = "";
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #name = `baseimage-test-${crypto.randomUUID().slice(0, 8)}`;
  readonly #collected: Promise<unknown>;

  constructor(command: string[], rows: number, columns: number) {
    const words = ["docker", "run", "-it", "--rm", "--name", this.#name, image, ...command];
    const line = `stty rows ${rows} columns ${columns}; exec ${quote(...words)}`;
    this.#child = new Deno.Command("script", {
      args: ["-qec", line, "/dev/null"],
      env: { SHELL: "/bin/sh" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keyboard = this.#child.stdin.getWriter();
    this.#collected = this.#collect();
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) this.screen += decoder.decode(chunk);
  }

  async type(keys: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(keys));
  }

  async shows(text: string, seconds = 20): Promise<void> {
    const shown = () => this.screen.includes(text);
    await until(shown, seconds, () => `"${text}" in ${JSON.stringify(this.screen)}`);
  }

  async status(): Promise<number> {
    await this.#collected;
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command("docker", { args: ["rm", "-f", this.#name] }).output();
    await this.#collected;
    await this.#child.status;
    await this.#keyboard.close().catch(() => {});
  }
}
