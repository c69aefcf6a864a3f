// "What's inside the image?" and "Inspecting baseimage-docker"
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Container, docker, image, startContainer, uniqueName } from "../support/container.ts";
import { Terminal } from "../support/terminal.ts";

Deno.test("docker run --rm -t -i … /sbin/my_init -- bash -l gives a shell", async () => {
  await using container = new Container(uniqueName());
  await using terminal = new Terminal(
    `docker run --rm -t -i --name ${container.name} ${image} /sbin/my_init -- bash -l`,
  );
  await terminal.shows("*** Running bash -l...");
  await terminal.shows("# ");
  assertEquals(await terminal.answer("whoami"), "root");
  assertEquals(await terminal.answer("ps -o comm= -p 1"), "my_init");
  await terminal.type("exit 3\n");
  assertEquals(await terminal.status(), 3);
});

Deno.test("a login shell that exits at once ends with 0", async () => {
  await using container = new Container(uniqueName());
  await using terminal = new Terminal(
    `docker run --rm -t -i --name ${container.name} ${image} /sbin/my_init --quiet -- bash -l`,
  );
  await terminal.shows("# ");
  await terminal.type("exit\n");
  assertEquals(await terminal.status(), 0);
});

Deno.test("what is inside the image", async (test) => {
  await using container = await startContainer();
  await container.booted();
  const sh = (script: string) => container.sh(script);

  await test.step("an init, runit, syslog-ng and cron, which run; sshd, which does not", async () => {
    assertEquals(await sh("readlink -f /proc/1/exe"), await sh("readlink -f /sbin/my_init"));
    await sh("until pidof runsvdir && pidof cron && pidof syslog-ng; do sleep 0.05; done");
    assertEquals((await container.exec("pidof", "sshd")).status, 1);
    assertStringIncludes(await sh("sv status sshd"), "down: sshd");
  });
  await test.step("nobody who listens to the network", async () => {
    const sockets = await sh("cd /proc/net && tail -qn +2 tcp tcp6 udp udp6");
    assertEquals(sockets, "");
  });
  await test.step("an init that collects orphans", async () => {
    await sh("for i in 1 2 3 4 5; do (true & exec true) & done; wait");
    await sh("while ps -eo stat= | grep -q ^Z; do sleep 0.05; done");
  });
  await test.step("setuser, as /sbin/setuser, which sets HOME", async () => {
    assertEquals(
      await sh("cd /; /sbin/setuser nobody sh -c 'id -un; echo $HOME'"),
      "nobody\n/nonexistent\n",
    );
  });
  await test.step("an apt that initctl and ischroot do not make fail", async () => {
    const diverted = await sh("dpkg-divert --list");
    for (const program of ["/sbin/initctl", "/usr/bin/ischroot"]) {
      assertStringIncludes(diverted, program);
      await sh(`${program} --anything`);
    }
  });
  await test.step("the packages that Dockerfiles rely on", async () => {
    const isUbuntu = (await sh("cat /etc/os-release")).includes("ID=ubuntu");
    const packages = [
      ...["apt-transport-https", "apt-utils", "ca-certificates", "curl", "less", "logrotate"],
      ...["openssh-client", "openssh-server", "psmisc", "software-properties-common", "vim-tiny"],
      isUbuntu ? "language-pack-en" : "locales",
    ];
    for (const name of packages) {
      assertStringIncludes(await sh(`dpkg -s ${name}`), "Status: install ok installed", name);
    }
    const commands = "add-apt-repository curl killall less locale-gen logrotate ssh vim";
    await sh(`for it in ${commands}; do command -v $it || exit 1; done`);
    assertMatch(await sh("vim --version"), /^VIM - Vi IMproved/);
    if (isUbuntu) {
      const sources = await sh(
        "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || :",
      );
      assertMatch(sources, /\buniverse\b.*\bmultiverse\b/);
    }
  });
  await test.step("the places that daemons and jobs rely on", async () => {
    assertEquals(await sh("stat -c '%a %U' /run/sshd"), "755 root\n");
    assertMatch(await sh("TZ=Europe/Berlin date -d '2024-07-01 12:00 UTC' +%R%Z"), /^14:00CEST$/m);
  });
  await test.step("a service for nothing but what is said here", async () => {
    assertEquals(await sh("find /etc/service -mindepth 1 -maxdepth 1 -type l"), "");
  });
  await test.step("no package lists, no host keys, nothing temporary", async () => {
    assertEquals(
      await sh(
        "ls -A /var/lib/apt/lists /tmp /var/tmp /etc/ssh | grep -E '_Packages|ssh_host|^tmp' || :",
      ),
      "",
    );
    assertEquals(await sh("ls -A /bd_build"), "buildconfig\ncleanup.sh\n");
  });
  await test.step("labels that say what it is, when it was made, and from where", async () => {
    const { stdout } = await docker(["inspect", "-f", "{{json .Config.Labels}}", image]);
    const label = (name: string) => JSON.parse(stdout)[`org.opencontainers.image.${name}`];
    assertEquals([label("title"), label("licenses")], ["baseimage", "MIT"]);
    assertMatch(label("created"), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assertMatch(label("source") ?? "https:", /^(https?|ssh|git):/);
  });
  await test.step("a health check that leaves a long first boot its time", async () => {
    const { stdout } = await docker(["inspect", "-f", "{{json .Config.Healthcheck}}", image]);
    const { Test, Interval, StartPeriod } = JSON.parse(stdout);
    assertEquals([Test, Interval, StartPeriod], [["CMD", "/usr/bin/healthy"], 30e9, 600e9]);
  });
});
