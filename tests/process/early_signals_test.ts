import { assert, assertEquals } from "@std/assert";
import { sh, SIGNALS, startInit, statusField } from "../support/namespace.ts";
import { LOOP, say } from "../support/programs.ts";
import { pause, until } from "../support/until.ts";

const files = {
  "/etc/my_init.d/1": say("one"),
  "/etc/my_init.d/2": "#!/bin/sh\nsleep 0.02\n",
  "/etc/my_init.post_shutdown.d/x": "#!/bin/sh\necho post >/mnt/post\n",
  "/etc/container_environment/A": "b",
};
const script = `trap 'exit 0' TERM INT; echo main; ${LOOP}`;

async function stopAfter(milliseconds: number, signal: number) {
  await using init = await startInit(sh(script), { files });
  const pid = await init.pid();
  // From our first instructions on: a signal that comes while the kernel still executes the file is lost to every program.
  while (BigInt("0x" + statusField(pid, "SigBlk")) === 0n);
  if (milliseconds > 0) await pause(milliseconds);
  await init.signal(signal);
  const { status, stdout, stderr } = await init.end();
  return { status, stdout, stderr, post: init.read("/mnt/post") };
}

Deno.test("a stop is not lost at any moment from the first on, and the shutdown is complete (B5)", async () => {
  const later = [1, 2, 3, 5, 8, 10, 12, 15, 18, 20, 22, 25, 28, 30, 33, 36, 40, 45, 50, 60, 70, 80];
  const moments = [0, 0, 0, 0, 0, ...later, 100, 130, 160];
  for (const [index, moment] of moments.entries()) {
    const signal = index % 2 ? SIGNALS.SIGTERM : SIGNALS.SIGINT;
    const { status, stdout, stderr, post } = await stopAfter(moment, signal);
    const story = `after ${moment} ms: ${JSON.stringify({ status, stdout, stderr })}`;
    // If the main command had no time to set its trap the signal kills it, or it was never started.
    const early = !stdout.includes("main") && [143, 128 + signal].includes(status);
    assert(status === 0 || early, story);
    assertEquals(post, "post\n", story);
  }
});

Deno.test("a signal sent while Deno starts is forwarded to the main command, once there is one", async () => {
  await using init = await startInit(sh("exec sleep 100"));
  const pid = await init.pid();
  await until(() => BigInt("0x" + statusField(pid, "SigBlk")) !== 0n);
  await init.signal(SIGNALS.SIGUSR1);
  assertEquals((await init.end()).status, 138);
});
