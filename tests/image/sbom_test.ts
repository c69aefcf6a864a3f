// What the image is said to consist of, and which vulnerabilities of that do not reach it
import $ from "@david/dax";
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Ajv } from "ajv";
import { projectFolder } from "../../build/project.ts";
import { type Bom, ensureDebsbom } from "../../build/sbom.ts";
import vex from "../../docs/vex.json" with { type: "json" };
import { image, runContainer } from "../support/container.ts";

const deno = `pkg:github/denoland/deno@v${Deno.version.deno}`;
const printed = await $`${Deno.execPath()} run -A ${join(projectFolder, "build/sbom.ts")}`
  .env("NAME", image.split(":")[0]).text();
const { components, dependencies, metadata }: Bom = JSON.parse(printed);

Deno.test("the SBOM has each package that dpkg has in the image, with its version", async () => {
  const format = "${Package} ${Version}\n";
  const { stdout } = await runContainer(["dpkg-query", "-W", "-f", format]);
  const packages = components.filter(({ purl }) => !purl?.endsWith("arch=source"));
  const listed = new Set(packages.map(({ name, version }) => `${name} ${version}`));
  assertEquals(stdout.trim().split("\n").filter((it) => !listed.has(it)), []);
});

Deno.test("the SBOM calls each package of the distribution by one name", () => {
  const packages = components.filter(({ purl }) => purl?.startsWith("pkg:deb/"));
  assert(packages.length > 0);
  for (const { purl, ...it } of packages) assertEquals(it["bom-ref"], purl);
});

Deno.test("the SBOM is what the schema of CycloneDX allows", async () => {
  const folder = join(await ensureDebsbom(), "cyclonedx/schema/_res");
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  for (const name of ["spdx", "jsf-0.82", "bom-1.6"]) {
    const file = `${name}.SNAPSHOT.schema.json`;
    const schema = JSON.parse(await Deno.readTextFile(join(folder, file)));
    ajv.addSchema(schema, `http://cyclonedx.org/schema/${file}`);
  }
  ajv.validate("http://cyclonedx.org/schema/bom-1.6.SNAPSHOT.schema.json", JSON.parse(printed));
  assertEquals(ajv.errors, null);
});

Deno.test("the SBOM has the programs and Deno by the checksums that they have", async () => {
  const { stdout } = await runContainer(["sha256sum", "/sbin/my_init", "/sbin/setuser"]);
  const hashOf = (name: string) => components.find((it) => it.name === name)?.hashes?.[0].content;
  for (const line of stdout.trim().split("\n")) {
    assertEquals(line.split(" ")[0], hashOf("my_init, setuser"));
  }
  const pinned = await Deno.readTextFile(join(projectFolder, "build/pinned"));
  assert(pinned.includes(` ${Deno.version.deno} ${hashOf("denort")}`));
  const root = dependencies.find(({ ref }) => ref === metadata.component["bom-ref"]);
  const known = new Set(components.map((it) => it["bom-ref"]));
  assertEquals(root?.dependsOn?.filter((it) => !known.has(it)), []);
});

Deno.test("the SBOM has what builds the programs as no part of the image", () => {
  const tools = components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  assert(tools.some(({ name }) => name === "esbuild"));
  for (const { scope, hashes } of tools) {
    assertEquals([scope, hashes?.[0].content.length], ["excluded", 128]);
  }
});

Deno.test("each statement of docs/vex.json is of the Deno that is used, and gives a reason", () => {
  const justifications = ["vulnerable_code_not_present", "vulnerable_code_not_in_execute_path"];
  const names = vex.statements.map(({ vulnerability }) => vulnerability.name);
  assertEquals(new Set(names).size, names.length);
  for (const { vulnerability, products, status, ...it } of vex.statements) {
    assert(/^CVE-\d{4}-\d{4,}$/.test(vulnerability.name), vulnerability.name);
    assertEquals(products[0].subcomponents, [{ "@id": deno }]); // A new Deno: look at each anew.
    assertEquals(status, "not_affected");
    assert(justifications.includes(it.justification) && it.impact_statement !== "");
  }
  assert(components.some(({ purl }) => purl === deno));
});
