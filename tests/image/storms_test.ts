import { assert, assertEquals } from "@std/assert";
import { derive, startContainer } from "../support/container.ts";
import { say } from "../support/programs.ts";
import { until } from "../support/until.ts";

Deno.test("ten services that crash in a loop leave no zombie, and delay no stop", async () => {
  await using image = await derive(
    `COPY exits /etc/service/0/run
COPY killed /etc/service/1/run
COPY forks /etc/service/2/run
RUN cd /etc/service && for i in 3 6; do cp -r 0 $i; cp -r 1 $((i + 1)); cp -r 2 $((i + 2)); done; cp -r 0 9
COPY post /etc/my_init.post_shutdown.d/post`,
    {
      exits: "#!/bin/sh\necho crash\nexit 1\n",
      killed: "#!/bin/sh\necho crash\nkill -SEGV $$\n",
      forks: "#!/bin/sh\necho crash\n(sleep 0.1 & sleep 0.1 &)\nkill -KILL $$\n",
      post: say("post"),
    },
  );
  await using container = await startContainer(["my_init", "--", "sleep", "1000"], {
    from: image.name,
  });
  const crashes = async () => (await container.logs()).stdout.split("crash\n").length - 1;
  await until(async () => await crashes() > 30, 20, () => "30 crashes");
  await until(async () => !/^Z/m.test(await container.sh("ps -eo stat=")));
  assertEquals(await container.stop(), 143);
  const { stdout, stderr } = await container.logs();
  assert(stdout.endsWith("post\n"), stdout);
  assert(!stderr.includes("in time"), stderr);
});

Deno.test("15,000 processes, 800 services and 200 that only call themselves runsv stop within the deadline, status and all", async () => {
  await using image = await derive(
    `COPY service /etc/service/s1/run
RUN cd /etc/service && for i in $(seq 2 800); do cp -r s1 s$i; done
RUN mkdir -p /hostile/supervise && ln -s /dev/zero /hostile/supervise/stat && cp /usr/bin/perl /hostile/runsv
COPY many /usr/local/bin/many`,
    {
      service: "#!/bin/sh\nexec sleep 100000\n",
      many: `#!/usr/bin/perl
        $SIG{TERM} = sub { exit 5 };
        chdir "/hostile";
        for (1 .. 200) { fork or exec "./runsv", "-e", "sleep 100000", ("x" x 120_000) x 15 }
        for (1 .. 15_000) { next if fork; $SIG{TERM} = $_ % 3 ? "DEFAULT" : "IGNORE"; sleep 100000 while 1 }
        $| = 1; print "storm ready\n";
        sleep 100000 while 1;
      `,
    },
  );
  await using container = await startContainer([
    "my_init",
    "--skip-startup-files",
    "--",
    "/usr/local/bin/many",
  ], { from: image.name });
  await container.says("storm ready\n", 120);
  const services = async () => (await container.exec("pgrep", "-xc", "sleep")).stdout.trim();
  await until(async () => await services() === "800", 120);
  assertEquals(await container.stop(10), 5, "its own, and not that of docker's KILL");
});

Deno.test("kill -TERM 1 from inside, among 500 orphans, ends them and the container in order (W19)", async () => {
  await using container = await startContainer([
    "my_init",
    "--skip-startup-files",
    "--",
    "bash",
    "-c",
    "trap 'exit 5' TERM; for i in {1..500}; do (sleep 1000 &); done; kill -TERM 1; wait; while :; do sleep 0.1; done",
  ]);
  assertEquals(await container.status(), 5);
  assert(!(await container.logs()).stderr.includes("in time"));
});
