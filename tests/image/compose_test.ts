// examples/compose, as docker-compose runs it
import $ from "@david/dax";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ensureProgram } from "../../build/packages.ts";
import { projectFolder } from "../../build/project.ts";
import { docker, image } from "../support/container.ts";
import { until } from "../support/until.ts";

await ensureProgram("docker-compose");

const project = `compose-${crypto.randomUUID().slice(0, 8)}`;
const file = join(projectFolder, "examples/compose/compose.yaml");

function compose(...words: string[]) {
  return $`docker-compose -f ${file} -p ${project} ${words}`.env({ IMAGE: image })
    .stdout("piped").stderr("piped");
}

Deno.test("examples/compose: a healthy server with a secret, a job with docker's init and few rights, a stop in time", async () => {
  const [web, job] = ["web", "job"].map((name) => `${project}_${name}_1`);
  try {
    await compose("up", "-d", "--build");
    await until(async () => {
      const { stdout } = await docker(["inspect", "-f", "{{.State.Health.Status}}", web]);
      return stdout.trim() === "healthy";
    }, 60);
    const page = "busybox wget -q -O - http://127.0.0.1:8080/";
    const { stdout } = await docker(["exec", web, "sh", "-c", page]);
    assertEquals(stdout, "The password has 28 characters.\n");
    await until(async () => {
      return (await docker(["exec", job, "cat", "/data/result"])).stdout === "done\n";
    }, 30);
    assertEquals((await docker(["logs", job])).stdout, "1001\n");
    await compose("stop");
    for (const name of [web, job]) {
      const { stdout: status } = await docker(["inspect", "-f", "{{.State.ExitCode}}", name]);
      assertEquals([name, status], [name, name === web ? "0\n" : "143\n"]);
    }
    assertStringIncludes((await docker(["logs", web])).stderr, "*** Draining for 1 seconds...");
  } finally {
    await compose("down", "--rmi", "local").noThrow();
  }
});
