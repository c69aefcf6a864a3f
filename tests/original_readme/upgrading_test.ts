// "Upgrading the operating system inside the container"
import { assertEquals } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";

Deno.test("the operating system can be upgraded in a Dockerfile", async () => {
  await using built = await derive(
    `RUN apt-get update && apt-get upgrade -y -o Dpkg::Options::="--force-confold"`,
  );
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  assertEquals(
    await container.sh("dpkg --audit; apt-get --simulate upgrade | grep ^Inst || :"),
    "",
  );
  await container.sh("until pidof cron && pidof syslog-ng; do sleep 0.05; done");
  assertEquals(await container.stop(), 0);
});
