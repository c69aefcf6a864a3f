// What Dockerfiles of the readme's users do besides
import { assertEquals } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";

const release = (await runContainer(["cat", "/etc/os-release"])).stdout;
const onUbuntu = release.includes("\nID=ubuntu\n") ? "" : "#";

Deno.test("a Dockerfile with the habits of many", async (test) => {
  await using built = await derive(`
    ENV HOME /root
    ENV DEBIAN_FRONTEND noninteractive
    RUN usermod -u 99 nobody && usermod -g 100 nobody
    ${onUbuntu} RUN locale-gen de_DE.UTF-8
    ${onUbuntu} RUN add-apt-repository universe
    RUN rm /etc/apt/apt.conf.d/docker-clean /etc/apt/apt.conf.d/docker-gzip-indexes
    RUN if test -d /etc/runit/runsvdir/default; then touch /etc/runit/runsvdir/default/cron/down; fi
    RUN bash -c 'source /bd_build/buildconfig && apt-get update && \\
      apt-get install $minimal_apt_get_args redis-server' && ! pgrep redis
    RUN . /bd_build/buildconfig && $minimal_apt_get_install zip && apt-get build-dep -s zip
    RUN touch /tmp/left /var/tmp/left && rm -rf /var/log && /bd_build/cleanup.sh
  `);
  await using container = await startContainer([], { from: built.name });
  await container.booted();

  await test.step("ENV HOME reaches commands, and no other user's service or program", async () => {
    assertEquals(await container.sh("echo $HOME"), "/root\n");
    assertEquals(await container.sh("setuser nobody sh -c 'echo $HOME'"), "/nonexistent\n");
    const { status } = await container.exec(
      "sh",
      "-c",
      "tr '\\0' '\\n' </proc/$(pidof runsvdir)/environ | grep ^HOME=",
    );
    assertEquals(status, 1);
  });
  await test.step("usermod moves nobody", async () => {
    assertEquals(await container.sh("setuser nobody sh -c 'id -u; id -g'"), "99\n100\n");
  });
  if (onUbuntu === "") {
    await test.step("locale-gen adds a locale", async () => {
      assertEquals(
        await container.sh(
          "LC_ALL=de_DE.UTF-8 locale charmap; LC_ALL=de_DE.UTF-8 date +%A -d 2024-01-01",
        ),
        "UTF-8\nMontag\n",
      );
    });
  }
  await test.step("a daemon's package is installed, and is not started by itself", async () => {
    await container.sh("command -v redis-server");
    assertEquals((await container.exec("pgrep", "redis")).status, 1);
  });
  await test.step("cleanup.sh leaves no lists and nothing temporary", async () => {
    assertEquals(
      await container.sh("ls -A /tmp /var/tmp /var/lib/apt/lists | grep -E 'left|_Packages' || :"),
      "",
    );
  });
});

Deno.test("an ENTRYPOINT of one's own starts my_init, and what it exports is there", async () => {
  await using built = await derive(
    `ADD entrypoint /entrypoint\nENTRYPOINT ["/entrypoint"]\nCMD ["/sbin/my_init"]`,
    { entrypoint: '#!/bin/sh\nexport BY_ENTRYPOINT=yes\nexec "$@"\n' },
  );
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  assertEquals(await container.sh("cat /etc/container_environment/BY_ENTRYPOINT"), "yes");
  assertEquals(await container.stop(), 0);
});

Deno.test("my_init as ENTRYPOINT runs the CMD", async () => {
  await using built = await derive(
    `ENTRYPOINT ["/sbin/my_init", "--quiet", "--"]\nCMD ["sh", "-c", "echo main of $PPID; exit 3"]`,
  );
  const result = await runContainer([], { from: built.name });
  assertEquals(result, { status: 3, stdout: "main of 1\n", stderr: "" });
});

Deno.test("a CMD with another program runs that, without an init", async () => {
  await using built = await derive(`CMD ["sh", "-c", "echo $$; exit 3"]`);
  const result = await runContainer([], { from: built.name });
  assertEquals(result, { status: 3, stdout: "1\n", stderr: "" });
});

Deno.test("commands that sed puts into /etc/rc.local are run, once each", async () => {
  await using built = await derive(`
    RUN sed -i '/^exit 0/i echo before >>/ran' /etc/rc.local
    RUN sed -i '/^$/a echo after >>/ran' /etc/rc.local
    RUN sed -i -e '$i echo last >>/ran' /etc/rc.local
    RUN sed -i 's/^# By default this script does nothing\\.$/echo comment >>\\/ran/' /etc/rc.local
  `);
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  assertEquals(await container.sh("sort /ran"), "after\nbefore\ncomment\nlast\n");
});
