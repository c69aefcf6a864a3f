import { assertEquals, assertMatch } from "@std/assert";
import { findMemoryFiles, parseKills, parseLimit } from "../../posix/cgroup.ts";
import { SIGNALS } from "../../posix/signals.ts";
import { type Options, readOptions } from "../../supervisor/options.ts";
import { record } from "../../supervisor/record.ts";
import { type Event, newRun, type Run } from "../../supervisor/run.ts";
import { announce, lastWords } from "../../supervisor/words.ts";

const v2 = (directory: string) => ({
  counter: `${directory}/memory.events`,
  limit: `${directory}/memory.max`,
});
const v1 = (directory: string) => ({
  counter: `${directory}/memory.oom_control`,
  limit: `${directory}/memory.limit_in_bytes`,
});
const v1Mount = (root: string, point = "/sys/fs/cgroup/memory") =>
  "724 723 0:28 /docker/1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n" +
  `739 724 0:32 ${root} ${point} ro,nosuid,relatime - cgroup cgroup rw,memory\n`;
const v2Mount = (root: string) =>
  "720 700 0:50 / /dev/shm rw - tmpfs shm rw,size=65536k\n" +
  `721 720 0:27 ${root} /sys/fs/cgroup ro,nosuid master:9 - cgroup2 cgroup rw,nsdelegate\n`;

const v1Groups = (group: string) => `9:name=systemd:/\n4:memory:${group}\n1:cpu:/docker/1\n0::/\n`;

const places: Record<string, [cgroup: string, mountinfo: string, files: unknown]> = {
  "version 1 in docker": [v1Groups("/docker/1"), v1Mount("/docker/1"), v1("/sys/fs/cgroup/memory")],
  "version 1 in a group of its own below that": [
    v1Groups("/docker/1/mine"),
    v1Mount("/docker/1"),
    v1("/sys/fs/cgroup/memory/mine"),
  ],
  "version 1 on a machine": [
    v1Groups("/user.slice"),
    v1Mount("/"),
    v1("/sys/fs/cgroup/memory/user.slice"),
  ],
  "version 1 beside version 2 without controllers (hybrid)": [
    v1Groups("/docker/1"),
    v1Mount("/docker/1") + v2Mount("/docker/1"),
    v1("/sys/fs/cgroup/memory"),
  ],
  "version 1 mounted elsewhere, at a path with a space": [
    v1Groups("/docker/1"),
    v1Mount("/docker/1", "/my\\040cgroup"),
    v1("/my cgroup"),
  ],
  "version 2 in a namespace of its own": ["0::/\n", v2Mount("/"), v2("/sys/fs/cgroup")],
  "version 2 in the machine's namespace": [
    "0::/system.slice/docker-1.scope\n",
    v2Mount("/"),
    v2("/sys/fs/cgroup/system.slice/docker-1.scope"),
  ],
  "version 2 where only the container's group is mounted": [
    "0::/kubepods/pod1/1\n",
    v2Mount("/kubepods/pod1/1"),
    v2("/sys/fs/cgroup"),
  ],
  "a group outside of what is mounted": ["0::/../2\n", v2Mount("/"), v2("/sys/fs/cgroup")],
  "a group whose name only begins as the mounted one's": [
    v1Groups("/docker/12"),
    v1Mount("/docker/1"),
    v1("/sys/fs/cgroup/memory"),
  ],
  "no mount": [v1Groups("/docker/1"), v2Mount("/"), undefined],
  "no control groups": ["", "", undefined],
};
for (const [where, [cgroup, mountinfo, files]] of Object.entries(places)) {
  Deno.test(`the counter of kills is found with ${where}`, () => {
    assertEquals(findMemoryFiles(cgroup, mountinfo), files);
  });
}

Deno.test("the counter and the limit are read in both versions", () => {
  assertEquals(parseKills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
  assertEquals(parseKills("low 0\nhigh 0\nmax 41\noom 2\noom_kill 1\noom_group_kill 0\n"), 1);
  assertEquals(parseKills("oom_kill_disable 0\nunder_oom 0\n"), undefined, "Linux before 4.13");
  assertEquals(parseLimit("67108864\n"), 2 ** 26);
  assertEquals(parseLimit("9223372036854771712\n"), undefined);
  assertEquals(parseLimit("max\n"), undefined);
  assertEquals(parseLimit(""), undefined);
});

const options = readOptions(["--", "main"]) as Options;
const memory = { counter: "", limit: "", kills: 5 };
const main = {
  purpose: { kind: "main" } as const,
  name: "main",
  pid: 9,
  startedAt: 0,
  ownsTerminal: false,
};
const running: Run = {
  ...newRun({ now: 0, pid: 1, options, environment: [] }),
  memory,
  children: [main],
  main: "running",
};
const killed = (kills: number, limit: number | undefined = 2 ** 26) => ({ kills, limit });
const ended = (now: number, pid: number, kills: number): Event => {
  const exits = [{ pid, status: 137, signal: SIGNALS.SIGKILL }];
  return { now, type: "ended", exits, suspended: [], childless: false, killed: killed(kills) };
};
const texts = ({ messages }: Run) => messages.map(({ text }) => text);
const said = (run: Run) => record(run, { now: run.now, type: "said" });

Deno.test("a command that was killed for lack of memory is named, with the limit and the remedy", () => {
  const run = record(running, ended(1, 9, 6));
  assertEquals(texts(run), [
    "main was killed for lack of memory: the container may use 64 MiB; give it more " +
    "(docker run -m), or let its programs use less, by their own settings",
    "main exited with status 137. (killed by SIGKILL)",
  ]);
  assertEquals(lastWords(run, 137), texts(run), "both lines are the last words");
});

Deno.test("a command that was killed otherwise is not said to be killed for lack of memory", () => {
  const before = record(running, { ...ended(1, 9, 5), killed: undefined });
  assertEquals(texts(before), ["main exited with status 137. (killed by SIGKILL)"]);
  const byUs: Run = { ...running, ending: { 9: { killedAt: 0 } } };
  assertMatch(texts(record(byUs, ended(1, 9, 6)))[0], /^A process was killed/);
});

Deno.test("processes without a name are counted, and told once a minute", () => {
  let run = running;
  const told: string[] = [];
  for (const [now, kills] of [[1, 6], [2, 7], [30, 9], [70, 12], [71, 12], [200, 13]]) {
    run = record(run, ended(now, 1000, kills));
    told.push(...texts(run).map((text) => `${now} ${text.replace(/ killed.*/, "")}`));
    run = said(run);
  }
  assertEquals(told, ["1 A process was", "70 6 processes were", "200 A process was"]);
});

Deno.test("a container without a limit is told that the machine had no memory left", () => {
  const run = record(running, { ...ended(1, 1000, 6), killed: { kills: 6 } });
  assertMatch(texts(run)[0], /the container has no limit of its own/);
});

Deno.test("where the kernel does not count, nothing is said", () => {
  const run = record({ ...running, memory: undefined }, ended(1, 9, 6));
  assertEquals(texts(run), ["main exited with status 137. (killed by SIGKILL)"]);
});

Deno.test("a critical service that was killed for lack of memory is named in the last words", () => {
  const event = {
    now: 1,
    type: "servicesEnded",
    ends: [{ name: "db", status: 137, how: "itself", seconds: 5, critical: true }],
    killed: killed(6),
  } as const;
  const run = record(running, event);
  assertMatch(texts(run)[0], /^Service db was killed for lack of memory/);
  assertEquals(lastWords(run, 137).length, 2);
  const later = record(said(run), { ...ended(2, 9, 6), killed: undefined });
  assertEquals(lastWords(later, 137), lastWords(run, 137), "the first reason stays the reason");
});

Deno.test("the last words say why, and there are none after an end that was asked for", () => {
  const stopped = record(running, {
    now: 1,
    type: "received",
    received: { signal: SIGNALS.SIGTERM, fromTerminal: false },
  });
  assertEquals(lastWords(stopped, 0), []);
  const exits = [{ pid: 9, status: 143, signal: SIGNALS.SIGTERM }];
  const end = { now: 2, type: "ended", exits, suspended: [], childless: false } as const;
  assertEquals(lastWords(record(said(stopped), end), 143), [
    "main exited with status 143. (killed by SIGTERM)",
  ]);
  const well = record(running, { ...end, exits: [{ pid: 9, status: 0 }] });
  assertEquals(lastWords(well, 0), []);
  const never = { ...stopped, main: "absent", children: [] } as Run;
  assertEquals(lastWords(never, 143), ["Stopped by SIGTERM before main was started"]);
});

Deno.test("a boot that fails says why in its last line, and a command's own 1 does not", () => {
  const script = { ...main, name: "/etc/rc.local", purpose: { kind: "script", stage: "startup" } };
  const end = (status: number) => ({
    now: 2,
    type: "ended" as const,
    exits: [{ pid: 9, status }],
    suspended: [],
    childless: true,
  });
  const failed = record({ ...running, children: [script] } as Run, end(3));
  const lines = (run: Run) => announce({ do: "exit", status: 1 }, run).map(({ text }) => text);
  assertEquals(lines(failed), ["Ending with status 1: /etc/rc.local failed with status 3"]);
  assertEquals(lines(record(running, end(1))), []);
});
