// examples/swarm, as `docker stack deploy` runs it
import $ from "@david/dax";
import { assertEquals } from "@std/assert";
import { copy } from "@std/fs";
import { join } from "@std/path";
import { projectFolder, withFolder } from "../../build/project.ts";
import { Derived, image, uniqueName } from "../support/container.ts";
import { Swarm } from "../support/swarm.ts";
import { pause, until } from "../support/until.ts";

/** Sends requests to all tasks in turn, none twice, and prints one line for each. What DNS says it learns eight seconds late, as a proxy does that keeps addresses so long. */
const client = `
  while :; do
    getent ahostsv4 tasks.web | awk '/STREAM/ { print $1 }' >/tmp/$(date +%s)
    sleep 0.5
  done &
  while sleep 0.1; do
    late=/tmp/$(($(date +%s) - 8))
    test -s $late && addresses=$(cat $late)
    for it in $addresses; do
      answer=$(busybox wget -q -T 10 -O - http://$it:8080/ 2>&1) || answer="lost: $answer"
      echo "$answer"
    done
  done`;

Deno.test("examples/swarm: no request is lost while three tasks are replaced", async () => {
  await using built = new Derived(uniqueName());
  await using swarm = await Swarm.start();
  await withFolder(async (folder) => {
    await copy(join(projectFolder, "examples/swarm"), folder, { overwrite: true });
    await $`docker build --network host --tag ${built.name} --build-arg IMAGE=${image} ${folder}`
      .env({ DOCKER_BUILDKIT: "0" }).quiet();
    await swarm.load(built.name);

    const deploy = (version: string) =>
      $`docker stack deploy --resolve-image never --compose-file ${folder}/stack.yaml shop`
        .env({ ...swarm.environment, IMAGE: built.name, VERSION: version }).quiet();
    await deploy("1");
    await settled(() => swarm.docker("service", "ls", "--format", "{{.Replicas}}"), "3/3");

    const options = ["--network", "shop_default", "--replicas", "2", "--no-healthcheck"];
    await swarm.docker(
      ...["service", "create", "--detach", "--name", "client", ...options],
      ...["--no-resolve-image", built.name],
      ...["my_init", "--quiet", "--skip-startup-files", "--skip-runit", "--", "sh", "-c", client],
    );
    const answers = async () => {
      const clients = await containers(swarm, "name=client");
      const logs = await Promise.all(clients.map((it) => swarm.docker("logs", it)));
      return logs.flatMap((it) => it.split("\n"));
    };
    const answered = (text: string) =>
      settled(async () => (await answers()).filter((it) => it === text).length > 100, true);
    const [before, after] = ["Hello", "Welcome"].map((it) =>
      `${it}. The password has 28 characters.`
    );
    await answered(before);

    await Deno.writeTextFile(join(folder, "greeting.txt"), "Welcome.\n");
    await deploy("2");
    const update = ["service", "inspect", "-f", "{{.UpdateStatus.State}}", "shop_web"];
    await settled(() => swarm.docker(...update), "completed");
    const old = () => containers(swarm, "name=shop_web", "status=exited");
    await settled(async () => (await old()).length, 3);
    await answered(after);

    assertEquals([...new Set(await answers())].sort(), [before, after]);
    assertEquals(await swarm.docker("wait", ...await old()), "0\n0\n0");
  });
});

async function containers(swarm: Swarm, ...filters: string[]): Promise<string[]> {
  const words = filters.flatMap((it) => ["--filter", it]);
  return (await swarm.docker("ps", "-aq", ...words)).split("\n").filter((it) => it !== "");
}

/** Waits until a function returns a value; asks seldom, so that the machine has time for what is measured. */
async function settled<T>(ask: () => Promise<T>, wanted: T): Promise<void> {
  let last: T | undefined;
  const isSo = async () => {
    await pause(500);
    return (last = await ask()) === wanted;
  };
  await until(isSo, 180, () => `${wanted}, but ${last}`);
}
