import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";

Deno.test("one-shot commands: my_init -- ls lists the root, with startup files and runit around it", async () => {
  const { status, stdout, stderr } = await runContainer(["/sbin/my_init", "--", "ls"]);
  assertEquals(status, 0);
  for (const name of ["bin", "etc", "sbin", "usr", "var"]) {
    assertStringIncludes(stdout, name + "\n");
  }
  assertMatch(stderr, /Running \/etc\/rc\.local\.\.\.\n\*\*\* Booting runit daemon/);
});

Deno.test("--skip-startup-files --quiet prints what the command prints, and nothing else", async () => {
  const bare = await runContainer(["ls", "/"]);
  const { status, stdout, stderr } = await runContainer([
    "/sbin/my_init",
    "--skip-startup-files",
    "--quiet",
    "--",
    "ls",
    "/",
  ]);
  assertEquals([status, stdout, stderr], [0, bare.stdout, ""]);
});

Deno.test("the readme's image: a startup script, a variable, a service under setuser", async (test) => {
  await using built = await derive(
    `
CMD ["/sbin/my_init"]
RUN useradd --system memcache
RUN mkdir -p /etc/my_init.d
ADD logtime.sh /etc/my_init.d/logtime.sh
RUN echo Apachai Hopachai > /etc/container_environment/MY_NAME
RUN bash -c 'echo -e "Apachai Hopachai\\n" > /etc/container_environment/MY_LINE'
RUN mkdir /etc/service/memcached
ADD memcached /usr/bin/memcached
ADD memcached.sh /etc/service/memcached/run
RUN apt-get clean && rm -rf /var/lib/apt/lists/* /tmp/* /var/tmp/*
`,
    {
      "logtime.sh": "#!/bin/sh\ndate > /tmp/boottime.txt\n",
      memcached:
        '#!/bin/sh\necho "memcached of $(id -un), home $HOME, name $MY_NAME"\nexec sleep 1000\n',
      "memcached.sh":
        "#!/bin/sh\n# `/sbin/setuser memcache` runs the given command as the user `memcache`.\n" +
        "exec /sbin/setuser memcache /usr/bin/memcached >>/var/log/memcached.log 2>&1\n",
    },
  );
  await using container = await startContainer([], {
    from: built.name,
    options: ["-e", "FOO=bar", "-e", "HELLO=my beautiful world"],
  });
  await container.booted();

  await test.step("the script has logged the time of the boot", async () => {
    assertMatch(await container.sh("cat /tmp/boottime.txt"), /\d\d:\d\d:\d\d/);
  });
  await test.step("one final newline of a variable's file is stripped, a second one stays", async () => {
    assertEquals(
      await container.sh('. /etc/container_environment.sh; printf \'[%s]\' "$MY_NAME" "$MY_LINE"'),
      "[Apachai Hopachai][Apachai Hopachai\n]",
    );
  });
  await test.step("the dumps hold what docker and the directory gave", async () => {
    assertEquals(await container.sh("cat /etc/container_environment/HELLO"), "my beautiful world");
    const json = JSON.parse(await container.sh("cat /etc/container_environment.json"));
    assertEquals([json.FOO, json.HELLO, json.HOME, json.MY_NAME], [
      "bar",
      "my beautiful world",
      "/root",
      "Apachai Hopachai",
    ]);
    assertEquals(
      await container.sh(". /etc/container_environment.sh; echo $HELLO"),
      "my beautiful world\n",
    );
  });
  await test.step("the service runs as its user, with that user's home and the variables", async () => {
    const line = await container.sh(
      "until test -s /var/log/memcached.log; do sleep 0.05; done; cat /var/log/memcached.log",
    );
    assertEquals(line, "memcached of memcache, home /home/memcache, name Apachai Hopachai\n");
    assertEquals(await container.sh("ps -o user= -C sleep"), "memcache\n");
  });
  await test.step("docker exec runs commands beside it", async () => {
    assertEquals((await container.exec("echo", "hello", "world")).stdout, "hello world\n");
  });
  await test.step("it stops in order, with status 0", async () => {
    assertEquals(await container.stop(), 0);
    assert(!(await container.logs()).stderr.includes("in time"));
  });
});
