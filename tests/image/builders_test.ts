// What each builder makes of the Dockerfile, and how two builds of one commit differ
import $ from "@david/dax";
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ensureProgram } from "../../build/packages.ts";
import { projectFolder } from "../../build/project.ts";
import { derive, Derived, docker, image, runContainer, uniqueName } from "../support/container.ts";

/** What is run in an image, without what docker puts into each container: a line for each file, without its times. */
const listFiles = `
  cd /
  seen() {
    find . -xdev '(' -path ./proc -o -path ./sys -o -path ./dev -o -path ./.dockerenv \
      -o -path ./etc/hosts -o -path ./etc/hostname -o -path ./etc/resolv.conf ')' -prune -o "$@"
  }
  seen -type d -printf '%p: directory, %m, %U:%G\\n'
  seen ! -type d -printf '%p: %y, %m, %U:%G, %n names, %s bytes -> %l\\n'
  seen -type f -exec sha256sum {} +`;

/** The files of an image. */
async function filesOf(name: string): Promise<Set<string>> {
  const { status, stdout, stderr } = await runContainer(["sh", "-ec", listFiles], { from: name });
  assertEquals([status, stderr], [0, ""], name);
  return new Set(stdout.trim().split("\n"));
}

/** How containers of an image are run, and the labels of the Dockerfile. Builders add labels of their own. */
async function configurationOf(name: string): Promise<Record<string, unknown>> {
  const { stdout } = await docker(["image", "inspect", "--format", "{{json .Config}}", name]);
  // Image and ArgsEscaped tell about the builder. Some builders name what is not set, others leave it out.
  const { Labels, Image: _, ArgsEscaped: __, ...config } = JSON.parse(stdout);
  const isSet = ([, value]: [string, unknown]) =>
    !["null", '""', "[]", "{}", "false"].includes(JSON.stringify(value));
  const labels = ["title", "description"].map((it) => Labels[`org.opencontainers.image.${it}`]);
  return { ...Object.fromEntries(Object.entries(config).filter(isSet)), labels };
}

/** A copy of what the image is made of: with other times, and the modes that a checkout under this umask has. */
async function clone(folder: string, umask: string): Promise<void> {
  await $`sh -ec ${`
    umask ${umask}
    mkdir -p ${folder}
    cp -r Dockerfile .dockerignore image ${folder}
    cp -r --preserve=mode,links dist ${folder}`}`.cwd(projectFolder);
}

async function must(command: string[], environment: Record<string, string> = {}): Promise<void> {
  const { code, combined } = await $`${command}`.env(environment).captureCombined().noThrow();
  if (code !== 0) throw new Error(`${command.join(" ")}: ${combined.slice(-3000)}`);
}

/** A docker client that has BuildKit. One before version 23 has it itself, a newer one by its plug-in buildx. */
async function clientWithBuildKit(): Promise<string> {
  for (const client of await $`bash -c ${"type -ap docker"}`.lines()) {
    const help = await $`${client} build --help`.env("DOCKER_BUILDKIT", "1").quiet().noThrow();
    if (help.code === 0) return client;
  }
  await ensureProgram("/usr/libexec/docker/cli-plugins/docker-buildx", ["docker-buildx"]);
  return "docker";
}

async function buildWithBuildKit(name: string, folder: string, base: string): Promise<void> {
  const client = await clientWithBuildKit();
  const options = ["--network", "host", "--build-arg", `BASE_IMAGE=${base}`, "--tag", name];
  const context = join(folder, "context");
  await clone(context, "077");
  await must([client, "build", ...options, context], { DOCKER_BUILDKIT: "1" });
}

/** The storage is in the folder. What is mounted there goes away with the mount namespace. */
async function buildWith(
  tool: string[],
  name: string,
  folder: string,
  base: string,
  setUp = "",
): Promise<void> {
  await ensureProgram("runc");
  await ensureProgram(tool[0]);
  await clone(join(folder, "context"), "022");
  await must(["docker", "save", "--output", join(folder, "base.tar"), base]);
  const script = `
    cd "$0"
    ${setUp}
    "$@" pull --quiet docker-archive:base.tar
    "$@" build --format docker --layers --timestamp 1 --network host --build-arg BASE_IMAGE=${base} --tag ${name} context
    "$@" push --quiet ${name} docker-archive:image.tar:${name}:latest`;
  const storage = ["--root", join(folder, "storage"), "--runroot", join(folder, "run")];
  await must(["unshare", "--mount", "sh", "-exc", script, folder, ...tool, ...storage]);
  await must(["docker", "load", "--input", join(folder, "image.tar")]);
}

/** That of the image that is tested, which the classic builder has made. */
async function baseOf(name: string): Promise<string> {
  const label = '{{index .Config.Labels "org.opencontainers.image.base.name"}}';
  return (await docker(["image", "inspect", "--format", label, name])).stdout.trim();
}

Deno.test("BuildKit, buildah and podman make the image that docker's classic builder makes", async (test) => {
  const base = await baseOf(image);
  await using baseOfAnotherDay = await derive(
    "RUN sed -i -E 's/^([^:]+:[*!]+):[0-9]+/\\1:17000/' /etc/shadow",
    {},
    base,
  );
  await using kit = new Derived(`localhost/${uniqueName()}`);
  await using buildah = new Derived(`localhost/${uniqueName()}`);
  await using podman = new Derived(`localhost/${uniqueName()}`);
  // Not in .cache, since podman refuses a runroot whose path is longer than 50 characters.
  const parent = await Deno.makeTempDir({ prefix: "builders-" });
  try {
    const runc = ["podman", "--runtime", "runc"]; // Not every crun knows every layout of control groups.
    const inMemory = "mkdir storage; mount -t tmpfs none storage"; // It has another order of files in directories.
    const builds = await Promise.allSettled([
      buildWithBuildKit(kit.name, join(parent, "kit"), base),
      buildWith(["buildah"], buildah.name, join(parent, "buildah"), baseOfAnotherDay.name),
      buildWith(runc, podman.name, join(parent, "podman"), baseOfAnotherDay.name, inMemory),
    ]);
    for (const it of builds) if (it.status === "rejected") throw it.reason;
  } finally {
    await Deno.remove(parent, { recursive: true });
  }

  const files = await filesOf(image);
  const configuration = await configurationOf(image);
  for (const [builder, { name }] of Object.entries({ BuildKit: kit, buildah, podman })) {
    await test.step(`${builder}: all files are the same, whatever the day, the umask and the file system`, async () => {
      const hint = "if packages differ: the archive has newer ones than the image that is tested";
      assertEquals([...files.symmetricDifference(await filesOf(name))].sort(), [], hint);
    });
    await test.step(`${builder}: it is run in the same way`, async () => {
      assertEquals(await configurationOf(name), configuration);
    });
    await test.step(`${builder}: it boots, and my_init and setuser are one file`, async () => {
      const command = ["my_init", "--quiet", "--", "test", "/sbin/my_init", "-ef", "/sbin/setuser"];
      assertEquals((await runContainer(command, { from: name })).status, 0);
    });
  }
  await test.step("buildah and podman with --timestamp: all layers are the same bytes", async () => {
    const format = ["--format", "{{json .RootFS.Layers}}"];
    const layers = async ({ name }: Derived) =>
      (await docker(["image", "inspect", ...format, name])).stdout;
    assertEquals(await layers(podman), await layers(buildah));
  });
});
