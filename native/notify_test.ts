import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type ByteString, fromBytes, toBytes } from "../posix/bytes.ts";
import { ensureProgram } from "../build/packages.ts";
import { projectFolder, withFolder } from "../build/project.ts";
import { until } from "../tests/support/until.ts";
import { aarch64 } from "./compiler/aarch64.ts";
import { compile } from "./compiler/compile.ts";
import { makeElf } from "./compiler/smallest_elf.ts";
import { x86_64 } from "./compiler/x86_64.ts";
import { notify } from "./notify.ts";
import { type Kernel, Simulation } from "./simulation.ts";

/** A message; from another PID namespace the sender's number is 0. */
interface Message {
  text: ByteString;
  sender?: number;
  /** It comes when the process has ended. */
  late?: boolean;
}

interface Call {
  words?: string[];
  environment?: string[];
  messages?: Message[];
  /** Whether the process runs on when all messages have been read. */
  runsOn?: boolean;
  /** What `clone` returns; 0 follows the child. */
  clone?: bigint;
  kernel?: (machine: Simulation) => Kernel;
}

/** Runs the program as TypeScript: what it has done, how it has ended, and how many messages it has left. */
function simulate(
  {
    words = ["/usr/lib/baseimage/notify_socket", "./run.own"],
    environment = ["A=1"],
    messages = [],
    runsOn = true,
    clone = 0n,
    kernel = () => ({}),
  }: Call,
): { calls: string[]; end: string; unread: number } {
  const calls: string[] = [], queue = [...messages];
  const machine: Simulation = new Simulation();
  const list = (at: bigint): string[] =>
    machine.load(8, at) === 0n ? [] : [machine.readText(machine.load(8, at)), ...list(at + 8n)];
  Object.assign(
    machine.kernel,
    {
      mmap: (_address, size) => machine.allocate(size),
      socket: () => 3n,
      bind: (_file, address, size) =>
        BigInt(-!(size === 2n && machine.read(address, 2) === "\x01\0")),
      setsockopt: () => 0n,
      getsockname: (_file, address, size) => {
        machine.write(address, "\x01\0\x000001f");
        machine.store(4, size, 8n);
        return 0n;
      },
      openat: (_directory, path) => machine.readText(path) === "/proc/self" ? 4n : 9n,
      unlinkat: (_directory, path) => (calls.push(`unlink ${machine.readText(path)}`), 0n),
      write: (file, from, size) => (calls.push(`write ${file} ${machine.read(from, size)}`), size),
      getpid: () => 4711n,
      clone: () => clone,
      waitid: () => 0n,
      setsid: () => 0n,
      prctl: (_what, name) => (calls.push(machine.readText(name)), 0n),
      rt_sigprocmask: (how) => (calls.push(`mask ${how}`), 0n),
      dup3: (from, to) => (calls.push(`dup3 ${from} ${to}`), to),
      close_range: (first) => (calls.push(`close from ${first}`), 0n),
      faccessat: () => queue.length > 0 && !queue[0].late || runsOn ? 0n : -3n,
      ppoll: () => queue.length > 0 ? 1n : 0n,
      recvmsg: (_file, header) => {
        const { text, sender = 5 } = queue.shift()!;
        machine.write(machine.load(8, machine.load(8, header + 16n)), text);
        const control = machine.load(8, header + 32n);
        machine.store(8, control, 28n);
        [1, 2, sender].forEach((number, index) =>
          machine.store(4, control + 8n + 4n * BigInt(index), BigInt(number))
        );
        return BigInt(text.length);
      },
      execve: (file, argv, envp) => {
        calls.push([machine.readText(file), ...list(argv), ...list(envp)].join(" "));
        return -2n;
      },
      ...kernel(machine),
    } satisfies Kernel,
  );
  const stack = machine.allocate(8 * (words.length + environment.length + 3));
  const texts = [...words, undefined, ...environment];
  machine.store(8, stack, BigInt(words.length));
  texts.forEach((text, index) =>
    machine.store(
      8,
      stack + 8n * BigInt(index + 1),
      text === undefined ? 0n : machine.put(`${text}\0`),
    )
  );
  const { how, parameters } = machine.run(() => {
    notify(stack);
    machine.syscall("exit_group", [-1n]);
  });
  return { calls, end: `${how} ${parameters}`, unread: queue.length };
}

/** What the listener has written down after these messages. */
function writtenAfter(...messages: Message[]): string[] {
  return simulate({ messages, runsOn: messages.some(({ text }) => text.includes("READY=1")) })
    .calls.filter((call) => call.startsWith("write"));
}

const WRITTEN = "write 9 4711\n";
/** A stop may end the listener. */
const UNBLOCK = "mask 1";

Deno.test("READY=1 counts as a line of its own, from whom ever in the container it comes", () => {
  for (
    const text of ["READY=1", "READY=1\n", "STATUS=up\nREADY=1\nMAINPID=7", "\n\nREADY=1"]
  ) {
    assertEquals(writtenAfter({ text }), [WRITTEN], text);
  }
  for (
    const text of ["", "READY=0", "READY=", "READY=10", " READY=1", "STATUS=READY=1", "ready=1\n"]
  ) {
    assertEquals(simulate({ messages: [{ text }], runsOn: false }).calls.includes(WRITTEN), false);
  }
});

Deno.test("a link that somebody has put in the place of notified is not followed", () => {
  const { calls } = simulate({ messages: [{ text: "READY=1" }] });
  assertEquals(calls.slice(-2), ["unlink supervise/notified", WRITTEN]);
});

Deno.test("READY=1 from another PID namespace does not count, a later one from here does", () => {
  const outside = { text: "READY=1", sender: 0 };
  const { calls, end } = simulate({ messages: [outside], runsOn: false });
  assertEquals([calls.includes(WRITTEN), end], [false, "exit_group 0"]);
  assertEquals(writtenAfter(outside, { text: "READY=1" }), [WRITTEN]);
});

Deno.test("what is said after READY=1 is read, so that nobody's message is refused, and changes nothing", () => {
  const messages = ["READY=1", "BARRIER=1", "STATUS=READY", "READY=1"].map((text) => ({ text }));
  const { calls, unread } = simulate({ messages });
  assertEquals([calls.filter((call) => call === WRITTEN), unread], [[WRITTEN], 0]);
});

Deno.test("the listener ends when the process has ended, whatever is said then", () => {
  const messages = [{ text: "STATUS=up" }, { text: "READY=1", late: true }];
  const { calls, end } = simulate({ messages, runsOn: false });
  assertEquals(calls, ["my_init listens", UNBLOCK, "dup3 3 0", "dup3 4 1", "close from 2"]);
  assertEquals(end, "exit_group 0");
});

Deno.test("what a process has left behind does not speak for the one that is started after it", () => {
  const { calls } = simulate({ messages: [{ text: "READY=1" }], runsOn: false });
  assertEquals(calls.includes(WRITTEN), false);
});

Deno.test("the program gets the NOTIFY_SOCKET, in the place of another one", () => {
  for (
    const [environment, expected] of [
      [["A=1"], "A=1 NOTIFY_SOCKET=@0001f"],
      [["NOTIFY_SOCKET=/run/outer", "A=1"], "NOTIFY_SOCKET=@0001f A=1"],
      [[], "NOTIFY_SOCKET=@0001f"],
    ] as const
  ) {
    const words = ["notify_socket", "./run.own", "x"];
    const { calls, end } = simulate({ words, environment: [...environment], clone: 7n });
    assertEquals(calls[1], `./run.own ./run.own x ${expected}`);
    assertEquals(end, "exit_group 127");
  }
});

Deno.test("where no socket or listener can be made, the program runs all the same, and a line says so", () => {
  for (const call of ["socket", "bind", "getsockname", "openat", "clone"] as const) {
    const { calls } = simulate({ kernel: () => ({ [call]: () => -1n }) });
    const line = "*** Cannot make a NOTIFY_SOCKET, so the service does not count as ready\n";
    assertEquals(calls.slice(0, 3), [`write 2 ${line}`, "mask 2", "./run.own ./run.own A=1"], call);
  }
});

Deno.test("under other names nothing is done", () => {
  for (const words of [["my_init", "x"], ["notify_socket"], ["/x/notify_socket2", "x"], [""]]) {
    const { calls, end } = simulate({ words });
    assertEquals([calls, end], [[], "exit_group -1"]);
  }
});

/** Says what its arguments are to its NOTIFY_SOCKET, each after it has read a line. */
const PROGRAM = `#!/usr/bin/perl
use Socket;
$| = 1;
print "$$ ", wait(), "\\n"; # -1: it has no child.
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
(my $name = $ENV{NOTIFY_SOCKET}) =~ s/^@/\\0/ or die;
while (<STDIN>) { chomp; send($socket, $_, 0, pack_sockaddr_un($name)) or die }
`;

const processors = {
  "x86-64": { processor: x86_64, machine: 62, emulator: "qemu-x86_64-static" },
  "aarch64": { processor: aarch64, machine: 183, emulator: "qemu-aarch64-static" },
};
for (const [name, { processor, machine, emulator }] of Object.entries(processors)) {
  Deno.test(`on ${name} a program that says READY=1 is written down, and no listener stays`, async () => {
    const isNative = Deno.build.arch === name.replace("-", "_");
    if (!isNative) await ensureProgram(emulator, ["qemu-user-static"]);
    const program = makeElf(compile(join(projectFolder, "native/entry.ts"), processor), machine);
    await withFolder(async (folder) => {
      const file = join(folder, "notify_socket"), notified = join(folder, "supervise/notified");
      await Deno.writeFile(file, program, { mode: 0o755 });
      await Deno.writeTextFile(join(folder, "run.own"), PROGRAM, { mode: 0o755 });
      await Deno.mkdir(join(folder, "supervise"));
      /** Whether a process reads messages for this folder. */
      const listens = () =>
        [...Deno.readDirSync("/proc")].some(({ name }) =>
          attempt(() => Deno.readTextFileSync(`/proc/${name}/comm`)) === "my_init listens\n" &&
          attempt(() => Deno.readLinkSync(`/proc/${name}/cwd`)) === folder
        );
      const command = isNative ? [file] : [emulator, "-0", "notify_socket", file];
      for (const says of ["STATUS=up\n", "STATUS=up\nREADY=1\n"]) {
        const child = new Deno.Command(command[0], {
          args: [...command.slice(1), "./run.own"],
          cwd: folder,
          stdin: "piped",
          stdout: "piped",
        }).spawn();
        const writer = child.stdin.getWriter();
        await writer.write(toBytes(says));
        await until(listens, 30);
        if (says.includes("READY=1")) {
          await until(
            () => attempt(() => Deno.readTextFileSync(notified)) === `${child.pid}\n`,
            30,
          );
          await until(() => !listens(), 30);
        }
        await writer.close();
        const { code, stdout } = await child.output();
        assertEquals([code, fromBytes(stdout)], [0, `${child.pid} -1\n`]);
        await until(() => !listens(), 30);
        assertEquals(
          attempt(() => Deno.statSync(notified)) !== undefined,
          says.includes("READY=1"),
        );
      }
    });
  });
}

/** What a file holds; a process may have ended meanwhile. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
