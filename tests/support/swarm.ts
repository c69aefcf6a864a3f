import $ from "@david/dax";
import { join } from "@std/path";
import { ensureProgram } from "../../build/packages.ts";
import { kill } from "../../posix/libc.ts";
import { childrenOf } from "./namespace.ts";
import { until } from "./until.ts";

/**
 * A swarm of one node. Its docker engine is one of its own, in namespaces: when an engine leaves a swarm, it forgets the
 * names of all its containers, so that these do not find each other until they are started again. Disposing removes it.
 */
export class Swarm implements AsyncDisposable {
  private constructor(readonly folder: string, readonly child: Deno.ChildProcess) {}

  static async start(): Promise<Swarm> {
    await ensureProgram("ip", ["iproute2"]);
    await ensureProgram("dockerd", ["docker.io", "iptables"]);
    const folder = await Deno.makeTempDir({ prefix: "swarm-" });
    const settings = { "hosts": [`unix://${folder}/socket`], "data-root": join(folder, "data") };
    await Deno.writeTextFile(join(folder, "settings.json"), JSON.stringify(settings));
    await Deno.writeTextFile(
      join(folder, "start"),
      `mount -t tmpfs tmpfs /run &&
      ip link set lo up &&
      exec dockerd --config-file ${folder}/settings.json`,
    );
    const namespaces = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
    const line = `exec unshare ${namespaces.join(" ")} sh ${folder}/start >${folder}/log 2>&1`;
    const child = new Deno.Command("sh", { args: ["-c", line], stdin: "null" }).spawn();
    const swarm = new Swarm(folder, child);
    try {
      const answers = () => swarm.docker("info").then(() => true, () => false);
      await until(answers, 60, () => Deno.readTextFileSync(join(folder, "log")));
      await swarm.docker("swarm", "init", "--advertise-addr", "127.0.0.1");
      return swarm;
    } catch (error) {
      await swarm[Symbol.asyncDispose]();
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

  /** Has the containers' control groups, which are in no namespace, removed as well. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.docker("swarm", "leave", "--force").catch(() => {});
    let isRunning = true;
    const end = this.child.status.then(() => isRunning = false);
    for (const engine of childrenOf(this.child.pid)) kill(engine, 15);
    await until(() => !isRunning, 60).catch(() => this.child.kill("SIGKILL"));
    await end;
    await Deno.remove(this.folder, { recursive: true });
  }
}
