import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { docker, image, runContainer, startContainer } from "../support/container.ts";

Deno.test("the image is Ubuntu 16.04 under our my_init, with no trace of node", async () => {
  await using container = await startContainer();
  await container.booted();
  assertMatch(await container.sh("cat /etc/os-release"), /^VERSION_ID="16\.04"$/m);
  assertEquals(
    await container.sh("readlink -f /proc/1/exe"),
    await container.sh("readlink -f /sbin/my_init"),
  );
  assertMatch(await container.sh("/sbin/my_init --version"), /^my_init \d/);
  assertMatch(await container.sh("/sbin/setuser --version"), /^setuser \d/);
  assertEquals(
    await container.sh(
      "find / -xdev \\( -name node_modules -o -name 'deno*' -o -name package.json \\) -not -path '/proc/*'",
    ),
    "",
  );
  assertEquals(await container.sh("which python3 node deno | grep -v python3 || true"), "");
});

Deno.test("the image's command is my_init, and its environment is set for an English locale", async () => {
  const { stdout } = await docker(["image", "inspect", "-f", "{{json .Config}}", image]);
  const { Cmd, Env, Entrypoint } = JSON.parse(stdout);
  assertEquals([Cmd, Entrypoint ?? null], [["/sbin/my_init"], null]);
  for (
    const variable of [
      "DEBIAN_FRONTEND=teletype",
      "LANG=en_US.UTF-8",
      "LANGUAGE=en_US:en",
      "LC_ALL=en_US.UTF-8",
    ]
  ) {
    assert(Env.includes(variable), variable);
  }
});

Deno.test("the environment's directory and dumps are readable for root and docker_env alone (B24, B32)", async () => {
  await using container = await startContainer([], { options: ["-e", "SECRET=x"] });
  await container.booted();
  const modes = await container.sh(
    "cd /etc; stat -c '%a %U:%G %n' container_environment container_environment.sh container_environment.json container_environment/SECRET",
  );
  assertEquals(
    modes,
    "750 root:docker_env container_environment\n640 root:docker_env container_environment.sh\n" +
      "640 root:docker_env container_environment.json\n640 root:docker_env container_environment/SECRET\n",
  );
  assertEquals(await container.sh("getent group docker_env | cut -d: -f3"), "8377\n");
  const other = await container.exec(
    "setuser",
    "nobody",
    "cat",
    "/etc/container_environment/SECRET",
  );
  assertEquals(other.status, 1);
  const member = await container.exec(
    "setuser",
    "nobody:docker_env",
    "cat",
    "/etc/container_environment/SECRET",
  );
  assertEquals(member.stdout, "x");
  const directory = await container.sh("ls /etc/container_environment");
  for (const name of ["INITRD", "LANG", "LC_CTYPE", "PATH", "HOSTNAME", "SECRET"]) {
    assertStringIncludes(directory, name + "\n");
  }
  assertEquals((await container.sh("cat /etc/container_environment/INITRD")).trim(), "no");
});

Deno.test("a login shell of root has the container's environment, one of others is silent (W4)", async () => {
  await using container = await startContainer([], { options: ["-e", "FROM_DOCKER=a b"] });
  await container.booted();
  assertEquals(await container.sh("env -i bash -lc 'echo $FROM_DOCKER'"), "a b\n");
  const other = await container.exec("setuser", "nobody", "bash", "-lc", 'echo "[$FROM_DOCKER]"');
  assertEquals(other.stderr, "");
});

Deno.test("without a command of its own the image also runs any other program", async () => {
  assertEquals(await runContainer(["echo", "hello"]), { status: 0, stdout: "hello\n", stderr: "" });
});

Deno.test("as an ENTRYPOINT my_init takes a CMD, and a my_init in it (W7)", async () => {
  const options = ["--entrypoint", "/sbin/my_init"];
  const plain = await runContainer(["--quiet", "--", "sh", "-c", "echo $PPID; exit 3"], {
    options,
  });
  assertEquals([plain.status, plain.stdout], [3, "1\n"]);
  const nested = await runContainer([
    "/sbin/my_init",
    "--quiet",
    "--",
    "sh",
    "-c",
    "echo $PPID; exit 3",
  ], { options });
  assertEquals([nested.status, nested.stdout], [3, "1\n"]);
});
