// "cron"
import { assertEquals } from "@std/assert";
import { startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

Deno.test("cron runs the jobs of all its tables within the minute", async (test) => {
  await using container = await startContainer([], { options: ["-e", `MY_NAME=it's "me" $x`] });
  await container.booted();
  await container.sh(`
    echo '* * * * * root echo "job of $MY_NAME"' >/etc/cron.d/job
    ln /etc/cron.d/job /etc/cron.d/job2
    echo '* * * * * echo "table of $(id -un)"' | crontab -
    echo '* * * * * echo "table of $(id -un), [$MY_NAME]"' | crontab -u nobody -
    printf '#!/bin/sh\\necho daily job\\n' >/etc/cron.daily/own
    chmod +x /etc/cron.daily/own
    sed -i '/cron[.]daily/s/^[0-9]* *[0-9]*/* */' /etc/crontab
    sv restart cron
  `);
  const expected = {
    "one of cron.d, hard links or not, with the environment (W4, W11)": `job of it's "me" $x`,
    "one of root's own table": "table of root",
    "one of another user's table, who sees nothing of the environment": "table of nobody, []",
    "those of cron.daily": "daily job",
  };
  for (const [what, text] of Object.entries(expected)) {
    await test.step(`${what}; what it prints is in the system log`, async () => {
      let log = "";
      await until(
        async () => (log = await container.sh("cat /var/log/syslog")).includes(text),
        80,
        () => `"${text}" in ${log}`,
      );
    });
  }
});

Deno.test("DISABLE_CRON=1 leaves cron out at run time (W12)", async () => {
  await using container = await startContainer([], { options: ["-e", "DISABLE_CRON=1"] });
  await container.booted();
  assertEquals((await container.exec("pgrep", "-x", "cron")).status, 1);
});
