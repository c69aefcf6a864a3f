// syslog-ng as a service: what Dockerfiles, scripts and hostile programs do with it.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type Container,
  derive,
  docker,
  runContainer,
  startContainer,
} from "../support/container.ts";
import { pause, until } from "../support/until.ts";

const PIDS = "pgrep -x syslog-ng || :";

/** Logs a line again and again, until it is in /var/log/syslog. */
function logsTo(container: Container, line: string): Promise<unknown> {
  return until(async () => {
    await container.exec("logger", "-t", "shop", line);
    return (await container.sh("cat /var/log/syslog || :")).includes(`shop: ${line}`);
  }, 20);
}

Deno.test("sv status, hup, restart and stop mean syslog-ng, also the one that was started at boot", async (test) => {
  await using container = await startContainer();
  await container.booted();
  await until(async () => (await container.sh("sv status syslog-ng || :")).startsWith("run: "));
  const atBoot = await container.sh(PIDS);
  await test.step("hup: it opens its files anew, and is the same", async () => {
    await container.sh("mv /var/log/syslog /var/log/old && sv hup syslog-ng");
    await until(async () => (await container.exec("test", "-e", "/var/log/syslog")).status === 0);
    assertEquals(await container.sh(PIDS), atBoot);
  });
  await test.step("restart: another one answers, and there is one only", async () => {
    await container.sh("sv restart syslog-ng");
    // If a service ran for less than a second, runsv waits for one before it starts it again.
    await until(async () => {
      const pids = await container.sh(PIDS);
      return /^\d+\n$/.test(pids) && pids !== atBoot;
    });
    await logsTo(container, "after the restart");
    await container.says("shop: after the restart");
  });
  await test.step("10_syslog-ng.init, run by hand: all is well already", async () => {
    const before = await container.sh(PIDS);
    await container.sh("/etc/my_init.d/10_syslog-ng.init");
    assertEquals(await container.sh(PIDS), before);
  });
  await test.step("start: done at once, as another service's run script asks for it", async () => {
    assertEquals((await container.exec("sv", "start", "syslog-ng")).status, 0);
  });
  await test.step("stop: it is gone and stays away, until it is started", async () => {
    await container.sh("sv stop syslog-ng");
    assertEquals(await container.sh(PIDS), "");
    await container.sh("sv start syslog-ng && logger -t shop is open again");
    await container.says("shop: is open again");
  });
});

Deno.test("sv stop right after the boot ends the syslog-ng of the boot, and nothing takes over", async () => {
  await using container = await startContainer();
  await container.booted();
  await until(async () => (await container.sh("sv status syslog-ng || :")).startsWith("run: "));
  await container.sh("sv stop syslog-ng");
  assertEquals(await container.sh(PIDS), "");
  assertMatch(await container.sh("sv status syslog-ng"), /^down: /);
});

const forwarderOff = {
  "RUN touch /etc/service/syslog-forwarder/down": "",
  "RUN rm -rf /etc/service/syslog-forwarder": "",
};
for (const line of Object.keys(forwarderOff)) {
  Deno.test(`after ${line}, what is logged is in files only`, async () => {
    await using built = await derive(line);
    await using container = await startContainer([], { from: built.name });
    await container.booted();
    await logsTo(container, "quiet");
    const { stdout, stderr } = await container.logs();
    assert(!(stdout + stderr).includes("quiet"), stdout + stderr);
  });
}

const off = [
  "RUN touch /etc/service/syslog-ng/down",
  "RUN rm -rf /etc/service/syslog-ng",
  "RUN rm -rf /etc/service/syslog-ng /etc/service/syslog-forwarder",
  "RUN rm /etc/my_init.d/10_syslog-ng.init",
];
for (const line of off) {
  Deno.test(`after ${line}, there is no syslog, and no word about it`, async () => {
    await using built = await derive(line);
    await using container = await startContainer([], { from: built.name });
    await container.booted();
    await until(async () => (await container.sh("sv status cron || :")).startsWith("run: "));
    await container.sh(
      "! sv status syslog-ng || until sv status syslog-ng | grep -q ^down; do :; done",
    );
    assertEquals(await container.sh(PIDS), "");
    const { stdout, stderr } = await container.logs();
    assert(!/\*\*\* .*syslog-ng (did|does)|Not starting syslog/.test(stderr), stderr);
    assertEquals(stdout, "");
  });
}

Deno.test("a startup script may log: what it says is in docker logs", async () => {
  await using built = await derive("COPY log /etc/my_init.d/11_log", {
    log: "#!/bin/sh\nlogger -t startup early words\n",
  });
  await using container = await startContainer(["my_init", "--quiet"], { from: built.name });
  await container.says("startup: early words");
});

Deno.test("a boot program of one's own that runs runsvdir only has syslog, too", async () => {
  await using built = await derive(
    "COPY waits /etc/service/waits/run",
    {
      waits:
        "#!/bin/sh\nsv start syslog-ng || exit 1\nlogger -t shop syslog was there\nexec sleep 1000\n",
    },
  );
  await using container = await startContainer(["runsvdir", "-P", "/etc/service"], {
    from: built.name,
  });
  await container.says("shop: syslog was there");
  assertEquals((await container.logs()).stdout.split("was there").length, 2);
});

Deno.test("a run of one's own is left alone: nothing of ours is started, and docker logs shows /var/log/syslog", async () => {
  await using built = await derive("COPY run /etc/service/syslog-ng/run", {
    run: "#!/bin/sh\nexec syslog-ng -F -p /var/run/syslog-ng.pid --no-caps\n",
  });
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  await until(async () =>
    (await container.sh("sv status syslog-forwarder || :")).startsWith("run")
  );
  await logsTo(container, "my own");
  await container.says("shop: my own");
  assertEquals((await container.exec("sv", "start", "syslog-ng")).status, 0);
  assertEquals((await container.exec("healthy", "syslog-ng")).status, 0);
  assertEquals(
    await container.sh("ps -o args= -C syslog-ng"),
    "syslog-ng -F -p /var/run/syslog-ng.pid --no-caps\n",
  );
});

Deno.test("a syslog-ng that cannot start says so once, and is not started again each second", async () => {
  await using built = await derive("RUN echo nonsense >>/etc/syslog-ng/syslog-ng.conf");
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  await until(async () => (await container.sh("sv status syslog-ng || :")).startsWith("down: "));
  const { stderr } = await container.logs();
  assertEquals(stderr.split("syslog-ng did not start").length, 2, stderr);
  // Started by hand it prints that again, and does not try a second time, although runsv would after a second.
  await container.exec("sv", "start", "syslog-ng");
  await until(async () => (await container.sh("sv status syslog-ng || :")).startsWith("down: "));
  await pause(1500);
  assertEquals((await container.logs()).stderr.split("syslog-ng did not start").length, 3);
});

Deno.test("the shutdown script loses no line, with runit and without", async (test) => {
  const flood = "for i in $(seq 300); do echo line $i; done | logger -t flood";
  const shutdown = "/etc/my_init.post_shutdown.d/10_syslog-ng.shutdown";
  await test.step("with: nothing takes over, since the service ends, too", async () => {
    await using container = await startContainer();
    await container.booted();
    await until(async () => (await container.sh("sv status syslog-ng || :")).startsWith("run: "));
    await container.sh(`kill -STOP $(pidof runsvdir); ${flood}; ${shutdown}; ! pgrep -x syslog-ng`);
    await until(async () => (await container.logs()).stdout.includes("flood: line 300"));
    assertEquals((await container.logs()).stdout.match(/flood: line/g)?.length, 300);
  });
  await test.step("without", async () => {
    const { stdout, stderr } = await runContainer(
      ["my_init", "--quiet", "--skip-runit", "--", "sh", "-c", flood],
    );
    assertEquals((stdout + stderr).match(/flood: line/g)?.length, 300);
  });
});

Deno.test("syslog-ng.conf works without our scripts, and after the changes that Dockerfiles make by sed", async (test) => {
  await test.step("syslog-ng --foreground", async () => {
    const { stdout } = await runContainer([
      "sh",
      "-c",
      "syslog-ng -F & until [ -S /var/lib/syslog-ng/syslog-ng.ctl ]; do sleep 0.05; done; " +
      "logger -t shop an order; until grep -s shop: /var/log/syslog; do sleep 0.05; done",
    ]);
    assertStringIncludes(stdout, "shop: an order");
  });
  await test.step("service syslog-ng start", async () => {
    const { stdout } = await runContainer([
      "sh",
      "-c",
      "service syslog-ng start && logger -t shop an order; until grep -s shop: /var/log/syslog; do sleep 0.05; done",
    ]);
    assertStringIncludes(stdout, "shop: an order");
  });
  await test.step("sed", async () => {
    await using built = await derive(
      `RUN sed -i -e '/^source s_src {/a\\  udp(ip(127.0.0.1) port(514));' \\
        -e 's/^\\( *\\)internal();/\\1internal();\\n\\1unix-stream("\\/dev\\/log2");/' /etc/syslog-ng/syslog-ng.conf`,
    );
    await using container = await startContainer([], { from: built.name });
    await container.booted();
    await container.sh(
      "logger -d -n 127.0.0.1 -P 514 by the network; logger -u /dev/log2 by socket",
    );
    await container.says("by the network");
  });
});

Deno.test("files of conf.d may define d_stdout, and use the names of Debian's configuration", async () => {
  const filters =
    "dbg info notice warn err crit debug error messages auth cron daemon kern lpr local mail news " +
    "syslog3 user uucp cnews cother ppp console";
  const destinations =
    "auth cron daemon kern lpr mail syslog user uucp mailinfo mailwarn mailerr newscrit newserr " +
    "newsnotice debug error messages console console_all xconsole ppp";
  await using built = await derive("COPY own.conf /etc/syslog-ng/conf.d/own.conf", {
    "own.conf": 'destination d_stdout { pipe("/dev/stdout"); };\n' +
      'destination d_docker { file("/var/log/own.log"); };\n' +
      "log { source(s_src); filter(f_syslog3); destination(d_docker); };\n" +
      filters.split(" ").map((it) => `log { source(s_src); filter(f_${it}); };\n`).join("") +
      destinations.split(" ").map((it) => `log { source(s_src); destination(d_${it}); };\n`).join(
        "",
      ),
  });
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  await container.sh("logger -p user.info -t shop hello; logger -p mail.info -t shop mail");
  await until(async () =>
    (await container.sh("cat /var/log/mail.warn || :")).includes("shop: mail")
  );
  const own = () => container.sh("cat /var/log/own.log");
  await until(async () => (await own()).includes("shop: hello"));
  assert(!(await own()).includes("shop: mail"), await own());
});

Deno.test("standard output of a one-shot command is its own: the log goes to standard error, after a crash, too", async () => {
  // When a second line is in a file, the first one is in docker logs, too: the crash does not lose it.
  const script = "logger -t shop one; logger -t shop next; " +
    "until grep -qs 'shop: next' /var/log/syslog; do sleep 0.05; done; " +
    "kill -SEGV $(cat /run/syslog-ng.pid); sv start syslog-ng; " +
    "until sv check syslog-ng && [ $(cat /run/syslog-ng.pid) = $(cat /etc/service/syslog-ng/supervise/pid) ]; " +
    "do sleep 0.05; done; logger -t shop two";
  const { stdout, stderr } = await runContainer(
    ["my_init", "--quiet", "--", "sh", "-c", `exec 3>&1 >/dev/null; ${script}; echo hi >&3`],
    { options: ["-e", "MY_INIT_COMMAND=sh"] },
  );
  assertEquals(stdout, "hi\n");
  assertStringIncludes(stderr, "shop: one\n");
  assertStringIncludes(stderr, "shop: two\n");
});

Deno.test("debug messages are in files, but not in docker logs", async () => {
  await using container = await startContainer();
  await container.booted();
  await container.sh("logger -t shop -p user.debug a detail; logger -t shop an order");
  await container.says("shop: an order");
  const { stdout } = await container.logs();
  assert(!stdout.includes("a detail"), stdout);
  for (const name of ["syslog", "debug"]) {
    await until(async () => (await container.sh(`cat /var/log/${name} || :`)).includes("a detail"));
  }
});

Deno.test("the image has an empty /var/log/syslog, for root and adm", async () => {
  const { stdout } = await docker([
    ...["run", "--rm", "--entrypoint", "stat"],
    ...[Deno.env.get("IMAGE") || "baseimage", "-c", "%a %U %G %s", "/var/log/syslog"],
  ]);
  assertEquals(stdout, "640 root adm 0\n");
});

Deno.test("each line of a logger has the time at which it was written", async () => {
  await using container = await startContainer();
  await container.booted();
  await container.sh("(echo first; sleep 2.1; echo second) | logger -t clock");
  await container.says("clock: second");
  const times = (await container.logs()).stdout.match(/^.*(?= \S+ clock: )/gm);
  assert(times?.length === 2 && times[0] !== times[1], `${times}`);
});

Deno.test("a message is one line, and its control characters reach no terminal", async () => {
  await using container = await startContainer();
  await container.booted();
  const send = (message: string) =>
    `
    import socket
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect("/dev/log")
    s.send(b"${message}")`.replaceAll(/^ {4}/gm, "");
  const evil = [
    "<13>Nov 24 18:00:00 shop[12]: one\\nNov 24 18:00:00 host sshd: forged\\n\\x1b[31m \\xc2\\x9b31m \\x07caf\\xc3\\xa9\\tend",
    "<13>Nov 24 18:00:00 sh\\x1bop\\nforged[1\\n2]: two",
  ];
  for (const message of evil) {
    assertEquals((await container.exec("python3", "-c", send(message))).stderr, "");
  }
  await container.says("two");
  await until(async () => (await container.sh("cat /var/log/syslog")).includes("two"));
  for (const text of [(await container.logs()).stdout, await container.sh("cat /var/log/syslog")]) {
    assertStringIncludes(
      text,
      "shop[12]: one\\nNov 24 18:00:00 host sshd: forged\\n\\e[31m ?31m ?café\tend\n",
    );
    assertMatch(text, /^.* sh\?op\?forged\[1\?2\]: two$/m);
  }
});

Deno.test("a program that floods the log with the marker of the shutdown does not delay it, and is in the log", async () => {
  await using container = await startContainer();
  await container.booted();
  await container.sh("logger -t syslog-ng-stop is not yours");
  await container.says("syslog-ng-stop: is not yours");
  await container.exec(
    ...["setsid", "setuser", "nobody", "sh", "-c"],
    "yes | logger -t syslog-ng-stop & yes | logger -t syslog-ng-stop & sleep 0.5",
  );
  const clock = await container.sh(
    "{ sleep 3.5 && echo held up; } >/clock & /etc/my_init.post_shutdown.d/10_syslog-ng.shutdown; cat /clock",
  );
  assertEquals(clock, "");
  assertEquals(
    (await container.exec("setuser", "nobody", "cat", "/var/lib/syslog-ng/token")).status,
    1,
  );
});

Deno.test("without /dev/log a stop waits for no line that nobody has sent", async () => {
  await using container = await startContainer();
  await container.booted();
  const clock = await container.sh(
    "rm /dev/log; { sleep 1.5 && echo held up; } >/clock & /etc/my_init.post_shutdown.d/10_syslog-ng.shutdown; cat /clock",
  );
  assertEquals(clock, "");
});

Deno.test("variables that bash takes for its own keep neither syslog-ng nor the boot away", async () => {
  for (const variable of ["POSIXLY_CORRECT=1", "EUID=1000", "SHELLOPTS=posix"]) {
    const { status, stderr } = await runContainer([
      "my_init",
      "--",
      "logger",
      "-t",
      "shop",
      "hello",
    ], {
      options: ["-e", variable, "-e", "MY_INIT_COMMAND=logger"],
    });
    assertEquals(status, 0, stderr);
    assertStringIncludes(stderr, "shop: hello", variable);
  }
});
