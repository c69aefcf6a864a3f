import $ from "@david/dax";
import { join } from "@std/path";
import { ensureProgram } from "../../build/packages.ts";
import { kill } from "../../posix/libc.ts";
import { childrenOf } from "./namespace.ts";
import { until } from "./until.ts";

/**
 * A docker engine in namespaces of its own, for tests that change an engine as a whole: after `docker swarm leave` the
 * names of all containers on its networks are unknown until these are started again. Disposing ends and removes it.
 */
export class Engine implements AsyncDisposable {
  private constructor(readonly folder: string, readonly child: Deno.ChildProcess) {}

  static async start(): Promise<Engine> {
    await ensureProgram("ip", ["iproute2"]);
    await ensureProgram("dockerd", ["docker.io", "iptables"]);
    const folder = await Deno.makeTempDir({ prefix: "engine-" });
    const settings = { "hosts": [`unix://${folder}/socket`], "data-root": join(folder, "data") };
    await Deno.writeTextFile(join(folder, "settings.json"), JSON.stringify(settings));
    const line = `mount -t tmpfs tmpfs /run && ip link set lo up &&
      exec dockerd --config-file "$0/settings.json" >"$0/log" 2>&1`;
    const namespaces = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
    const args = [...namespaces, "sh", "-c", line, folder];
    const engine = new Engine(folder, new Deno.Command("unshare", { args, stdin: "null" }).spawn());
    try {
      const answers = () => engine.docker("info").then(() => true, () => false);
      await until(answers, 60, () => Deno.readTextFileSync(join(folder, "log")));
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What makes a docker client use this engine. */
  get environment(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.folder}/socket` };
  }

  /** Runs docker with these words; fails if docker does. Returns what it prints on standard output. */
  async docker(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await $`docker ${words}`.env(this.environment)
      .stdout("piped").stderr("piped").noThrow();
    if (code !== 0) throw new Error(`docker ${words.join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  }

  /** Copies an image from the usual engine. */
  async load(image: string): Promise<void> {
    await $`docker save ${image} | docker --host ${this.environment.DOCKER_HOST} load`.quiet();
  }

  /** By TERM, so that it removes what is outside of the namespaces, the control groups. */
  async [Symbol.asyncDispose](): Promise<void> {
    let isRunning = true;
    const end = this.child.status.then(() => isRunning = false);
    for (const engine of childrenOf(this.child.pid)) kill(engine, 15);
    await until(() => !isRunning, 60).catch(() => this.child.kill("SIGKILL"));
    await end;
    await Deno.remove(this.folder, { recursive: true });
  }
}
