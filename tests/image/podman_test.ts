// Containers of podman: as systemd's, with what podman hands over, in user namespaces, and without root
import $ from "@david/dax";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { projectFolder } from "../../build/project.ts";
import { image, uniqueName } from "../support/container.ts";
import { quote } from "../support/namespace.ts";
import { Podman } from "../support/podman.ts";
import { until } from "../support/until.ts";

/** Runs my_init with a command to its end, and returns what it prints. */
const runInit = (podman: Podman, options: string[], script: string) =>
  podman.must(
    ...["run", "--rm", ...options, podman.image, "my_init", "--quiet", "--", "sh", "-c", script],
  );

const healthyServices = /^cron: up .*, ready\n(.*\n)*syslog-ng: up .*, ready$/;
const WHEN_HEALTHY = "until healthy >/dev/null; do sleep 0.2; done; healthy";

Deno.test("podman as root", async (test) => {
  await using podman = await Podman.with([image]);
  const stateOf = (name: string) => podman.must("inspect", "-f", "{{.State.ExitCode}}", name);

  await test.step("--systemd=always: boots with memory on /run and /tmp, and ends well by SIGRTMIN+3", async () => {
    await podman.must(
      ...["run", "-d", "--name", "machine", "--systemd=always", "--network", "none", podman.image],
    );
    await until(async () => (await podman.run("exec", "machine", "healthy")).status === 0, 60);
    assertMatch(await podman.must("exec", "machine", "healthy"), healthyServices);
    const script = "stat -fc %T /run /tmp; cat /etc/container_environment/container";
    assertEquals(await podman.must("exec", "machine", "sh", "-c", script), "tmpfs\ntmpfs\npodman");
    assertEquals(await podman.must("inspect", "-f", "{{.Config.StopSignal}}", "machine"), "37");
    await podman.must("stop", "--time", "30", "machine");
    assertEquals(await stateOf("machine"), "0");
  });

  await test.step("sockets that systemd has opened reach the command, with its own PID", async () => {
    await Deno.writeTextFile(`${podman.folder}/socket`, "from the socket\n");
    const command = "echo $LISTEN_FDS $((LISTEN_PID == $$)); cat <&3";
    const words = podman.words(
      ...["run", "--rm", "--network", "none", podman.image],
      ...["my_init", "--quiet", "--", "sh", "-c", command],
    );
    const script = `exec 3<${podman.folder}/socket; export LISTEN_FDS=1 LISTEN_PID=$$; exec ${
      quote(...words)
    }`;
    assertEquals(await $`sh -c ${script}`.stderr("null").text(), "1 1\nfrom the socket");
  });

  await test.step("--sdnotify=container: my_init's READY=1 reaches systemd", async () => {
    const socket = `${podman.folder}/notify`;
    const listen = `socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, pack_sockaddr_un($ARGV[0])) or die;
      $| = 1; print "$_\\n" while defined(recv(S, $_, 4096, 0))`;
    const heard = `${podman.folder}/heard`;
    const listener = $`perl -MSocket -e ${listen} ${socket}`.stdout($.path(heard)).noThrow()
      .spawn();
    try {
      await until(() => exists(socket), 30);
      const options = ["--sdnotify=container", "--network", "none", "--name", "notifies"];
      const words = podman.words("run", "-d", ...options, podman.image);
      await $`${words}`.env({ NOTIFY_SOCKET: socket }).quiet();
      await until(() => Deno.readTextFileSync(heard).includes("READY=1\n"), 60);
    } finally {
      listener.kill();
      await listener;
    }
  });

  await test.step("--uidmap: a root that is another user outside", async () => {
    const options = ["--network", "none", "--uidmap", "0:200000:65536"];
    const printed = await runInit(podman, options, `cat /proc/self/uid_map; ${WHEN_HEALTHY}`);
    const [map, ...services] = printed.split("\n");
    assertEquals(map.trim().split(/ +/), ["0", "200000", "65536"]);
    assertMatch(services.join("\n"), healthyServices);
  });
});

Deno.test("podman without root: what README.md shows", async (test) => {
  const user = uniqueName();
  await $`useradd --no-create-home ${user}`.quiet(); // With numbers in /etc/subuid and /etc/subgid.
  try {
    await using podman = await Podman.with([image], user);
    const readme = await Deno.readTextFile(join(projectFolder, "README.md"));
    const [, chapter] = readme.match(/^### podman\n(.*?)^##/ms)!;
    const lines = [...chapter.matchAll(/^ {4}(podman run .*)$/gm)].map(([, line]) => line);
    assertEquals(lines.length, 3);
    const id = Number(await $`id -u ${user}`.text());
    for (const line of lines) {
      await test.step(line, async () => {
        // Its own network needs a device that not every machine has.
        const script = line.replace(" --rm ", " --rm --network host ")
          .replace(" baseimage ", ` ${podman.image} `);
        const { code, stdout, stderr } = await $`${podman.asUser("sh", "-c", script)}`
          .cwd(podman.home).env({ PATH: `${podman.folder}:${Deno.env.get("PATH")}` })
          .stdout("piped").stderr("piped").noThrow();
        assertEquals(code, 0, stderr);
        if (line.endsWith("ls /")) assertStringIncludes(stdout, "bd_build\n");
      });
    }
    const { uid, gid } = await Deno.stat(`${podman.home}/file`);
    assertEquals([uid, gid], [id, id], "what the container has written is the user's");

    await test.step("services run and are logged, and a stop ends well", async () => {
      const options = ["--name", "services", "--network", "host"];
      await podman.must("run", "-d", ...options, podman.image);
      const exec = (...words: string[]) => podman.run("exec", "services", ...words);
      await until(async () => (await exec("healthy")).status === 0, 60);
      assertMatch((await exec("healthy")).stdout.trim(), healthyServices);
      await exec("logger", "as the user");
      await podman.says("services", "root: as the user");
      await podman.must("stop", "--time", "30", "services");
      assertEquals(await podman.must("inspect", "-f", "{{.State.ExitCode}}", "services"), "0");
    });

    await test.step("--userns=keep-id: all runs as the user, by name", async () => {
      const options = ["--network", "host", "--userns", "keep-id", "--group-add", "docker_env"];
      assertEquals(
        await runInit(podman, options, "id -un; cat /etc/container_environment/LANG"),
        `${user}\nen_US.UTF-8`,
      );
    });
  } finally {
    await $`userdel ${user}`.quiet();
  }
});
