// Why a container has ended: for whoever reads its log, and for Kubernetes.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";
import { script } from "../support/programs.ts";
import { until } from "../support/until.ts";

/** So little that PID 1 would be the largest process, whom the kernel takes, if it kept its code while it waits. */
const LIMIT = ["-m", "48m", "--memory-swap", "48m"];
/** Perl would compute a constant before anything else. */
const eatAfter = (seconds: number) => `sleep ${seconds}; $x = "a" x ($$ + 400_000_000)`;
const remedy = "killed for lack of memory: the container may use 48 MiB; give it more " +
  "(docker run -m), or let its programs use less, by their own settings\n";

/** A file where Kubernetes has one, which every user may write to. Dispose of it, and it is gone. */
class TerminationLog implements AsyncDisposable {
  readonly #path = Deno.makeTempFileSync({ prefix: "termination-log-" });
  readonly options = ["-v", `${this.#path}:/dev/termination-log`];

  constructor(text = "") {
    Deno.writeTextFileSync(this.#path, text);
    Deno.chmodSync(this.#path, 0o666);
  }

  text(): string {
    return Deno.readTextFileSync(this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#path);
  }
}

Deno.test("a command that is killed for lack of memory is named, with the limit and what to do", async () => {
  await using log = new TerminationLog();
  const options = [...LIMIT, ...log.options];
  const { status, stderr } = await runContainer(["my_init", "--", "perl", "-e", eatAfter(1)], {
    options,
  });
  assertEquals(status, 137, stderr);
  assertStringIncludes(stderr, `*** perl was ${remedy}`);
  const end = "perl exited with status 137. (killed by SIGKILL)\n";
  assertEquals(log.text(), `perl was ${remedy}${end}`);
});

Deno.test("so is one that is killed while PID 1 sleeps", async () => {
  const command = ["my_init", "--", "perl", "-e", eatAfter(4)];
  const options = [...LIMIT, "-e", "MY_INIT_SLEEP=0.2"];
  const { status, stderr } = await runContainer(command, { options });
  assertEquals(status, 137, stderr);
  assertStringIncludes(stderr, `*** perl was ${remedy}`);
});

Deno.test("a command that somebody kills is not said to be killed for lack of memory", async () => {
  const { status, stderr } = await runContainer(["my_init", "--", "sh", "-c", "kill -9 $$"], {
    options: LIMIT,
  });
  assertEquals(status, 137, stderr);
  assert(!stderr.includes("memory"), stderr);
});

Deno.test("a service that is killed for lack of memory", async (test) => {
  await using image = await derive(
    "COPY eater /etc/service/eater/run\nCOPY critical /etc/my_init.d/05_critical",
    {
      eater: script(`[ ! -e /eaten ] || exec sleep 1000; : >/eaten; exec perl -e '${eatAfter(1)}'`),
      critical: script('[ -z "$CRITICAL" ] || touch /etc/service/eater/critical'),
    },
  );
  await test.step("is told of at the latest when the container stops, though runsv reaps it", async () => {
    await using container = await startContainer([], { from: image.name, options: LIMIT });
    await until(async () => (await container.events("oom", "{{.ID}}")).length > 0, 30);
    assertEquals(await container.stop(), 0);
    assertStringIncludes((await container.logs()).stderr, `*** A process was ${remedy}`);
  });
  await test.step("is named, and is the last words, if it is critical", async () => {
    await using log = new TerminationLog();
    const options = [...LIMIT, ...log.options, "-e", "CRITICAL=1"];
    const { status, stderr } = await runContainer(["my_init"], { from: image.name, options });
    assertEquals(status, 137, stderr);
    assertStringIncludes(stderr, `*** Service eater was ${remedy}`);
    const end = "Critical service eater ended with status 137\n";
    assertEquals(log.text(), `Service eater was ${remedy}${end}`);
  });
});

Deno.test("the last words of a container for Kubernetes", async (test) => {
  await using image = await derive(
    "COPY fail /etc/my_init.d/05_fail\nCOPY critical /etc/service/db/run\n" +
      "RUN touch /etc/service/db/critical",
    {
      fail: script('[ -z "$FAIL" ] || exit 7'),
      critical: script('[ -n "$END" ] || exec sleep 1000; exit 0'),
    },
  );
  const command = (script: string) => ["my_init", "--", "sh", "-c", script];
  const restricted = ["--read-only", "-u", "1000", "--cap-drop", "ALL"];
  const runs: Record<string, [command: string[], options: string[], status: number, text: string]> =
    {
      "a command that fails": [command("exit 3"), [], 3, "sh exited with status 3.\n"],
      "one that fails on a read-only root, as another user": [
        command("exit 3"),
        restricted,
        3,
        "sh exited with status 3.\n",
      ],
      "one that cannot be found": [
        ["my_init", "--", "nosuch"],
        [],
        127,
        "Cannot run nosuch: not found in PATH (",
      ],
      "a command that ends well": [command("exit 0"), [], 0, ""],
      "a startup script that fails": [
        command("exit 0"),
        ["-e", "FAIL=1"],
        1,
        "/etc/my_init.d/05_fail failed with status 7\n",
      ],
      "a critical service that ends, even well": [
        ["my_init"],
        ["-e", "END=1"],
        0,
        "Critical service db ended with status 0\n",
      ],
      "options that are none": [["my_init", "--nosuch"], [], 2, "my_init: unknown option --nosuch"],
      "a program that has written its own": [
        command("printf 'out of disk' >/dev/termination-log; exit 4"),
        [],
        4,
        "out of disk\nsh exited with status 4.\n",
      ],
    };
  for (const [what, [command, options, status, text]] of Object.entries(runs)) {
    await test.step(what, async () => {
      await using log = new TerminationLog();
      const all = [...options, ...log.options];
      const result = await runContainer(command, { from: image.name, options: all });
      assertEquals(result.status, status, result.stderr);
      assertEquals(
        text.endsWith("\n") || text === "" ? log.text() : log.text().slice(0, text.length),
        text,
      );
    });
  }
  await test.step("are 4096 bytes at most", async () => {
    await using log = new TerminationLog("x".repeat(4090) + "\n");
    await runContainer(command("exit 3"), { from: image.name, options: log.options });
    assertEquals(log.text().slice(4090), "\nsh ex");
  });
  await test.step("a failed boot is told from a command's own 1 by the last line", async () => {
    const failed = await runContainer(command("exit 1"), {
      from: image.name,
      options: ["-e", "FAIL=1"],
    });
    const own = await runContainer(command("exit 1"), { from: image.name });
    assertEquals([failed.status, own.status], [1, 1]);
    const last = "*** Ending with status 1: /etc/my_init.d/05_fail failed with status 7\n";
    assert(failed.stderr.endsWith(last), failed.stderr);
    assert(!own.stderr.includes("Ending with status"), own.stderr);
  });
  await test.step("a directory in its place changes nothing", async () => {
    const options = ["--tmpfs", "/dev/termination-log"];
    const { status, stderr } = await runContainer(command("exit 3"), { from: image.name, options });
    assertEquals(status, 3, stderr);
  });
});
