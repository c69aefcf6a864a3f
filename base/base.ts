// Gets the image that ours is built on. Called by build/image.ts.
// Afterwards: docker has it. If it could not be pulled, it was made from the distribution's archive, with checked
// signatures and all updates.

import $ from "@david/dax";
import { join } from "@std/path";
import { ensureProgram } from "../build/packages.ts";
import { runQuietly } from "../build/progress.ts";
import { Problem, say, sha256, withFolder } from "../build/project.ts";

export interface Release {
  distribution: "ubuntu" | "debian";
  codename: string;
}

export const releases: Record<string, Release> = {
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
    keyring: ubuntuKeyring,
    script: "gutsy", // debootstrap's script for all later releases, also for those that are newer than debootstrap
  },
  debian: {
    archive: "http://deb.debian.org/debian",
    security: "http://deb.debian.org/debian-security",
    components: ["main"],
    keyring: debianKeyring,
    script: "sid",
  },
};

const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** The package with the keys of all Ubuntu releases from 16.04 on; Debian does not have it. */
const ubuntuKeys = {
  path: "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb",
  sha256: "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8",
  keyring: "usr/share/keyrings/ubuntu-archive-keyring.gpg",
};

/** Whether the archive of the image's packages answers. Of an image that is not in `releases` it is believed. */
export async function isInReach(image: string): Promise<boolean> {
  const release = findRelease(image);
  if (!release) return true;
  const { archive } = distributions[release.distribution];
  return await answers(`${archive}/dists/${release.codename}/Release`);
}

export async function ensureBase(image: string): Promise<void> {
  if (await hasImage(image)) return;
  say(`Pulling ${image} ...`);
  const pull = await $`docker pull ${image}`.stdout("null").stderr("piped").noThrow();
  if (pull.code === 0) return;
  const reason = `cannot pull ${image} (${pull.stderr.trim().split("\n").at(-1)})`;
  const release = findRelease(image);
  if (!release) {
    const others = Object.keys(releases).join(", ");
    throw new Problem(
      `${reason}; set BASE_IMAGE to another one, or to one that can be made here: ${others}`,
    );
  }
  if (Deno.uid() !== 0) throw new Problem(`${reason}; run this as root, which can make it`);
  await makeBase(image, release);
}

/** Throws a Problem if the image cannot be built on this base. */
export async function requireFitBase(image: string): Promise<void> {
  const reasons: Record<number, string> = {
    10: "it has /sbin/my_init already: choose what that image was built on",
    11: "it has no apt-get: choose an image of Ubuntu or Debian",
    127: "it has no bash: choose an image of Ubuntu or Debian",
  };
  const script = "[[ ! -e /sbin/my_init ]] || exit 10; command -v apt-get || exit 11";
  const { code, stderr } =
    await $`docker run --rm --network none --entrypoint bash ${image} -c ${script}`
      .stdout("null").stderr("piped").noThrow();
  if (code === 0) return;
  const reason = reasons[code] ?? stderr.trim().split("\n").at(-1);
  throw new Problem(`cannot build on BASE_IMAGE=${image}: ${reason}`);
}

async function hasImage(image: string): Promise<boolean> {
  const inspect = await $`docker image inspect ${image}`.quiet().noThrow();
  return inspect.code === 0;
}

/** Finds a release by its version (ubuntu:16.04) or its codename (ubuntu:xenial). */
function findRelease(image: string): Release | undefined {
  return releases[image] ??
    Object.values(releases).find((it) => image === `${it.distribution}:${it.codename}`);
}

/** Makes an image of the release from what the archive has today, even if docker has one already. */
export async function makeBase(image: string, release: Release): Promise<void> {
  await ensureProgram("debootstrap");
  await ensureProgram("gpgv");
  await ensureProgram(certificates, ["ca-certificates"]);
  const { archive, components, keyring, script } = distributions[release.distribution];
  const source = await secure(archive);
  say(`Making ${image} by debootstrap from ${source}; this takes about two minutes ...`);
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    await runQuietly({
      command: [
        ...["unshare", "--mount"], // What debootstrap mounts goes away with it, even if it is killed.
        "debootstrap",
        "--variant=minbase",
        `--components=${components.filter((it) => it === "main" || it === "universe").join()}`,
        `--keyring=${await keyring(folder, source)}`,
        ...[release.codename, root, source, script],
      ],
      log: "debootstrap",
      failure: `cannot make ${image} from ${source}`,
    });
    await Deno.writeTextFile(join(root, "etc/apt/sources.list"), sourcesList(release));
    await $`rm -f etc/resolv.conf etc/hostname`.cwd(root); // This machine's.
    await prepareUpdate(root, release);
    const pack = 'set -o pipefail; tar --numeric-owner -C "$0" -c . | docker import -';
    await update(await $`bash -c ${pack} ${root}`.text(), image);
  });
}

/** Writes the settings of apt to /update. They are used by update() only. */
async function prepareUpdate(root: string, release: Release): Promise<void> {
  const folder = join(root, "update");
  await Deno.mkdir(folder);
  await Deno.copyFile(certificates, join(folder, "certificates.crt")); // The new system has none.
  const { archive, security } = distributions[release.distribution];
  const sources = { archive: await secure(archive), security: await secure(security) };
  await Deno.writeTextFile(join(folder, "sources.list"), sourcesList(release, sources));
  await Deno.writeTextFile(
    join(folder, "apt.conf"),
    `Dir::Etc::SourceList "/update/sources.list";
     Acquire::https::CaInfo "/update/certificates.crt";
     Acquire::http::AllowRedirect "false"; // The oldest apt of a release trusts what a redirect contains, CVE-2019-3462.`,
  );
  await $`chmod -R a+rX ${folder}`; // apt reads them as a user of its own.
}

/** Installs all updates since the release, apt's first. The image stays one layer. */
async function update(outdated: string, image: string): Promise<void> {
  const script = `
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # Nothing is to be started.
    chmod +x /usr/sbin/policy-rc.d
    apt-get update
    apt-get install --yes --no-install-recommends --only-upgrade apt
    apt-get dist-upgrade --yes --no-install-recommends
    apt-get clean
    rm -rf /update /var/lib/apt/lists/* /var/cache/apt/*.bin`;
  const container = `base-${crypto.randomUUID().slice(0, 8)}`;
  const options = [
    ...["--name", container],
    ...["--network", "host"],
    ...["--env", "DEBIAN_FRONTEND=noninteractive"],
    ...["--env", "APT_CONFIG=/update/apt.conf"],
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

/** The sources of the release and its updates, for apt. */
function sourcesList(
  { distribution, codename }: Release,
  { archive, security }: { archive: string; security: string } = distributions[distribution],
): string {
  return [
    [archive, codename],
    [archive, `${codename}-updates`],
    ...(distribution === "ubuntu" ? [[archive, `${codename}-backports`]] : []),
    [security, `${codename}-security`],
  ].map((source) => [...source, ...distributions[distribution].components].join(" "))
    .map((source) => `deb ${source}\n`).join("");
}

/** The same archive by HTTPS, if the server answers there; not all of Ubuntu's servers do. */
async function secure(archive: string): Promise<string> {
  const url = archive.replace(/^http:/, "https:");
  return await answers(`${url}/`) ? url : archive;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(10_000) })).ok;
  } catch {
    return false;
  }
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
    return new Uint8Array(await $.request(url).timeout("60s").arrayBuffer());
  } catch (error) {
    throw new Problem(`cannot get ${url}: ${error instanceof Error ? error.message : error}`);
  }
}
