// The boot and the stop as a picture. With `-- --update` the first test renews the one that README.md shows.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { derive, type Derived, docker, startContainer } from "../support/container.ts";
import { project } from "../support/namespace.ts";
import { until } from "../support/until.ts";

function example(): Promise<Derived> {
  return derive(
    [
      "COPY migrate /etc/my_init.d/20_migrate",
      "COPY tell /etc/my_init.pre_shutdown.d/10_tell",
      "COPY db /etc/service/db/run",
      "COPY check /etc/service/db/check",
      "COPY web /etc/service/web/run",
      "COPY worker /etc/service/worker/run",
      "RUN echo db >/etc/service/web/needs && echo 30 >/etc/service/worker/backoff",
    ].join("\n"),
    {
      migrate: "#!/bin/sh\nsleep 0.7\n",
      tell: "#!/bin/sh\nsleep 0.2\n",
      db: "#!/bin/sh\nsleep 0.6\ntouch /tmp/ready\n" +
        "trap 'sleep 0.3; exit' TERM\nwhile :; do sleep 0.1; done\n",
      check: "#!/bin/sh\n[ -e /tmp/ready ]\n",
      web: "#!/bin/sh\nexec sleep 1000\n",
      worker: "#!/bin/sh\n[ -e /tmp/tried ] || { touch /tmp/tried; sleep 0.4; exit 3; }\n" +
        "exec sleep 1000\n",
    },
  );
}

/** What is said of each line, by its name. */
function notes(svg: string): Record<string, string> {
  const rows = svg.matchAll(/<title>([^<:]*): ([^<]*)<\/title>/g);
  return Object.fromEntries([...rows].map(([, name, note]) => [name, note]));
}

Deno.test("TIMELINE names a file that shows the boot when all services are ready, and at the end the stop", async () => {
  await using image = await example();
  const options = ["-e", "TIMELINE=/tmp/boot.svg"];
  await using container = await startContainer([], { from: image.name, options });
  await until(async () => (await container.exec("test", "-e", "/tmp/boot.svg")).status === 0, 30);
  const boot = notes(await container.sh("cat /tmp/boot.svg"));
  assertMatch(boot["20_migrate"], /^[\d.]+ m?s$/);
  for (const name of ["cron", "syslog-ng", "db", "web"]) assertMatch(boot[name], /^ready at /);
  assertMatch(boot.worker, /^ready at .*, 2 starts$/);
  assertEquals([boot.sshd, boot.services], ["down", undefined]);
  assertEquals(await container.stop(), 0);
  const svg = await container.read("/tmp/boot.svg");
  const stop = notes(svg);
  assertMatch(stop["first scripts"], /^[\d.]+ m?s of [\d.]+ s$/);
  assertMatch(stop.services, / ms of .* s$/);
  assertMatch(stop.db, /^[\d.]+ m?s$/);
  if (Deno.args.includes("--update")) {
    await Deno.writeTextFile(join(project, "docs/timeline.svg"), svg);
  }
});

for (const options of [[], ["--read-only", "-u", "1000", "--tmpfs", "/tmp"], ["--init"]]) {
  Deno.test(`my_init --timeline prints how the container has booted, and does not wake PID 1 (${options})`, async () => {
    await using image = await example();
    await using container = await startContainer([], { from: image.name, options });
    await container.booted();
    const printed = async () => await container.exec("my_init", "--timeline");
    let svg = await printed(); // It waits until PID 1 sleeps.
    await until(
      async () => {
        svg = await printed();
        return svg.status === 0 && notes(svg.stdout).worker?.startsWith("ready");
      },
      30,
      () => svg.stdout + svg.stderr,
    );
    const init = options.includes("--init") ? "$(pgrep -xo my_init)" : "1";
    const switches = `grep ctxt /proc/${init}/status`;
    const before = await container.sh(switches);
    const { db, web } = notes((await printed()).stdout);
    assertMatch(db, /^ready at /);
    assertMatch(web, /^ready at /);
    assertEquals(await container.sh(switches), before);
  });
}

Deno.test("my_init --timeline by root, where PID 1 is another user's, says whose it is", async () => {
  await using container = await startContainer([], { options: ["-u", "1000"] });
  await container.booted();
  const { status, stderr } = await docker([
    "exec",
    "-u",
    "0",
    container.name,
    "my_init",
    "--timeline",
  ]);
  assertEquals(status, 1);
  assertStringIncludes(stderr, "run it again as the user of PID 1");
});

Deno.test("a TIMELINE that cannot be written is one warning, and changes nothing", async () => {
  for (
    const [file, line] of [
      ["/none/boot.svg", "Cannot write /none/boot.svg: No such file or directory"],
      ["/dev/stdout", "Cannot write /dev/stdout: TIMELINE must name a file, and this is none"],
    ]
  ) {
    await using container = await startContainer(
      ["my_init", "--", "sh", "-c", "echo main; exit 4"],
      {
        options: ["-e", `TIMELINE=${file}`],
      },
    );
    assertEquals(await container.status(), 4);
    const { stdout, stderr } = await container.logs();
    assertEquals(stderr.split("Cannot write").length - 1, 1, stderr);
    assertStringIncludes(stderr, line);
    assert(stdout.startsWith("main\n"));
  }
});
