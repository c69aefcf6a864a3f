// Makes the image. Run by `deno task image` and by run.ts and tests/run.ts.
// Afterwards: docker has NAME:VERSION and NAME:latest, made from the sources as they are.
// The usage text lists the variables that it reads.

import $ from "@david/dax";
import { walk } from "@std/fs";
import { join, relative } from "@std/path";
import { ensureBase, requireFitBase } from "../base/base.ts";
import { build, version } from "./programs.ts";
import { ensureEmulation } from "./emulation.ts";
import { ensureDocker } from "./engine.ts";
import { type Target, targets } from "./permissions.ts";
import { platformOf, readPlatform, thisMachine, versionFor } from "./platform.ts";
import { runQuietly } from "./progress.ts";
import { projectFolder, readCommandLine, runTool, say, sha256 } from "./project.ts";
import { sourceAddress, timeOfBuild } from "./origin.ts";
import { asWord, requireReference } from "./reference.ts";

const dockerfile = await Deno.readTextFile(join(projectFolder, "Dockerfile"));
const switches = [...dockerfile.matchAll(/^ARG (DISABLE_\w+)$/gm)].map(([, name]) => name);
const inputsLabel = "baseimage.inputs";

const usage = `Usage: deno task image

Makes the image NAME:VERSION, which is NAME:latest, too, and prints its name.
What is missing is fetched and built. Variables that it reads, and their defaults:

  NAME        the image's name (baseimage)
  VERSION     the image's version (${version})
  BASE_IMAGE  the image that it is built on (ubuntu:16.04)
  PLATFORM    the machine that it is for, linux/amd64 or linux/arm64 (this one's); qemu
              emulates another one, and then the version has its name: ${version}-arm64
  ${switches.join(", ")}
              1 leaves the service out
  REBUILD     a date: an image that was not built with the same one is built anew, with all updates
  SOURCE_DATE_EPOCH
              when the image was made, for its label, in seconds since 1970 (now)

  -h, --help  show this text
`;

if (import.meta.main) {
  await runTool(async () => {
    readCommandLine(usage, {});
    console.log(await buildImage());
  });
}

/** The machine that PLATFORM names. */
export function wantedTarget(): Target {
  return readPlatform(setting("PLATFORM", platformOf(thisMachine)));
}

/**
 * Brings the image up to date and returns its name; says nothing and changes nothing if it is.
 *
 * @param name without a version
 * @param base what it is built on, by its name for this machine
 */
export async function buildImage(
  name: string = setting("NAME", "baseimage"),
  base: string = setting("BASE_IMAGE", "ubuntu:16.04"),
  target: Target = wantedTarget(),
): Promise<string> {
  requireReference("name", "NAME", name);
  requireReference("version", "VERSION", setting("VERSION", version));
  requireReference("image", "BASE_IMAGE", base);
  timeOfBuild(); // A wrong SOURCE_DATE_EPOCH is told now, not in two minutes.
  const tags = [setting("VERSION", version), "latest"]
    .map((it) => `${name}:${versionFor(target, it)}`);
  const [image] = tags;

  await ensureDocker();
  await ensureEmulation(target);
  const from = await ensureBase(base, target);
  await requireFitBase(from, target);
  await build(target);

  const { architecture } = targets[target];
  const buildArguments = [`BASE_IMAGE=${from}`, `TARGETARCH=${architecture}`];
  for (const name of switches) {
    if (Deno.env.has(name)) buildArguments.push(`${name}=${Deno.env.get(name)}`);
  }

  const inputs = await hashInputs(architecture, [
    image,
    ...buildArguments,
    await inspect(from, "{{.Id}}"),
    setting("SOURCE_DATE_EPOCH", ""),
    setting("REBUILD", ""),
  ]);
  const made = await Promise.all(
    tags.map((it) => inspect(it, `{{index .Config.Labels "${inputsLabel}"}}`)),
  );
  if (made.every((it) => it === inputs)) return image;

  say(`Building the image ${image} on ${from} ...`);
  await runQuietly({
    command: [
      ...["docker", "build", "--force-rm", "--platform", platformOf(target)],
      ...(Deno.env.get("REBUILD") ? ["--no-cache"] : []), // Which would have the packages of an earlier day.
      ...tags.flatMap((it) => ["--tag", it]),
      ...buildArguments.flatMap((it) => ["--build-arg", it]),
      ...Object.entries({ ...await labels(from), [inputsLabel]: inputs })
        .flatMap((it) => ["--label", it.join("=")]),
      ...["--network", "host"], // The engine's own network does not reach the archives everywhere.
      projectFolder,
    ],
    environment: { DOCKER_BUILDKIT: "0" }, // The classic builder is everywhere.
    log: `docker-build-${from.replace(/\W/g, "-")}`,
    failure: `cannot build the image ${image}`,
  });
  return image;
}

/** The name of the image on a base, where there are images on several. */
export function nameOn(base: string): string {
  const name = setting("NAME", "baseimage");
  return base === "ubuntu:16.04" ? name : `${name}-${asWord(base)}`;
}

function setting(name: string, otherwise: string): string {
  return Deno.env.get(name) || otherwise;
}

/** The labels whose values the Dockerfile cannot know. https://specs.opencontainers.org/image-spec/annotations/ */
async function labels(base: string): Promise<Record<string, string>> {
  const known = {
    version: setting("VERSION", version),
    created: timeOfBuild(),
    revision: await git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"),
    source: sourceAddress(await git("config", "--get", "remote.origin.url")),
    licenses: "MIT",
    "base.name": base,
  };
  return Object.fromEntries(
    Object.entries(known).filter(([, value]) => value)
      .map(([key, value]) => [`org.opencontainers.image.${key}`, value]),
  );
}

/** What git prints about the project; empty if it fails. */
async function git(...words: string[]): Promise<string> {
  const result = await $`git ${words}`.cwd(projectFolder).quiet().noThrow();
  return result.code === 0 ? result.stdout.trim() : "";
}

/** What docker knows about an image; empty if there is no such image. */
async function inspect(image: string, format: string): Promise<string> {
  const result = await $`docker image inspect --format ${format} ${image}`.quiet().noThrow();
  return result.code === 0 ? result.stdout.trim() : "";
}

/** A hash of everything that the image is made of: names, modes and contents of the files, and `others`. */
async function hashInputs(architecture: string, others: string[]): Promise<string> {
  const files = ["Dockerfile", ".dockerignore", `dist/${architecture}/.inputs`].map((it) =>
    join(projectFolder, it)
  );
  for (const folder of ["image", "dist/man"]) {
    for await (const { path } of walk(join(projectFolder, folder))) files.push(path);
  }
  const lines = await Promise.all(files.sort().map(describe));
  return await sha256(new TextEncoder().encode(JSON.stringify([lines, others])));
}

async function describe(path: string): Promise<string[]> {
  const { mode, isFile, isSymlink } = await Deno.lstat(path);
  const content = isSymlink
    ? await Deno.readLink(path)
    : isFile
    ? await sha256(await Deno.readFile(path))
    : "";
  return [relative(projectFolder, path), String(mode), content];
}
