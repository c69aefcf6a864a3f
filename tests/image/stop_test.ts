import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { derive, docker, startContainer } from "../support/container.ts";
import { onTerm, say, script } from "../support/programs.ts";
import { pause } from "../support/until.ts";

Deno.test("docker stop of the idle container waits for nothing in vain, and ends with 0 (B16, B25)", async () => {
  await using container = await startContainer();
  await container.booted();
  assertEquals(await container.stop(), 0);
  const { stderr } = await container.logs();
  assert(!stderr.includes("in time"), stderr);
  assertEquals(await container.inspect("{{.State.OOMKilled}}"), "false");
});

Deno.test("a container can be restarted, and boots as it did at first", async () => {
  await using container = await startContainer([], { options: ["-e", "A=b"] });
  await container.booted();
  await container.sh("echo kept >/kept");
  await container.restart();
  await container.says("Runit started as PID");
  assertEquals(
    await container.sh("cat /kept; cat /etc/container_environment/A; readlink -f /proc/1/exe"),
    "kept\nb" + await container.sh("readlink -f /sbin/my_init"),
  );
  assertEquals(await container.stop(), 0);
});

for (const signal of ["TERM", "INT", "QUIT", "PWR", "RTMIN+3"]) {
  Deno.test(`docker kill -s ${signal} stops the idle container with 0 (B26)`, async () => {
    await using container = await startContainer(["my_init", "--skip-startup-files"]);
    await container.booted();
    await container.signal(signal);
    assertEquals(await container.status(), 0);
  });
}

Deno.test("docker kill -s HUP and USR1 reach the main command, and stop nothing (W18)", async () => {
  await using container = await startContainer([
    "my_init",
    "--skip-startup-files",
    "--",
    "sh",
    "-c",
    "trap 'echo got HUP' HUP; trap 'echo got USR1' USR1; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done",
  ]);
  await container.says("ready\n");
  await container.signal("HUP");
  await container.says("got HUP\n");
  await container.signal("USR1");
  await container.says("got USR1\n");
  assertEquals(await container.stop(), 5);
});

Deno.test("sessions of docker exec are ended by a stop, and get TERM", async () => {
  await using container = await startContainer(["my_init", "--skip-startup-files"]);
  await container.booted();
  const session = docker([
    "exec",
    container.name,
    "sh",
    "-c",
    onTerm("echo session told; exit 7", "echo ready >/ready"),
  ]);
  await container.sh("until test -e /ready; do sleep 0.05; done");
  assertEquals(await container.stop(), 0);
  assert(!(await container.logs()).stderr.includes("in time"));
  assertStringIncludes((await session).stdout, "session told\n");
});

Deno.test("a docker stop in the first moments is not lost (B5)", async () => {
  for (const moment of [0, 30, 100, 250, 500]) {
    await using container = await startContainer([], { options: ["--stop-timeout", "10"] });
    await pause(moment);
    const status = await container.stop();
    assert(status === 0, `status ${status} after ${moment} ms: ${(await container.logs()).stderr}`);
  }
});

Deno.test("post_shutdown scripts run, and everything is over, before docker's timeout (B15)", async () => {
  await using stubborn = await derive(
    "COPY stubborn /etc/service/stubborn/run\nCOPY stubborn /etc/my_init.pre_shutdown.d/stubborn\nCOPY post /etc/my_init.post_shutdown.d/00_post",
    {
      stubborn: script(onTerm("", ":")),
      post: say("post"),
    },
  );
  await using container = await startContainer([
    "my_init",
    "--",
    "sh",
    "-c",
    onTerm(""),
  ], { from: stubborn.name });
  await container.says("ready\n");
  await container.sh("until pidof runsv; do sleep 0.1; done");
  await container.sh("kill -STOP $(pidof runsv | cut -d' ' -f1)");
  await container.stop(); // It fails if docker has to kill.
  assertStringIncludes((await container.logs()).stdout, "post\n");
});
