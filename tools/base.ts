// Gets the image that ours is built on. Called by image.ts.
// Afterwards: docker has it. Where it cannot be pulled it was made from the distribution's own archive, signatures
// checked, with all updates.

import $ from "@david/dax";
import { join } from "@std/path";
import { ensureProgram } from "./packages.ts";
import { runQuietly } from "./progress.ts";
import { exists, Problem, say, sha256, withFolder } from "./project.ts";

interface Release {
  distribution: "ubuntu" | "debian";
  codename: string;
}

const releases: Record<string, Release> = {
  "ubuntu:16.04": { distribution: "ubuntu", codename: "xenial" },
  "ubuntu:22.04": { distribution: "ubuntu", codename: "jammy" },
  "ubuntu:24.04": { distribution: "ubuntu", codename: "noble" },
  "debian:12": { distribution: "debian", codename: "bookworm" },
};

const onArm = Deno.build.arch === "aarch64";

const distributions = {
  ubuntu: {
    archive: onArm ? "http://ports.ubuntu.com/ubuntu-ports" : "http://archive.ubuntu.com/ubuntu",
    security: onArm ? "http://ports.ubuntu.com/ubuntu-ports" : "http://security.ubuntu.com/ubuntu",
    components: ["main", "restricted", "universe", "multiverse"],
    script: "gutsy", // debootstrap's, for all releases since
    keyring: ubuntuKeyring,
  },
  debian: {
    archive: "http://deb.debian.org/debian",
    security: "http://deb.debian.org/debian-security",
    components: ["main"],
    script: "sid",
    keyring: debianKeyring,
  },
};

/** The keys of all Ubuntu releases from 16.04 on; Debian has no package of them. */
const ubuntuKeys = {
  path: "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb",
  sha256: "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8",
  keyring: "usr/share/keyrings/ubuntu-archive-keyring.gpg",
};

export async function ensureBase(image: string): Promise<void> {
  if (await hasImage(image)) return;
  say(`Pulling ${image} ...`);
  const pull = await $`docker pull ${image}`.stdout("null").stderr("piped").noThrow();
  if (pull.code === 0) return;
  const reason = `cannot pull ${image} (${pull.stderr.trim().split("\n").at(-1)})`;
  const release = findRelease(image);
  if (!release) {
    const others = Object.keys(releases).join(", ");
    throw new Problem(`${reason}; set BASE_IMAGE to another, or to what can be made: ${others}`);
  }
  if (Deno.uid() !== 0) throw new Problem(`${reason}; run this as root, which can make it`);
  await ensureProgram("debootstrap");
  await ensureProgram("gpgv");
  await withFolder((folder) => makeBase(image, release, folder));
}

export async function hasImage(image: string): Promise<boolean> {
  const inspect = await $`docker image inspect ${image}`.quiet().noThrow();
  return inspect.code === 0;
}

/** By version (ubuntu:16.04) or by codename (ubuntu:xenial). */
function findRelease(image: string): Release | undefined {
  return releases[image] ??
    Object.values(releases).find((it) => image === `${it.distribution}:${it.codename}`);
}

async function makeBase(image: string, release: Release, folder: string): Promise<void> {
  const { archive, keyring, components, script } = distributions[release.distribution];
  say(`Making ${image} by debootstrap from ${archive}; this takes about two minutes ...`);
  const root = join(folder, "root");
  await runQuietly({
    command: [
      ...["unshare", "--mount"], // What debootstrap mounts is gone with it, even if it is killed.
      "debootstrap",
      "--variant=minbase",
      `--components=${components.filter((it) => it === "main" || it === "universe").join()}`,
      `--keyring=${await keyring(folder, archive)}`,
      ...[release.codename, root, archive],
    ],
    environment: { DEBOOTSTRAP_DIR: await scriptFolder(folder, release.codename, script) },
    log: "debootstrap",
    failure: `cannot make ${image} from ${archive}`,
  });
  await Deno.writeTextFile(join(root, "etc/apt/sources.list"), sourcesList(release));
  await $`rm -f etc/resolv.conf etc/hostname`.cwd(root); // This machine's.
  const pack = 'set -o pipefail; tar --numeric-owner -C "$0" -c . | docker import -';
  const outdated = await $`bash -c ${pack} ${root}`.text();
  await withUpdates(outdated, image);
}

/** Installs what came out since the release's first day, in an image that stays one layer. */
async function withUpdates(outdated: string, image: string): Promise<void> {
  const script = `
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # Nothing is to be started.
    chmod +x /usr/sbin/policy-rc.d
    apt-get update
    apt-get dist-upgrade --yes --no-install-recommends
    apt-get clean
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin`;
  const container = `base-${crypto.randomUUID().slice(0, 8)}`;
  const options = [
    "--name",
    container,
    "--network",
    "host",
    "--env",
    "DEBIAN_FRONTEND=noninteractive",
  ];
  try {
    await runQuietly({
      command: ["docker", "run", ...options, outdated, "sh", "-ec", script],
      log: "debootstrap",
      failure: `cannot bring ${image} up to date`,
    });
    const flatten =
      `set -o pipefail; docker export "$0" | docker import --change 'CMD ["/bin/bash"]' -`;
    await $`docker tag ${await $`bash -c ${flatten} ${container}`.text()} ${image}`;
  } finally {
    await $`docker rm -f ${container}`.quiet().noThrow();
    await $`docker rmi ${outdated}`.quiet().noThrow();
  }
}

/** As the distribution's own images have it: the release, what came later, the sources as comments. */
function sourcesList({ distribution, codename }: Release): string {
  const { archive, security, components } = distributions[distribution];
  return [
    [archive, codename],
    [archive, `${codename}-updates`],
    ...(distribution === "ubuntu" ? [[archive, `${codename}-backports`]] : []),
    [security, `${codename}-security`],
  ].map((source) => [...source, ...components].join(" "))
    .map((source) => `deb ${source}\n# deb-src ${source}\n`).join("");
}

/** debootstrap's files, with a script for this release if it is younger than debootstrap. */
async function scriptFolder(folder: string, codename: string, script: string): Promise<string> {
  const installed = "/usr/share/debootstrap";
  if (await exists(join(installed, "scripts", codename))) return installed;
  await $`cp -a ${installed} ${folder}/debootstrap`;
  await Deno.symlink(script, join(folder, "debootstrap/scripts", codename));
  return join(folder, "debootstrap");
}

async function debianKeyring(): Promise<string> {
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  await ensureProgram(keyring, ["debian-archive-keyring"]);
  return keyring;
}

async function ubuntuKeyring(folder: string, archive: string): Promise<string> {
  const url = `${archive}/${ubuntuKeys.path}`;
  const bytes = await download(url);
  if (await sha256(bytes) !== ubuntuKeys.sha256) throw new Problem(`${url} has a wrong checksum`);
  const file = join(folder, "keyring.deb");
  await Deno.writeFile(file, bytes);
  await $`dpkg-deb -x ${file} ${folder}/keyring`;
  return join(folder, "keyring", ubuntuKeys.keyring);
}

async function download(url: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
    if (!response.ok) throw new Error(`it says ${response.status}`);
    return await response.bytes();
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Problem(`cannot get ${url}: ${reason}`);
  }
}
