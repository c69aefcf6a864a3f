import $ from "@david/dax";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { type ByteString, fromBytes, toBytes } from "../posix/bytes.ts";
import { ensureProgram } from "../build/packages.ts";
import { projectFolder, withFolder } from "../build/project.ts";
import { aarch64 } from "./compiler/aarch64.ts";
import { compile } from "./compiler/compile.ts";
import { makeElf } from "./compiler/smallest_elf.ts";
import { x86_64 } from "./compiler/x86_64.ts";
import { relay } from "./relay.ts";
import { type Kernel, Simulation } from "./simulation.ts";

const TIME = "2024-02-29T23:59:58.001234Z";
const PIPE_BUF = 4096;

/** The machine of the last simulation. */
let lastMachine: Simulation | undefined;

interface Call {
  words?: string[];
  environment?: string[];
  /** What is read from standard output and from standard error, read by read. */
  chunks: [out: ByteString[], err: ByteString[]];
  kernel?: Kernel;
}

/** Runs the relay as TypeScript: what it writes, write by write, with the number of the open file in front. */
function simulate(
  {
    words = ["relay", "web", "/bin/x", "x"],
    environment = ["SERVICE_LOGS=prefix"],
    chunks,
    kernel,
  }: Call,
): { writes: ByteString[]; calls: string[]; end: string; machine: Simulation; argv: bigint } {
  const writes: ByteString[] = [], calls: string[] = [];
  let pipes = 10;
  const queues: Record<string, ByteString[]> = { 0: [...chunks[0]], 3: [...chunks[1]] };
  const log = (name: string) => (...parameters: bigint[]) => {
    calls.push(`${name} ${parameters.join(" ")}`);
    return 0n;
  };
  const machine: Simulation = new Simulation({
    mmap: (_address, size) => machine.allocate(size),
    pipe2: (at) => {
      machine.store(4, at, BigInt(pipes++));
      machine.store(4, at + 4n, BigInt(pipes++));
      return 0n;
    },
    clone: () => 0n,
    dup3: log("dup3"),
    close_range: log("close_range"),
    setsid: log("setsid"),
    prctl: () => 0n,
    chdir: () => 0n,
    newfstatat: () => -2n,
    ppoll: (polled, count) => {
      for (const at of [polled, polled + 8n].slice(0, Number(count))) {
        const file = machine.load(4, at);
        machine.store(4, at + 4n, file === 0xffffffffn ? 1n : 0x10001n);
      }
      return 2n;
    },
    read: (file, to, size) => {
      const chunk = queues[`${file}`].shift() ?? "";
      const part = chunk.slice(0, Number(size));
      if (part.length < chunk.length) queues[`${file}`].unshift(chunk.slice(part.length));
      machine.write(to, part);
      return BigInt(part.length);
    },
    write: (file, from, size) => (writes.push(`${file} ${machine.read(from, size)}`), size),
    clock_gettime: (_clock, to) => {
      machine.store(8, to, BigInt(Date.parse(TIME)) / 1000n);
      machine.store(8, to + 8n, 1_234_567n);
      return 0n;
    },
    ...kernel,
  });
  lastMachine = machine;
  const argv = machine.put(words.map((word) => word + "\0").join(""));
  const variables = environment.map((variable) => machine.put(variable + "\0"));
  const stack = machine.allocate(8 * (words.length + environment.length + 4));
  let at = argv;
  machine.store(8, stack, BigInt(words.length));
  words.forEach((word, index) => {
    machine.store(8, stack + 8n * BigInt(index + 1), at);
    at += BigInt(word.length + 1);
  });
  variables.forEach((variable, index) =>
    machine.store(8, stack + 8n * BigInt(words.length + 2 + index), variable)
  );
  const { how, parameters } = machine.run(() => {
    relay(stack);
    machine.syscall("exit_group", [-1n]);
  });
  return { writes, calls, end: `${how} ${parameters}`, machine, argv };
}

function written(writes: ByteString[], file: 1 | 2): ByteString {
  return writes.filter((it) => it.startsWith(`${file} `)).map((it) => it.slice(2)).join("");
}

function messages(text: ByteString): { message: string; partial?: boolean }[] {
  const lines = new TextDecoder("utf-8", { fatal: true }).decode(toBytes(text)).split("\n");
  assertEquals(lines.pop(), "");
  return lines.map((line) => JSON.parse(line));
}

const JSON_FORM = ["A=1", "SERVICE_LOGS=json"];

Deno.test("each line gets the name, wherever the reads divide it, and the last one a newline", () => {
  const { writes, end } = simulate({ chunks: [["one\ntw", "o", "\n\nla", "st"], ["oh\n"]] });
  assertEquals(written(writes, 1), "web | one\nweb | two\nweb | \nweb | last\n");
  assertEquals(written(writes, 2), "web | oh\n");
  assertEquals(end, "exit_group 0");
});

Deno.test("a line of JSON has time, service, stream and message", () => {
  const { writes } = simulate({ environment: JSON_FORM, chunks: [['a "b"\\\n'], ["\t\x1b\n"]] });
  const start = `{"time":"${TIME}","service":"web","stream":`;
  assertEquals(written(writes, 1), `${start}"stdout","message":"a \\"b\\"\\\\"}\n`);
  assertEquals(written(writes, 2), `${start}"stderr","message":"\\t\\u001b"}\n`);
});

Deno.test("bytes that are no UTF-8 pass as they are with a prefix, and are U+FFFD in JSON", () => {
  const bad =
    "\xff \xc0\xaf \xe0\x80\x80 \xed\xa0\x80 \xf0\x80\x80\x80 \xf4\x90\x80\x80 \xe2\x82 \xc3";
  const good = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8b \xef\xbf\xbf \x7f";
  for (const bytes of [bad, good, `${bad}\0${good}`]) {
    const { writes } = simulate({ chunks: [[bytes], []] });
    assertEquals(written(writes, 1), `web | ${bytes}\n`);
    const json = simulate({ environment: JSON_FORM, chunks: [[bytes], []] });
    const [{ message }] = messages(written(json.writes, 1));
    const one = (text: string) => text.replaceAll(/\ufffd+/g, "\ufffd");
    assertEquals(one(message), one(new TextDecoder().decode(toBytes(bytes))));
  }
});

Deno.test("a long line becomes several that are marked, none longer than a pipe takes at once", () => {
  const line = "\xe2\x82\xac".repeat(4000) + '"\x01'.repeat(3000);
  for (const size of [100, 5000, 100_000]) {
    const chunks = line.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    const { writes } = simulate({ chunks: [[...chunks, "\nnext\n"], []] });
    assert(writes.every((it) => it.length - 2 <= PIPE_BUF && it.endsWith("\n")));
    const [first, ...others] = written(writes, 1).split("\n").slice(0, -1);
    assertEquals([first.slice(0, 6), others.at(-1)], ["web | ", "web | next"]);
    assertEquals([first, ...others].slice(0, -1).map((it) => it.slice(6)).join(""), line);
    assert(
      others.slice(0, -1).every((it) =>
        it.startsWith("web + ") && !/^[\x80-\xbf]/.test(it.slice(6))
      ),
    );

    const json = simulate({ environment: JSON_FORM, chunks: [[...chunks, "\nnext\n"], []] });
    assert(json.writes.every((it) => it.length - 2 <= PIPE_BUF && it.endsWith("\n")));
    const all = messages(written(json.writes, 1));
    assertEquals(all.pop()?.message, "next");
    assertEquals(all.map((it) => it.message).join(""), new TextDecoder().decode(toBytes(line)));
    assertEquals(all.map((it) => it.partial), [...all.slice(1).map(() => true), undefined]);
  }
});

Deno.test("a read of many lines is written in few writes", () => {
  const { writes } = simulate({ chunks: [["a line\n".repeat(2000)], []] });
  assert(writes.length < 10, `${writes.length}`);
  assertEquals(written(writes, 1), "web | a line\n".repeat(2000));
});

Deno.test("the name cannot do harm: neither to a terminal, nor to JSON, nor by its length", () => {
  const words = ["relay", 'a\x1b\n"' + "\xff".repeat(5000), "/bin/x", "x"];
  const plain = simulate({ words, chunks: [["x\n"], []] });
  assertMatch(written(plain.writes, 1), /^a\?\?"\xff+ \| x\n$/);
  const json = simulate({ words, environment: JSON_FORM, chunks: [["x".repeat(5000)], []] });
  assert(json.writes.every((it) => it.length - 2 <= PIPE_BUF));
  assertEquals(
    messages(written(json.writes, 1)).map((it) => it.message).join(""),
    "x".repeat(5000),
  );
});

Deno.test("nothing is lost when the output takes a part of it, or nothing for a moment", () => {
  let count = 0, text = "";
  simulate({
    chunks: [["a line\nanother\n"], []],
    kernel: {
      write: (_file, from, size) => {
        count += 1;
        if (count % 2) return -11n;
        const part = size < 5n ? size : 5n;
        text += lastMachine!.read(from, part);
        return part;
      },
    },
  });
  assertEquals(text, "web | a line\nweb | another\n");
});

Deno.test("the relay keeps no open file but its pipes and the output, is called by its name, and in a session of its own", () => {
  const { calls, machine, argv } = simulate({
    words: ["relay", "web", "/bin/x", "secret"],
    chunks: [[], []],
  });
  assertEquals(calls, ["setsid ", "dup3 10 0 0", "dup3 12 3 0", "close_range 4 4294967295 0"]);
  assertEquals(machine.read(argv, 24), "relay\0web\0" + "\0".repeat(14));
});

Deno.test("runsv is found behind our directory in the PATH, which the service does not see", () => {
  let seen = "";
  const { end } = simulate({
    words: ["runsv", "web"],
    environment: ["B=2", "PATH=/usr/lib/baseimage/relay:/usr/bin:/bin", "SERVICE_LOGS=raw"],
    chunks: [[], []],
    kernel: executing((machine, file, argv, envp) => {
      seen = [file, ...list(machine, argv), ...list(machine, envp)].join(" ");
    }),
  });
  assertEquals(seen, "/usr/bin/runsv runsv web B=2 PATH=/usr/bin:/bin SERVICE_LOGS=raw");
  assertEquals(end, "exit_group 127");
});

Deno.test("a service with a log of its own gets no relay, nor does a program under other names", () => {
  let forks = 0, executed = 0;
  const kernel = {
    ...executing(() => executed++, "web/log"),
    clone: () => (forks++, 0n),
  };
  const environment = ["PATH=/usr/lib/baseimage/relay:/usr/bin", "SERVICE_LOGS=json"];
  simulate({ words: ["/x/runsv", "web"], environment, chunks: [[], []], kernel });
  assertEquals([forks, executed], [0, 1]);
  for (const words of [["/sbin/my_init", "x", "y", "z"], ["my_init"], ["relay", "web"], [""]]) {
    assertEquals(simulate({ words, chunks: [[], []], kernel }).end, "exit_group -1");
  }
  assertEquals([forks, executed], [0, 1]);
});

Deno.test("runsv becomes the parent of what a service with owns_descendants leaves behind, but not of the relay", () => {
  const adopts = (...files: string[]) => {
    const order: string[] = [];
    const kernel: Kernel = {
      ...executing(() => order.push("runsv"), ...files),
      clone: () => (order.push("relay"), 20n),
      waitid: () => 0n,
      fchmod: () => 0n,
      prctl: (option, value) => (order.push(`prctl ${option} ${value}`), 0n),
    };
    const environment = ["PATH=/usr/lib/baseimage/relay:/usr/bin", "SERVICE_LOGS=json"];
    simulate({ words: ["runsv", "web"], environment, chunks: [[], []], kernel });
    return order;
  };
  const PR_SET_CHILD_SUBREAPER = 36;
  assertEquals(adopts("web/owns_descendants"), [
    "relay",
    `prctl ${PR_SET_CHILD_SUBREAPER} 1`,
    "runsv",
  ]);
  assertEquals(adopts("web/log", "web/owns_descendants").length, 2);
  assertEquals(adopts(), ["relay", "runsv"]);
});

Deno.test("where no relay can be made the program runs all the same", () => {
  for (const call of ["pipe2", "clone"] as const) {
    let executed = 0;
    const kernel = { ...executing(() => executed++), [call]: () => -11n };
    const { calls } = simulate({ chunks: [[], []], kernel });
    assertEquals([executed, calls], [1, []], call);
  }
});

/** A kernel in which /usr/bin/runsv exists, as well as some directories, and execve is seen. */
function executing(
  see: (machine: Simulation, file: string, argv: bigint, envp: bigint) => void,
  ...directories: string[]
): Kernel {
  return {
    newfstatat: (_at, path, status) => {
      const name = lastMachine!.readText(path);
      const mode = directories.includes(name) ? 0o040755n : 0o100755n;
      if (!directories.includes(name) && name !== "/usr/bin/runsv") return -2n;
      lastMachine!.store(4, status + 24n, mode);
      return 0n;
    },
    faccessat: () => 0n,
    openat: () => -13n,
    execve: (file, argv, envp) => {
      see(lastMachine!, lastMachine!.readText(file), argv, envp);
      return -2n;
    },
  };
}

function list(machine: Simulation, at: bigint): string[] {
  const texts: string[] = [];
  for (let place = at; machine.load(8, place) !== 0n; place += 8n) {
    texts.push(machine.readText(machine.load(8, place)));
  }
  return texts;
}

const processors = {
  "x86-64": { processor: x86_64, machine: 62, emulator: "qemu-x86_64-static" },
  "aarch64": { processor: aarch64, machine: 183, emulator: "qemu-aarch64-static" },
};
for (const [name, { processor, machine, emulator }] of Object.entries(processors)) {
  Deno.test(`on ${name} the relay writes what it writes in Deno`, async () => {
    const isNative = Deno.build.arch === name.replace("-", "_");
    if (!isNative) await ensureProgram(emulator, ["qemu-user-static"]);
    const program = makeElf(compile(join(projectFolder, "native/entry.ts"), processor), machine);
    await withFolder(async (folder) => {
      const file = join(folder, "relay"), input = join(folder, "input");
      await Deno.writeFile(file, program, { mode: 0o755 });
      const bytes = crypto.getRandomValues(new Uint8Array(60_000));
      const text = fromBytes(bytes) + "line\n".repeat(3000) + "x".repeat(30_000) + "\nend";
      await Deno.writeFile(input, toBytes(text));
      for (const form of ["prefix", "json"]) {
        const environment = [`SERVICE_LOGS=${form}`];
        const { writes } = simulate({ environment, chunks: [[text], []] });
        const command = [...isNative ? [file] : [emulator, "-0", "relay", file], "web"];
        const { code, stdoutBytes } = await $`${command} /bin/cat cat ${input}`
          .env({ SERVICE_LOGS: form }).stdout("piped").noThrow();
        assertEquals(code, 0);
        const times = /^{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/gm;
        const expected = written(writes, 1).replaceAll(times, "");
        assertEquals(lines(fromBytes(stdoutBytes).replaceAll(times, "")), lines(expected), form);
      }
    });
  });
}

/** Where a long line is divided depends on how much has been read, so the pieces are put together. */
function lines(text: ByteString): ByteString[] {
  return text.replaceAll(/\nweb \+ |","partial":true}\n[^\n]*?"message":"/g, "").split("\n");
}
