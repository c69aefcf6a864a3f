import { assert, assertEquals } from "@std/assert";
import { toBytes } from "../../posix/bytes.ts";
import { SIGNALS } from "../../posix/signals.ts";
import { jsonLine, nameOnLines, readLogForm } from "../../supervisor/logs.ts";
import { RELAY } from "../../supervisor/conventions.ts";
import { live, type World } from "./simulation.ts";

Deno.test("SERVICE_LOGS is prefix, json or raw; empty it is raw", () => {
  for (const form of ["prefix", "json", "raw"] as const) {
    assertEquals(readLogForm([["SERVICE_LOGS", form]]), form);
  }
  assertEquals([readLogForm([]), readLogForm([["SERVICE_LOGS", ""]])], ["raw", "raw"]);
  assertEquals(readLogForm([["SERVICE_LOGS", "JSON"]]), undefined);
});

Deno.test("a SERVICE_LOGS that is none of the forms gets one warning, and lines stay as they are", () => {
  const { story, status } = live({
    ...relayed,
    environment: [["SERVICE_LOGS", "/var/log/app"]],
    others: [],
  });
  assertEquals(status, 0);
  const said = "Ignoring SERVICE_LOGS=/var/log/app: use prefix, json, or raw for lines as they are";
  assertEquals(story.filter((line) => line.includes("SERVICE_LOGS")), [`0 ${said}`]);
});

Deno.test("a script's lines have its name without the number and what is behind the dot", () => {
  const names: Record<string, string> = {
    "/etc/my_init.d/10_syslog-ng.init": "syslog-ng",
    "/etc/my_init.d/00_regen_ssh_host_keys.sh": "regen_ssh_host_keys",
    "/etc/my_init.d/20-app": "app",
    "/etc/rc.local": "rc.local",
    "/usr/bin/python3.5": "python3.5",
    "web": "web",
    "7z": "7z",
    "42": "42",
  };
  for (const [program, name] of Object.entries(names)) assertEquals(nameOnLines(program), name);
});

Deno.test("a line of my_init's own is JSON in one piece, whatever is in it", () => {
  const line = jsonLine('Running \xff"\n' + "\xc3\xa9".repeat(2000), new Date(0));
  assert(line.length < 4096);
  assert(jsonLine("\x01".repeat(5000), new Date(0)).length < 4096);
  const { message, ...others } = JSON.parse(new TextDecoder().decode(toBytes(line)));
  assertEquals(others, { time: "1970-01-01T00:00:00.000Z", service: "my_init", stream: "stderr" });
  assert(message.startsWith('Running \ufffd"\n\u00e9'));
});

const relayed: World = {
  environment: [["SERVICE_LOGS", "json"]],
  others: ["left", RELAY],
  signals: [[3, SIGNALS.SIGTERM]],
};

/** What was sent to whom, without runit. */
function sent(story: string[]): string[] {
  return story.filter((line) => / \(SIG\w+ .*to /.test(line) && !line.includes("runsvdir"));
}

Deno.test("a relay is waited for at the end, and nobody kills it", () => {
  const { story, seconds } = live({
    ...relayed,
    programs: { [RELAY]: { endsAfter: 3.5, termTakes: Infinity } },
  });
  assertEquals(sent(story), ["3 (SIGTERM SIGCONT to all processes)"]);
  assertEquals(seconds, 3.5);
});

Deno.test("a process that has to be killed is killed alone: its relay still writes its last words", () => {
  const { story, seconds } = live({
    ...relayed,
    programs: { left: { termTakes: Infinity }, [RELAY]: { endsAfter: 12, termTakes: Infinity } },
  });
  const kills = sent(story).filter((line) => line.includes("SIGKILL"));
  assertEquals(kills.map((line) => line.replace(/^\S+ /, "")), ["(SIGKILL to left)"]);
  assert(seconds < 3 + 9.4, `${seconds}`);
});

Deno.test("a relay that does not end, since somebody holds its pipe, is not waited for long", () => {
  const { seconds } = live({ ...relayed, programs: { [RELAY]: { termTakes: Infinity } } });
  assert(seconds > 3.9 && seconds < 4.2, `${seconds}`);
});

Deno.test("a program of somebody's own that is called relay gets TERM, and KILL when it does not end", () => {
  const { story } = live({
    others: ["relay"],
    programs: { relay: { termTakes: Infinity } },
    signals: [[3, SIGNALS.SIGTERM]],
  });
  assertEquals(sent(story), [
    "3 (SIGTERM SIGCONT to all processes)",
    "8 (SIGKILL to all processes)",
  ]);
});
