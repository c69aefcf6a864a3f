// "Removing optional services": a build of the image without them
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Derived, startContainer, uniqueName } from "../support/container.ts";
import { typed } from "../support/reader.ts";
import { project } from "../support/namespace.ts";

/** Builds with sshd disabled in a copy's image/buildconfig, and with these build arguments. */
async function built(...settings: string[]): Promise<Derived> {
  const folder = await Deno.makeTempDir({ prefix: "disabled-" });
  try {
    const needed = "Dockerfile .dockerignore image dist";
    await done(`cd ${project} && cp -a --parents ${needed} ${folder}`);
    const config = join(folder, "image/buildconfig");
    const text = await Deno.readTextFile(config);
    const edited = text.replace(/^export DISABLE_SSH=.*$/m, "export DISABLE_SSH=1");
    assert(edited !== text);
    await Deno.writeTextFile(config, edited);

    const name = uniqueName();
    await done(
      `DOCKER_BUILDKIT=0 docker build --force-rm ${
        settings.map((it) => `--build-arg ${it}`).join(" ")
      } ` +
        `--network host --quiet --tag ${name} ${folder}`,
    );
    return new Derived(name);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function done(line: string): Promise<void> {
  const { status, stdout, stderr } = await typed(line);
  assertEquals(status, 0, stdout + stderr);
}

Deno.test("a switch that is neither on nor off fails the build, at once and in one line", async () => {
  const refused = await assertRejects(() => built("DISABLE_CRON=mybe"), Error);
  assertStringIncludes(
    refused.message,
    '*** Cannot build: DISABLE_CRON is "mybe"; set it to 1 (true, yes, on) or 0 (false, no, off)\n',
  );
  assert(!refused.message.includes("Get:1 "), "apt was not started yet");
});

Deno.test("an image without syslog-ng, cron and sshd (B30)", async (test) => {
  await using image = await built("DISABLE_SYSLOG=Yes", "DISABLE_CRON=on");
  await using container = await startContainer(["/sbin/my_init"], { from: image.name });
  await container.booted();

  await test.step("has none of their packages, files and services", async () => {
    for (const name of ["syslog-ng-core", "cron", "logrotate", "openssh-server"]) {
      assertEquals((await container.exec("dpkg", "-s", name)).status, 1, name);
    }
    const left = await container.sh(
      "ls -d /etc/service/* /etc/my_init.d/*ssh* /etc/my_init.*d/*syslog* /etc/insecure_key /etc/cron.d 2>/dev/null || :",
    );
    assertEquals(left, "");
  });
  await test.step("boots and stops without a warning", async () => {
    assertEquals(await container.stop(), 0);
    const { stdout, stderr } = await container.logs();
    assertEquals(stdout, "");
    const story =
      /^\*\*\* (Running \/etc\/.*\.\.\.|Booting runit daemon\.\.\.|Runit started as PID \d+|Init system aborted\.|Shutting down runit daemon \(PID \d+\)\.\.\.|Runit exited with status \d+|Killing all processes\.\.\.)$/;
    assertEquals(stderr.trimEnd().split("\n").filter((line) => !story.test(line)), []);
  });
  await test.step("warns about --enable-insecure-key, and boots anyway (B29)", async () => {
    await using other = await startContainer(["/sbin/my_init", "--enable-insecure-key"], {
      from: image.name,
    });
    await other.booted();
    assertStringIncludes(
      (await other.logs()).stderr,
      "*** Cannot enable the insecure key: this image has no SSH server\n",
    );
    assertEquals(await other.stop(), 0);
  });
});
