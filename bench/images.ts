/**
 * The images that are measured: ours, the previous release of ours, and peers.
 *
 * @module
 */
import $ from "@david/dax";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { ensureBase } from "../base/base.ts";
import { buildImage } from "../build/image.ts";
import { runQuietly } from "../build/progress.ts";
import { cacheFolder, Problem, projectFolder, say } from "../build/project.ts";
import { docker } from "./containers.ts";

/** The last commit of 1.0.0: with Deno alone, before there was native code. */
const previousCommit = "dc7852487af0ddd28d4d4b5bca01d1c2c031d881";

export interface Images {
  ours: string;
  previous: string;
  /** Ours with peers and services. */
  peers: string;
  previousWithServices: string;
  s6: string;
}

const images: Images = {
  ours: "baseimage",
  previous: "baseimage-previous:1.0.0",
  peers: "baseimage-bench:peers",
  previousWithServices: "baseimage-bench:previous",
  s6: "baseimage-bench:s6",
};

/** Brings all of them up to date: from the sources and archives as they are, or from docker's cache of that. */
export async function buildImages(): Promise<Images> {
  const ours = await buildImage();
  await buildPrevious();
  await ensureBase("debian:12");
  const args = { OURS: ours, PREVIOUS: images.previous };
  await build("peers", args);
  await build("previous", args);
  await build("s6", {});
  return { ...images, ours };
}

/** By its own files, from its own commit. */
async function buildPrevious(): Promise<void> {
  const isThere = await $`docker image inspect ${images.previous}`.quiet().noThrow();
  if (isThere.code === 0) return;
  say("Building the previous release ...");
  const folder = join(cacheFolder, "previous");
  if (!await exists(join(folder, "Makefile"))) {
    await $`mkdir -p ${folder}/.cache`;
    const unpack = 'set -o pipefail; git archive "$0" | tar -x -C "$1"';
    const { code } = await $`bash -c ${unpack} ${previousCommit} ${folder}`.cwd(projectFolder)
      .quiet().noThrow();
    if (code !== 0) {
      throw new Problem(`git has no commit ${previousCommit}: fetch the whole history`);
    }
    // What is pinned is the same, and need not be fetched again.
    await $`sh -c ${'cp -al "$0"/bin "$0"/deno "$0"/denort* "$1"/.cache/'} ${cacheFolder} ${folder}`
      .quiet().noThrow();
  }
  await runQuietly({
    command: [
      "env",
      "-C",
      folder,
      "NAME=baseimage-previous",
      "VERSION=1.0.0",
      "tools/deno",
      "run",
      "-A",
      "tools/image.ts",
    ],
    log: "bench-previous",
    failure: "cannot build the previous release",
  });
}

async function build(name: string, args: Record<string, string>): Promise<void> {
  const folder = join(projectFolder, "bench/images");
  await runQuietly({
    command: [
      ...["docker", "build", "--force-rm", "--network", "host"],
      ...["--file", join(folder, `${name}.Dockerfile`), "--tag", `baseimage-bench:${name}`],
      ...Object.entries(args).flatMap((it) => ["--build-arg", it.join("=")]),
      folder,
    ],
    environment: { DOCKER_BUILDKIT: "0" },
    log: `bench-${name}`,
    failure: `cannot build the bench's image of ${name}`,
  });
}

/** What the results are measured on; no names. */
export async function describeMachine(): Promise<
  { cores: number; architecture: string; kernel: string; docker: string }
> {
  const text = await docker(
    "info",
    "--format",
    "{{.NCPU}}|{{.Architecture}}|{{.KernelVersion}}|{{.ServerVersion}}",
  );
  const [cores, architecture, kernel, version] = text.split("|");
  return { cores: Number(cores), architecture, kernel, docker: version };
}
