// Makes one base of each distribution, as a machine does whose docker has none and cannot pull it.
import $ from "@david/dax";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { copy } from "@std/fs";
import { join } from "@std/path";
import { Derived, docker, uniqueName } from "../tests/support/container.ts";
import { makeBase, releases, sourcesList } from "./base.ts";
import { ensureProgram } from "../build/packages.ts";
import type { Target } from "../build/permissions.ts";

/** debootstrap with no script but these, which all others lead to: every release is younger than this one. */
const scripts = ["gutsy", "sid"];
await ensureProgram("debootstrap");
const folder = await Deno.makeTempDir({ prefix: "debootstrap-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await copy("/usr/share/debootstrap", folder, { overwrite: true });
for await (const { name, isSymlink } of Deno.readDir(join(folder, "scripts"))) {
  if (isSymlink) await Deno.remove(join(folder, "scripts", name));
}
for (const script of scripts) await Deno.stat(join(folder, "scripts", script));
Deno.env.set("DEBOOTSTRAP_DIR", folder);

for (const base of ["ubuntu:24.04", "debian:12"]) {
  Deno.test(`${base} is made where debootstrap has no script for it, up to date and with security's updates`, async () => {
    await using image = new Derived(uniqueName());
    await makeBase(image.name, releases[base]);
    const inside = (script: string) => docker(["run", "--rm", image.name, "sh", "-c", script]);

    const [, version] = base.split(":");
    assertStringIncludes((await inside("cat /etc/os-release")).stdout, `VERSION_ID="${version}"`);
    assertEquals((await inside("apt-get check")).status, 0);
    const { stdout: list } = await inside("cat /etc/apt/sources.list");
    assert(list.split("\n").some((it) => /^deb .*-security /.test(it)), list);
    assertEquals(list.includes("https:"), false, "the base has no certificates to rely on");

    const { stdout: history } = await inside("grep ^Commandline: /var/log/apt/history.log");
    assertStringIncludes(history, "apt-get dist-upgrade");
    if (base.startsWith("ubuntu")) {
      assertStringIncludes(history.split("\n")[0], "--only-upgrade apt");
    }
    assertEquals((await inside("ls -d /update")).stdout, "", "the settings of the update are gone");
  });
}

Deno.test("a base for ARM gets its packages from the archive that has them", () => {
  const [amd64, arm64]: Target[] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];
  const addresses = (base: string, target: Target) => [
    ...new Set(sourcesList(releases[base], target).match(/http\S+/g)),
  ];
  const ubuntu = "http://archive.ubuntu.com/ubuntu", debian = "http://deb.debian.org/debian";
  assertEquals(addresses("ubuntu:16.04", amd64), [ubuntu, "http://security.ubuntu.com/ubuntu"]);
  assertEquals(addresses("ubuntu:16.04", arm64), ["http://ports.ubuntu.com/ubuntu-ports"]);
  for (const target of [amd64, arm64]) {
    assertEquals(addresses("debian:12", target), [debian, `${debian}-security`]);
  }
});

Deno.test("a base whose archive does not answer is one line, which says what can be made instead", async () => {
  const nobody = "http://127.0.0.1:9"; // No server listens there.
  const script = `import { makeBase, releases } from "${import.meta.resolve("./base.ts")}";
    await makeBase("some/base", releases["ubuntu:16.04"]).catch((it) => console.log(it.message));`;
  const make = (environment: Record<string, string>) =>
    $`${Deno.execPath()} eval ${script}`.cwd(import.meta.dirname!)
      .env({ HTTP_PROXY: nobody, HTTPS_PROXY: nobody, ...environment }).text();
  const start = "cannot make some/base: http://archive.ubuntu.com/ubuntu does not answer; ";
  assertEquals(await make({}), `${start}is the network there?`);
  assertEquals(
    await make({ NO_PROXY: "deb.debian.org" }),
    `${start}set BASE_IMAGE to one that can be made here: debian:12`,
  );
});
