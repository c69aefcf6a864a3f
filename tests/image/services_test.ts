import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  Container,
  derive,
  restrictions,
  runContainer,
  startContainer,
} from "../support/container.ts";
import { CLEAN_SIGNALS, LASTS, onTerm, say, script, showSignals } from "../support/programs.ts";
import { until } from "../support/until.ts";

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
      worker: script(
        onTerm(
          "echo worker working; sleep 2; echo worker finished; exit 0",
          "echo worker ready $FROM_DOCKER; >/ready",
        ),
      ),
      crash: script("echo crash $$ starts; exec sleep 1000"),
      finishrun: script("echo finish ready; exec sleep 1000"),
      finish: say("finish script $1 $2"),
      off: say("off must not run"),
      signals: script(showSignals("$1")),
    },
  );

/** What a worker prints that got TERM and the time to end. */
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
      CLEAN_SIGNALS,
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
    assertEquals(await container.stop(30), 0);
    const { stdout, stderr } = await container.logs();
    assertMatch(stdout, FINISHED);
    assertStringIncludes(stdout, "finish script -1 15\n");
    assert(!stdout.includes("off must not run"));
    assert(!stderr.includes("in time"), stderr);
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
      "until [ -e /ready ]; do sleep 0.05; done; exit 4",
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
      finish: say("finish script $1 $2"),
    },
  );
  await using container = await startContainer([], { from: image.name });
  assertEquals(await container.status(), 137);
  assertStringIncludes((await container.logs()).stdout, "finish script -1 9\n");
});

Deno.test("a service that ignores TERM is killed within docker's grace, and named (B15)", async () => {
  await using image = await derive("RUN mkdir /etc/service/deaf\nCOPY deaf /etc/service/deaf/run", {
    deaf: script(onTerm("", "echo deaf ready")),
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
    { run: LASTS },
  );
  for (let round = 0; round < 4; round++) {
    await using container = await startContainer(["my_init", "--skip-startup-files"], {
      from: image.name,
    });
    await container.booted();
    assertEquals(await container.stop(), 0);
    assert(!(await container.logs()).stderr.includes("in time"));
  }
});

Deno.test("a runsvdir of somebody else's delays no stop, and its services end in order", async () => {
  await using image = await derive("COPY run /srv/other/job/run", {
    run: script(onTerm("sleep 0.5; echo job finished; exit", "echo job ready")),
  });
  await using container = await startContainer(
    ["/sbin/my_init", "--", "sh", "-c", "(setsid runsvdir /srv/other &); exec sleep 1000"],
    { from: image.name, options: ["-e", "KILL_PROCESS_TIMEOUT=20"] },
  );
  await container.says("job ready\n");
  await container.stop();
  const { stdout, stderr } = await container.logs();
  assertStringIncludes(stdout, "job finished\n");
  assert(!stderr.includes("in time"), stderr);
});

Deno.test("a critical service runs once and ends the container, also a second time (W19)", async (test) => {
  await using image = await derive(
    "COPY run finish /etc/service/core/\nCOPY own /etc/service/plain/run\nRUN touch /etc/service/core/critical",
    {
      run: "#!/bin/sh\necho core runs\nsleep 1.1\nexit 42\n",
      finish: say("finish script $1 $2"),
      own: LASTS,
    },
  );
  for (const [what, options] of Object.entries(restrictions)) {
    await test.step(`under ${what}`, async () => {
      await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
        from: image.name,
        options,
      });
      for (const start of ["first", "second"]) {
        if (start === "second") await container.restart();
        assertEquals(await container.status(), 42, start);
      }
      const { stdout, stderr } = await container.logs();
      const ofCore = stdout.split("\n").filter((line) => /^(core|finish) /.test(line));
      assertEquals(ofCore, ["core runs", "finish script 42 0", "core runs", "finish script 42 0"]);
      assertEquals(
        stderr.split("*** Critical service core ended with status 42\n").length,
        3,
        stderr,
      );
    });
  }
});

Deno.test("a stop of a critical service is not its end, and not delayed", async () => {
  await using image = await derive(
    "COPY run /etc/service/core/run\nRUN touch /etc/service/core/critical",
    { run: "#!/bin/sh\necho core runs\nexec sleep 1000\n" },
  );
  for (const options of Object.values(restrictions)) {
    await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
      from: image.name,
      options,
    });
    await container.says("core runs\n");
    assertEquals(await container.stop(), 0);
    const { stderr } = await container.logs();
    assert(!/Critical|in time/.test(stderr), stderr);
  }
});

Deno.test("sv finds the services wherever they are run, as docker exec and probes call it", async (test) => {
  await using image = await derive(
    "COPY run /etc/service/web/run\nCOPY run /etc/service/web/log/run\n" +
      "RUN ln -s /usr/bin/sv /etc/init.d/web && mkdir -p /srv/other/web && cp /etc/service/web/run /srv/other/web",
    { run: LASTS },
  );
  for (const [what, options] of Object.entries(restrictions)) {
    await test.step(`under ${what}`, async () => {
      await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
        from: image.name,
        options,
      });
      const answers = async (pattern: RegExp, ...words: string[]) => {
        const { status, stdout, stderr } = await container.exec(...words);
        assertMatch(stdout, pattern, `${words.join(" ")}: ${status} ${stdout}${stderr}`);
        assertEquals(status, 0, `${words.join(" ")}: ${stdout}${stderr}`);
      };
      await until(async () =>
        /run: web.*run: log/.test((await container.exec("sv", "status", "web")).stdout)
      );
      await answers(/^run: web: \(pid \d+\) \d+s; run: log: /, "sv", "status", "web");
      await answers(/^run: \S+\/web\/?: .*; run: log: /, "sv", "status", "/etc/service/web/");
      await answers(/^run: \S+\/web: /m, "sh", "-c", "sv status /etc/service/*; sv check web");
      await answers(/^ok: run: web: /, "sv", "restart", "web");
      // If a service ran for less than a second, runsv waits for one before it starts it again.
      const runs = "until /etc/init.d/web status | grep '^run: web: '; do sleep 0.05; done";
      await answers(/^run: web: /, "sh", "-c", runs);
      const other = await container.exec("env", "SVDIR=/srv/other", "sv", "status", "web");
      assertMatch(other.stdout, /^(fail|warning): web: unable to open supervise\/ok: /);
      await answers(/^ok: down: web: /, "/etc/init.d/web", "stop");
    });
  }
});

Deno.test("services of two containers that share /dev/shm and processes, as in a pod, do not meet", async () => {
  await using image = await derive("COPY run /etc/service/web/run", {
    run: "#!/bin/sh\necho service of $HOSTNAME\nexec sleep 1000\n",
  });
  const words = ["/sbin/my_init", "--skip-startup-files"];
  const readOnly = (name: string, ...options: string[]) =>
    startContainer(words, {
      from: image.name,
      options: ["--read-only", "-e", "DISABLE_CRON=1", "-h", name, ...options],
    });
  await using one = await readOnly("one", "--ipc", "shareable");
  await one.says("service of one\n");
  const ofOne = `container:${one.name}`;
  await using two = await readOnly("two", "--ipc", ofOne, "--pid", ofOne);
  await two.says("service of two\n");
  for (const [container, name] of [[one, "one"], [two, "two"]] as const) {
    assertMatch((await container.exec("sv", "restart", "web")).stdout, /^ok: run: web: /);
    const log = `service of ${name}\n`.repeat(2);
    await until(async () => (await container.logs()).stdout === log, 30);
  }
  await two.restart();
  let log = "";
  const hasStarted = async () => (log = (await two.logs()).stdout) === "service of two\n".repeat(3);
  await until(hasStarted, 10, () => `three starts in: ${log}`);
  assertEquals(await one.sh("ls -d /dev/shm/my_init.* | wc -l"), "2\n", "a leftover is removed");
  assertMatch((await one.exec("sv", "status", "web")).stdout, /^run: web: /);
});

Deno.test("nobody becomes root by making services in a place that is shared", async () => {
  await using image = await derive("COPY run /etc/service/web/run", {
    run: "#!/bin/sh\necho web runs\nexec sleep 1000\n",
  });
  const evil = "#!/bin/sh\necho evil runs as $(id -u)\nexec sleep 1000\n";
  await using hostile = await startContainer(["sleep", "1000"], {
    options: ["-u", "1000", "--ipc", "shareable"],
  });
  await hostile.sh(`cd /dev/shm
for name in service my_init my_init.1.00000000 my_init.4026531836.00000000; do
  mkdir -p $name/web $name/evil && printf '${evil.replaceAll("\n", "\\n")}' >$name/evil/run
  chmod 755 $name/evil/run && cp $name/evil/run $name/web/run && chmod 755 $name/web/run && chmod 700 $name
done`);
  await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
    from: image.name,
    options: ["--read-only", "-e", "DISABLE_CRON=1", "--ipc", `container:${hostile.name}`],
  });
  await container.says("web runs\n");
  // Long enough for runsvdir to read the directory a second time.
  await container.sh("sv -w 5 restart web");
  await container.says("web runs\nweb runs\n");
  assertEquals((await container.logs()).stdout.includes("evil"), false);
  assertEquals((await hostile.sh("ls -d /dev/shm/*/evil | wc -l")).trim(), "4");
});

Deno.test("a service whose directory is mounted read-only is moved, and no other", async () => {
  await using image = await derive("COPY run /etc/service/web/run", {
    run: LASTS,
  });
  await using volumes = await startContainer(["true"], {
    from: image.name,
    options: ["-v", "/etc/service/web"],
  });
  await using container = await startContainer(["/sbin/my_init", "--skip-startup-files"], {
    from: image.name,
    options: ["--volumes-from", `${volumes.name}:ro`],
  });
  await container.says(
    "*** Cannot write below /etc/service: running web from /run/my_init.",
  );
  await until(async () => (await container.exec("sv", "status", "web", "cron")).status === 0);
  await container.sh(
    "[ -p /etc/service/cron/supervise/ok ] && [ ! -e /etc/service/web/supervise ]",
  );
});

Deno.test("services are switched on and off under any user and on a read-only root, without an error of a shell", async (test) => {
  await using image = await derive(
    "COPY run /etc/service/web/run\nCOPY run /etc/service/my-other.app/run\nRUN touch /etc/service/my-other.app/down",
    { run: "#!/bin/sh\necho ${PWD##*/} runs\nexec sleep 1000\n" },
  );
  for (const [what, options] of Object.entries(restrictions)) {
    await test.step(`under ${what}`, async () => {
      await using container = await startContainer(["/sbin/my_init"], {
        from: image.name,
        options: [
          ...options,
          ...["-e", "DISABLE_WEB=yes", "-e", "DISABLE_CRON=on", "-e", "ENABLE_MY_OTHER_APP=True"],
          ...["-e", "ENABLE_SSH=perhaps"],
        ],
      });
      await container.says("my-other.app runs\n");
      await until(async () => (await container.exec("sv", "status", "web")).status === 0);
      assertMatch((await container.exec("sv", "status", "web")).stdout, /^down: web: \d+s\n/);
      assertMatch((await container.exec("sv", "status", "cron")).stdout, /^down: cron: \d+s\n/);
      assertMatch((await container.exec("sv", "start", "web")).stdout, /^ok: run: web: /);
      const { stdout, stderr } = await container.logs();
      assertStringIncludes(
        stderr,
        "*** Ignoring ENABLE_SSH=perhaps: use 1, true, yes, on, or 0, false, no, off\n",
      );
      assert(!/: line \d+: |bash: /.test(stdout + stderr), stdout + stderr);
    });
  }
});

Deno.test("where no service can be run there is one line, which says what to do", async () => {
  const command = ["/sbin/my_init", "--skip-startup-files", "--", "sh", "-c", "sleep 3; echo main"];
  const { status, stdout, stderr } = await runContainer(command, {
    options: ["--read-only", "--ipc", "none", "-u", "1000"],
  });
  assertEquals([status, stdout], [0, "main\n"]);
  const lines = stderr.split("\n").filter((line) => /cron|runsv/.test(line));
  assertEquals(lines, [
    "*** Cannot run cron, sshd, syslog-forwarder, syslog-ng: none of /etc/service, /run, /tmp, /dev/shm, /dev can be written; docker run --tmpfs /tmp helps",
  ]);
});

Deno.test("cron as another user says once why it does not run, whatever can be written to", async () => {
  await using container = await startContainer([], { options: ["-u", "1000", "--tmpfs", "/run"] });
  await container.says("*** Not starting cron: only root can run jobs as their users\n");
  await until(async () =>
    (await container.exec("sv", "status", "cron")).stdout.startsWith("down:")
  );
  const { stdout, stderr } = await container.logs();
  assertEquals((stdout + stderr).match(/^.*Not starting cron.*$/gm)?.length, 1);
});

Deno.test("a file down that this user may not read keeps its service down, and the container boots", async () => {
  const file = await Deno.makeTempFile(); // Mode 0600.
  try {
    const { status, stdout, stderr } = await runContainer(
      [
        ...["my_init", "--", "timeout", "10", "sh", "-c"],
        "until sv status cron | grep ^down:; do sleep 0.05; done",
      ],
      { options: ["-u", "1000", "-v", `${file}:/etc/service/cron/down:ro`] },
    );
    assertStringIncludes(stdout, "down: ", stderr);
    assertEquals(status, 0, stderr);
  } finally {
    await Deno.remove(file);
  }
});
