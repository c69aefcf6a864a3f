// "Using baseimage-docker as base image"
import { assert, assertEquals } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";

Deno.test("the readme's Dockerfile, with nothing of one's own yet, boots and stops", async () => {
  await using built = await derive(`
# Use baseimage-docker's init system.
CMD ["/sbin/my_init"]

# ...put your own build instructions here...

# Clean up APT when done.
RUN apt-get clean && rm -rf /var/lib/apt/lists/* /tmp/* /var/tmp/*
`);
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  assertEquals(await container.sh("ls -A /var/lib/apt/lists /tmp /var/tmp | grep -v :"), "\n\n");
  assertEquals(await container.stop(), 0);
  assert(!(await container.logs()).stderr.includes("in time"));
});
