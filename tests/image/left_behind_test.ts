// What a service with a file owns_descendants leaves behind is ended when it is.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type Container,
  type Derived,
  restrictions,
  startContainer,
} from "../support/container.ts";
import { script } from "../support/programs.ts";
import { withServices } from "../support/services.ts";
import { secondsOf, until } from "../support/until.ts";

/** A server whose master has two workers, as many have: they keep the port when somebody kills the master. */
const SERVER = `#!/usr/bin/perl
use Socket;
$| = 1;
socket(my $socket, PF_INET, SOCK_STREAM, 0);
bind($socket, sockaddr_in(8080, INADDR_ANY)) && listen($socket, 5) or do { print "port in use\\n"; exit 1 };
for (1, 2) { next if fork; $0 = "worker"; sleep 1 while 1 }
print "serves\\n";
sleep 1 while 1;
`;

/** A service that starts a worker in a session of its own. */
const starts = (worker: string) => script(`echo starts; setsid ${worker} & exec sleep 1000`);
const perl = (name: string, onTerm: string) =>
  `perl -e '$| = 1; $0 = "${name}"; $SIG{TERM} = ${onTerm}; sleep 1 while 1'`;
const DEAF = starts(perl("deaf", '"IGNORE"'));

/** The PIDs of the processes with this command line or name. */
async function pidsOf(container: Container, name: string): Promise<string[]> {
  const { stdout } = await container.exec("pgrep", "-xf", name);
  return stdout.split("\n").slice(0, -1);
}

async function output(container: Container): Promise<string> {
  const { stdout, stderr } = await container.logs();
  return stdout + stderr;
}

/** Waits until a process that a service has left behind is there, and one of its next start. */
async function survives(container: Container, name: string, service: string): Promise<boolean> {
  const [before] = await until(async () => {
    const pids = await pidsOf(container, name);
    return pids.length === 1 ? pids : undefined;
  }, 30);
  await container.sh(`kill -KILL $(cat /etc/service/${service}/supervise/pid)`);
  const after = await until(async () => {
    const pids = await pidsOf(container, name);
    return pids.some((pid) => pid !== before) ? pids : undefined;
  }, 30);
  return after.includes(before);
}

Deno.test("what a service leaves behind when it ends", async (test) => {
  await using image = await withServices({
    own: {
      run: starts("sh -c 'sleep 777 & exec sleep 778'"),
      owns_descendants: "",
      "finish": script("echo finish finds $(pgrep -xf 'sleep 77[78]' | wc -l)"),
    },
    plain: { run: starts("sleep 779") },
    deaf: { run: DEAF, owns_descendants: "", KILL_PROCESS_TIMEOUT: "0.7\n" },
  });
  await using container = await startContainer([], { from: image.name });
  await test.step("is ended before it is started anew, with its children", async () => {
    assertEquals(await survives(container, "sleep 778", "own"), false);
    await until(async () => (await pidsOf(container, "sleep 777")).length === 1);
  });
  await test.step("and before its own finish is run", async () => {
    await container.says("finish finds 0\n");
  });
  await test.step("lives on without the file owns_descendants", async () => {
    assertEquals(await survives(container, "sleep 779", "plain"), true);
  });
  await test.step("is killed and named when it ignores TERM, and the service comes up again", async () => {
    assertEquals(await survives(container, "deaf", "deaf"), false);
    assertMatch(
      await output(container),
      /^\*\*\* What service deaf left behind did not shut down in time: deaf \(PID \d+\)\. Forced it to exit\. For more time, set the file \/etc\/service\/deaf\/KILL_PROCESS_TIMEOUT or KILL_PROCESS_TIMEOUT\.$/m,
    );
  });
  await test.step("is ended at sv restart and sv down", async () => {
    for (const command of ["restart", "down"]) {
      const before = await pidsOf(container, "sleep 77[78]");
      assertEquals(before.length, 2);
      assertEquals((await container.exec("sv", "-w", "30", command, "own")).status, 0);
      const isEnded = async () => {
        const pids = await pidsOf(container, "sleep 77[78]");
        return pids.every((pid) => !before.includes(pid)) &&
          pids.length === (command === "down" ? 0 : 2);
      };
      await until(isEnded, 30);
    }
  });
  await test.step("stays when runsv is killed, which is the one that knows", async () => {
    const [before] = await pidsOf(container, "deaf");
    await container.sh(`kill -KILL $(pgrep -xf 'runsv deaf')`);
    await until(async () => (await pidsOf(container, "runsv deaf")).length === 1);
    assert((await pidsOf(container, "deaf")).includes(before));
  });
});

Deno.test("a log of the service's own is not ended with what the service leaves behind, and reads to the end", async () => {
  await using image = await withServices({
    web: {
      run: starts(perl("worker", "sub { print qq(last words\\n); exit }")),
      owns_descendants: "",
    },
  });
  await using container = await startContainer([], { from: image.name });
  await container.says("starts");
  await container.sh(`sv -w 30 down web
mkdir /etc/service/web/log
printf '#!/bin/sh\\necho log $$ begins\\nwhile read -r line; do echo log $$: $line; done\\n' >/etc/service/web/log/run
chmod +x /etc/service/web/log/run
kill -KILL $(pgrep -xf 'runsv web')`);
  await container.says(": starts", 30);
  const [, log] = (await output(container)).match(/log (\d+) begins/)!;
  assertEquals(await survives(container, "worker", "web"), false);
  await container.says(`log ${log}: last words\n`);
  await until(async () => (await output(container)).split(`log ${log}: starts`).length === 3);
  assertEquals((await output(container)).split("begins").length, 2);
  assertEquals(await container.stop(), 0);
  assertEquals((await output(container)).split(`log ${log}: last words`).length, 3);
});

/** Whether workers of a master that was killed make place for the next one. */
async function comesUpAgain(image: Derived, options: string[]): Promise<void> {
  await using container = await startContainer([], { from: image.name, options });
  await container.says("serves\n", 30);
  await container.sh("kill -KILL $(pgrep -xf 'perl .*/server|/usr/bin/perl ./run')");
  await until(async () => (await output(container)).split("serves\n").length === 3, 30);
  await until(async () => (await pidsOf(container, "worker")).length === 2);
  assert(!(await output(container)).includes("port in use"));
  assertEquals(await container.stop(), 0);
}

Deno.test("a service whose master is killed gets its port back from the workers", async (test) => {
  await using image = await withServices({ web: { run: SERVER, owns_descendants: "" } });
  const all = {
    ...restrictions,
    "docker's own init": ["--init"],
    "SERVICE_LOGS=prefix": ["-e", "SERVICE_LOGS=prefix"],
  };
  for (const [name, options] of Object.entries(all)) {
    await test.step(`with ${name}`, () => comesUpAgain(image, options));
  }
});

Deno.test("a stop of the container", async (test) => {
  await using image = await withServices({
    slow: {
      run: starts(
        perl("slow", "sub { print qq(slow ends\\n); sleep 1; print qq(slow ended\\n); exit }"),
      ),
      owns_descendants: "",
    },
    deaf: { run: DEAF, owns_descendants: "" },
  });
  for (const [what, options] of [["awake", ["-e", "MY_INIT_SLEEP=0"]], ["asleep", []]] as const) {
    await test.step(`gives it the service's timeout, and names the service, when PID 1 is ${what}`, async () => {
      await using container = await startContainer([], { from: image.name, options: [...options] });
      await until(async () => (await pidsOf(container, "slow|deaf")).length === 2, 30);
      if (what === "asleep") {
        const isAsleep = async () =>
          (await container.sh("cat /proc/1/status")).includes("Threads:\t1\n");
        await until(isAsleep, 30);
      }
      let status;
      const seconds = await secondsOf(async () => status = await container.stop());
      assertEquals(status, 0);
      const text = await output(container);
      assertMatch(text, /slow ends\n[^]*slow ended\n/);
      assertMatch(text, /^\*\*\* Services did not shut down in time: deaf \(PID \d+\)\. Forcing/m);
      assertStringIncludes(text, "For more time, set the file /etc/service/deaf/KILL_PROCESS");
      assert(!text.includes("Not all processes"), text);
      assert(seconds < 8, `${seconds} s`); // Its 5 seconds once, and not once more with the remaining processes.
    });
  }
  await test.step("that is asked for twice waits for nothing", async () => {
    await using container = await startContainer([], {
      from: image.name,
      options: ["-e", "KILL_PROCESS_TIMEOUT=100"],
    });
    await until(async () => (await pidsOf(container, "slow|deaf")).length === 2, 30);
    await container.signal("TERM");
    await container.says("slow ended\n", 30);
    await container.signal("TERM");
    assertEquals(await container.status(), 0);
  });
});
