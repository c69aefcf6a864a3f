import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Container, derive, startContainer } from "../support/container.ts";
import { secondsOf, until } from "../support/until.ts";

const built = () =>
  derive(
    `
RUN mkdir /etc/service/worker /etc/service/crash /etc/service/finish /etc/service/off
COPY worker /etc/service/worker/run
COPY crash /etc/service/crash/run
COPY finishrun /etc/service/finish/run
COPY finish /etc/service/finish/finish
COPY off /etc/service/off/run
RUN touch /etc/service/off/down
COPY signals /usr/local/bin/signals
CMD ["/sbin/my_init", "--skip-startup-files"]
`,
    {
      worker:
        "#!/bin/sh\ntrap 'echo worker working; sleep 2; echo worker finished; exit 0' TERM\necho worker ready $FROM_DOCKER\nwhile :; do sleep 0.05; done\n",
      crash: "#!/bin/sh\necho crash $$ starts\nexec sleep 1000\n",
      finishrun: "#!/bin/sh\necho finish ready\nexec sleep 1000\n",
      finish: "#!/bin/sh\necho finish script $1 $2\n",
      off: "#!/bin/sh\necho off must not run\n",
      signals:
        "#!/bin/sh\nwhile read -r line; do case $line in SigBlk*|SigIgn*) echo $line ;; esac; done </proc/$1/status\n",
    },
  );

/** What a worker prints that was told to end and given the time for it. */
const FINISHED = /worker working\n[^]*worker finished\n/;

async function pidOf(container: Container, service: string): Promise<string> {
  return await container.sh(`cat /etc/service/${service}/supervise/pid`);
}

Deno.test("runit's services", async (test) => {
  await using image = await built();
  await using container = await startContainer([], {
    from: image.name,
    options: ["-e", "FROM_DOCKER=variable"],
  });

  await test.step("are started with the container's environment", async () => {
    await container.says("worker ready variable\n");
    await container.says("crash ");
    await container.says("finish ready");
  });
  await test.step("that have a down file are not", async () => {
    assertStringIncludes((await container.exec("sv", "status", "off")).stdout, "down: off");
  });
  await test.step("have no signal ignored and none blocked (B2)", async () => {
    assertEquals(
      await container.sh("signals $(cat /etc/service/worker/supervise/pid)"),
      "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n",
    );
  });
  await test.step("are restarted when they crash", async () => {
    const before = await pidOf(container, "crash");
    await container.sh(`kill -KILL ${before}`);
    await until(async () => (await container.logs()).stdout.split(" starts").length > 2);
    const after = await pidOf(container, "crash");
    assert(after !== before && after !== "", `${before} ${after}`);
  });
  await test.step("are restarted again and again without a zombie", async () => {
    await container.sh("for i in 1 2 3 4 5; do sv -w 5 restart crash >/dev/null; done");
    await until(async () => !(await container.sh("ps -eo stat=")).includes("Z"));
  });
  await test.step("are taken down by docker stop: one that traps TERM finishes, finish scripts run", async () => {
    let status = -1;
    const seconds = await secondsOf(async () => status = await container.stop());
    const { stdout, stderr } = await container.logs();
    assertEquals(status, 0);
    assertMatch(stdout, FINISHED);
    assertStringIncludes(stdout, "finish script -1 15\n");
    assert(!stdout.includes("off must not run"));
    assert(!stderr.includes("in time"), stderr);
    assert(seconds < 5, `${seconds} s`);
  });
  await test.step("come back after docker restart", async () => {
    await container.restart();
    await until(async () => (await container.logs()).stdout.split("worker ready").length > 2);
    assertEquals(await container.inspect("{{.State.Running}}"), "true");
  });
  await test.step("end with the main command, when there is one", async () => {
    await using once = await startContainer([
      "my_init",
      "--skip-startup-files",
      "--",
      "sh",
      "-c",
      "until sv status worker | grep -q ^run:; do sleep 0.05; done; sleep 0.3; exit 4",
    ], { from: image.name });
    assertEquals(await once.status(), 4);
    assertMatch((await once.logs()).stdout, FINISHED);
  });
});

Deno.test("a service with a file critical ends the container with its status (W19)", async () => {
  await using image = await derive(
    "RUN mkdir /etc/service/core && touch /etc/service/core/critical\nCOPY core /etc/service/core/run",
    {
      core: "#!/bin/sh\nsleep 0.5\nexit 42\n",
    },
  );
  await using container = await startContainer([], { from: image.name });
  assertEquals(await container.status(), 42);
  assertStringIncludes(
    (await container.logs()).stderr,
    "*** Critical service core ended with status 42",
  );
});

Deno.test("a critical service that a signal kills ends it with 128 + n, and its own finish script runs (W19)", async () => {
  await using image = await derive(
    "COPY run /etc/service/core/run\nCOPY finish /etc/service/core/finish\nRUN touch /etc/service/core/critical",
    {
      run: "#!/bin/sh\nkill -KILL $$\n",
      finish: "#!/bin/sh\necho finish script $1 $2\n",
    },
  );
  await using container = await startContainer([], { from: image.name });
  assertEquals(await container.status(), 137);
  assertStringIncludes((await container.logs()).stdout, "finish script -1 9\n");
});

Deno.test("a service that ignores TERM is killed within docker's grace, and named (B15)", async () => {
  await using image = await derive("RUN mkdir /etc/service/deaf\nCOPY deaf /etc/service/deaf/run", {
    deaf: "#!/bin/sh\ntrap '' TERM\necho deaf ready\nwhile :; do sleep 0.1; done\n",
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("deaf ready");
  assertEquals(await container.stop(), 0);
  assertStringIncludes(
    (await container.logs()).stderr,
    "*** Services did not shut down in time: deaf",
  );
});

Deno.test("a stop sent while services are just being started leaves none behind (#315)", async () => {
  await using image = await derive(
    "COPY run /etc/service/a/run\nRUN cd /etc/service && for i in 1 2 3 4 5 6 7 8 9; do cp -r a s$i; done",
    { run: "#!/bin/sh\nexec sleep 1000\n" },
  );
  for (let round = 0; round < 4; round++) {
    await using container = await startContainer(["my_init", "--skip-startup-files"], {
      from: image.name,
    });
    await container.booted();
    let status = -1;
    const seconds = await secondsOf(async () => status = await container.stop());
    assertEquals(status, 0);
    assert(seconds < 5, `${seconds} s`);
    assert(!(await container.logs()).stderr.includes("in time"));
  }
});

Deno.test("a runsvdir of somebody else's holds up no stop, and its services end in order", async () => {
  await using image = await derive("COPY run /srv/other/job/run", {
    run: "#!/bin/sh\ntrap 'sleep 0.5; echo job finished; exit' TERM\necho job ready\n" +
      "while :; do sleep 0.05; done\n",
  });
  await using container = await startContainer(
    ["/sbin/my_init", "--", "sh", "-c", "(setsid runsvdir /srv/other &); exec sleep 1000"],
    { from: image.name, options: ["-e", "KILL_PROCESS_TIMEOUT=20"] },
  );
  await container.says("job ready\n");
  const seconds = await secondsOf(() => container.stop(30));
  assert(seconds < 10, `${seconds} s`);
  const { stdout, stderr } = await container.logs();
  assertStringIncludes(stdout, "job finished\n");
  assert(!stderr.includes("in time"), stderr);
});
