// Services that wait for each other, are patient, and say how they are.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Container, startContainer } from "../support/container.ts";
import { sleeper, withServices } from "../support/services.ts";
import { until } from "../support/until.ts";

async function output(container: Container): Promise<string> {
  const { stdout, stderr } = await container.logs();
  return stdout + stderr;
}

async function count(container: Container, text: string): Promise<number> {
  return (await output(container)).split(text).length - 1;
}

Deno.test("services that need each other", async (test) => {
  await using image = await withServices({
    db: {
      run:
        `#!/bin/sh\ntrap 'echo db ends; exit 0' TERM\necho db starts\nwhile :; do sleep 0.1; done\n`,
      check: "#!/bin/sh\necho no file yet\n[ -e /tmp/ready ]\n",
    },
    web: {
      run:
        `#!/bin/sh\ntrap 'sleep 0.5; echo web ends; exit 0' TERM\necho web starts\nwhile :; do sleep 0.1; done\n`,
      needs: "db\n",
    },
  });
  await using container = await startContainer([], { from: image.name });
  await test.step("wait until what they need is ready", async () => {
    await container.says("db starts");
    await until(async () => (await container.exec("healthy")).stdout.includes("web: waiting"));
    assertMatch((await container.exec("healthy")).stdout, /db: .*not ready/);
    assertEquals((await container.exec("healthy")).status, 1);
    assertEquals(await count(container, "web starts"), 0);
  });
  await test.step("say what they wait for, with what its check prints", async () => {
    await container.says("web waits for service db, not ready after 10 s", 30);
    await container.says("its check ends with status 1, and prints: no file yet");
  });
  await test.step("are started then, while PID 1 has slept in between", async () => {
    await container.sh("touch /tmp/ready");
    await container.says("web starts", 30);
    await until(async () => (await container.exec("healthy")).status === 0);
    assertEquals(await container.sh("ls /etc/service/web"), "finish\nneeds\nrun\nsupervise\n");
  });
  await test.step("end before what they need", async () => {
    assertEquals(await container.stop(), 0);
    assertMatch(await output(container), /web ends[^]*db ends/);
  });
  await test.step("wait once more after a docker restart", async () => {
    await container.restart();
    await until(async () => await count(container, "web starts") === 2, 30);
  });
});

Deno.test("a cycle, and a name that nothing has, end the boot with one line and status 1", async () => {
  for (
    const [needs, line] of [["b", "Services wait for each other: a needs b needs a;"], [
      "nothing",
      "Service a needs nothing, which is not in /etc/service: correct /etc/service/a/needs",
    ]]
  ) {
    await using image = await withServices({
      a: { run: sleeper("a"), needs: `${needs}\n` },
      b: { run: sleeper("b"), needs: "a\n" },
    });
    await using container = await startContainer([], { from: image.name });
    assertEquals(await container.status(), 1);
    assertStringIncludes(await output(container), `*** ${line}`);
  }
});

Deno.test("a service that is down is not waited for silently, and sv up lets the other one start", async () => {
  await using image = await withServices({
    db: { run: sleeper("db starts"), down: "" },
    web: { run: sleeper("web starts"), needs: "db\n" },
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("web waits for service db, which is down: `sv up db` starts it");
  await until(async () => (await container.exec("sv", "up", "db")).status === 0); // Once there is a runsv.
  await container.says("web starts", 30);
});

Deno.test("--wait-ready runs the command when every service is ready", async () => {
  await using image = await withServices({
    db: { run: sleeper("db starts"), check: "#!/bin/sh\n[ -e /tmp/ready ]\n" },
    plain: { run: sleeper("plain starts") },
    off: { run: sleeper("off starts"), down: "" },
  });
  await using container = await startContainer(
    ["my_init", "--wait-ready", "--", "sh", "-c", "echo main; healthy; exit $?"],
    { from: image.name },
  );
  await container.says("plain starts");
  await container.says("db starts");
  await container.sh("sleep 1; touch /tmp/ready");
  assertEquals(await container.status(), 0);
  const { stdout } = await container.logs();
  assertMatch(stdout, /main\ndb: up for \d+ s, ready\noff: down\nplain: up for \d+ s, ready\n/);
});

Deno.test("a program says by a newline on its notification-fd that it is ready", async () => {
  await using image = await withServices({
    db: {
      run: `#!/bin/sh
echo db starts
until [ -e /tmp/ready ]; do sleep 0.1; done
echo >&4
exec 4>&-
exec sleep 1000
`,
      "notification-fd": "4\n",
    },
    web: { run: sleeper("web starts"), needs: "db\n" },
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("db starts");
  await container.sh("sleep 2");
  assertMatch((await container.exec("healthy", "db")).stdout, /^db: up for \d+ s, not ready\n$/);
  await container.sh("touch /tmp/ready");
  await container.says("web starts", 30);
  await until(async () => (await container.exec("healthy")).status === 0);
  await container.sh("rm /tmp/ready; sv restart db"); // Its earlier word counts no more.
  assertEquals((await container.exec("healthy", "db")).status, 1);
  // The pipe has no name any more that another start could take away.
  await until(async () =>
    (await container.exec("test", "-e", "/etc/service/db/supervise/notification")).status === 1
  );
});

Deno.test("backoff", async (test) => {
  await using image = await withServices({
    web: {
      run: "#!/bin/sh\necho web starts\n[ -e /tmp/well ] || exit 3\nexec sleep 1000\n",
      backoff: "4\n",
    },
    restarted: {
      run: `#!/bin/sh\ntrap 'exit 0' TERM\necho restarted starts\nwhile :; do sleep 0.1; done\n`,
      give_up: "2 in 60\n",
    },
  });
  await using container = await startContainer([], { from: image.name });
  await test.step("says once that a service keeps ending", async () => {
    await until(async () => await count(container, "web starts") >= 3, 30);
    assertEquals(await count(container, "Service web"), 1);
    await container.says("Service web ended with status 3 after ");
    await container.says(" s; started again in 1 s");
  });
  await test.step("is seen by healthy", async () => {
    const failing = /^web: failing: ended \d+ times, last with status 3$/m;
    await until(async () => failing.test((await container.exec("healthy", "web")).stdout));
  });
  await test.step("lets sv down have its way in a pause", async () => {
    await until(async () =>
      (await container.sh("cat /etc/service/web/supervise/stat")) === "down\n"
    );
    await container.sh("sleep 1; sv down web");
    const before = await count(container, "web starts");
    await until(async () => (await container.exec("healthy", "web")).stdout === "web: down\n", 20);
    assertEquals(await count(container, "web starts"), before);
  });
  await test.step("lets sv up end a pause", async () => {
    await container.sh("touch /tmp/well; sv up web");
    await until(async () => (await container.exec("healthy", "web")).status === 0);
  });
  await test.step("and give_up take no restart for a crash", async () => {
    await container.sh("for i in 1 2 3; do sv -w 5 restart restarted; sleep 1.2; done");
    await until(async () => await count(container, "restarted starts") >= 4);
    assertEquals(await count(container, "Service restarted"), 0);
  });
  await test.step("does not hold up a stop", async () => {
    await container.sh("rm /tmp/well; sv restart web; true");
    await until(async () =>
      (await container.sh("cat /etc/service/web/supervise/stat")) === "down\n"
    );
    const begun = performance.now();
    assertEquals(await container.stop(), 0);
    assert(performance.now() - begun < 3500);
  });
});

Deno.test("a backoff that is not understood leaves the restarts to runit", async () => {
  await using image = await withServices({
    db: { run: sleeper("db starts") },
    web: { run: "#!/bin/sh\necho web starts\nexit 3\n", needs: "db\n", backoff: "soon\n" },
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("Ignoring /etc/service/web/backoff: it must hold seconds");
  await until(async () => await count(container, "web starts") >= 3, 30);
});

Deno.test("give_up leaves a service down after so many ends; with critical the container ends with its status", async () => {
  const files = { run: "#!/bin/sh\necho web starts\nexit 9\n", give_up: "3 in 60\n" };
  await using image = await withServices({ web: files });
  await using container = await startContainer([], { from: image.name });
  await container.says(
    "*** Service web has ended 3 times in 60 s, now with status 9: it stays down",
    30,
  );
  assertEquals(await count(container, "web starts"), 3);
  assertEquals((await container.exec("healthy")).status, 1);
  await using fatal = await withServices({ web: { ...files, critical: "" } });
  await using ending = await startContainer([], { from: fatal.name });
  assertEquals(await ending.status(), 9);
  assertEquals(await count(ending, "web starts"), 3);
});

Deno.test("a file unhealthy restarts a service, or ends the container, after so many failed checks", async () => {
  await using image = await withServices({
    a: {
      run: sleeper("a starts"),
      check: "#!/bin/sh\n[ -e /tmp/well ]\n",
      unhealthy: "restart 3\n",
    },
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("a starts");
  await container.sh("for i in 1 2 3 4; do healthy; done; true"); // It may still be starting.
  const succeed = "touch /tmp/well; until healthy; do sleep 0.1; done; rm /tmp/well; ";
  await container.sh(`${succeed} healthy; healthy; true`);
  assertEquals(await count(container, "a starts"), 1);
  await container.sh("healthy; true");
  await until(async () => await count(container, "a starts") === 2);
  await container.sh(
    `${succeed} echo end 2 >/etc/service/a/unhealthy; healthy; healthy; true`,
  );
  assertEquals(await container.status(), 1);
  assertStringIncludes(
    await output(container),
    "*** Service a is not healthy: ending the container",
  );
});

Deno.test("healthy", async (test) => {
  await using image = await withServices({
    a: {
      run: sleeper("a starts"),
      check: `#!/bin/sh
[ "$GREETING" = "good day" ] || exit 8
[ ! -e /tmp/hangs ] || exec sleep 777
[ -e /tmp/well ]
`,
      unhealthy: "restart 1\n",
    },
  });
  await using container = await startContainer(
    ["my_init", "--", "sh", "-c", "exec sleep 1000", "--skip-reindex"],
    { from: image.name, options: ["--no-healthcheck"] },
  );
  const up = (ends: string) => new RegExp(`^a: up for \\d+ s, ${ends}\n$`);
  await container.says("a starts");
  await test.step("gives a check the container's environment", async () => {
    // The main command's own `--skip-...` is none of my_init's.
    await container.sh("echo 'good day' >/etc/container_environment/GREETING; touch /tmp/well");
    await container.sh("echo \"export GREETING='good day'\" >>/etc/container_environment.sh");
    assertMatch((await container.exec("healthy")).stdout, up("ready"));
  });
  await test.step("counts no directory that has no run", async () => {
    await container.sh("mkdir /etc/service/notes");
    assertMatch((await container.exec("healthy")).stdout, up("ready"));
  });
  await test.step("follows no link that somebody has put into supervise", async () => {
    await container.sh("echo kept >/tmp/kept; ln -sf /tmp/kept /etc/service/a/supervise/failures");
    assertEquals((await container.exec("healthy", "a")).status, 0);
    assertEquals(await container.sh("cat /tmp/kept"), "kept\n");
  });
  await test.step("ends a check that hangs, and leaves nothing of it behind", async () => {
    await container.sh("touch /tmp/hangs; mv /etc/service/a/unhealthy /tmp");
    assertMatch(
      (await container.exec("healthy")).stdout,
      up("not ready: check ends with status 124"),
    );
    assertEquals((await container.exec("pgrep", "-xf", "sleep 777")).status, 1);
    await container.sh("rm /tmp/hangs; mv /tmp/unhealthy /etc/service/a");
  });
  await test.step("does not wait for a runsv that is dead", async () => {
    await container.sh(
      "rm /tmp/well; kill -STOP $(pgrep -x runsvdir); kill -KILL $(pgrep -xf 'runsv a')",
    );
    const { status, stdout } = await container.exec("timeout", "5", "healthy", "a");
    assertEquals(status, 1, stdout);
    await container.sh("kill -CONT $(pgrep -x runsvdir)");
  });
  await test.step("--json prints valid JSON, whatever a service is called", async () => {
    await container.sh(
      `cd /etc/service; d=$(printf 'b\\377\\n\\001"\\\\b'); mkdir "$d" "caf\u00e9"; ` +
        `for d in "$d" "caf\u00e9"; do printf '#!/bin/sh\\nexec sleep 1000\\n' >"$d/run"; done`,
    );
    const { services } = JSON.parse((await container.exec("healthy", "--json")).stdout);
    const names = services.map(({ name }: { name: string }) => name);
    assertEquals(names, ["a", 'b??"\\b', "caf\u00e9"]);
  });
});

Deno.test("healthy finds its own my_init where containers share their processes", async () => {
  await using image = await withServices({
    a: {
      run: sleeper("a starts"),
      check: "#!/bin/sh\n[ -e /tmp/well ]\n",
      unhealthy: "end 1\n",
    },
  });
  await using other = await startContainer(["my_init", "--skip-runit", "--", "sleep", "1000"], {
    from: image.name,
    options: ["--no-healthcheck"],
  });
  await using container = await startContainer([], {
    from: image.name,
    options: ["--no-healthcheck", "--pid", `container:${other.name}`],
  });
  await container.says("a starts");
  await container.sh("touch /tmp/well; until healthy; do sleep 0.1; done; rm /tmp/well");
  assertEquals((await container.exec("healthy")).status, 1);
  assertEquals(await container.status(), 1);
  assertEquals(await other.inspect("{{.State.Running}}"), "true");
});

Deno.test("healthy fails when no service is up, also where PID 1 is docker's init", async () => {
  await using image = await withServices({
    a: { run: "#!/bin/sh\nexit 3\n", give_up: "1 in 60\n" },
  });
  const start = (...words: string[]) =>
    startContainer(words, { from: image.name, options: ["--no-healthcheck", "--init"] });
  await using container = await start("my_init");
  await container.says("it stays down");
  assertEquals(await container.exec("healthy"), {
    status: 1,
    stdout: "a: failing: ended 1 time, last with status 3\n",
    stderr: "",
  });
  await using without = await start("my_init", "--skip-runit", "--", "sleep", "1000");
  assertEquals((await without.exec("healthy")).status, 0);
});

/** Writes a line for each time that PID 1 has gone to sleep: it executes itself then, and so its stack begins elsewhere. */
const WATCH_SLEEP = `last=
  while :; do
    read -r line </proc/1/stat
    set -- \${line##*) }
    case "\${26}" in
      0 | "$last") ;; # 0 is in the middle of an exec.
      *) echo "\${26}" >>/tmp/sleeps; last=\${26} ;;
    esac
    echo >>/tmp/looks
    sleep 0.1
  done`;

Deno.test("PID 1 wakes for the end of a service that has such files, once, and for nothing else", async (test) => {
  await using image = await withServices({
    db: { run: sleeper("db starts"), check: "#!/bin/sh\nexit 0\n", unhealthy: "restart 3\n" },
    web: { run: sleeper("web starts"), needs: "db\n", backoff: "9\n", give_up: "5 in 60\n" },
    plain: { run: sleeper("plain starts") },
  });
  await using container = await startContainer([], {
    from: image.name,
    options: ["--health-interval", "1s"],
  });
  const lines = async (file: string) => Number(await container.sh(`wc -l <${file}`));
  const isAsleep = async () => (await container.sh("cat /proc/1/status")).includes("Threads:\t1\n");
  /** How often it has gone to sleep anew, since it was told so last: after so many looks of a tenth of a second. */
  let known = 0;
  const wakings = async (looks: number) => {
    await until(isAsleep, 30);
    const before = await lines("/tmp/looks");
    await until(async () => await lines("/tmp/looks") >= before + looks, 60);
    const all = await lines("/tmp/sleeps"), fresh = all - known;
    known = all;
    return fresh;
  };
  const kill = (name: string) =>
    container.sh(`kill -KILL $(cat /etc/service/${name}/supervise/pid)`);
  await container.says("web starts", 30);
  await until(isAsleep, 20);
  await container.exec("sh", "-c", `(${WATCH_SLEEP}) >/dev/null 2>&1 &`);
  await until(async () => (await container.exec("test", "-e", "/tmp/looks")).status === 0);
  await wakings(1);
  await test.step("not while nothing happens but health checks", async () => {
    assertEquals(await wakings(120), 0);
    assertEquals(await container.inspect("{{.State.Health.Status}}"), "healthy");
  });
  await test.step("not for an orphan, a signal that it only forwards, or another service", async () => {
    await container.sh("(sleep 0.2 &); kill -HUP 1");
    await kill("plain");
    await until(async () => await count(container, "plain starts") === 2);
    assertEquals(await wakings(20), 0);
  });
  await test.step("once for each end", async () => {
    for (const starts of [2, 3]) {
      await kill("web");
      await until(async () => await count(container, "web starts") === starts, 20);
      assertEquals(await wakings(20), 1);
    }
  });
  await test.step("once for the end of one that others need", async () => {
    await kill("db");
    await until(async () => await count(container, "db starts") === 2);
    assertEquals(await wakings(20), 1);
  });
});

Deno.test("DRAIN_SECONDS: healthy fails at once, and everything still runs for so long", async () => {
  await using image = await withServices({
    web: {
      run:
        `#!/bin/sh\ntrap 'echo web ends; exit 0' TERM\necho web starts\nwhile :; do sleep 0.1; done\n`,
    },
  });
  await using container = await startContainer([], {
    from: image.name,
    options: ["-e", "DRAIN_SECONDS=6", "--read-only"],
  });
  await container.says("web starts");
  await until(async () => (await container.exec("healthy")).status === 0);
  await container.signal("TERM");
  await container.says("*** Draining for 6 seconds...");
  const { status, stdout } = await container.exec("healthy", "--json");
  assertEquals([status, stdout], [1, '{"well":false,"services":[]}\n']);
  assertEquals(await count(container, "web ends"), 0);
  await container.signal("TERM"); // A second one cuts it short.
  assertEquals(await container.status(), 0);
  assertEquals(await count(container, "web ends"), 1);
});

Deno.test("managed services and healthy work as another user on a read-only root", async () => {
  await using image = await withServices({
    db: { run: sleeper("db starts"), check: "#!/bin/sh\n[ -e /tmp/ready ]\n" },
    web: {
      run: "#!/bin/sh\necho web starts\n[ -e /tmp/well ] || exit 1\nexec sleep 1000\n",
      needs: "db\n",
      backoff: "2\n",
    },
  });
  await using container = await startContainer([], {
    from: image.name,
    options: ["-u", "1000", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
  });
  await container.says("db starts");
  assertStringIncludes((await container.exec("healthy")).stdout, "web: waiting");
  await container.sh("touch /tmp/ready");
  await container.says("web starts", 30);
  await container.says("Service web ended with status 1");
  await container.sh("touch /tmp/well");
  await until(async () => (await container.exec("healthy")).status === 0, 20);
});

Deno.test("a startup script that writes a service's files anew at each boot changes no other service", async (test) => {
  const script = `#!/bin/sh
cd /etc/service/a
printf '#!/bin/sh\\necho a starts\\nexec sleep 1000\\n' >run
printf '#!/bin/sh\\necho a finishes\\n' >finish
`;
  const ready = "#!/bin/sh\necho >&3\nexec sleep 1000\n";
  await using image = await withServices({
    a: { run: "#!/bin/sh\n", finish: "#!/bin/sh\n", "notification-fd": "3\n", backoff: "9\n" },
    b: { run: ready, "notification-fd": "3\n" },
  }, { script });
  await using container = await startContainer([], { from: image.name });
  for (const starts of [1, 2]) {
    await test.step(`start ${starts}`, async () => {
      await until(async () => await count(container, "a starts") === starts, 30);
      await until(async () => /, ready/.test((await container.exec("healthy", "b")).stdout), 30);
      await container.sh("sv down a");
      await until(async () => await count(container, "a finishes") === starts, 30);
    });
    if (starts === 1) await container.restart();
  }
});

Deno.test("a service that was critical at an earlier start ends without harm to the command", async () => {
  await using image = await withServices({ a: { run: sleeper("a starts"), critical: "" } });
  await using container = await startContainer(
    ["my_init", "--", "sh", "-c", "echo hello; exec sleep 1000"],
    { from: image.name },
  );
  await container.says("a starts");
  await container.sh("rm /etc/service/a/critical");
  await container.restart();
  await until(async () => await count(container, "a starts") === 2, 30);
  for (const starts of [3, 4]) { // Awake and asleep.
    await container.sh("kill -KILL $(cat /etc/service/a/supervise/pid)");
    await until(async () => await count(container, "a starts") === starts, 30);
    await until(
      async () => (await container.exec("test", "-e", "/proc/1/fd/250")).status === 0,
      30,
    );
  }
  assertEquals(await count(container, "exited with status"), 1); // Of the first stop.
});

Deno.test("a check may take longer than it is waited for, and leaves nothing behind when it takes too long", async () => {
  await using image = await withServices({
    slow: { run: sleeper("slow starts"), check: "#!/bin/sh\nsleep 12\n" },
    hung: { run: sleeper("hung starts"), check: "#!/bin/sh\necho >>/tmp/checks\nsleep 600\n" },
    web: { run: sleeper("web starts"), needs: "slow\n" },
    app: { run: sleeper("app starts"), needs: "hung\n" },
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("web waits for service slow, not ready after 10 s: its check has not ended");
  await container.says("web starts", 60);
  await until(async () => (await container.sh("cat /tmp/checks")) === "\n\n", 60);
  await until(async () => (await container.exec("pgrep", "-cxf", "sleep 600")).stdout === "1\n");
});

Deno.test("services may be called like members of every object in JavaScript", async () => {
  const names = ["constructor", "toString", "__proto__", "valueOf"];
  await using image = await withServices({
    ...Object.fromEntries(names.map((name) => [name, { run: sleeper(`${name} starts`) }])),
    hasOwnProperty: { run: sleeper("hasOwnProperty starts"), owns_descendants: "" },
  });
  await using container = await startContainer([], { from: image.name });
  for (const name of [...names, "hasOwnProperty"]) await container.says(`${name} starts`, 30);
  await until(async () => (await container.exec("test", "-e", "/proc/1/fd/250")).status === 0, 30);
  assertEquals(await container.stop(), 0);
  assertEquals((await container.logs()).stderr.match(/.*error.*/gi), null);
});
