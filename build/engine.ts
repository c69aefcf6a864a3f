// Makes sure that docker's engine answers. Called by image.ts.
// Afterwards: it answers. If it was missing it is installed and running, and goes on running.

import $ from "@david/dax";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { ensureProgram } from "./packages.ts";
import { cacheFolder, Problem, say } from "./project.ts";

const secondsToStart = 60;

export async function ensureDocker(): Promise<void> {
  const reason = await whyNot();
  if (!reason) return;
  const byHand = "install docker and start it, or make sure that `docker info` works";
  if (Deno.env.has("DOCKER_HOST")) {
    throw new Problem(`the docker of DOCKER_HOST does not answer (${reason})`);
  }
  if (Deno.uid() !== 0) throw new Problem(`docker does not answer (${reason}): ${byHand}`);
  await ensureProgram("dockerd", ["docker.io", "iptables"]);
  await ensureProgram("docker", ["docker-cli"]); // Newer releases have it in a package of its own.
  await start();
}

/** The reason why docker does not answer; undefined if it does. */
async function whyNot(): Promise<string | undefined> {
  if (!await $.commandExists("docker")) return "there is no program docker";
  const info = await $`docker info`.stdout("null").stderr("piped").noThrow();
  return info.code === 0 ? undefined : info.stderr.trim().split("\n").at(-1);
}

async function start(): Promise<void> {
  const log = join(cacheFolder, "dockerd.log");
  const isService = await exists("/run/systemd/system");
  if (isService) {
    say("Starting docker by systemd ...");
    await $`systemctl start docker`.noThrow();
  } else {
    say("Starting dockerd; it goes on running. Its log is .cache/dockerd.log ...");
    await Deno.mkdir(cacheFolder, { recursive: true });
    await removeStalePid("/var/run/docker.pid", "dockerd");
    await removeStalePid("/var/run/docker/containerd/containerd.pid", "containerd");
    await $`sh -c ${'exec setsid --fork dockerd </dev/null >>"$0" 2>&1'} ${log}`;
  }
  const deadline = Date.now() + secondsToStart * 1000;
  while (await whyNot()) {
    if (Date.now() > deadline) {
      const hint = isService ? "`journalctl -u docker` may say why" : `see ${log}`;
      throw new Problem(`docker does not answer after ${secondsToStart} s: ${hint}`);
    }
    await $.sleep(200);
  }
}

/** Removes the PID file of a killed engine: if another process has that PID now, a new engine believes it still runs, and exits. */
async function removeStalePid(file: string, program: string): Promise<void> {
  const read = (path: string) => Deno.readTextFile(path).catch(() => "");
  const pid = (await read(file)).trim();
  const isRunning = (await read(`/proc/${pid}/comm`)).trim() === program;
  if (pid !== "" && !isRunning) await Deno.remove(file);
}
