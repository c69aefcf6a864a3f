import { assertEquals } from "@std/assert";
import { parseSeconds, readLimits } from "../../supervisor/limits.ts";

Deno.test("parseSeconds() understands seconds, fractions and units, and nothing else", () => {
  const good: [string, number][] = [["0", 0], ["5", 5], ["1.5", 1.5], [".5", 0.5], ["5s", 5]];
  for (const [text, seconds] of [...good, ["2m", 120], [" 5 \n", 5], ["1h", 3600]] as const) {
    assertEquals(parseSeconds(text), seconds, text);
  }
  for (const text of ["", "x", "-1", "1e3", "5 minutes", "0x5", "Infinity", "5ss", "1.2.3"]) {
    assertEquals(parseSeconds(text), undefined, text);
  }
});

Deno.test("readLimits() takes 5, 5 and 9 seconds where nothing is set", () => {
  assertEquals(readLimits([]), {
    limits: { process: 5, everybody: 5, hook: 5, overall: 9 },
    warnings: [],
  });
});

Deno.test("readLimits() has no overall limit where a step has one of its own", () => {
  for (const name of ["KILL_PROCESS_TIMEOUT", "KILL_ALL_PROCESSES_TIMEOUT"]) {
    assertEquals(readLimits([[name, "30"]]).limits.overall, Infinity);
    assertEquals(readLimits([[name, "30"], ["SHUTDOWN_TIMEOUT", "60"]]).limits.overall, 60);
  }
});

Deno.test("readLimits() warns of nonsense and takes the default", () => {
  const { limits, warnings } = readLimits([["KILL_PROCESS_TIMEOUT", "soon"]]);
  assertEquals(limits.process, 5);
  assertEquals(warnings, [
    "Ignoring KILL_PROCESS_TIMEOUT=soon: use seconds, such as 5, 1.5, 5s or 2m; taking 5",
  ]);
});
