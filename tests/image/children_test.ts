import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";

const withRunit = ["my_init", "--quiet", "--skip-startup-files"];

Deno.test("docker run -i: what is on standard input is the command's, though a service reads, too", async () => {
  await using image = await derive("COPY reads /etc/service/reads/run", {
    reads: "#!/bin/sh\ncat >/dev/null\n: >/read\nexec sleep 1000\n",
  });
  const { stdout } = await runContainer(
    [...withRunit, "--", "sh", "-c", "until test -e /read; do sleep 0.02; done; cat"],
    { from: image.name, stdin: "data\n" },
  );
  assertEquals(stdout, "data\n");
});

Deno.test("a service of another user may open /dev/stdout and /dev/stderr by name", async () => {
  await using image = await derive("COPY writes /etc/service/writes/run", {
    writes:
      "#!/bin/sh\nexec setuser nobody sh -c 'echo to out >/dev/stdout; echo to err >/dev/stderr; exec sleep 1000'\n",
  });
  await using container = await startContainer(withRunit, { from: image.name });
  await container.says("to err\n");
  assertStringIncludes((await container.logs()).stdout, "to out\n");
});

Deno.test("an orphan of a service that holds the log's pipe open does not delay a stop", async () => {
  await using image = await derive(
    "COPY run /etc/service/web/run\nCOPY log /etc/service/web/log/run",
    {
      run: "#!/bin/sh\n(sleep 1000 &)\necho web ready\nexec sleep 1000\n",
      log: '#!/bin/sh\nwhile read -r line; do echo "log: $line"; done; echo log at its end\n',
    },
  );
  await using container = await startContainer(withRunit, { from: image.name });
  await container.says("log: web ready\n");
  assertEquals(await container.stop(), 0);
  const { stdout, stderr } = await container.logs();
  assertStringIncludes(stdout, "log at its end\n");
  assert(!stderr.includes("in time"), stderr);
});

Deno.test("a runsvdir that misses its first TERM, just after its start, is not waited for", async () => {
  for (let round = 0; round < 30; round++) {
    const { status, stderr } = await runContainer([...withRunit, "--", "true"], {
      options: ["-e", "SHUTDOWN_TIMEOUT=1"], // It lists the processes again after more than a second.
    });
    assertEquals(status, 0);
    assert(!stderr.includes("runit daemon"), `round ${round}: ${stderr}`);
  }
});

Deno.test("a service with a file stop_last lives until the last scripts have run", async () => {
  const service = (name: string) =>
    `#!/bin/sh\ntrap 'echo ${name} ends; exit' TERM\necho ${name} ready\nwhile :; do sleep 0.05; done\n`;
  await using image = await derive(
    "COPY web /etc/service/web/run\nCOPY log /etc/service/log/run\nRUN touch /etc/service/log/stop_last\n" +
      "COPY post /etc/my_init.post_shutdown.d/post",
    { web: service("web"), log: service("log"), post: "#!/bin/sh\necho post\n" },
  );
  await using container = await startContainer(withRunit, { from: image.name });
  await container.says("web ready\n");
  await container.says("log ready\n");
  assertEquals(await container.stop(), 0);
  const lines = (await container.logs()).stdout.split("\n").filter((it) => !it.endsWith("ready"));
  assertEquals(lines, ["web ends", "post", "log ends", ""]);
});

Deno.test("where a seccomp profile forbids to wait for signals it says so and ends", async () => {
  const profile = await Deno.makeTempFile({ suffix: ".json" });
  const forbidden = { names: ["rt_sigtimedwait"], action: "SCMP_ACT_ERRNO" };
  await Deno.writeTextFile(
    profile,
    JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [forbidden] }),
  );
  try {
    const { status, stderr } = await runContainer([...withRunit, "--", "true"], {
      options: ["--security-opt", `seccomp=${profile}`],
    });
    assertEquals(status, 1);
    assertStringIncludes(stderr, "Cannot wait for signals: a seccomp profile forbids");
  } finally {
    await Deno.remove(profile);
  }
});

Deno.test("with only the capabilities SETUID and SETGID a stop names the processes that it cannot end", async () => {
  const options = ["--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID"];
  await using image = await derive("COPY web /etc/service/web/run", {
    web: "#!/bin/sh\nexec setuser nobody sh -c 'echo web ready; exec sleep 1000'\n",
  });
  await using container = await startContainer(withRunit, { from: image.name, options });
  await container.says("web ready\n");
  assertEquals(await container.stop(), 0, "not docker's KILL");
  const { stderr } = await container.logs();
  assertStringIncludes(stderr, "run the container with --cap-add KILL");
  assert(!stderr.includes("in time"), stderr);
});
