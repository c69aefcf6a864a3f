// "Building the image yourself"
import { assertEquals } from "@std/assert";
import { Derived, docker, uniqueName } from "../support/container.ts";
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
