/**
 * Compares the two implementations of setuser, the native code and setuser.ts, in generated cases. Run by
 * differential_test.ts as root in a namespace with an /etc of its own: `differential.ts CASES REAL_CASES SEED`. If they
 * differ, it prints the case and ends with status 1.
 *
 * Native: native/setuser.ts as TypeScript, on a simulated machine with the real files. The other: setuser.ts with the real
 * functions of glibc for users and groups. Neither changes anything; what they would do is compared. In the real cases both
 * are run as they are installed, and the command prints what it was given.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import * as esbuild from "esbuild";
import { type ByteString, toBytes } from "../posix/bytes.ts";
import * as libc from "../posix/libc.ts";
import { setuser } from "./setuser.ts";
import { fileSystem, Gone, type Kernel, type SimulatedFile, Simulation } from "./simulation.ts";

interface Case {
  passwd: ByteString;
  group: ByteString;
  words: ByteString[];
  environment: ByteString[];
}

/** What is executed in the end, as whom; or that nothing is. */
type Outcome =
  | {
    uid: number;
    gid: number;
    groups: number[];
    file: ByteString;
    argv: ByteString[];
    environment: ByteString[];
  }
  | "an error"
  | "Deno's";

// ------------------------------------------------------------------------------------------- random cases

let state = 1;

/** A random number from 0 to below − 1. The same seed gives the same numbers. (xorshift) */
function chance(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function choose<T>(list: readonly T[]): T {
  return list[chance(list.length)];
}

function times<T>(most: number, make: () => T): T[] {
  return Array.from({ length: chance(most + 1) }, make);
}

const NAMES = ["joe", "jo", "joey", "root", "nobody", "app", "4000", "0", "a.b", "x-y", "_u"];
const ODD_NAMES = [
  "",
  "+joe",
  "-joe",
  "#joe",
  " joe",
  "joe ",
  "j\toe",
  "j,oe",
  "j\xfcrgen",
  "+",
  "joe\r",
];
const IDS = ["0", "1", "1234", "1235", "4000", "65534", "4294967294", "007"];
const ODD_IDS = [
  "",
  "4294967295",
  "4294967296",
  "-1",
  "12a",
  " 5",
  "+5",
  "99999999999999999999",
  "0x10",
  "00000000001234",
];
const TEXTS = ["", "/", "/home/joe", "/bin/dash", "Joe,,, x", "J\xc3\xb6rg", "x".repeat(50)];
const ODD_TEXTS = ["a:b", "\t", "\r", "\x7f", "a\0b", "y".repeat(3000)];
const VARIABLES = [
  "USER=x",
  "HOME=",
  "UID=1",
  "GID=",
  "SHELL=/x",
  "LOGNAME=y",
  "A=b",
  "A=c",
  "B",
  "=c",
  "",
  "=",
  "A=",
  "LANG=\xff",
  "PATH2=/x",
  "PAT=h",
  "USERX=1",
  "XUSER=1",
];
const PATHS = [
  "/bin:/usr/bin",
  "",
  ":",
  "/mnt/x",
  "/mnt/x:/bin",
  "/nowhere:/mnt/none::/bin",
  "/usr/bin",
  "x",
];
const COMMANDS = [
  "true",
  "sh",
  "/bin/true",
  "/mnt/x",
  "none",
  "",
  "/mnt/x/script",
  "script",
  "broken",
  "bare",
  "empty",
  "crlf",
  "spaced",
  "directory",
  "/mnt",
  "fifo",
  "notx",
  "text",
];

/** A usual value; in one of `oneIn` cases an odd one. */
function mostly<T>(usual: readonly T[], odd: readonly T[], oneIn: number): T {
  return chance(oneIn) === 0 ? choose(odd) : choose(usual);
}

/** Inserts, replaces or removes a character at a place where it matters. */
function spoil(content: ByteString): ByteString {
  const places = [0, ...[...content.matchAll(/[:,\n]/g)].map(({ index }) => index + chance(2))];
  const at = choose(places);
  return content.slice(0, at) + choose([..." \t\r\0:,+-#\n0", ""]) + content.slice(at + chance(2));
}

function makeCase(): Case {
  const oneIn = choose([50, 150, 500, 1e9, 1e9]);
  const name = () => mostly(NAMES, ODD_NAMES, oneIn), id = () => mostly(IDS, ODD_IDS, oneIn);
  const text = () => mostly(TEXTS, ODD_TEXTS, oneIn);
  const userLine = () => [name(), choose(["x", "", "*"]), id(), id(), text(), text(), text()];
  const groupLine = () => [name(), choose(["x", ""]), id(), times(4, name).join(",")];
  const line = (fields: string[]) => {
    if (chance(oneIn) === 0) fields.splice(chance(fields.length), chance(3), ...times(2, text));
    const odd = ["#a:x:5:joe", "  ", "+", "-", "+joe", "+::::::"];
    return mostly([mostly([fields.join(":")], ["", "# x"], 20)], odd, oneIn);
  };
  const database = (make: () => string[]) => {
    const content = [make(), make(), ...times(6, make)].map(line).join("\n") +
      choose(["\n", "\n", "", "\n\n"]);
    if (chance(6) === 0) return spoil(content);
    return mostly([content], [content.replaceAll("\n", "\r\n"), content + "\0", ""], oneIn);
  };
  const passwd = database(userLine), group = database(groupLine);
  const field = (database: ByteString, index: number) =>
    choose(database.split("\n").map((line) => line.split(":")[index] ?? ""));
  const who = choose([name, id, ...(Array(4).fill(() => field(passwd, choose([0, 0, 2]))))])();
  const words = [
    chance(3)
      ? who
      : `${who}:${
        mostly([choose([name, id, () => field(group, choose([0, 2]))])()], ["", "a:b"], 20)
      }`,
    mostly(["true", "sh", "/bin/true", "/mnt/x/script"], COMMANDS, 3),
    ...times(3, () => choose(["", "x", "\xff", "--help", "a b"])),
  ].slice(0, mostly([5], [0, 1], 50));
  const environment = [
    ...times(8, () => choose(VARIABLES)),
    ...times(2, () => `PATH=${mostly(PATHS.slice(0, 1), PATHS, 3)}`),
  ];
  if (chance(50) === 0) environment.push("LD_PRELOAD=x");
  return { passwd, group, words, environment };
}

/** Cases that are rare at random: a character before or behind what matters, and the same line without it further down. */
function oddCases(): Case[] {
  const passwd = "joe:x:1234:1235:::\njo:x:1:2:::\n";
  const odd = (passwd: ByteString, group: ByteString, who = "joe"): Case => (
    { passwd, group, words: [who, "true"], environment: ["PATH=/bin:/usr/bin"] }
  );
  return [..." \t\r\0:,+-#\n0"].flatMap((it) => [
    odd(`${it}joe:x:1:1:::\n${passwd}`, ""),
    odd(`joe${it}:x:1:1:::\n${passwd}`, ""),
    odd(`${it}joe:x:1:1:::\n${passwd}`, "", `${it}joe`.replace("\0", "")),
    odd(`joe:x:1${it}:${it}1::${it}:${it}\n${passwd}`, ""),
    odd(`${it}\n${passwd}${it}`, `${it}\na:x:5:joe\n${it}`),
    odd(passwd, `a:x:5:${it}joe\nb:x:6:joe${it}\nc:x:7:a,${it}joe\n`),
    odd(passwd, `${it}a:x:5:joe\nb${it}:x:6:joe\nc:x:7:joe\n`),
    odd(passwd, `a:x:5${it}:joe\nb:x:${it}6:joe\nc:x:7:joe\n`),
    odd(passwd, `${it}a:x:5:joe\na:x:6:joe\n`, "joe:a"),
  ]);
}

const programs = (): Record<string, ByteString> => ({
  script: "#!/bin/sh\n",
  broken: "#!/no/interpreter x\n",
  empty: "",
  crlf: "#!/bin/sh\r\n",
  spaced: "#! \t/bin/sh -e\n",
  text: "echo x\n" + "y".repeat(300),
  binary: "\x7fELF\0",
  notx: "#!/bin/sh\n",
  bare: "#!\n",
  show: SHOW,
});

function makePrograms(): void {
  Deno.mkdirSync("/mnt/x/directory", { recursive: true });
  for (const [name, content] of Object.entries(programs())) {
    Deno.writeFileSync(`/mnt/x/${name}`, toBytes(content), {
      mode: name === "notx" ? 0o644 : 0o755,
    });
  }
  new Deno.Command("mkfifo", { args: ["-m", "755", "/mnt/x/fifo"] }).outputSync();
}

// -------------------------------------------------------------------------------------------- the native code

function runNative({ words, environment }: Case): Outcome {
  let uid = 0, gid = 0, groups: number[] = [];
  let executed: Outcome | undefined;
  const unchanged: unknown[] = [];
  const numbers = (count: bigint, at: bigint) =>
    Array.from({ length: Number(count) }, (_, i) => Number(machine.load(4, at + 4n * BigInt(i))));
  const texts = (list: bigint) => {
    const found: ByteString[] = [];
    for (let at = list; machine.load(8, at) !== 0n; at += 8n) {
      found.push(machine.readText(machine.load(8, at)));
    }
    return found;
  };
  const ids = (...addresses: bigint[]) => {
    for (const address of addresses) machine.store(4, address, 0n);
    return 0n;
  };
  const kernel: Kernel = {
    ...fileSystem(() => machine, findFile),
    mmap: (_address, size) => machine.allocate(size),
    getegid: () => 0n,
    getresuid: ids,
    getresgid: ids,
    getgroups: () => 0n,
    prctl: () => 0n,
    setgroups: (count, at) => (groups = numbers(count, at), 0n),
    setresgid: (_real, effective) => (gid = Number(effective), 0n),
    setresuid: (_real, effective) => (uid = Number(effective), 0n),
    rt_sigaction: () => 0n,
    rt_sigprocmask: () => 0n,
    execve: (file, argv, envp) => {
      executed = {
        uid,
        gid,
        groups,
        file: machine.readText(file),
        argv: texts(argv),
        environment: texts(envp),
      };
      throw new Gone("execve", []);
    },
  };
  const machine: Simulation = new Simulation(kernel);
  const argv = ["setuser", ...words];
  const put = (list: ByteString[]) => [...list.map((it) => machine.put(it + "\0")), 0n];
  const stack = [BigInt(argv.length), ...put(argv), ...put(environment), 0n, 0n];
  const at = machine.allocate(8 * stack.length);
  stack.forEach((number, index) => machine.store(8, at + 8n * BigInt(index), number));
  const before = machine.read(at, 8 * stack.length);
  machine.run(() => {
    setuser(at);
    unchanged.push(uid, gid, groups.length, machine.read(at, 8 * stack.length) === before);
    throw new Gone("Deno", []);
  });
  if (executed) return executed;
  if (unchanged.join() !== "0,0,0,true") {
    throw new Error(`Deno is started with changes: ${unchanged}`);
  }
  return "Deno's";
}

function findFile(path: ByteString): SimulatedFile | undefined {
  const status = libc.stat(path);
  if (!status) return undefined;
  const limit = path.startsWith("/etc/") ? Infinity : 256; // Of a program only the beginning is examined.
  const content = status.type === "file" ? libc.readFile(path, limit) : "";
  const type = status.type === "pipe" ? "other" : status.type;
  return { type, content, mayBeExecuted: libc.mayExecute(path) };
}

// ------------------------------------------------------------------------------------------------ setuser.ts

async function bundleSetuser(): Promise<() => void> {
  const names = Object.keys(libc);
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(dirname(fromFileUrl(import.meta.url)), "../setuser.ts")],
    bundle: true,
    write: false,
    format: "iife",
    define: { VERSION: '"test"' },
    plugins: [{
      name: "libc",
      setup(build) {
        build.onResolve({ filter: /\/libc\.ts$/ }, () => ({ path: "libc", namespace: "double" }));
        build.onLoad({ filter: /./, namespace: "double" }, () => ({
          contents: `export const { ${names.join(", ")} } = globalThis.libcDouble;`,
        }));
      },
    }],
  });
  await esbuild.stop();
  return new Function(outputFiles[0].text) as () => void;
}

function runTypeScript(program: () => void, { words, environment }: Case): Outcome {
  let outcome: Outcome = "an error";
  let as = { uid: 0, gid: 0, groups: [] as readonly number[] };
  const double = {
    ...libc,
    readFile: (path: ByteString, limit?: number) => {
      if (path === "/proc/self/cmdline") return ["setuser", ...words].join("\0") + "\0";
      if (path === "/proc/self/environ") return environment.map((it) => it + "\0").join("");
      return libc.readFile(path, limit);
    },
    identity: () => ({ uid: 0, gid: 0 }),
    becomeUser: (uid: number, gid: number, groups: readonly number[]) => {
      as = { uid, gid, groups };
      return uid !== 0xffffffff && gid !== 0xffffffff;
    },
    setDefault: () => {},
    setSignalMask: () => {},
    writeError: () => {},
    writeOutput: () => {},
    exit: () => {
      throw new Gone("exit", []);
    },
    exec: (file: ByteString, argv: ByteString[], environment: ByteString[]) => {
      outcome = { ...as, groups: [...as.groups], file, argv, environment };
      throw new Gone("execve", []);
    },
  };
  (globalThis as unknown as { libcDouble: unknown }).libcDouble = double;
  try {
    program();
  } catch (error) {
    if (!(error instanceof Gone)) throw error;
  }
  return outcome;
}

// ---------------------------------------------------------------------------------------------- real processes

const SHOW = `#!/bin/sh
{ /bin/cat /proc/$$/environ /proc/$$/cmdline; /bin/grep -E "^([UG]id|Groups|Sig[PBI]|Cap)" /proc/self/status; } >/mnt/shown
exit 7
`;

/** Runs the installed program. Returns the status and what the command printed about itself. */
function runReally(program: ByteString, { words, environment }: Case): string {
  const argv = ["setuser", words[0] ?? "", ...words.slice(1)].slice(0, words.length + 1);
  Deno.writeTextFileSync("/mnt/shown", "");
  Deno.chmodSync("/mnt/shown", 0o666);
  const pid = libc.spawn({ file: program, argv, envp: environment }, {
    ownGroup: false,
    noInput: false,
  });
  for (;;) {
    const exit = libc.reap();
    if (typeof exit === "object" && "status" in exit && exit.pid === pid) {
      return JSON.stringify([exit.status, libc.readFile("/mnt/shown")]);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

// ---------------------------------------------------------------------------------------------------- comparison

if (import.meta.main) {
  const [cases, realCases, seed] = Deno.args.map(Number);
  state = seed;
  makePrograms();
  Deno.chdir("/mnt/x");
  const program = await bundleSetuser();
  const odd = oddCases();
  const counts = { decided: 0, errors: 0, run: 0 };
  const compare = (it: Case, native: Outcome | string, other: Outcome | string) => {
    if (JSON.stringify(native) === JSON.stringify(other)) return;
    console.log(`They differ: ${JSON.stringify({ ...it, native, other }, null, 1)}`);
    Deno.exit(1);
  };
  for (let number = 0; number < cases + realCases; number++) {
    const it = odd.shift() ?? makeCase();
    Deno.writeFileSync("/etc/passwd", toBytes(it.passwd));
    Deno.writeFileSync("/etc/group", toBytes(it.group));
    if (number < cases) {
      const native = runNative(it), other = runTypeScript(program, it);
      if (native !== "Deno's") counts.decided++;
      if (other === "an error") counts.errors++;
      if (native !== "Deno's") compare(it, native, other);
    } else {
      if (chance(4) > 0) it.words[1] = choose(["show", "/mnt/x/show"]);
      it.environment = it.environment.filter((text) => !text.startsWith("LD_PRELOAD"));
      const native = runReally("/mnt/bin/setuser", it);
      if (native.startsWith("[7,")) counts.run++;
      compare(it, native, runReally("/mnt/setuser.ts", it)); // By this name setuser.ts is run.
    }
  }
  console.log(JSON.stringify(counts));
}
