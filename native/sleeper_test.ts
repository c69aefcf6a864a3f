import { assertEquals } from "@std/assert";
import { fromBytes } from "../posix/bytes.ts";
import { SIGNALS, SIGRTMIN } from "../posix/signals.ts";
import { type Note, writeNote } from "../supervisor/asleep.ts";
import { fileSystem, Gone, type Kernel, Simulation } from "./simulation.ts";
import { sleep } from "./sleeper.ts";

const { SIGTERM, SIGHUP, SIGCHLD, SIGWINCH, SIGUSR1, SIGPIPE, SIGINT } = SIGNALS;
const SECOND = 1_000_000_000n;

/** A simulated container, in which things happen while PID 1 waits. */
class Container {
  log: string[] = [];
  pending: { signal: number; sender?: number; fromKernel?: boolean }[] = [];
  ended: { pid: number; status: number }[] = [];
  children = new Set<number>([10, 11, 12, 13]);
  seconds = 100;
  isDeleted = false;
  machine: Simulation;

  constructor(readonly note: Partial<Note> | undefined, readonly events: (() => void)[], pid = 1) {
    const waking = [SIGTERM, SIGINT, SIGRTMIN + 3];
    const whole = { pid: 1, waking, watched: [10, 11], main: 10, state: "x", ...note };
    const content = note ? fromBytes(writeNote(whole)!) : undefined;
    const files = fileSystem(() => this.machine, (path) => ({
      type: "file",
      content: path === "/sbin/my_init" && this.isDeleted ? "another" : "",
      mayBeExecuted: true,
    }));
    const kernel: Kernel = {
      ...files,
      newfstatat: (_directory, path, status, _flags) => {
        const isOther = this.isDeleted && this.machine.readText(path) === "/sbin/my_init";
        this.machine.store(4, status + 24n, 0o100755n);
        this.machine.store(8, status + 8n, isOther ? 2n : 1n);
        return 0n;
      },
      readlinkat: (_directory, _path, to) => (this.machine.write(to, "/sbin/my_init"), 13n),
      mmap: (_address, size) => this.machine.allocate(size),
      pread64: (file, to, size) => {
        if (file !== 250n || content === undefined) return -9n;
        const part = content.slice(0, Number(size));
        this.machine.write(to, part);
        return BigInt(part.length);
      },
      getpid: () => BigInt(pid),
      signalfd4: () => 5n,
      close: () => 0n,
      clock_gettime: (_clock, to) => {
        this.machine.store(8, to, BigInt(Math.floor(this.seconds)));
        this.machine.store(8, to + 8n, BigInt(Math.floor(this.seconds % 1 * 1e9)));
        return 0n;
      },
      rt_sigpending: (set) => {
        const mask = this.pending.reduce((all, { signal }) => all | 1n << BigInt(signal - 1), 0n);
        this.machine.store(8, set, BigInt.asIntN(64, mask));
        return 0n;
      },
      rt_sigtimedwait: (set, info) => {
        const mask = this.machine.load(8, set);
        const index = this.pending.findIndex(({ signal }) => mask >> BigInt(signal - 1) & 1n);
        if (index < 0) return -11n;
        const [{ signal, sender = 99, fromKernel }] = this.pending.splice(index, 1);
        this.machine.store(4, info + 8n, fromKernel ? 0x80n : 0n);
        this.machine.store(4, info + 16n, BigInt(sender));
        return BigInt(signal);
      },
      waitid: (which, id, info, options) => {
        const wanted = this.ended.find(({ pid }) => which === 0n || BigInt(pid) === id);
        if (!wanted && this.children.size === 0) return -10n;
        if (!wanted) return 0n;
        if (info !== 0n) {
          this.machine.store(4, info + 8n, 1n);
          this.machine.store(4, info + 16n, BigInt(wanted.pid));
          this.machine.store(4, info + 24n, BigInt(wanted.status));
        }
        if ((options & 0x1000000n) === 0n) {
          this.log.push(`collected ${wanted.pid}`);
          this.ended.splice(this.ended.indexOf(wanted), 1);
          this.children.delete(wanted.pid);
        }
        return 0n;
      },
      kill: (pid, signal) => (this.log.push(`kill ${pid} ${signal}`), 0n),
      write: (_file, at, size) => (this.log.push(`says ${this.machine.read(at, 11)}`), size),
      ppoll: (polled, _count, time) => {
        const nanoseconds = this.machine.load(8, time) * SECOND + this.machine.load(8, time + 8n);
        if (this.machine.load(4, polled) === 5n && this.pending.length > 0) return 1n;
        const event = this.events.shift();
        if (event) event();
        else this.seconds += Number(nanoseconds) / 1e9;
        return 0n;
      },
    };
    this.machine = new Simulation(kernel);
    const loader = this.machine.put("/lib64/ld.so\0");
    this.machine.appendixAt = this.machine.allocate(16);
    this.machine.store(8, this.machine.appendixAt + 8n, loader - this.machine.appendixAt);
  }

  /** Runs until PID 1 wakes or ends. */
  run(): string {
    const { how, parameters } = this.machine.run(() => {
      sleep();
      throw new Gone("woke", []);
    });
    return [how, ...parameters].join(" ");
  }

  end(pid: number, status = 0): void {
    this.ended.push({ pid, status });
    this.pending.push({ signal: SIGCHLD });
  }
}

Deno.test("a process that was not executed to sleep does not", () => {
  const never = () => {
    throw new Error("slept");
  };
  for (const container of [new Container(undefined, [never]), new Container({ pid: 7 }, [never])]) {
    assertEquals(container.run(), "woke");
  }
});

Deno.test("asleep it reaps orphans, and wakes when a watched child ends, which is left to Deno", () => {
  const container: Container = new Container({}, [
    () => container.end(12),
    () => {
      container.end(13);
      container.end(11);
    },
  ]);
  assertEquals(container.run(), "woke");
  assertEquals(container.log, ["collected 12", "collected 13"]);
  assertEquals(container.ended, [{ pid: 11, status: 0 }]);
});

Deno.test("a child that ended before PID 1 fell asleep is not overlooked", () => {
  const container = new Container({}, []);
  container.ended.push({ pid: 12, status: 0 }, { pid: 10, status: 3 });
  assertEquals([container.run(), container.log], ["woke", ["collected 12"]]);
});

Deno.test("a child that ends while signals are forwarded is not overlooked", () => {
  const container: Container = new Container({}, [
    () => container.pending.push({ signal: SIGHUP }),
  ]);
  const { kernel } = container.machine;
  const { kill } = kernel;
  kernel.kill = (...parameters) => {
    container.end(11);
    return kill!(...parameters);
  };
  assertEquals([container.run(), container.seconds], ["woke", 100]);
});

Deno.test("asleep it forwards each signal to the main command once, but none of its own", () => {
  const container: Container = new Container({}, [
    () =>
      container.pending.push({ signal: SIGHUP }, { signal: SIGWINCH, fromKernel: true, sender: 1 }),
    () => container.pending.push({ signal: SIGPIPE, sender: 1 }, { signal: SIGUSR1 }),
    () => container.pending.push({ signal: SIGTERM }),
  ]);
  assertEquals(container.run(), "woke");
  assertEquals(container.log, ["kill 10 1", "kill 10 28", "kill 10 10"]);
});

Deno.test("without a main command other signals are dropped", () => {
  const container: Container = new Container({ main: undefined }, [
    () => container.pending.push({ signal: SIGHUP }),
    () => container.end(10),
  ]);
  assertEquals([container.run(), container.log, container.pending], ["woke", [], []]);
});

Deno.test("a signal that wakes PID 1 is left pending, whatever else comes with it", () => {
  for (const signal of [SIGTERM, SIGINT, SIGRTMIN + 3]) {
    const container: Container = new Container({}, [
      () =>
        container.pending.push({ signal: SIGHUP }, { signal, fromKernel: true }, {
          signal: SIGHUP,
        }),
    ]);
    assertEquals(container.run(), "woke");
    assertEquals(container.pending, [{ signal, fromKernel: true }]);
    assertEquals(container.log, ["kill 10 1", "kill 10 1"]);
  }
});

Deno.test("it wakes when it is time", () => {
  const container: Container = new Container({ due: 103.5 }, [() => container.end(12)]);
  assertEquals(container.run(), "woke");
  assertEquals(Math.abs(container.seconds - 103.5) < 0.01, true, `${container.seconds}`);
});

Deno.test("a kernel that refuses a call wakes it", () => {
  for (const call of ["signalfd4", "ppoll", "rt_sigpending", "rt_sigtimedwait"] as const) {
    const container = new Container({}, []);
    container.machine.kernel[call] = () => -1n;
    assertEquals(container.run(), "woke", call);
  }
});

Deno.test("when its file is deleted it ends all processes itself, with the main command's status", () => {
  const container: Container = new Container({}, [
    () => container.pending.push({ signal: SIGTERM }),
    () => [10, 11, 12].forEach((pid) => container.end(pid, pid)),
    () => container.end(13),
  ]);
  container.isDeleted = true;
  assertEquals(container.run(), "exit_group 10");
  assertEquals(container.log, [
    "says *** my_init",
    "kill -1 15",
    "kill -1 18",
    ...[10, 11, 12, 13].map((pid) => `collected ${pid}`),
    "kill -1 9",
  ]);
});

Deno.test("then a process that does not end within 5 seconds is killed; where it is not PID 1, only watched children are signalled", () => {
  const container: Container = new Container({ pid: 7 }, [() => container.end(11)], 7);
  container.isDeleted = true;
  assertEquals(container.run(), "exit_group 0");
  assertEquals(container.log.slice(1), [
    "kill 10 15",
    "kill 11 15",
    "kill 10 18",
    "kill 11 18",
    "collected 11",
    "kill 10 9",
    "kill 11 9",
  ]);
  assertEquals(Math.round(container.seconds), 106);
});
