// examples/swarm, as `docker stack deploy` runs it
import $ from "@david/dax";
import { assertEquals } from "@std/assert";
import { copy } from "@std/fs";
import { join } from "@std/path";
import { projectFolder, withFolder } from "../../build/project.ts";
import { image, uniqueName } from "../support/container.ts";
import { Engine } from "../support/engine.ts";
import { until } from "../support/until.ts";

const example = join(projectFolder, "examples/swarm");

/** Sends requests to all tasks in turn, never twice, and prints a line for each. It asks for addresses every eight seconds, as proxies do. */
const client = `
  while :; do
    set -- $(getent ahostsv4 tasks.web | awk '/STREAM/ { print $1 }')
    end=$(($(date +%s) + 8))
    while test $(date +%s) -lt $end; do
      if answer=$(busybox wget -q -T 10 -O - http://$1:8080/ 2>&1)
      then echo "$answer"
      else echo "lost: $answer"
      fi
      set -- "$@" $1
      shift
    done
  done`;

Deno.test("examples/swarm: no request is lost while three tasks are replaced", async () => {
  const name = uniqueName();
  await using engine = await Engine.start();
  await withFolder(async (folder) => {
    const deploy = (version: string) =>
      $`docker stack deploy --resolve-image never --compose-file ${folder}/stack.yaml shop`
        .env({ ...engine.environment, IMAGE: name, VERSION: version }).quiet();
    const inspect = (format: string) =>
      engine.docker("service", "inspect", "-f", format, "shop_web");
    const containers = async (...filters: string[]) => {
      const list = await engine.docker("ps", "-aq", ...filters.flatMap((it) => ["--filter", it]));
      return list.split("\n").filter((it) => it !== "");
    };
    const answers = async () => {
      const logs = (await containers("name=client")).map((it) => engine.docker("logs", it));
      return (await Promise.all(logs)).join("\n").split("\n");
    };
    const answered = (text: string) =>
      until(async () => (await answers()).filter((it) => it === text).length > 100, 60);
    const greet = (word: string) => Deno.writeTextFile(join(folder, "greeting.txt"), `${word}.\n`);
    try {
      await copy(example, folder, { overwrite: true });
      await $`docker build --network host --tag ${name} --build-arg IMAGE=${image} ${folder}`
        .env({ DOCKER_BUILDKIT: "0" }).quiet();
      await engine.load(name);
    } finally {
      await $`docker rmi ${name}`.quiet().noThrow();
    }
    await engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1");
    try {
      await deploy("1");
      const replicas = () => engine.docker("service", "ls", "--format", "{{.Replicas}}");
      await until(async () => await replicas() === "3/3", 120);
      const options = ["--network", "shop_default", "--replicas", "2", "--no-healthcheck"];
      await engine.docker(
        ...["service", "create", "-d", "--name", "client", ...options, "--no-resolve-image", name],
        ...["my_init", "--quiet", "--skip-runit", "--skip-startup-files", "--", "sh", "-c", client],
      );
      await answered("Hello. The password has 28 characters.");
      await greet("Welcome");
      await deploy("2");
      await until(async () => await inspect("{{.UpdateStatus.State}}") === "completed", 180);
      const old = ["name=shop_web", "status=exited"];
      await until(async () => (await containers(...old)).length === 3, 60);
      await answered("Welcome. The password has 28 characters.");
      assertEquals(
        [...new Set(await answers())].sort(),
        ["Hello", "Welcome"].map((word) => `${word}. The password has 28 characters.`),
      );
      for (const it of await containers(...old)) {
        assertEquals(await engine.docker("wait", it), "0");
      }
    } finally {
      await engine.docker("swarm", "leave", "--force");
    }
  });
});
