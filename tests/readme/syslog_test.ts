import { assert, assertEquals, assertMatch } from "@std/assert";
import { docker, image, runContainer, startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

Deno.test("what programs log is in /var/log/syslog and in docker logs, syslog-ng's own notices are not", async () => {
  await using container = await startContainer();
  await container.booted();
  await container.sh("logger -t shop 'an order came in'");
  await container.says("shop: an order came in");
  await until(async () => (await container.sh("cat /var/log/syslog")).includes("an order came in"));
  const { stdout } = await container.logs();
  assert(!stdout.includes("syslog-ng"), stdout);
});

Deno.test("a one-shot command's output is not mixed with syslog's notices", async () => {
  const { stdout, status } = await runContainer(["/sbin/my_init", "--quiet", "--", "echo", "hi"]);
  assertEquals({ stdout, status }, { stdout: "hi\n", status: 0 });
});

Deno.test("a line that is logged at the very end of the shutdown is in docker logs", async () => {
  await using container = await startContainer(["/sbin/my_init", "--", "sh", "-c", "sleep 100"], {
    options: ["--stop-timeout", "20"],
  });
  await container.booted();
  await container.sh(
    "printf '#!/bin/sh\\nlogger last words\\n' >/etc/my_init.post_shutdown.d/05_last; chmod +x /etc/my_init.post_shutdown.d/05_last",
  );
  await container.stop();
  await container.says("last words");
});

Deno.test("syslog reaches docker logs on a terminal, too", async () => {
  await using container = await startContainer([], { options: ["-t"] });
  await container.booted();
  await container.sh("logger -t shop on a terminal");
  await container.says("shop: on a terminal");
});

Deno.test("without syslog the boot goes on: with a warning where it fails, in silence where it is switched off (W2)", async () => {
  const command = ["/sbin/my_init", "--quiet", "--", "echo", "hi"];
  const broken = await runContainer(command, {
    options: ["-v", "/dev/null:/usr/sbin/syslog-ng:ro"],
  });
  assertEquals(broken.status, 0);
  assertMatch(broken.stderr, /\*\*\* .*syslog-ng/);
  const off = await runContainer(command, { options: ["-e", "DISABLE_SYSLOG=1"] });
  assertEquals(off, { status: 0, stdout: "hi\n", stderr: "" });
});

Deno.test("logrotate rotates every file of syslog-ng, which goes on in a new one (W14)", async () => {
  await using container = await startContainer();
  await container.booted();
  await container.sh("logger -p cron.err before");
  await until(async () => (await container.sh("cat /var/log/syslog")).includes("before"));
  await container.sh("logrotate -f /etc/logrotate.conf");
  await until(async () => {
    await container.sh("logger -p cron.err after");
    return (await container.sh("cat /var/log/syslog")).includes("after");
  });
  const files = await container.sh("ls /var/log");
  for (const name of ["syslog.1", "cron.log.1", "error.1"]) assert(files.includes(name), files);
});

Deno.test("a member of docker_env reads the dumps, others do not, until they are made readable", async () => {
  await using container = await startContainer([], { options: ["-e", "SECRET=s"] });
  await container.booted();
  await container.sh("useradd -G docker_env friend; useradd stranger");
  const read = (user: string) =>
    container.exec("setuser", user, "sh", "-c", ". /etc/container_environment.sh; echo $SECRET");
  assertEquals((await read("friend")).stdout, "s\n");
  assert((await read("stranger")).status !== 0);
  await container.sh(
    "chmod 755 /etc/container_environment; chmod 644 /etc/container_environment.sh /etc/container_environment.json",
  );
  assertEquals((await read("stranger")).stdout, "s\n");
});

Deno.test("the image is clean: no lists, no host keys, nothing in /tmp; and it has labels", async () => {
  const script =
    "ls -A /var/lib/apt/lists /tmp /var/tmp; ls /etc/ssh/ssh_host_* 2>/dev/null; ls -A /bd_build";
  const { stdout } = await runContainer(["sh", "-c", script]);
  assertEquals(
    stdout.split("\n").filter((line) => line !== "" && !line.startsWith("/") && line !== "lock"),
    ["buildconfig", "cleanup.sh"],
  );
  assert(!stdout.includes("ssh_host_"), stdout);
  const labels = await docker(["inspect", "-f", "{{json .Config.Labels}}", image]);
  assert(labels.stdout.includes("org.opencontainers.image.title"));
});
