// examples/kubernetes, as podman runs it
import $ from "@david/dax";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { parseAll } from "@std/yaml";
import { Ajv2020 } from "ajv/2020";
import { ensurePythonPackages } from "../../build/packages.ts";
import { projectFolder } from "../../build/project.ts";
import { Derived, image, uniqueName } from "../support/container.ts";
import { Podman } from "../support/podman.ts";
import { until } from "../support/until.ts";

const folder = join(projectFolder, "examples/kubernetes");
const files = ["web.yaml", "sidecar.yaml"].map((name) => join(folder, name));

/** An object of Kubernetes' API, as far as it is read here. */
interface ApiObject {
  apiVersion: string;
  kind: string;
}

/** What the schema of Kubernetes' API finds wrong. It refuses fields that it does not know. */
async function findFaults(text: string): Promise<string[]> {
  const packages = await ensurePythonPackages("kubernetes", "tests/support/requirements.txt");
  const schemas = `${packages}/kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict`;
  const read = async (name: string) =>
    JSON.parse(await Deno.readTextFile(`${schemas}/${name}.json`));
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(await read("_definitions"), "/api/_definitions.json");
  const faults: string[] = [];
  for (const object of parseAll(text) as ApiObject[]) {
    const name = [object.kind, ...object.apiVersion.split("/")].join("-").toLowerCase();
    const validate = ajv.compile(await read(name));
    validate(object);
    faults.push(
      ...(validate.errors ?? []).map(({ instancePath, message, params }) =>
        `${object.kind}${instancePath} ${message} ${Object.values(params)}`
      ),
    );
  }
  return faults;
}

Deno.test("examples/kubernetes is what Kubernetes' API takes, and a typo in it would be found", async () => {
  for (const file of files) assertEquals(await findFaults(await Deno.readTextFile(file)), []);
  const text = await Deno.readTextFile(files[0]);
  for (
    const [right, wrong] of [["readOnlyRoot", "readonlyRoot"], ["replicas: 1", "replicas: one"]]
  ) {
    assert(text.includes(right));
    assertEquals((await findFaults(text.replace(right, wrong))).length, 1, wrong);
  }
});

Deno.test("examples/kubernetes", async (test) => {
  await using web = new Derived(uniqueName());
  await $`docker build --quiet --network host --build-arg ${`IMAGE=${image}`} --tag ${web.name} ${folder}`
    .env({ DOCKER_BUILDKIT: "0" }).quiet();
  await using podman = await Podman.with([web.name]);
  await podman.must("tag", web.name, "localhost/web:1.0.0");

  await test.step("a server under the restricted profile, with a ConfigMap and a Secret, drains and stops", async () => {
    const name = "web-pod-0-web";
    const exec = (...words: string[]) => podman.run("exec", name, ...words);
    await podman.must("kube", "play", "--network", "none", files[0]);
    await until(async () => (await exec("healthy")).status === 0, 60);
    const page = (await exec("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/")).stdout;
    // In Kubernetes it has 28; podman 4.3 leaves it as it is in the file, in base64.
    assertMatch(page, /^Hello! The password has (28|40) characters\.\n$/);
    const { stdout } = await exec("cat", "/proc/1/status");
    for (
      const line of [
        "Uid:\t1000\t1000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
      ]
    ) {
      assertStringIncludes(stdout, line);
    }
    assertStringIncludes((await exec("touch", "/file")).stderr, "Read-only file system");
    assertEquals((await exec("cat", "/proc/1/comm")).stdout, "my_init\n");
    await podman.must("pod", "stop", "--time", "30", "web-pod-0");
    assertStringIncludes((await podman.run("logs", name)).stderr, "Draining for 5 seconds...");
    assertEquals(await podman.must("inspect", "--format", "{{.State.ExitCode}}", name), "0");
  });

  await test.step("two containers that share their processes: each is healthy, and ends, for itself", async () => {
    const [server, watch] = ["sidecar-web", "sidecar-watch"];
    const stateOf = (name: string) =>
      podman.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name);
    await podman.must("kube", "play", "--network", "none", files[1]);
    await podman.says(watch, "The server is up.");
    await until(async () => (await podman.run("exec", server, "healthy")).status === 0, 60);
    assertEquals(await podman.must("exec", watch, "healthy"), "");
    assertEquals(await podman.must("exec", server, "cat", "/proc/1/comm"), "catatonit");
    await podman.must("stop", "--time", "30", server);
    await podman.says(watch, "The server has ended.");
    assertEquals([await stateOf(server), await stateOf(watch)], ["exited 0", "running 0"]);
  });
});
