import { assertEquals } from "@std/assert";
import { SIGNALS } from "../../posix/signals.ts";
import { type Options, readOptions } from "../../supervisor/options.ts";
import { record } from "../../supervisor/record.ts";
import { newRun, readRun, type Run } from "../../supervisor/run.ts";

const options = readOptions(["--", "main"]) as Options;
const received = (signal: number, fromTerminal: boolean) =>
  ({ now: 1, type: "received", received: { signal, fromTerminal } }) as const;

function running(ownsTerminal: boolean): Run {
  const purpose = { kind: "main" } as const;
  const main = { purpose, name: "main", pid: 9, startedAt: 0, ownsTerminal };
  const run = newRun({ now: 0, pid: 1, options, environment: [] });
  return { ...run, children: [main], main: "running" };
}

Deno.test("a key typed just before the main command was given the terminal is forwarded to it", () => {
  const { stop, forward } = record(running(true), received(SIGNALS.SIGINT, true));
  assertEquals({ stop, forward }, { stop: undefined, forward: [SIGNALS.SIGINT] });
});

Deno.test("Ctrl-C stops the container where the main command has no terminal, and where somebody sent it", () => {
  for (const [owns, typed] of [[false, true], [true, false]]) {
    const { stop, forward } = record(running(owns), received(SIGNALS.SIGINT, typed));
    assertEquals([stop?.signal, forward.length], [SIGNALS.SIGINT, 0]);
  }
});

Deno.test("that processes of other users cannot be ended is said once, whoever they are", () => {
  const listed = (pid: number) => {
    const process = { pid, parent: 1, session: 1, program: "x", name: "x", reachable: false };
    return {
      now: 1,
      type: "listed",
      which: "all",
      seconds: 0,
      cost: 0,
      processes: [process],
    } as const;
  };
  const { messages } = [11, 12].map(listed).reduce(record, running(false));
  assertEquals(messages.length, 1);
});

Deno.test("a run of another version is not continued: the container is ended with status 1, and says why", () => {
  const run = newRun({ now: 0, pid: 1, options, environment: [] });
  assertEquals(readRun(JSON.stringify(run)), JSON.parse(JSON.stringify(run)));
  assertEquals(readRun(JSON.stringify({ ...run, version: run.version + 1 })), undefined);
  const { stop, messages } = record(run, { now: 1, type: "replaced" });
  assertEquals(stop?.status, 1);
  assertEquals(messages.map(({ text }) => text), [
    "my_init was replaced by another version while it slept and cannot go on. Ending all processes.",
  ]);
});

Deno.test("a PID 1 that woke without a reason does not sleep again", () => {
  const woken: Run = { ...running(false), sleep: "woken" };
  assertEquals(record(woken, { now: 1, type: "time" }).sleep, "allowed");
  const inVain = record(woken, { now: 1, type: "wokenInVain" });
  assertEquals([inVain.sleep, record(inVain, { now: 2, type: "time" }).sleep], [
    "in vain",
    "in vain",
  ]);
});
