import { assertSnapshot } from "@std/testing/snapshot";
import { type Problem } from "../../check/problems.ts";
import { describe, summarize, toJson, toLine } from "../../check/words.ts";

// All that my_init --check says. A changed text is looked at in the snapshot beside, and renewed by --update.

type Kind = Problem["kind"];

/** What is different from one problem of a kind to the next. */
type Details<K extends Kind> = Omit<Extract<Problem, { kind: K }>, "kind" | "file">;

/** Every kind, so that none is forgotten: the compiler sees to it. */
const problems: { [K in Kind]: [file: string, ...Details<K>[]] } = {
  notExecutable: ["/etc/my_init.d/x", { isScript: true }, { isScript: false }],
  danglingLink: ["/etc/service/web", {}],
  emptyScript: ["/etc/service/web/run", {}],
  windowsLineEnds: ["/etc/service/web/run", { line: 1 }],
  byteOrderMark: ["/etc/service/web/run", { line: 1 }],
  noInterpreter: ["/etc/service/web/run", { line: 1 }],
  missingInterpreter: ["/etc/service/web/run", { line: 1, interpreter: "/bin/zsh" }],
  programNotInPath: ["/etc/service/web/run", { line: 1, program: "node" }],
  interpreterAndOptions: ["/etc/service/web/run", { line: 1, words: "python3 -u" }],
  unknownUser: ["/etc/service/web/run", { line: 2, name: "web", program: "setuser" }],
  unknownGroup: ["/etc/service/web/run", { line: 2, name: "web", program: "chpst" }],
  noDirectory: ["/etc/service/web", { isScript: true }, { isScript: false }],
  noRun: ["/etc/service/web", { isDown: false }, { isDown: true }, {
    isDown: false,
    meant: "run.sh",
  }],
  noExec: ["/etc/service/web/run", { line: 3, program: "node" }],
  endsAtOnce: ["/etc/service/web/run", { line: 3 }],
  background: ["/etc/service/web/run", {
    line: 3,
    program: "nginx",
    remedy: "add -g 'daemon off;'",
  }],
  ignoresTerm: ["/etc/service/db/run", {
    line: 2,
    program: "mysqld_safe",
    remedy: "exec mysqld --user=mysql instead",
  }],
  unknownFile: ["/etc/service/web/Check", { meant: "check" }],
  badSetting: ["/etc/service/web/give_up", {
    line: 1,
    content: "5",
    form: "how many ends in how many seconds: 5 in 60",
  }],
  saysNo: ["/etc/service/web/critical", { line: 1, content: "no" }],
  unknownNeed: ["/etc/service/web/needs", { line: 1, name: "db" }, {
    line: 1,
    name: "postgre",
    meant: "postgres",
  }],
  cycle: ["/etc/service/web/needs", { line: 1, names: ["db", "web", "db"] }],
  cronName: ["/etc/cron.d/jobs.txt", { isTable: true }, { isTable: false }],
  cronWritable: ["/etc/cron.d/jobs", {}],
  cronOwner: ["/etc/cron.d/jobs", { uid: 33 }],
  cronNoNewline: ["/etc/cron.d/jobs", { line: 2 }],
  cronNoUser: ["/etc/cron.d/jobs", { line: 1, name: "/usr/bin/job" }, { line: 1, name: "" }],
  cronUnknownUser: ["/etc/cron.d/jobs", { line: 1, name: "web" }],
  variableName: ["/etc/container_environment/my-name", { name: "my-name" }],
};

const findings = Object.entries(problems).flatMap(([kind, [file, ...details]]) =>
  details.map((it) => describe({ kind, file, ...it } as Problem))
);

Deno.test("what my_init --check says of each problem", async (test) => {
  await assertSnapshot(test, findings.map(toLine).join("\n"));
});

Deno.test("what my_init --check says at the end, and as JSON", async (test) => {
  const [error] = findings;
  const [warning] = findings.filter((it) => it.severity === "warning");
  const summaries = [
    summarize([], []),
    summarize([], ["/etc/container_environment", "/etc/my_init.d/secret"]),
    summarize([error], []),
    summarize([error, error, warning], []),
  ];
  await assertSnapshot(test, [...summaries, toJson([error, warning])].join("\n"));
});
