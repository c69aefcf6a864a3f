// "Environment variables"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Container, derive, image, startContainer, uniqueName } from "../support/container.ts";
import { until } from "../support/until.ts";
import { Terminal } from "../support/terminal.ts";

/** Prints variables as a program that sources the dump has them. */
const sourced = (container: Container, ...names: string[]) =>
  container.sh(
    `. /etc/container_environment.sh; printf '[%s]' ${names.map((it) => `"$${it}"`).join(" ")}`,
  );

Deno.test("variables of docker run, ENV and /etc/container_environment", async (test) => {
  const show = (who: string) => `#!/bin/sh\necho "${who}: $MY_NAME, $FROM_ENV, $FROM_DOCKER"\n`;
  await using built = await derive(
    `
    ENV FROM_ENV="of the image"
    RUN echo Apachai Hopachai > /etc/container_environment/MY_NAME
    SHELL ["/bin/bash", "-c"]
    RUN echo -e "Apachai Hopachai\\n" > /etc/container_environment/MY_LINE
    ADD script /etc/my_init.d/50_script
    ADD service /etc/service/service/run
    `,
    { script: show("script"), service: show("service") + "exec sleep 1000\n" },
  );
  await using container = await startContainer([], {
    from: built.name,
    options: ["-e", "FROM_DOCKER=of this container"],
  });
  const values = "Apachai Hopachai, of the image, of this container\n";

  await test.step("reach startup scripts and services", async () => {
    await container.says("service: ");
    const { stdout } = await container.logs();
    assertStringIncludes(stdout, `script: ${values}`);
    assertStringIncludes(stdout, `service: ${values}`);
  });
  await test.step("reach the command: echo $MY_NAME", async () => {
    await using other = new Container(uniqueName());
    await using terminal = new Terminal(
      `docker run -t -i --name ${other.name} ${built.name} /sbin/my_init -- bash -l`,
    );
    await terminal.shows("*** Running bash -l...");
    await terminal.shows("# ");
    assertEquals(await terminal.answer("echo $MY_NAME"), "Apachai Hopachai");
  });
  await test.step("lose one final newline of their file, and keep a second one", async () => {
    assertEquals(
      await sourced(container, "MY_NAME", "MY_LINE"),
      "[Apachai Hopachai][Apachai Hopachai\n]",
    );
  });
});

Deno.test("the readme's session that shows the dumps", async () => {
  await using container = new Container(uniqueName());
  await using terminal = new Terminal(`docker run -t -i --name ${container.name} \\
    --env FOO=bar --env HELLO='my beautiful world' \\
    ${image} /sbin/my_init -- \\
    bash -l`);
  await terminal.shows("*** Running bash -l...");
  await terminal.shows("# ");
  const names = (await terminal.answer("ls -1 --color=never /etc/container_environment"))
    .split("\n");
  for (const name of ["FOO", "HELLO", "HOSTNAME", "PATH", "TERM"]) assert(names.includes(name));
  assertEquals(
    await terminal.answer("cat /etc/container_environment/HELLO; echo"),
    "my beautiful world",
  );
  const json = JSON.parse(
    (await terminal.answer("cat /etc/container_environment.json; echo")).replaceAll("\n", ""),
  );
  assertEquals(
    [json.FOO, json.HELLO, json.HOME, json.TERM],
    ["bar", "my beautiful world", "/root", "xterm"],
  );
  assertEquals(
    await terminal.answer("source /etc/container_environment.sh; echo $HELLO"),
    "my beautiful world",
  );
});

Deno.test("the shell's dump runs no code in the image's own shells, whatever the names", async () => {
  const names = "BASHPID BASH_COMPAT EPOCHSECONDS EUID HISTCMD LINENO RANDOM SECONDS SHELLOPTS";
  await using container = await startContainer([], {
    options: [...names.split(" "), "A"].flatMap((name) => ["-e", `${name}=a[$(touch /ran)]`]),
  });
  await container.booted();
  for (const shell of ["sh", "bash", "bash --posix", "bash -eu"]) {
    const printed = await container.sh(
      `env -i ${shell} -c '. /etc/container_environment.sh; echo "$A"' 2>&1; ls /ran 2>&1 || :`,
    );
    assertMatch(printed, /^a\[\$\(touch \/ran\)\]\n.*No such file or directory\n$/, shell);
  }
});

Deno.test("a service of another user does not get docker's HOME, but one that somebody has chosen", async () => {
  const service =
    "#!/bin/sh\nexec chpst -u nobody sh -c 'echo \"service: [$HOME]\"; exec sleep 1000'\n";
  const copy = "COPY run /etc/service/other/run\n";
  await using built = await derive(copy, { run: service });
  await using withFile = await derive(
    `${copy}RUN echo /root > /etc/container_environment/HOME`,
    { run: service },
  );
  for (
    const [from, options, home] of [
      [built.name, [], ""],
      [built.name, ["-e", "HOME=/srv"], "/srv"],
      [withFile.name, [], "/root"],
    ] as const
  ) {
    const command = ["my_init", "--", "sh", "-c", 'echo "command: [$HOME]"; exec sleep 1000'];
    await using container = await startContainer(command, { from, options: [...options] });
    await container.says(`service: [${home}]\n`);
    await container.says(`command: [${home || "/root"}]\n`);
  }
});

Deno.test("a startup script that alters the files alters the environment of all that follows", async () => {
  await using built = await derive(
    `
    RUN echo old > /etc/container_environment/CHANGED
    RUN echo old > /etc/container_environment/REMOVED
    ADD alter /etc/my_init.d/50_alter
    ADD show /etc/my_init.d/60_show
    ADD service /etc/service/service/run
    `,
    {
      alter: `#!/bin/sh -e
cd /etc/container_environment
echo new > CHANGED
echo new > ADDED
rm REMOVED
echo 'export NO_EFFECT=1' >> ../container_environment.sh
echo '{"NO_EFFECT": "1"}' > ../container_environment.json
`,
      show: `#!/bin/sh\necho "script: $CHANGED $ADDED [$REMOVED$NO_EFFECT]"\n`,
      service: `#!/bin/sh
echo late > /etc/container_environment/CHANGED
echo "service: $CHANGED $ADDED [$REMOVED$NO_EFFECT]"
exec sleep 1000
`,
    },
  );
  await using container = await startContainer([], { from: built.name });
  await container.says("service: new new []\n");
  await container.says("script: new new []\n");
  assertEquals(
    await sourced(container, "CHANGED", "ADDED", "REMOVED", "NO_EFFECT"),
    "[new][new][][]",
  );
  const json = JSON.parse(await container.sh("cat /etc/container_environment.json"));
  assertEquals([json.CHANGED, json.ADDED, json.REMOVED, json.NO_EFFECT], [
    "new",
    "new",
    undefined,
    undefined,
  ]);
  // Only startup scripts change the environment: the change of a service has no effect, also not on the next start of a service.
  await container.sh("sv -w 5 restart service >/dev/null");
  await until(async () => (await container.logs()).stdout.split("service: new").length === 3);
});

const reads = {
  ".sh": ". /etc/container_environment.sh && echo $SECRET",
  ".json": 'grep -o \'"SECRET": *"s"\' /etc/container_environment.json | cut -d \'"\' -f 4',
  "the directory": "cat /etc/container_environment/SECRET; echo",
};

Deno.test("who reads the dumps", async (test) => {
  const options = ["-e", "SECRET=s"];
  const users = "RUN useradd -G docker_env friend && useradd stranger";
  await using closed = await derive(users);
  await using relaxed = await derive(`
    ${users}
    RUN chmod 755 /etc/container_environment
    RUN chmod 644 /etc/container_environment.sh /etc/container_environment.json
  `);
  await using secret = await startContainer([], { from: closed.name, options });
  await using open = await startContainer([], { from: relaxed.name, options });
  await secret.booted();
  await open.booted();
  await test.step("the image's own files are read by others only when the directory is open", async () => {
    const read = (container: Container) =>
      container.exec("setuser", "stranger", "cat", "/etc/container_environment/INITRD");
    assertEquals((await read(secret)).status, 1);
    assertEquals((await read(open)).stdout.trim(), "no");
  });
  for (const [what, script] of Object.entries(reads)) {
    const read = async (container: Container, user: string) =>
      (await container.exec("setuser", user, "sh", "-c", script)).stdout.trim();
    await test.step(`${what}: the group docker_env does`, async () => {
      assertEquals(await read(secret, "friend"), "s");
    });
    await test.step(`${what}: others do not`, async () => {
      assertEquals(await read(secret, "stranger"), "");
    });
    await test.step(`${what}: all do, when a Dockerfile relaxes it`, async () => {
      assertEquals(await read(open, "stranger"), "s");
    });
  }
  await test.step("the image's own variables are read like those of docker run", async () => {
    const own = (user: string) => ["setuser", user, "cat", "/etc/container_environment/LANG"];
    assertEquals((await open.exec(...own("stranger"))).stdout.trim(), "en_US.UTF-8");
    assertEquals((await secret.exec(...own("friend"))).stdout.trim(), "en_US.UTF-8");
    assertEquals((await secret.exec(...own("stranger"))).stdout, "");
  });
  await test.step("root owns them", async () => {
    const modes = await secret.sh("stat -c '%U:%G' /etc/container_environment*");
    assertMatch(modes, /^(root:docker_env\n){3}$/);
  });
});
