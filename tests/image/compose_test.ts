// examples/compose, as docker-compose runs it
import $ from "@david/dax";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ensureProgram } from "../../build/packages.ts";
import { projectFolder } from "../../build/project.ts";
import { Container, image, uniqueName } from "../support/container.ts";
import { until } from "../support/until.ts";

await ensureProgram("docker-compose");

const project = uniqueName();
const file = join(projectFolder, "examples/compose/compose.yaml");

function compose(...words: string[]) {
  return $`docker-compose -f ${file} -p ${project} ${words}`.env({ IMAGE: image })
    .stdout("piped").stderr("piped");
}

Deno.test("examples/compose: a healthy server with a secret, a job with docker's init and few rights, a stop in time", async () => {
  const [web, job] = ["web", "job"].map((name) => new Container(`${project}_${name}_1`));
  try {
    await compose("up", "-d", "--build");
    await until(async () => await web.inspect("{{.State.Health.Status}}") === "healthy", 60);
    assertEquals(
      await web.sh("busybox wget -q -O - http://127.0.0.1:8080/"),
      "The password has 28 characters.\n",
    );
    await until(async () => (await job.exec("cat", "/data/result")).stdout === "done\n", 30);
    assertEquals((await job.logs()).stdout, "1001\n");
    await compose("stop");
    assertEquals([await web.status(), await job.status()], [0, 143]);
    assertStringIncludes((await web.logs()).stderr, "*** Draining for 1 seconds...");
  } finally {
    await compose("down", "--rmi", "local").noThrow();
  }
});
