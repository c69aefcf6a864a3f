import { docker, image, uniqueName } from "./container.ts";
import { quote } from "./namespace.ts";
import { Terminal } from "./reader.ts";

/** A `docker run -it` on a terminal of its own. Dispose of it, and the container is gone. */
export class DockerTerminal extends Terminal {
  readonly #name: string;

  constructor(command: string[], rows: number, columns: number) {
    const name = uniqueName();
    const words = ["docker", "run", "-it", "--rm", "--name", name, image, ...command];
    super(quote(...words), {}, [rows, columns]);
    this.#name = name;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await docker(["rm", "-f", this.#name]);
    await super[Symbol.asyncDispose]();
  }
}
