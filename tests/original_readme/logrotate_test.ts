// "logrotate"
import { assert, assertEquals } from "@std/assert";
import { startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

const FILES = ["syslog", "auth.log", "cron.log", "mail.log", "error"];

Deno.test("logrotate, as cron runs it every day", async (test) => {
  await using container = await startContainer();
  await container.booted();
  /** Logs a word to every file of syslog-ng, until it is there. */
  const log = (word: string) =>
    until(async () => {
      await container.sh(`for it in auth cron mail; do logger -p $it.err ${word}; done`);
      const files = FILES.map((it) => `/var/log/${it}`).join(" ");
      return (await container.exec("grep", "-L", word, ...files.split(" "))).stdout === "";
    });
  const daily = await container.sh(
    "sed -n 's/.*root[[:space:]]*\\(.*cron[.]daily.*\\)/\\1/p' /etc/crontab",
  );
  const runDaily = () =>
    container.exec(
      ...["env", "-i", "HOME=/root", "LOGNAME=root", "SHELL=/bin/sh"],
      ...["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", daily],
    );

  await test.step("it is among the daily jobs, which cron's table runs", async () => {
    await container.sh("test -x /etc/cron.daily/logrotate");
    assert(daily.includes("run-parts"), daily);
    assertEquals(
      (await container.sh("run-parts --test /etc/cron.daily")).includes("logrotate"),
      true,
    );
  });
  await test.step("it prints nothing and rotates nothing on the first day", async () => {
    await log("before");
    const { status, stdout, stderr } = await runDaily();
    assertEquals([status, stdout, stderr], [0, "", ""]);
    assertEquals(await container.sh("ls /var/log/*.1* 2>/dev/null || :"), "");
  });
  await test.step("it rotates every file of syslog-ng when a day has passed (W14, B32)", async () => {
    await container.sh(
      "sed -i -E 's/ [0-9]+-[0-9]+-[0-9]+(-[0-9:]+)?$/ 2020-1-1-0:0:0/' /var/lib/logrotate/status",
    );
    const { status, stdout, stderr } = await runDaily();
    assertEquals([status, stdout, stderr], [0, "", ""]);
    for (const name of FILES) await container.sh(`zgrep -q before /var/log/${name}.1.gz`);
  });
  await test.step("syslog-ng goes on in new files", async () => {
    await log("after");
    assertEquals(await container.sh("zgrep -l after /var/log/*.1.gz || :"), "");
  });
});

Deno.test("much that is logged on one day is rotated, too: cron looks at the sizes, and says nothing", async () => {
  await using container = await startContainer();
  await container.booted();
  await container.sh(
    "sed -i 's/^[*]\\/5 /* /' /etc/cron.d/logrotate; sv restart cron; " +
      "yes 'a line of text that fills the disk of the host, day and night' | head -c 6000000 >>/var/log/syslog",
  );
  const files = "ls /var/log/syslog.1.gz 2>/dev/null || :";
  await until(async () => await container.sh(files) !== "", 80);
  await container.sh("logger -t shop after it");
  await until(async () => (await container.sh("cat /var/log/syslog")).includes("shop: after it"));
  await until(async () => Number(await container.sh("du -s /var/log | cut -f 1")) < 1000);
  const { stdout, stderr } = await container.logs();
  assert(!/CMD .*logrotate|error/.test(stdout + stderr), stdout + stderr);
});
