import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";
import { patience, until } from "../support/until.ts";

// The only test that is run on every base; see tests/run.ts.
Deno.test("on this base everything works that the image is for", async (test) => {
  await using image = await derive(
    `
    RUN rm -f /etc/service/sshd/down && /usr/sbin/enable_insecure_key
    RUN apt-get update && apt-get upgrade -y -o Dpkg::Options::="--force-confold"
    RUN install_clean memcached && mkdir /etc/service/memcached
    COPY memcached.sh /etc/service/memcached/run
    COPY name.sh /etc/my_init.d/name.sh
    RUN echo '@reboot root echo "job of $MY_NAME"' >/etc/cron.d/job
    ENV SHUTDOWN_TIMEOUT=${9 * patience}
  `,
    {
      "memcached.sh": "#!/bin/sh\nexec /sbin/setuser memcache /usr/bin/memcached\n",
      "name.sh": "#!/bin/sh\necho Apachai Hopachai >/etc/container_environment/MY_NAME\n",
    },
  );
  await using container = await startContainer([], { from: image.name });
  await container.booted();

  await test.step("my_init --check finds no fault in it", async () => {
    assertEquals(await container.sh("my_init --check"), "All is well.\n");
  });
  await test.step("a service runs as its user", async () => {
    await until(async () =>
      (await container.exec("pgrep", "-xu", "memcache", "memcached")).status === 0
    );
  });
  await test.step("what is logged is in docker logs", async () => {
    await container.sh("logger -t shop 'an order came in'");
    await container.says("an order came in");
  });
  await test.step("ssh with a key gives a session with the environment, and the command's status", async () => {
    const ssh = "ssh -o StrictHostKeyChecking=no -i /etc/insecure_key root@127.0.0.1";
    await until(async () => (await container.exec("sh", "-c", `${ssh} true`)).status === 0);
    const session = await container.exec("sh", "-c", `${ssh} 'echo $MY_NAME; exit 7'`);
    assertEquals([session.stdout, session.status], ["Apachai Hopachai\n", 7]);
  });
  await test.step("logs are rotated", async () => {
    await container.sh("logrotate -f /etc/logrotate.conf");
    assertStringIncludes(await container.sh("ls /var/log"), "syslog.1");
  });
  await test.step("cron runs a job with the environment", async () => {
    const hasRun = async () =>
      (await container.sh("zcat -f /var/log/syslog*")).includes("job of Apachai Hopachai");
    await until(hasRun);
  });
  await test.step({
    name: "PID 1 sleeps",
    ignore: patience > 1, // Under qemu it stays awake.
    fn: async () => {
      const note = "/proc/1/fd/250"; // What it needs when it wakes; see supervisor/asleep.ts.
      await until(async () => (await container.exec("test", "-e", note)).status === 0);
    },
  });
  await test.step("it stops in order", async () => {
    assertEquals(await container.stop(), 0);
    const { stderr } = await container.logs();
    assertMatch(stderr, /Running \/etc\/my_init.post_shutdown.d\/10_syslog-ng.shutdown/);
    assertEquals(stderr.match(/in time|failed|cannot/i), null, stderr);
  });
  await test.step("a command runs as another user, and its status is the container's", async () => {
    const command = ["my_init", "--", "setuser", "memcache", "sh", "-c", "[ $(id -un) = root ]"];
    assertEquals((await runContainer(command, { from: image.name })).status, 1);
  });
});
