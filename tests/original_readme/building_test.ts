// "Building the image yourself"
import { assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { Derived, docker, image, uniqueName } from "../support/container.ts";
import { project } from "../support/namespace.ts";
import { typed } from "../support/reader.ts";

Deno.test("make build NAME=joe/baseimage gives the image that name", async () => {
  const name = `joe/${uniqueName()}`;
  await using latest = new Derived(`${name}:latest`);
  await using versioned = new Derived(`${name}:1.2.3`);
  const { status, stdout, stderr } = await typed(
    `make --silent -C ${project} build NAME=${name} VERSION=1.2.3`,
  );
  assertEquals([status, stdout], [0, `${versioned.name}\n`], stderr);
  for (const it of [latest, versioned]) {
    const { stdout } = await docker(["run", "--rm", it.name, "my_init", "--version"]);
    assertEquals(stdout.split(" ")[0], "my_init");
  }
});

/** What `make build` prints at once, with these settings. */
async function refusal(settings: string): Promise<string> {
  const { status, stdout, stderr } = await typed(`make --silent -C ${project} build ${settings}`);
  assertEquals([status, stdout], [2, ""], stderr); // make's own, whatever the tool's is
  const [line, ...rest] = stderr.trimEnd().split("\n").filter((it) =>
    !/^make(\[\d+\])?: /.test(it)
  );
  assertEquals(rest, []);
  return line;
}

Deno.test("make build refuses a NAME, VERSION or BASE_IMAGE that docker does not accept", async () => {
  for (const setting of ["NAME=Joe/baseimage", "VERSION=1.0/2", "BASE_IMAGE=Ubuntu:24.04"]) {
    const [name, value] = setting.split("=");
    assertStringIncludes(
      await refusal(setting),
      `error: docker does not accept ${name}="${value}": it needs `,
    );
  }
});

Deno.test("make build refuses a base that has no bash, no apt, or an init already", async () => {
  const name = uniqueName();
  await using bare = new Derived(`${name}:bare`);
  await using other = new Derived(`${name}:other`);
  await typed(`tar -cT /dev/null | docker import - ${bare.name}`);
  const file = `FROM ${image}\nRUN rm /sbin/my_init /usr/bin/apt-get`;
  await typed(`printf '${file}' | DOCKER_BUILDKIT=0 docker build --tag ${other.name} -`);
  const cases = {
    [bare.name]: "it has no bash: choose an image of Ubuntu or Debian",
    [other.name]: "it has no apt-get: choose an image of Ubuntu or Debian",
    [image]: "it has /sbin/my_init already: choose what that image was built on",
  };
  for (const [base, reason] of Object.entries(cases)) {
    assertEquals(
      await refusal(`NAME=${name} BASE_IMAGE=${base}`),
      `error: cannot build on BASE_IMAGE=${base}: ${reason}`,
    );
  }
});

/** Runs `docker build .` in a copy that has these files, and only two of the project's. */
async function dockerBuild(files: Record<string, string>, options = ""): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "build-" });
  await using built = new Derived(uniqueName());
  try {
    for (const it of ["Dockerfile", ".dockerignore"]) {
      await Deno.copyFile(join(project, it), join(folder, it));
    }
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text, { mode: 0o755 });
    }
    const command = `docker build ${options} --build-arg BASE_IMAGE=${image} --tag ${built.name}`;
    const { status, stdout, stderr } = await typed(`DOCKER_BUILDKIT=0 ${command} ${folder}`);
    if (status !== 0) return stdout + stderr;
    return (await docker(["run", "--rm", built.name, "cat", "/sbin/my_init"])).stdout;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const system = { "image/build.sh": "#!/bin/sh\necho building the system\n" };

Deno.test("docker build in a fresh clone says that make build comes first, before anything is built", async () => {
  const said = await dockerBuild(system);
  assertStringIncludes(said, "There is no dist/amd64: run `make build`");
  assertEquals(said.includes("building the system"), false);
});

Deno.test("docker build takes the programs of the machine that it builds for", async () => {
  const programs = Object.fromEntries(
    ["amd64", "arm64"].flatMap((it) => [[`dist/ready.${it}`, ""], [`dist/${it}/my_init`, it]]),
  );
  programs["dist/man/man8/my_init.8"] = "";
  assertEquals(await dockerBuild({ ...system, ...programs }), "amd64");
  const forArm = "--build-arg TARGETARCH=arm64";
  assertEquals(await dockerBuild({ ...system, ...programs }, forArm), "arm64");
  assertStringIncludes(await dockerBuild(system, forArm), "There is no dist/arm64: run");
});
