// What `make release` pushes, in a registry on this machine
import $ from "@david/dax";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { targets } from "../../build/permissions.ts";
import { platformOf, thisMachine } from "../../build/platform.ts";
import { version } from "../../build/programs.ts";
import { Problem, projectFolder, withFolder } from "../../build/project.ts";
import { isInRegistry } from "../../build/registry.ts";
import { asWord } from "../../build/reference.ts";
import { publish } from "../../build/release.ts";
import { Derived, docker, image } from "../support/container.ts";
import { typed } from "../support/reader.ts";
import { Terminal } from "../support/terminal.ts";
import { startRegistry } from "../support/registry.ts";

const [name] = image.split(":");
const rebuild = Deno.env.get("REBUILD");
const release = rebuild ? `${version}-${rebuild}` : version;
const base = "ubuntu:16.04";
const { architecture } = targets[thisMachine];

/** Makes a repository of what is in the project's folder, all of it committed, with a tag. */
async function commitCopy(folder: string): Promise<void> {
  const script = `
    git ls-files -z --cached --others --exclude-standard |
      tar -c --null --ignore-failed-read --files-from - 2>/dev/null | tar -x -C "$0"
    cp -al dist "$0"
    ln -s "$PWD/.cache" "$0"
    cd "$0"
    git init --quiet
    echo /.cache >.git/info/exclude
    git add .
    git -c user.name=test -c user.email=test commit --quiet --message=All
    git tag "$1"`;
  await $`bash -ec ${script} ${folder} v${version}`.cwd(projectFolder);
}

Deno.test("what make release pushes", async (test) => {
  await using registry = await startRegistry();
  const repository = `${registry.address}/${name}`;
  const settings = `REGISTRY=${registry.address} NAME=${name} BASES=${base} PLATFORMS=${
    platformOf(thisMachine)
  }`;

  await withFolder(async (folder) => {
    await commitCopy(folder);
    const make = (more = "") => typed(`${more} make --silent -C ${folder} release ${settings}`);

    await test.step("updates of a version that is not out are not released", async () => {
      const { status, stderr } = await make("REBUILD=another");
      assertEquals(status, 2);
      assertStringIncludes(stderr, `error: ${repository}:${version} is not out`);
    });

    if (rebuild) { // Of a version that is out.
      await using out = new Derived(`${repository}:${version}`);
      await docker(["tag", image, out.name]);
      assertEquals((await docker(["push", out.name])).status, 0);
    }

    await test.step("CHECK=1 pushes nothing, and says whether it could", async () => {
      const { status, stderr } = await make("CHECK=1");
      assertEquals([status, stderr], [0, `==> ${repository}:${release} can be released.\n`]);
      assertEquals(await isInRegistry(`${repository}:latest`), false);
    });

    const first = await make();
    assertEquals(first.status, 0, first.stderr);
    const files = join(folder, "dist/release");

    await test.step("what belongs to the release has the checksums that it is said to have", async () => {
      const { stdout } = await typed(
        `cd ${files} && sha256sum --check SHA256SUMS-${release} && cat notes.md`,
      );
      const sbom = `${release}-ubuntu-16.04-${architecture}.cdx.json`;
      for (const it of [sbom, `digests-${release}`, "notes.md"]) {
        assertStringIncludes(stdout, `${it}: OK\n`);
      }
      assertStringIncludes(stdout, `\n## ${version} (`);
    });

    await test.step("an image that is pulled by its digest runs", async () => {
      const digests = (await Deno.readTextFile(join(files, `digests-${release}`))).trim().split(
        "\n",
      );
      const tags = [`ubuntu-16.04-${architecture}`, "ubuntu-16.04"].map((it) => `${release}-${it}`);
      assertEquals(
        digests.map((it) => it.split("@")[0]),
        [...tags, release].map((tag) => `${repository}:${tag}`),
      );
      for (const reference of digests) {
        await using pulled = new Derived(reference);
        assertEquals((await docker(["pull", pulled.name])).status, 0);
        const { stdout } = await docker(["run", "--rm", reference, "my_init", "--version"]);
        assertEquals(stdout.split(" ")[0], "my_init");
      }
    });

    await test.step("the label says which commit was released, also if the image was made at another one", async () => {
      await using pulled = new Derived(`${repository}:${release}`);
      assertEquals((await docker(["pull", pulled.name])).status, 0);
      const label = '{{index .Config.Labels "org.opencontainers.image.revision"}}';
      const { stdout } = await docker(["image", "inspect", "--format", label, pulled.name]);
      assertEquals(stdout, (await typed(`git -C ${folder} rev-parse HEAD`)).stdout);
    });

    await test.step("the first command of README.md with REGISTRY gives a shell", async () => {
      await using _pulled = new Derived(`${repository}:latest`);
      const readme = await Deno.readTextFile(join(projectFolder, "README.md"));
      const [, command] = readme.match(/^ {4}(docker run --rm -it REGISTRY\/.*)$/m)!;
      await using terminal = new Terminal(command.replace("REGISTRY/baseimage", repository));
      await terminal.shows("# ", 0, 60);
      await terminal.type("exit 5\n");
      assertEquals(await terminal.status(), 5);
    });

    await test.step("a version that is out is not pushed a second time", async () => {
      const { status, stderr } = await make();
      assertEquals(status, 2);
      assertStringIncludes(stderr, `error: ${repository}:${release} is out, and does not change`);
    });

    await test.step("nothing is released while an archive cannot be reached, and one line says which", async () => {
      const { status, stderr } = await make(
        `REBUILD=another http_proxy=http://127.0.0.1:1 PLATFORMS="linux/amd64 linux/arm64"`,
      );
      assertEquals(status, 2);
      const [line] = stderr.split("\n");
      assertStringIncludes(line, `error: nothing is pushed: the archive of ${base} for `);
      assertEquals(await isInRegistry(`${repository}:${version}-another`), false);
    });
  });

  await test.step("each machine gets the image of its platform by the same digest", async () => {
    const other = architecture === "amd64" ? "arm64" : "amd64";
    const images = [architecture, other].map((it) => ({
      base,
      reference: `${repository}:9-ubuntu-16.04-${it}`,
    }));
    const [ours, foreign] = images.map(({ reference }) => new Derived(reference));
    const file = "FROM scratch\nCOPY Dockerfile /\n";
    const build =
      `DOCKER_BUILDKIT=0 docker build --platform linux/${other} --tag ${foreign.name} -`;
    let digests;
    try {
      await docker(["tag", image, ours.name]);
      const built = await typed(`printf '${file}' | ${build}`);
      assertEquals(built.status, 0, built.stderr);
      digests = await publish(repository, "9", base, images, false);
    } finally {
      for (const it of [ours, foreign]) await it[Symbol.asyncDispose]();
    }
    const index = `${repository}@${digests.at(-1)!.split("@")[1]}`;
    const { stdout } = await docker(["manifest", "inspect", "--insecure", index]);
    const { manifests }: { manifests: { platform: unknown }[] } = JSON.parse(stdout);
    assertEquals(
      new Set(manifests.map(({ platform }) => platform)),
      new Set([architecture, other].map((architecture) => ({ architecture, os: "linux" }))),
    );
    for (const it of [architecture, other]) {
      await using pulled = new Derived(index);
      assertEquals((await docker(["pull", "--platform", `linux/${it}`, pulled.name])).status, 0);
      const inspect = ["image", "inspect", "--format", "{{.Architecture}}", pulled.name];
      assertEquals((await docker(inspect)).stdout.trim(), it);
    }
    // It was published as one that is not the newest.
    const digestOf = (tag: string) =>
      docker(["manifest", "inspect", "--insecure", `${repository}:${tag}`]).then((it) => it.stdout);
    for (
      const [tag, meant] of [["latest", release], [asWord(base), `${release}-${asWord(base)}`]]
    ) {
      assertEquals(await digestOf(tag), await digestOf(meant), "latest stays where it is");
    }
  });
});

Deno.test("a registry that does not answer is not taken for an empty one", async () => {
  const reference = "127.0.0.1:1/baseimage:1";
  await assertRejects(() => isInRegistry(reference), Problem, `cannot ask for ${reference}: `);
});

Deno.test("a registry that does not say what it has is not taken for an empty one", async () => {
  const refusal = { errors: [{ code: "DENIED", message: "requested access is denied" }] };
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => url.endsWith("/v2/") ? new Response() : Response.json(refusal, { status: 403 }),
  );
  const reference = `127.0.0.1:${server.addr.port}/baseimage:1`;
  await assertRejects(() => isInRegistry(reference), Problem, "`docker login` as a user who may");
});
