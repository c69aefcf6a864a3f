/**
 * A registry on this machine: Debian's docker-registry, on a port and with a folder of its own.
 *
 * @module
 */
import { join } from "@std/path";
import { extractPackage } from "../../build/packages.ts";
import { until } from "./until.ts";

/** Starts a registry. Disposing ends it and removes what it has. */
export async function startRegistry(): Promise<Registry> {
  // Not installed: where there is systemd, it would serve everybody from then on.
  const program = join(await extractPackage("docker-registry"), "usr/bin/docker-registry");
  const folder = await Deno.makeTempDir({ prefix: "registry-" });
  const log = join(folder, "log");
  const settings = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { addr: "127.0.0.1:0" },
  };
  await Deno.writeTextFile(join(folder, "config.yml"), JSON.stringify(settings));
  // Without variables: those that begin with REGISTRY_ would be settings.
  const process = new Deno.Command("sh", {
    args: ["-c", 'exec env -i "$0" serve "$1" 2>"$2"', program, join(folder, "config.yml"), log],
    stdin: "null",
    stdout: "null",
  }).spawn();
  const registry = new Registry(process, folder);
  try {
    await until(async () => {
      const [, port] = (await Deno.readTextFile(log).catch(() => ""))
        .match(/listening on 127\.0\.0\.1:(\d+)/) ?? [];
      registry.address = `127.0.0.1:${port}`;
      return port;
    }, 30);
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
}

export class Registry implements AsyncDisposable {
  /** HOST:PORT. */
  address = "";
  constructor(readonly process: Deno.ChildProcess, readonly folder: string) {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.status;
    await Deno.remove(this.folder, { recursive: true });
  }
}
