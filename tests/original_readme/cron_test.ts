// "cron"
import { assertEquals } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";
import { pause, until } from "../support/until.ts";

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

Deno.test("a Dockerfile may put its own sendmail there, and so may a package, by name or as an alternative", async (test) => {
  const sendmail = "readlink -f /usr/sbin/sendmail";
  await test.step("ln -s in a Dockerfile", async () => {
    await using built = await derive("RUN ln -s /bin/echo /usr/sbin/sendmail");
    await using container = await startContainer([], { from: built.name });
    await until(async () => (await container.sh("sv status cron || :")).startsWith("run: "));
    await until(async () => (await container.sh("pgrep -x cron || :")) !== "");
    assertEquals(await container.sh(sendmail), await container.sh("readlink -f /bin/echo"));
  });
  await test.step("packages, in a container that runs", async () => {
    await using container = await startContainer();
    await until(async () => (await container.sh("pgrep -x cron || :")) !== "");
    assertEquals(await container.sh(sendmail), "/usr/lib/baseimage/sendmail\n");
    // As the package sendmail does.
    await container.sh(
      "update-alternatives --install /usr/sbin/sendmail-msp sendmail-msp /bin/echo 25 " +
        "--slave /usr/sbin/sendmail sendmail /bin/echo",
    );
    assertEquals(await container.sh(sendmail), await container.sh("readlink -f /bin/echo"));
    // As postfix does, which owns the file.
    await container.sh(
      "rm /usr/sbin/sendmail; ln -s /usr/lib/baseimage/sendmail /usr/sbin/sendmail; " +
        "mkdir -p /p/DEBIAN /p/usr/sbin; cp /bin/echo /p/usr/sbin/sendmail; " +
        "printf 'Package: mta\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' >/p/DEBIAN/control; " +
        "dpkg-deb -b /p /p.deb; dpkg -i /p.deb; cmp /bin/echo /usr/sbin/sendmail; test -e /usr/lib/baseimage/sendmail",
    );
  });
});

Deno.test("where cron cannot run it says why, once", async () => {
  const cases: [string[], string][] = [
    [["-u", "1000"], "only root can run jobs as their users"],
    [["-u", "1000", "--tmpfs", "/run"], "only root can run jobs as their users"],
    [["--read-only"], "it needs to write to /run (docker run --tmpfs /run)"],
  ];
  for (const [options, reason] of cases) {
    await using container = await startContainer(["my_init", "--quiet"], { options });
    await container.says(`*** Not starting cron: ${reason}\n`);
    await pause(1500); // runsv would start it again after a second.
    const { stdout, stderr } = await container.logs();
    assertEquals((stdout + stderr).split("Not starting cron").length, 2, stderr);
  }
});
