import { assertEquals } from "@std/assert";
import { readSwitches } from "../../supervisor/switches.ts";

const SERVICES = ["cron", "my-web.app", "sshd", "syslog-forwarder", "syslog-ng"];

/** Reads switches, such as `DISABLE_CRON=1`, for these services. */
function read(...variables: string[]): { on: string[]; off: string[]; warnings: string[] } {
  const environment = variables.map((text) => text.split("=") as [string, string]);
  const { switches, warnings } = readSwitches(environment, SERVICES);
  const names = (wanted: boolean) =>
    Object.entries(switches).filter(([, { on }]) => on === wanted).map(([name]) => name).sort();
  return { on: names(true), off: names(false), warnings };
}

Deno.test("a switch understands the same words as the image's build, in any case", () => {
  for (const word of ["1", "true", "yes", "on", "True", "YES", "On"]) {
    assertEquals(read(`DISABLE_CRON=${word}`), { on: [], off: ["cron"], warnings: [] }, word);
    assertEquals(read(`ENABLE_CRON=${word}`), { on: ["cron"], off: [], warnings: [] }, word);
  }
  for (const word of ["0", "false", "no", "off", "", "False", "OFF"]) {
    assertEquals(read(`DISABLE_CRON=${word}`), { on: [], off: [], warnings: [] }, word);
    assertEquals(read(`ENABLE_CRON=${word}`), { on: [], off: [], warnings: [] }, word);
  }
});

Deno.test("a switch whose value is no such word is ignored with a warning", () => {
  for (const word of ["2", "y", "disable", " 1"]) {
    assertEquals(read(`DISABLE_CRON=${word}`), {
      on: [],
      off: [],
      warnings: [`Ignoring DISABLE_CRON=${word}: use 1, true, yes, on, or 0, false, no, off`],
    });
  }
});

Deno.test("a service is named in capitals with underscores; the image's own have a second name", () => {
  assertEquals(read("ENABLE_MY_WEB_APP=1").on, ["my-web.app"]);
  assertEquals(read("ENABLE_SSH=1").on, ["sshd"]);
  assertEquals(read("ENABLE_SSHD=1").on, ["sshd"]);
  assertEquals(read("DISABLE_SYSLOG=1").off, ["syslog-forwarder", "syslog-ng"]);
  assertEquals(read("DISABLE_SYSLOG_FORWARDER=1").off, ["syslog-forwarder"]);
});

Deno.test("DISABLE wins over ENABLE, whichever comes first and whatever name it uses", () => {
  assertEquals(read("ENABLE_SSH=1", "DISABLE_SSHD=1"), { on: [], off: ["sshd"], warnings: [] });
  assertEquals(read("DISABLE_SSHD=1", "ENABLE_SSH=1"), { on: [], off: ["sshd"], warnings: [] });
  assertEquals(read("DISABLE_SSH=0", "ENABLE_SSH=1").on, ["sshd"]);
});

Deno.test("an application's own variables of that form get no warning", () => {
  const applications = [
    ...["DISABLE_TELEMETRY=1", "ENABLE_SSL=1", "ENABLE_SSO=true", "ENABLE_CORS=*", "ENABLE_=1"],
    ...["DISABLE_CRONJOBS=maybe", "ENABLE_WEB=1", "disable_x=1", "NODISABLE_CRON=1", "ENABLE=1"],
  ];
  assertEquals(read(...applications), { on: [], off: [], warnings: [] });
});

Deno.test("a switch that is written differently gets a warning with its right name", () => {
  const cases = [
    ...[["disable_cron", "DISABLE_CRON"], ["DISABLE_cron", "DISABLE_CRON"]],
    ...[["DISABLE_CORN", "DISABLE_CRON"], ["ENABLE_MYWEBAPP", "ENABLE_MY_WEB_APP"]],
    ["DISABLE_SYSLOG-NG", "DISABLE_SYSLOG_NG"],
  ];
  for (const [wrong, right] of cases) {
    assertEquals(read(`${wrong}=1`), {
      on: [],
      off: [],
      warnings: [`Ignoring ${wrong}=1: fits no service; is ${right} meant?`],
    });
    assertEquals(read(`${wrong}=0`).warnings, []);
  }
});

Deno.test("ENABLE of a service that the image was built without gets a warning, DISABLE does not", () => {
  const environment = [["ENABLE_SSH", "1"], ["DISABLE_CRON", "1"]] as const;
  assertEquals(readSwitches(environment, ["web"]), {
    switches: {},
    warnings: ["Ignoring ENABLE_SSH=1: there is no service sshd"],
  });
});
