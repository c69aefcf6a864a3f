// "Adding additional daemons"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

Deno.test("the readme's memcached", async (test) => {
  await using built = await derive(
    `
    RUN install_clean memcached && ! pgrep -x memcached
    RUN mkdir /etc/service/memcached
    ADD memcached.sh /etc/service/memcached/run
    `,
    {
      "memcached.sh": `#!/bin/sh
# \`/sbin/setuser memcache\` runs the given command as the user \`memcache\`.
# If you omit that part, the command will be run as root.
exec /sbin/setuser memcache /usr/bin/memcached >>/var/log/memcached.log 2>&1
`,
    },
  );
  await using container = await startContainer([], { from: built.name });
  const ask =
    "exec 3<>/dev/tcp/127.0.0.1/11211 && echo version >&3 && read -r line <&3 && echo $line";
  const answers = async () => {
    const answered = async () =>
      (await container.exec("bash", "-c", ask)).stdout.startsWith("VERSION");
    await until(answered, 20);
  };
  const pid = async () => (await container.sh("pidof memcached")).trim();

  await test.step("answers", answers);
  await test.step("runs as its user", async () => {
    assertEquals(await container.sh("ps -o user= -C memcached"), "memcache\n");
  });
  await test.step("is restarted when it crashes", async () => {
    const before = await pid();
    await container.sh("pkill -SEGV -x memcached");
    await answers();
    assert(await pid() !== before);
  });
  await test.step("writes to /var/log/memcached.log what it prints", async () => {
    await container.exec("/etc/service/memcached/run"); // A second one finds the port taken.
    assertStringIncludes(await container.sh("cat /var/log/memcached.log"), "already in use");
  });
  await test.step("is stopped with the container", async () => {
    assertEquals(await container.stop(), 0);
    assert(!(await container.logs()).stderr.includes("in time"));
  });
});

Deno.test("a service whose run begins with `sv start db || exit 1` waits for the other one's check", async () => {
  await using built = await derive(
    `
    COPY db /etc/service/db/run
    COPY check /etc/service/db/check
    COPY web /etc/service/web/run
    `,
    {
      db: "#!/bin/sh\nexec sleep 1000\n",
      check: "#!/bin/sh\ntest -e /ready\n",
      web:
        "#!/bin/sh\necho web asks\nsv start db >/dev/null || exit 1\necho web starts\nexec sleep 1000\n",
    },
  );
  const options = ["-e", "SVWAIT=1"];
  await using container = await startContainer([], { from: built.name, options });
  const output = async () => (await container.logs()).stdout;
  await until(async () => (await output()).split("web asks\n").length > 2);
  assert(!(await output()).includes("web starts"));
  await container.sh("touch /ready");
  await container.says("web starts\n");
});
