// "syslog-ng": the system log
import { assert, assertEquals, assertMatch } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";
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

Deno.test("without syslog the boot goes on: with a warning where it fails, without one where it is switched off (W2)", async () => {
  const command = ["/sbin/my_init", "--quiet", "--", "echo", "hi"];
  const broken = await runContainer(command, {
    options: ["-v", "/dev/null:/usr/sbin/syslog-ng:ro"],
  });
  assertEquals(broken.status, 0);
  assertMatch(broken.stderr, /\*\*\* .*syslog-ng/);
  const off = await runContainer(command, { options: ["-e", "DISABLE_SYSLOG=1"] });
  assertEquals(off, { status: 0, stdout: "hi\n", stderr: "" });
});

Deno.test("files in conf.d may use the names that the original had; programs find the pid where it was", async () => {
  await using built = await derive("COPY shop.conf /etc/syslog-ng/conf.d/shop.conf", {
    "shop.conf": 'destination d_shop { file("/var/log/shop.log"); };\n' +
      'filter f_shop { program("^shop$"); };\n' +
      "log { source(s_src); filter(f_shop); destination(d_shop); };\n",
  });
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  await container.sh("logger -t shop an order came in");
  const log = "cat /var/log/shop.log 2>/dev/null || :";
  await until(async () => (await container.sh(log)).includes("an order came in"));
  assertEquals(await container.sh("ps -o comm= -p $(cat /var/run/syslog-ng.pid)"), "syslog-ng\n");
});

Deno.test("a syslog-ng.conf of one's own may write to /dev/stdout, and does not delay a stop", async () => {
  await using built = await derive(
    "COPY own.conf /tmp/\n" +
      "RUN cd /etc/syslog-ng && (grep ^@version syslog-ng.conf; cat /tmp/own.conf) >new && mv new syslog-ng.conf\n" +
      "COPY clock /etc/my_init.post_shutdown.d/05_clock",
    {
      clock: "#!/bin/sh\n(sleep 1.8 && echo held up) &\n", // A wait in vain takes two seconds.
      "own.conf": 'source s_own { unix-dgram("/dev/log"); };\n' +
        'destination d_stdout { pipe("/dev/stdout"); };\n' +
        "log { source(s_own); destination(d_stdout); };\n",
    },
  );
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  await container.sh("logger -t shop an order came in");
  await container.says("shop: an order came in");
  assertEquals(await container.stop(), 0);
  const { stdout } = await container.logs();
  assert(!stdout.includes("held up"), stdout);
});

Deno.test("syslog-ng is back after a crash", async () => {
  await using container = await startContainer();
  await container.booted();
  const pid = "cat /run/syslog-ng.pid";
  const before = await container.sh(pid);
  await container.sh(`kill -SEGV ${before}`);
  await until(async () => ![before, ""].includes(await container.sh(`${pid} || :`)));
  await until(async () => {
    await container.exec("logger", "-t", "shop", "again");
    return (await container.logs()).stdout.includes("shop: again");
  });
  assertEquals(await container.stop(), 0);
});

Deno.test("where syslog-ng cannot start, programs do not think that it is there", async () => {
  await using built = await derive("COPY bad.conf /etc/syslog-ng/conf.d/", {
    "bad.conf": 'destination d_far { tcp("nohost.invalid" port(5)); };\n' +
      "log { source(s_src); destination(d_far); };\nlog { source(s_none); };\n",
  });
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  await container.says("*** syslog-ng did not start");
  assertEquals((await container.exec("test", "-e", "/dev/log")).status, 1);
});
