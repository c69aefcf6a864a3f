// Gets the image that ours is built on. Called by build/image.ts.
// Afterwards: docker has it. If it could not be pulled, it was made from the distribution's archive, with checked
// signatures and all updates.

import $ from "@david/dax";
import { join } from "@std/path";
import { ensureProgram } from "../build/packages.ts";
import { type Target, targets } from "../build/permissions.ts";
import { baseFor, platformOf, thisMachine } from "../build/platform.ts";
import { runQuietly } from "../build/progress.ts";
import { Problem, say, sha256, withFolder } from "../build/project.ts";

export interface Release {
  distribution: "ubuntu" | "debian";
  codename: string;
}

interface Archives {
  archive: string;
  security: string;
}

export const releases: Record<string, Release> = {
  "ubuntu:16.04": { distribution: "ubuntu", codename: "xenial" },
  "ubuntu:22.04": { distribution: "ubuntu", codename: "jammy" },
  "ubuntu:24.04": { distribution: "ubuntu", codename: "noble" },
  "debian:12": { distribution: "debian", codename: "bookworm" },
};

const distributions = {
  ubuntu: {
    archives: {
      archive: "http://archive.ubuntu.com/ubuntu",
      security: "http://security.ubuntu.com/ubuntu",
    },
    components: ["main", "restricted", "universe", "multiverse"],
    keyring: ubuntuKeyring,
    script: "gutsy", // debootstrap's script for all later releases, also for those that are newer than debootstrap
  },
  debian: {
    archives: {
      archive: "http://deb.debian.org/debian",
      security: "http://deb.debian.org/debian-security",
    },
    components: ["main"],
    keyring: debianKeyring,
    script: "sid",
  },
};

/** Where Ubuntu has all that is for other machines than amd64. */
const ports = "http://ports.ubuntu.com/ubuntu-ports";

const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** The package with the keys of all Ubuntu releases from 16.04 on; Debian does not have it. */
const ubuntuKeys = {
  path: "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb",
  sha256: "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8",
  keyring: "usr/share/keyrings/ubuntu-archive-keyring.gpg",
};

/** Whether the archive of the image's packages for the machine answers, within three attempts. Of an image that is not in `releases` it is believed. */
export async function isInReach(image: string, target: Target): Promise<boolean> {
  const release = findRelease(image);
  if (!release) return true;
  const { archive } = archivesOf(release, target);
  for (const pause of [2_000, 5_000, 0]) {
    if ((await askFor(`${archive}/dists/${release.codename}/Release`))?.ok) return true;
    await $.sleep(pause);
  }
  return false;
}

/** Makes sure that docker has the base for the machine. Returns its name, which is another one for another machine. */
export async function ensureBase(base: string, target: Target = thisMachine): Promise<string> {
  const image = baseFor(target, base);
  const platform = platformOf(target);
  if (await hasImage(image, platform)) return image;
  say(`Pulling ${image} ...`);
  const pull = await $`docker pull --platform ${platform} ${image}`.stdout("null").stderr("piped")
    .noThrow();
  if (pull.code === 0) return image;
  const reason = `cannot pull ${image} (${pull.stderr.trim().split("\n").at(-1)})`;
  const release = findRelease(base);
  if (!release) {
    const others = Object.keys(releases).join(", ");
    throw new Problem(
      `${reason}; set BASE_IMAGE to another one, or to one that can be made here: ${others}`,
    );
  }
  if (Deno.uid() !== 0) throw new Problem(`${reason}; run this as root, which can make it`);
  await makeBase(image, release, target);
  return image;
}

/** Throws a Problem if the image cannot be built on this base. */
export async function requireFitBase(image: string, target: Target): Promise<void> {
  const reasons: Record<number, string> = {
    10: "it has /sbin/my_init already: choose what that image was built on",
    11: "it has no apt-get: choose an image of Ubuntu or Debian",
    127: "it has no bash: choose an image of Ubuntu or Debian",
  };
  const script = "[[ ! -e /sbin/my_init ]] || exit 10; command -v apt-get || exit 11";
  const flags = ["--rm", "--platform", platformOf(target), "--network", "none"];
  const { code, stderr } = await $`docker run ${flags} --entrypoint bash ${image} -c ${script}`
    .stdout("null").stderr("piped").noThrow();
  if (code === 0) return;
  const reason = reasons[code] ?? stderr.trim().split("\n").at(-1);
  throw new Problem(`cannot build on BASE_IMAGE=${image}: ${reason}`);
}

/** Whether docker has the image for this platform: of all with one name it has only one. */
async function hasImage(image: string, platform: string): Promise<boolean> {
  const format = "{{.Os}}/{{.Architecture}}";
  const inspect = await $`docker image inspect --format ${format} ${image}`.quiet().noThrow();
  return inspect.code === 0 && inspect.stdout.trim() === platform;
}

/** Finds a release by its version (ubuntu:16.04) or its codename (ubuntu:xenial). */
function findRelease(image: string): Release | undefined {
  return releases[image] ??
    Object.values(releases).find((it) => image === `${it.distribution}:${it.codename}`);
}

/** Makes an image of the release from what the archive has today, even if docker has one already. */
export async function makeBase(
  image: string,
  release: Release,
  target: Target = thisMachine,
): Promise<void> {
  await ensureProgram("debootstrap");
  await ensureProgram("gpgv");
  await ensureProgram(certificates, ["ca-certificates"]);
  const { components, keyring, script } = distributions[release.distribution];
  const source = await secure(archivesOf(release, target).archive);
  if (!source) throw new Problem(await explainSilence(image, release, target));
  const minutes = target === thisMachine ? "about two minutes" : "some minutes more";
  say(`Making ${image} by debootstrap from ${source}; this takes ${minutes} ...`);
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    const main = components.filter((it) => it === "main" || it === "universe");
    await runQuietly({
      command: [
        ...["unshare", "--mount"], // What debootstrap mounts goes away with it, even if it is killed.
        "debootstrap",
        `--arch=${targets[target].architecture}`,
        "--variant=minbase",
        "--exclude=ca-certificates", // An archive with HTTPS adds it: then two minutes go by under qemu, and as many for its update.
        `--components=${main.join()}`,
        `--keyring=${await keyring(folder, source)}`,
        ...[release.codename, root, source, script],
      ],
      log: "debootstrap",
      failure: `cannot make ${image} from ${source}`,
    });
    await Deno.writeTextFile(join(root, "etc/apt/sources.list"), sourcesList(release, target));
    await update(root, release, target, image);
    await pack(root, image, target);
  });
}

/** Which base could be made, since this one cannot. */
async function explainSilence(image: string, release: Release, target: Target): Promise<string> {
  const possible: string[] = [];
  for (const [name, other] of Object.entries(releases)) {
    if (await secure(archivesOf(other, target).archive)) possible.push(name);
  }
  const remedy = possible.length > 0
    ? `set BASE_IMAGE to one that can be made here: ${possible.join(", ")}`
    : "is the network there?";
  return `cannot make ${image}: ${archivesOf(release, target).archive} does not answer; ${remedy}`;
}

/** Installs all updates since the release, apt's first, by settings of apt that are only in /update. */
async function update(
  root: string,
  release: Release,
  target: Target,
  image: string,
): Promise<void> {
  const folder = join(root, "update");
  await Deno.mkdir(folder);
  await Deno.copyFile(certificates, join(folder, "certificates.crt")); // The new system has none.
  const { archive, security } = archivesOf(release, target);
  const sources = {
    archive: await secure(archive) ?? archive,
    security: await secure(security) ?? security,
  };
  await Deno.writeTextFile(join(folder, "sources.list"), sourcesList(release, target, sources));
  await Deno.writeTextFile(
    join(folder, "apt.conf"),
    `Dir::Etc::SourceList "/update/sources.list";
     Acquire::https::CaInfo "/update/certificates.crt";
     Acquire::http::AllowRedirect "false"; // The oldest apt of a release trusts what a redirect contains, CVE-2019-3462.`,
  );
  await $`chmod -R a+rX ${folder}`; // apt reads them as a user of its own.
  const script = `
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # Nothing is to be started.
    chmod +x /usr/sbin/policy-rc.d
    apt-get update
    apt-get install --yes --no-install-recommends --only-upgrade apt
    apt-get dist-upgrade --yes --no-install-recommends
    apt-get clean
    rm -rf /update /var/lib/apt/lists/* /var/cache/apt/*.bin`;
  await runQuietly({
    command: [
      ...["unshare", "--mount", "--pid", "--fork", `--mount-proc=${join(root, "proc")}`],
      ...["chroot", root, "env", "--unset=TMPDIR", "sh", "-ec", script],
    ],
    environment: { DEBIAN_FRONTEND: "noninteractive", APT_CONFIG: "/update/apt.conf" },
    log: "debootstrap",
    failure: `cannot bring ${image} up to date`,
  });
}

/** Makes the image of what is in the folder, in one layer. `docker import` would not heed the platform. */
async function pack(root: string, image: string, target: Target): Promise<void> {
  await $`rm -f etc/resolv.conf etc/hostname`.cwd(root); // This machine's.
  await withFolder(async (folder) => {
    // Without the devices: docker makes them in each container.
    await $`tar --numeric-owner --exclude=./dev/* -C ${root} -cf ${join(folder, "root.tar")} .`;
    await Deno.writeTextFile(
      join(folder, "Dockerfile"),
      'FROM scratch\nADD root.tar /\nCMD ["/bin/bash"]\n',
    );
    await runQuietly({
      command: ["docker", "build", "--platform", platformOf(target), "--tag", image, folder],
      environment: { DOCKER_BUILDKIT: "0" },
      log: "docker-build-base",
      failure: `cannot make ${image}`,
    });
  });
}

/** The addresses of the archive and of the security updates. */
function archivesOf({ distribution }: Release, target: Target): Archives {
  const isElsewhere = distribution === "ubuntu" && targets[target].architecture !== "amd64";
  return isElsewhere ? { archive: ports, security: ports } : distributions[distribution].archives;
}

/** The sources of the release and its updates, for apt. */
export function sourcesList(
  release: Release,
  target: Target,
  { archive, security } = archivesOf(release, target),
): string {
  const { distribution, codename } = release;
  return [
    [archive, codename],
    [archive, `${codename}-updates`],
    ...(distribution === "ubuntu" ? [[archive, `${codename}-backports`]] : []),
    [security, `${codename}-security`],
  ].map((source) => [...source, ...distributions[distribution].components].join(" "))
    .map((source) => `deb ${source}\n`).join("");
}

/** The same archive by HTTPS, if the server answers there (not all of Ubuntu's do); undefined if it does not answer at all. */
async function secure(archive: string): Promise<string | undefined> {
  const url = archive.replace(/^http:/, "https:");
  if ((await askFor(`${url}/`))?.ok) return url;
  return await askFor(`${archive}/`) && archive;
}

async function askFor(url: string): Promise<Response | undefined> {
  try {
    return await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(10_000) });
  } catch {
    return undefined;
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
