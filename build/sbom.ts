// Lists what an image is made of (SBOM), as CycloneDX: https://cyclonedx.org/docs/1.6/json/
// Debian's packages are listed by debsbom; the programs, Deno and what builds them are added. Run by `deno task sbom`.

import $ from "@david/dax";
import { decodeBase64 } from "@std/encoding/base64";
import { encodeHex } from "@std/encoding/hex";
import { join } from "@std/path";
import { readPin } from "./denort.ts";
import { ensurePythonPackages } from "./packages.ts";
import { programs, type Target, targets } from "./permissions.ts";
import { version } from "./programs.ts";
import { projectFolder, readCommandLine, runTool, sha256, withFolder } from "./project.ts";
import { buildImage, wantedTarget } from "./image.ts";

const programsReference = `pkg:generic/baseimage-programs@${version}`;

const usage = `Usage: deno task sbom

Prints what the image that \`make build\` makes consists of (SBOM), as CycloneDX has it:
the packages, the two programs, Deno, and what they are built with. The image is built
if it is not up to date; NAME, VERSION, BASE_IMAGE and PLATFORM name it, as for
\`make build\`.

  -h, --help  show this text
`;

if (import.meta.main) {
  await runTool(async () => {
    readCommandLine(usage, {});
    console.log(JSON.stringify(await listImage(await buildImage(), wantedTarget()), null, 2));
  });
}

interface Component {
  "bom-ref": string;
  type: string;
  name: string;
  version: string;
  purl?: string;
  scope?: "required" | "excluded";
  hashes?: { alg: string; content: string }[];
}

/** A CycloneDX document, as far as it is changed here. */
export interface Bom {
  metadata: { component: { "bom-ref": string; name: string; type: string; version?: string } };
  components: Component[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

/** The SBOM of an image that docker has. */
export async function listImage(image: string, target: Target): Promise<Bom> {
  const tool = await ensureDebsbom();
  const bom: Bom = await withFolder(async (folder) => {
    const archive = join(folder, "root.tar");
    const container = (await $`docker create ${image}`.text()).trim();
    try {
      await $`docker export --output ${archive} ${container}`;
    } finally {
      await $`docker rm ${container}`.quiet();
    }
    const release = await $`tar -xOf ${archive} usr/lib/os-release`.text();
    const [, distribution] = release.match(/^ID=(\w+)$/m)!;
    const flags = ["--sbom-type=cdx", "--cdx-schema-version=1.6", "--base-distro-vendor"];
    const output = await $`python3 ${tool}/bin/debsbom generate ${flags} ${distribution} \
      --distro-name ${image} --root ${archive} --out -`
      .env({ PYTHONPATH: tool }).stdout("piped").stderr("null");
    const listed = output.stdout // In these places debsbom calls every distribution's packages Debian's.
      .replaceAll('"pkg:deb/debian/', `"pkg:deb/${distribution}/`)
      .replaceAll('"group": "debian"', `"group": "${distribution}"`);
    return JSON.parse(listed);
  });
  bom.metadata.component = { ...bom.metadata.component, type: "container" };
  const ours = await listPrograms(target);
  bom.components.push(...ours.components);
  bom.dependencies.push(...ours.dependencies);
  const root = bom.metadata.component["bom-ref"];
  bom.dependencies.find(({ ref }) => ref === root)!.dependsOn!.push(programsReference);
  return bom;
}

/** my_init and setuser, which are one file: Deno's base binary and our code. npm's packages only build and test them. */
async function listPrograms(target: Target): Promise<Pick<Bom, "components" | "dependencies">> {
  const file = await Deno.readFile(
    join(projectFolder, "dist", targets[target].architecture, programs[0]),
  );
  const deno = `pkg:github/denoland/deno@v${Deno.version.deno}`;
  const v8 = `pkg:github/denoland/v8@${Deno.version.v8.split("-")[0]}`;
  const components: Component[] = [
    {
      "bom-ref": programsReference,
      type: "application",
      name: programs.join(", "),
      version,
      scope: "required",
      hashes: [{ alg: "SHA-256", content: await sha256(file) }],
    },
    {
      "bom-ref": deno,
      type: "platform",
      name: "denort",
      version: Deno.version.deno,
      purl: deno,
      scope: "required",
      hashes: [{ alg: "SHA-256", content: await readPin(target) }],
    },
    { "bom-ref": v8, type: "library", name: "v8", version: Deno.version.v8, purl: v8 },
  ];
  const lock: { npm: Record<string, { integrity: string }> } = JSON.parse(
    await Deno.readTextFile(join(projectFolder, "deno.lock")),
  );
  for (const [reference, { integrity }] of Object.entries(lock.npm)) {
    const [, name, itsVersion] = reference.match(/^(.+?)@([^@_]+)(?:_.*)?$/)!;
    const purl = `pkg:npm/${name.replace("@", "%40")}@${itsVersion}`;
    const [algorithm, hash] = integrity.split("-");
    components.push({
      "bom-ref": purl,
      type: "library",
      name,
      version: itsVersion,
      purl,
      scope: "excluded", // A tool of the build; nothing of it is in the image.
      hashes: [{ alg: algorithm.replace("sha", "SHA-"), content: encodeHex(decodeBase64(hash)) }],
    });
  }
  return {
    components,
    dependencies: [{ ref: programsReference, dependsOn: [deno] }, { ref: deno, dependsOn: [v8] }],
  };
}

/** The folder that debsbom is installed in. */
export function ensureDebsbom(): Promise<string> {
  return ensurePythonPackages("debsbom", "build/requirements.txt");
}
