// Makes a release: all images, in a registry, and what belongs to them. Run by `make release`.
// Afterwards: the registry has the images and their tags; dist/release/ has notes, digests, an SBOM of each image, checksums.

import $ from "@david/dax";
import { join } from "@std/path";
import { isInReach, releases } from "../base/base.ts";
import { ensureDocker } from "./engine.ts";
import { buildImage, nameOn } from "./image.ts";
import { type Target, targets } from "./permissions.ts";
import { platformOf, readPlatform } from "./platform.ts";
import { version } from "./programs.ts";
import { Problem, projectFolder, readCommandLine, runTool, say, sha256 } from "./project.ts";
import { asWord, requireReference } from "./reference.ts";
import { isInRegistry, push, pushIndex } from "./registry.ts";
import { listImage } from "./sbom.ts";

const usage = `Usage: make release REGISTRY=example.com/joe

Builds version ${version} on each base, pushes the images, and writes notes, digests, SBOMs and
checksums to dist/release/. The commit must have the tag v${version}, and all must be committed;
\`docker login\` comes before. Variables that it reads, and their defaults:

  REGISTRY  where the images go to, as REGISTRY/NAME
  NAME      their name (baseimage)
  BASES     what they are built on (${Object.keys(releases).join(" ")});
            the first one is the image that ${version} and latest mean
  PLATFORMS what they are for (${
  Object.keys(targets).map((it) => platformOf(it as Target)).join(" ")
})
  REBUILD   a date, such as 20261231, if ${version} is out and is to have the updates of that
            day: everything is built anew, and ${version}-20261231 is the version in the tags
  CHECK     1 if only that is to be checked which would end the release: nothing is built

  -h, --help  show this text
`;

/** An image of a release. */
export interface Image {
  /** Where it goes to; docker has it by this name. */
  reference: string;
  base: string;
}

if (import.meta.main) await runTool(main);

async function main(): Promise<void> {
  readCommandLine(usage, {});
  const repository = readRepository();
  const rebuild = Deno.env.get("REBUILD");
  if (rebuild) requireReference("version", "REBUILD", rebuild);
  const release = rebuild ? `${version}-${rebuild}` : version;
  const bases = Deno.env.get("BASES")?.match(/\S+/g) ?? Object.keys(releases);
  const machines = Deno.env.get("PLATFORMS")?.match(/\S+/g)?.map(readPlatform) ??
    Object.keys(targets) as Target[];
  const wanted = bases.flatMap((base) => machines.map((target) => ({ base, target })));
  const notes = await readNotes(projectFolder, version);
  const revision = await readRevision(projectFolder);
  const isMoving = await isNewest(projectFolder, version);
  await ensureDocker();
  if (rebuild) await requireReleased(`${repository}:${version}`);
  await requireNew(`${repository}:${release}`);
  for (const { base, target } of wanted) await requireInReach(base, target);
  if (Deno.env.get("CHECK")) return say(`${repository}:${release} can be released.`);

  const images: Image[] = [];
  const folder = join(projectFolder, "dist/release");
  await $`rm -rf ${folder}`;
  await Deno.mkdir(folder, { recursive: true });
  const write = (name: string, text: string) => Deno.writeTextFile(join(folder, name), text);
  try {
    for (const { base, target } of wanted) {
      const tag = `${release}-${asWord(base)}-${targets[target].architecture}`;
      const reference = `${repository}:${tag}`;
      await label(await buildImage(nameOn(base), base, target), reference, target, revision);
      images.push({ reference, base });
      const sbom = await listImage(reference, target);
      await write(`${tag}.cdx.json`, JSON.stringify(sbom, null, 2) + "\n");
    }
    const digests = await publish(repository, release, bases[0], images, isMoving);
    await write(`digests-${release}`, digests.map((it) => `${it}\n`).join(""));
  } finally {
    for (const { reference } of images) await $`docker rmi ${reference}`.quiet().noThrow();
  }
  await write("notes.md", notes);
  await write(`SHA256SUMS-${release}`, await checksums(folder));
  say(`${repository}:${release} is out; dist/release has what belongs to it.`);
}

/** Gives docker the image as a release of the commit: it may be one that was made of the same files at another commit. */
async function label(
  image: string,
  reference: string,
  target: Target,
  revision: string,
): Promise<void> {
  await $`docker build --platform ${platformOf(target)} --tag ${reference} \
    --label org.opencontainers.image.revision=${revision} -`
    .stdinText(`FROM ${image}\n`).env({ DOCKER_BUILDKIT: "0" }).quiet();
}

/**
 * Pushes images, and an index of them for each base.
 *
 * @param main the base that the tags without a base mean
 * @param isMoving whether the tags without a version are to mean this release
 * @returns NAME:TAG@DIGEST of everything whose tag stays as it is
 */
export async function publish(
  repository: string,
  release: string,
  main: string,
  images: Image[],
  isMoving: boolean,
): Promise<string[]> {
  const pushed: string[] = [];
  const bases = new Map<string, string[]>();
  for (const { reference, base } of images) {
    say(`Pushing ${reference} ...`);
    const digest = await push(reference);
    pushed.push(`${reference}@${digest}`);
    bases.set(base, [...bases.get(base) ?? [], `${repository}@${digest}`]);
  }
  const indexes = [...bases].flatMap(([base, ofBase]) =>
    [`${release}-${asWord(base)}`, ...isMoving ? [asWord(base)] : []]
      .map((tag) => [tag, ofBase] as const)
  );
  // The release's own tag comes last: as long as it is not there, the release can be repeated.
  for (const tag of [...isMoving ? ["latest"] : [], release]) indexes.push([tag, bases.get(main)!]);
  for (const [tag, ofBase] of indexes) {
    const digest = await pushIndex(`${repository}:${tag}`, ofBase);
    if (tag.startsWith(release)) pushed.push(`${repository}:${tag}@${digest}`);
  }
  return pushed;
}

/** What CHANGELOG.md says about a version. Throws a Problem if the folder's commit is not that version. */
export async function readNotes(folder: string, version: string): Promise<string> {
  const changes = await git(folder, "status", "--porcelain");
  if (changes.length > 0) {
    throw new Problem(
      `not everything is committed: ${changes.map((it) => it.slice(3)).join(", ")}`,
    );
  }
  if (!(await git(folder, "tag", "--points-at", "HEAD")).includes(`v${version}`)) {
    throw new Problem(
      `this commit does not have the tag v${version}, as deno.json says: ` +
        `git checkout that tag, or change the version, commit, and make the tag`,
    );
  }
  const changelog = await Deno.readTextFile(join(folder, "CHANGELOG.md"));
  const [notes] = changelog.split(/^(?=## )/m).filter((it) => it.split(/\s+/)[1] === version);
  if (!notes) throw new Problem(`CHANGELOG.md has no section "## ${version}": write it`);
  return `${notes.trim()}\n`;
}

async function readRevision(folder: string): Promise<string> {
  const [revision] = await git(folder, "rev-parse", "HEAD");
  return revision;
}

/** Whether no tag of the repository is of a later version. Pre-releases, such as 1.1.0-rc1, do not count, and are never the newest. */
export async function isNewest(folder: string, version: string): Promise<boolean> {
  const tags = await git(folder, "tag", "--list", "v[0-9]*", "--sort=-version:refname");
  return tags.find((it) => !it.includes("-")) === `v${version}`;
}

/** The lines that git prints. */
async function git(folder: string, ...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await $`git ${words}`.cwd(folder)
    .stdout("piped").stderr("piped").noThrow();
  if (code !== 0) throw new Problem(`cannot ask git: ${stderr.split("\n")[0]}`);
  return stdout.split("\n").filter(Boolean);
}

function readRepository(): string {
  const registry = Deno.env.get("REGISTRY");
  if (!registry) {
    throw new Problem("there is no REGISTRY: `make release REGISTRY=example.com/joe`", 2);
  }
  const repository = `${registry}/${Deno.env.get("NAME") || "baseimage"}`;
  requireReference("name", "REGISTRY/NAME", repository);
  const wanted = Deno.env.get("VERSION") || version;
  if (wanted !== version) {
    throw new Problem(`VERSION=${wanted}: the version of a release is that of deno.json`, 2);
  }
  return repository;
}

async function requireNew(reference: string): Promise<void> {
  if (!await isInRegistry(reference)) return;
  throw new Problem(
    `${reference} is out, and does not change: release another version, or the updates of a day by REBUILD`,
  );
}

async function requireReleased(reference: string): Promise<void> {
  if (await isInRegistry(reference)) return;
  throw new Problem(
    `${reference} is not out, so there is nothing to update: release it without REBUILD`,
  );
}

async function requireInReach(base: string, target: Target): Promise<void> {
  if (await isInReach(base, target)) return;
  throw new Problem(
    `nothing is pushed: the archive of ${base} for ${platformOf(target)} cannot be reached: ` +
      "try it later, or leave that out by BASES or PLATFORMS",
  );
}

/** The checksums of a folder's files, as sha256sum prints and checks them. */
async function checksums(folder: string): Promise<string> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    lines.push(`${await sha256(await Deno.readFile(join(folder, name)))}  ${name}\n`);
  }
  return lines.sort().join("");
}
