import { assertEquals } from "@std/assert";
import { SIGNALS } from "../../posix/signals.ts";
import { parseSeconds, readTimeouts } from "../../supervisor/timeouts.ts";
import { live, type World } from "./simulation.ts";

Deno.test("parseSeconds() understands seconds, fractions and units, and nothing else (B10)", () => {
  const good: [string, number][] = [["0", 0], ["5", 5], ["1.5", 1.5], [".5", 0.5], ["5s", 5]];
  for (const [text, seconds] of [...good, ["2m", 120], [" 5 \n", 5], ["1h", 3600]] as const) {
    assertEquals(parseSeconds(text), seconds, text);
  }
  for (const text of ["", "x", "-1", "1e3", "5 minutes", "0x5", "Infinity", "5ss", "1.2.3"]) {
    assertEquals(parseSeconds(text), undefined, text);
  }
});

Deno.test("readTimeouts() takes 5, 5 and 9 seconds where nothing is set", () => {
  assertEquals(readTimeouts([]), {
    timeouts: { process: 5, remaining: 5, script: 5, overall: 9, drain: 0 },
    warnings: [],
  });
});

for (const platform of ["KUBERNETES_SERVICE_HOST", "ECS_CONTAINER_METADATA_URI_V4"]) {
  Deno.test(`a stop may take 28 seconds, a drain included, where ${platform} is set`, () => {
    const read = (...more: [string, string][]) => readTimeouts([[platform, "x"], ...more]).timeouts;
    const { overall, process } = read();
    assertEquals([overall, process.toFixed(1)], [28, "15.6"]);
    assertEquals(read(["DRAIN_SECONDS", "5"]).overall, 23);
    assertEquals(read(["DRAIN_SECONDS", "25"]).overall, 9);
    assertEquals(read(["SHUTDOWN_TIMEOUT", "12"]).overall, 12);
    assertEquals(read(["KILL_PROCESS_TIMEOUT", "12"]).overall, Infinity);
  });
}

Deno.test("readTimeouts() has no overall timeout where a step or a service has one of its own", () => {
  for (const name of ["KILL_PROCESS_TIMEOUT", "KILL_ALL_PROCESSES_TIMEOUT"]) {
    assertEquals(readTimeouts([[name, "30"]]).timeouts.overall, Infinity);
    assertEquals(readTimeouts([[name, "30"], ["SHUTDOWN_TIMEOUT", "60"]]).timeouts.overall, 60);
  }
  assertEquals(readTimeouts([], { web: 30 }).timeouts.overall, Infinity);
});

Deno.test("SHUTDOWN_TIMEOUT alone gives each step more, or what it had", () => {
  const timeouts = (seconds: string) => readTimeouts([["SHUTDOWN_TIMEOUT", seconds]]).timeouts;
  assertEquals(timeouts("18"), { process: 10, remaining: 10, script: 10, overall: 18, drain: 0 });
  assertEquals(timeouts("3"), { process: 5, remaining: 5, script: 5, overall: 3, drain: 0 });
  const chosen = readTimeouts([["SHUTDOWN_TIMEOUT", "18"], ["KILL_PROCESS_TIMEOUT", "2"]]).timeouts;
  assertEquals([chosen.process, chosen.remaining], [2, 10]);
});

for (const text of ["soon", "", "-1"]) {
  Deno.test(`KILL_PROCESS_TIMEOUT=${text} counts as not set, and the warning says so`, () => {
    const { timeouts, warnings } = readTimeouts([["KILL_PROCESS_TIMEOUT", text]]);
    assertEquals(timeouts, readTimeouts([]).timeouts);
    assertEquals(warnings, [
      `Ignoring KILL_PROCESS_TIMEOUT=${text}: use seconds, such as 5, 1.5, 5s or 2m; taking 5`,
    ]);
  });
}

Deno.test("the warning about an invalid timeout says what is taken instead", () => {
  const warnings = (process: string, overall: string) =>
    readTimeouts([["KILL_PROCESS_TIMEOUT", process], ["SHUTDOWN_TIMEOUT", overall]]).warnings
      .map((line) => line.split("; ")[1]);
  assertEquals(warnings("x", "20"), ["taking 11.1"]);
  assertEquals(warnings("x", "x"), ["taking 5", "taking 9"]);
  assertEquals(warnings("30", "x"), ["setting no timeout"]);
});

Deno.test("a timeout of any number of digits is a number in JSON, too", () => {
  for (const text of ["9".repeat(400), `${"9".repeat(308)}h`, "9".repeat(20)]) {
    const seconds = parseSeconds(text);
    assertEquals(JSON.parse(JSON.stringify(seconds)), seconds);
    assertEquals(seconds, 1e9);
  }
});

/** A stop at second 1 of a container whose programs take so many seconds after SIGTERM. */
const stop = (termTakes: number, environment: World["environment"]) =>
  live({
    environment,
    services: ["web"],
    others: ["left over"],
    options: ["--", "main"],
    programs: { main: { termTakes }, web: { termTakes }, "left over": { termTakes } },
    signals: [[1, SIGNALS.SIGTERM]],
  });

Deno.test("SHUTDOWN_TIMEOUT=30 alone is enough for programs that need 7 seconds each", () => {
  const { story, seconds } = stop(7, [["SHUTDOWN_TIMEOUT", "30"]]);
  assertEquals(story.filter((line) => line.includes("in time")), []);
  assertEquals(seconds, 1 + 3 * 7);
});

Deno.test("an invalid KILL_PROCESS_TIMEOUT does not make a stop longer than 9 seconds", () => {
  const { story, seconds } = stop(Infinity, [["KILL_PROCESS_TIMEOUT", "soon"]]);
  assertEquals([seconds < 1 + 9.2, story.some((line) => line.includes("taking 5"))], [true, true]);
});
