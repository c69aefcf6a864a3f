import { SIGNALS } from "../../posix/signals.ts";
import { until } from "../support/until.ts";

/** Runs the waiter with a signal blocked in all of its threads, as all are in PID 1. */
async function startWaiter(seconds: number[]) {
  const block = `use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(${SIGNALS.SIGUSR1}));`;
  const waiter = new URL("../support/waiter.ts", import.meta.url).pathname;
  const program = [Deno.execPath(), "run", "-A", "--no-check", waiter, ...seconds.map(String)];
  const child = new Deno.Command("perl", {
    args: ["-e", `${block} exec @ARGV`, ...program],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  let said = "";
  const done = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) said += text;
  })();
  const says = (text: string) => until(() => said.endsWith(text), 30, () => said);
  await says("ready\n");
  return {
    says,
    write: (text: string) => input.write(new TextEncoder().encode(text)),
    signal: () => Deno.kill(child.pid, "SIGUSR1"),
    async end() {
      await input.close();
      await done;
      await child.status;
      return said;
    },
  };
}

Deno.test("a wait ends by a file that can be read, by a signal, and by the time", async () => {
  const waiter = await startWaiter([60, 60, 0.1]);
  await waiter.write("!");
  await waiter.write("x");
  await waiter.says("readable 0\n");
  waiter.signal();
  await waiter.says("10\n");
  await waiter.says("time\n");
  await waiter.end();
});

Deno.test("a signal counts before a file that can be read, and neither is lost", async () => {
  const waiter = await startWaiter([60, 60]);
  waiter.signal();
  await waiter.write("!x"); // Both have come before the first wait begins.
  await waiter.says("ready\n10\nreadable 0\n");
  await waiter.end();
});
