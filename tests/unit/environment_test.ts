import { assertEquals, assertStringIncludes } from "@std/assert";
import { findExcess } from "../../posix/arguments.ts";
import { fromBytes, fromUnicode, toBytes, toUnicode } from "../../posix/bytes.ts";
import { parseEnvironment } from "../../env/environment.ts";
import {
  beginWith,
  forServices,
  missingSecrets,
  reloadFrom,
  withoutSecrets,
} from "../../env/policy.ts";
import { toJson, toPam, toShell } from "../../env/dumps.ts";

Deno.test("a byte string holds every byte, and gives it back", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
  assertEquals(toBytes(fromBytes(bytes)), bytes);
  assertEquals(toUnicode(fromUnicode("häß 🦕")), "häß 🦕");
  assertEquals(toUnicode("a\xffb"), "a\ufffdb");
});

Deno.test("parseEnvironment() keeps values with = and newlines, the first of two, and skips everything else", () => {
  assertEquals(parseEnvironment("A=b=c\0B=\0A=x\0nonsense\0=nameless\0C=1\n2\n\0"), [
    ["A", "b=c"],
    ["B", ""],
    ["C", "1\n2\n"],
  ]);
});

Deno.test("beginWith() does not override what the container was given", () => {
  assertEquals(beginWith([["A", "given"]], [["A", "file"], ["B", "file"]]), [
    ["A", "given"],
    ["B", "file"],
  ]);
});

Deno.test("beginWith() prefers a PATH of the directory to docker's default only", () => {
  const docker = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const mine: [string, string][] = [["PATH", "/mine"]];
  assertEquals(beginWith([["PATH", docker]], mine), mine);
  assertEquals(beginWith([["PATH", "/given"]], mine), [["PATH", "/given"]]);
});

Deno.test("reloadFrom() takes over what a script has changed, and keeps what was never in the directory", () => {
  const before: [string, string][] = [
    ["HOME", "/root"],
    ["GONE", "1"],
    ["CHANGED", "1"],
    ["a/b", "unwritten"],
  ];
  assertEquals(reloadFrom([["CHANGED", "2"], ["NEW", "3"]], before, ["a/b"]), [
    ["HOME", "/root"],
    ["CHANGED", "2"],
    ["NEW", "3"],
    ["a/b", "unwritten"],
  ]);
});

Deno.test("a secret survives a reload, unless its FILE__ variable has gone or leads elsewhere", () => {
  const before: [string, string][] = [
    ["FILE__KEPT", "/kept"],
    ["KEPT", "secret"],
    ["FILE__GONE", "/gone"],
    ["GONE", "secret"],
    ["FILE__MOVED", "/old"],
    ["MOVED", "secret"],
    ["FILE__UNREAD", "/unread"],
  ];
  const directory: [string, string][] = [
    ["FILE__KEPT", "/kept"],
    ["KEPT", "public"],
    ["FILE__MOVED", "/new"],
    ["FILE__UNREAD", "/unread"],
  ];
  const environment = reloadFrom(directory, before, []);
  assertEquals(environment, [...directory.with(1, ["KEPT", "secret"])]);
  assertEquals(missingSecrets(environment, before).map(({ name }) => name), ["MOVED", "UNREAD"]);
  assertEquals(withoutSecrets(environment), environment.filter(([name]) => name !== "KEPT"));
});

Deno.test("toShell() quotes what needs it and leaves out what is personal", () => {
  const { text, warnings } = toShell([
    ["Z", "plain-1.0:/x"],
    ["A", "it's $HOME"],
    ["EMPTY", ""],
    ["HOME", "/root"],
    ["UID", "0"],
  ]);
  assertEquals(
    text,
    `export A='it'"'"'s $HOME'\nexport EMPTY=''\nexport Z=plain-1.0:/x\n`,
  );
  assertEquals(warnings, []);
});

Deno.test("toShell() gives names that a shell takes, each once, and says so", () => {
  const { text, warnings } = toShell([
    ["a.b", "dot"],
    ["a-b", "dash"],
    ["c_d", "exact"],
    ["c.d", "dot"],
    ["1abc", "digit"],
    ["PPID", "1"],
  ]);
  assertEquals(text, "export _abc=digit\nexport a_b=dash\nexport c_d=exact\n");
  assertEquals(warnings.length, 5);
});

Deno.test("toJson() prints everything as one object, with U+FFFD for what is not UTF-8", () => {
  const json = toJson([["B", "x\xff"], ["A", 'quote"\n'], ["HOME", fromUnicode("/höme")]]);
  assertEquals(
    toUnicode(json),
    '{"A": "quote\\"\\n", "B": "x\ufffd", "HOME": "/höme"}',
  );
});

Deno.test("toPam() writes all that PAM can hold, and leaves out what is of one session or cannot be written", () => {
  const { text, warnings } = toPam([
    ["Z", `it's "me" $x \\ `],
    ["A", ""],
    ["HOME", "/root"],
    ["TERM", "xterm"],
    ["a.b", "x"],
    ["TWO", "1\n2"],
    ["HASH", "#"],
    ["FITS", "x".repeat(15)],
    ["LONG", "x".repeat(16)],
  ], 20);
  assertEquals(text, `A=""\nFITS="xxxxxxxxxxxxxxx"\nZ="it's "me" $x \\ "\n`);
  assertEquals(warnings.length, 1);
  for (const name of ["a.b", "TWO", "HASH", "LONG"]) assertStringIncludes(warnings[0], name);
  assertEquals(toPam([["A", "b"]], 1000).warnings, []);
});

Deno.test("findExcess() knows what a program can be given, to the byte, and names the largest", () => {
  const find = (argv: string[], envp: string[], stack = 8 << 20) =>
    findExcess({ file: "/bin/true", argv, envp }, stack);
  const one = "A=" + "x".repeat(131_069);
  assertEquals(find(["true"], [one]), undefined);
  assertEquals(
    find(["true"], [one + "x"]),
    "variable A has 131072 bytes, more than a program can be given (131071 bytes)",
  );
  assertStringIncludes(find(["true", "x".repeat(131_072)], [])!, "argument 1 has 131072 bytes, ");
  // Measured: this much fits, besides the pointers and the name of the file.
  const many = Array.from({ length: 10 }, (_, index) => `V${index}=${"x".repeat(99_997)}`);
  const rest = (limit: number) => "B=" + "x".repeat(limit - 10 - 10 * 100_009 - 13 - 11);
  assertEquals(find(["true"], [...many, rest(1 << 20)], 4 << 20), undefined);
  assertEquals(
    find(["true"], [...many, rest(1 << 20) + "x"], 4 << 20),
    "arguments and environment have 1048577 bytes, more than a program can be given (1048576); the largest: variable V0 has 100000 bytes",
  );
  assertEquals(find(["true"], [...many, ...many, ...many], Infinity), undefined);
});

Deno.test("forServices() leaves out the HOME that docker sets, and no other", () => {
  const withHome = (home: string): [string, string][] => [["A", "b"], ["HOME", home]];
  assertEquals(forServices(withHome("/root"), "/root"), [["A", "b"]]);
  assertEquals(forServices(withHome("/app"), "/root"), withHome("/app"));
  assertEquals(forServices(withHome("/root"), undefined), withHome("/root"));
  assertEquals(forServices([["A", "b"]], undefined), [["A", "b"]]);
});
