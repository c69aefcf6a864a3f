// install_clean, which the readme's users have in their Dockerfiles
import { assertEquals, assertStringIncludes } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";

Deno.test("install_clean", async (test) => {
  await using built = await derive("RUN install_clean zip");
  await using container = await startContainer(["sleep", "1000"], {
    from: built.name,
    options: ["--network", "host"], // The engine's own network does not reach the archives everywhere.
  });
  const left = () =>
    container.sh(
      "ls -A /var/lib/apt/lists /var/cache/apt/archives | grep -E '[.]deb$|_Packages' || :",
    );

  await test.step("installs, without what is only recommended", async () => {
    await container.sh("command -v zip && ! command -v unzip");
  });
  await test.step("leaves neither packages nor lists behind", async () => {
    assertEquals(await left(), "");
  });
  await test.step("fails when there is no such package", async () => {
    const { status, stderr } = await container.exec("install_clean", "nosuchpackage");
    assertEquals(status, 100);
    assertStringIncludes(stderr, "nosuchpackage");
  });
  await test.step("installs what is recommended, too, with --install-recommends", async () => {
    await container.sh("dpkg -r zip; install_clean --install-recommends zip; command -v unzip");
    assertEquals(await left(), "");
  });
  await test.step("shows how it is used", async () => {
    const { status, stderr } = await container.exec("install_clean");
    assertEquals(status, 1);
    assertStringIncludes(stderr, "Usage: install_clean");
    assertStringIncludes((await container.exec("install_clean", "--help")).stdout, "PACKAGE");
  });
});
