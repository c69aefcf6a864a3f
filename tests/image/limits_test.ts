import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";
import { lateAfter, onTerm, say, script } from "../support/programs.ts";
import { until } from "../support/until.ts";

/** A service that takes so many seconds to end after TERM. */
const takes = (seconds: number, name: string) =>
  script(onTerm(`sleep ${seconds}; echo ${name} finished; exit 0`, `echo ${name} ready`));

/** A `finish` script that takes so many seconds. */
const finishes = (seconds: number, name: string) =>
  script(`sleep ${seconds}; echo ${name} finished`);

Deno.test("a stop gives each service its own time", async (test) => {
  await using image = await derive(
    `
RUN echo 4 >/etc/container_environment/KILL_PROCESS_TIMEOUT
RUN cd /etc/service && mkdir patient hasty slow tidy tardy && \\
  echo 1m >patient/KILL_PROCESS_TIMEOUT && echo 0.5 >hasty/KILL_PROCESS_TIMEOUT
COPY patient /etc/service/patient/run
COPY hasty /etc/service/hasty/run
COPY slow /etc/service/slow/run
COPY quick /etc/service/tidy/run
COPY quick /etc/service/tardy/run
COPY tidy /etc/service/tidy/finish
COPY tardy /etc/service/tardy/finish
`,
    {
      patient: takes(6, "patient"),
      hasty: takes(30, "hasty"),
      slow: takes(30, "slow"),
      quick: script("echo quick ready; exec sleep 1000"),
      tidy: finishes(0.5, "tidy"),
      tardy: finishes(100, "tardy"),
    },
  );
  await using container = await startContainer(["my_init", "--skip-startup-files"], {
    from: image.name,
  });
  for (const name of ["patient", "hasty", "slow"]) await container.says(`${name} ready\n`);
  await until(async () => (await container.logs()).stdout.split("quick ready").length === 3, 20);
  const status = await container.stop(30);
  const { stdout, stderr } = await container.logs();
  const isNamed = (name: string) =>
    new RegExp(`^\\*\\*\\* Services did not shut down in time: .*\\b${name} \\(PID`, "m").test(
      stderr,
    );
  const isFinished = (name: string) => stdout.includes(`${name} finished\n`);
  const fates: Record<string, [string, boolean]> = {
    "one with a longer limit in its folder finishes (W13)": ["patient", true],
    "one with a shorter limit in its folder is ended by it, and named (W13)": ["hasty", false],
    "others have the limit of the environment's directory (W13, B10)": ["slow", false],
    "a finish script within the limit is waited for (B27)": ["tidy", true],
    "a finish script that takes longer is ended, and named (B27)": ["tardy", false],
  };
  for (const [what, [name, inTime]] of Object.entries(fates)) {
    await test.step(what, () => {
      assertEquals([isFinished(name), isNamed(name)], [inTime, !inTime], stdout + stderr);
    });
  }
  await test.step("the status is that of a stop in order", () => assertEquals(status, 0));
});

const HANGS = script(onTerm("", ":"));

Deno.test("whatever hangs at once cannot delay docker stop beyond SHUTDOWN_TIMEOUT (W1, B14, B15)", async () => {
  await using image = await derive(
    `
RUN cd /etc/service && mkdir deaf finish stopped
COPY hangs /etc/service/deaf/run
COPY ready /etc/service/finish/run
COPY hangs /etc/service/finish/finish
COPY ready /etc/service/stopped/run
COPY late /etc/my_init.pre_shutdown.d/hangs
COPY post /etc/my_init.post_shutdown.d/00_post
COPY hangs /etc/my_init.post_shutdown.d/99_hangs
`,
    {
      hangs: HANGS,
      late: script(`trap '' TERM; (${lateAfter(7)}) & sleep 100`), // Without the variable it has 9.
      ready: script("echo service ready; exec sleep 1000"),
      post: say("post"),
    },
  );
  await using container = await startContainer(
    ["my_init", "--", "sh", "-c", onTerm("exit 3", ":")],
    { from: image.name, options: ["-e", "SHUTDOWN_TIMEOUT=4"] },
  );
  await container.says("service ready\nservice ready\n");
  await container.sh("kill -STOP $(pgrep -f '^runsv stopped$')");
  await container.sh("mkfifo /keys; setsid bash -i <>/keys >/dev/null 2>&1 &"); // It ignores TERM.
  const status = await container.stop();
  const { stdout, stderr } = await container.logs();
  assertEquals(status, 3, "its own, and not that of docker's KILL");
  assert(!stdout.includes("late"), stdout);
  assertStringIncludes(stdout, "post\n");
  for (const name of ["hangs (PID", "deaf (PID", "finish (PID", "Not all processes have exited"]) {
    assertStringIncludes(stderr, name);
  }
});

Deno.test("a second TERM ends the waiting for services and scripts at once (B14)", async () => {
  await using image = await derive(
    "COPY hangs /etc/service/deaf/run\nCOPY slow /etc/service/slow/run\nCOPY post /etc/my_init.post_shutdown.d/post",
    {
      hangs: script(onTerm("", "echo deaf ready")),
      slow: takes(6, "slow"),
      post: say("post"),
    },
  );
  await using container = await startContainer([], {
    from: image.name,
    options: ["-e", "KILL_PROCESS_TIMEOUT=100"],
  });
  await container.says("deaf ready\n");
  await container.says("slow ready\n");
  await container.signal("TERM");
  await container.says("Shutting down runit daemon");
  await container.signal("TERM");
  assertEquals(await container.status(), 0);
  const { stdout } = await container.logs();
  assertStringIncludes(stdout, "post\n");
  assert(!stdout.includes("slow finished"), stdout);
});

Deno.test("no finish script is left out at a stop, however soon after its start (B27)", async () => {
  await using image = await derive(
    "COPY run finish /etc/service/a/\nRUN cd /etc/service && for i in $(seq 39); do cp -r a s$i; done",
    {
      run: "#!/usr/bin/perl\n" +
        "$SIG{TERM} = sub { select(undef, undef, undef, 0.03 + rand(0.9)); exit 0 };\n" +
        "select(undef, undef, undef, 0.05) while 1;\n",
      finish: "#!/bin/sh\necho finished\n",
    },
  );
  await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
    from: image.name,
  });
  await until(async () => (await container.exec("pgrep", "-xc", "run")).stdout.trim() === "40");
  assertEquals(await container.stop(), 0);
  assertEquals((await container.logs()).stdout.split("finished\n").length - 1, 40);
});

Deno.test("a server behind a wrapper that ignores TERM, as mysqld_safe does, is terminated nevertheless (W1)", async () => {
  await using image = await derive(
    "COPY run /etc/service/database/run\nCOPY server /usr/local/bin/server",
    {
      run: "#!/bin/sh\ntrap '' 1 2 3 15\n/usr/local/bin/server\n",
      server:
        "#!/usr/bin/perl\n$| = 1; $SIG{TERM} = sub { sleep 1; print qq(flushed\\n); exit };\n" +
        "print qq(ready\\n); sleep 1 while 1;\n",
    },
  );
  await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
    from: image.name,
    options: ["-e", "KILL_PROCESS_TIMEOUT=1"],
  });
  await container.says("ready\n");
  assertEquals(await container.stop(), 0);
  await container.says("flushed\n");
});
