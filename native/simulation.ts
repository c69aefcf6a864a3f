/** A simulated machine and kernel: on it the tests run the programs of this folder as TypeScript. */
import { type ByteString, fromBytes, toBytes } from "../posix/bytes.ts";
import { type Machine, type Size, useMachine } from "./machine.ts";
import { type SystemCall } from "./syscalls.ts";

/** Thrown by what does not return, such as the end of the process. */
export class Gone extends Error {
  constructor(readonly how: string, readonly parameters: readonly bigint[]) {
    super(`${how}(${parameters.join(", ")})`);
  }
}

/** What the kernel does for a system call. */
export type Kernel = Partial<Record<SystemCall, (...parameters: bigint[]) => bigint>>;

export const ENOSYS = 38n;

/** Memory, constants and a kernel. A system call that the test does not give fails, as in a kernel that does not have it. */
export class Simulation implements Machine {
  #regions: { start: bigint; view: DataView }[] = [];
  #next = 0x10000n;
  #texts = new Map<ByteString, bigint>();
  appendixAt = 0n;
  /** All memory begins at a multiple of this. */
  align = 0x1000n;

  constructor(readonly kernel: Kernel = {}) {}

  /** Runs a program to the point from which it does not return. */
  run(program: () => void): Gone {
    useMachine(this);
    try {
      program();
    } catch (error) {
      if (error instanceof Gone) return error;
      throw error;
    }
    throw new Error("The program returned");
  }

  /** Makes memory. What lies before and behind it cannot be accessed. */
  allocate(size: bigint | number): bigint {
    const start = (this.#next + this.align - 1n) & -this.align;
    this.#regions.unshift({ start, view: new DataView(new ArrayBuffer(Number(size))) });
    this.#next = start + BigInt(size) + this.align;
    return start;
  }

  /** Puts bytes into new memory. */
  put(content: ByteString): bigint {
    const at = this.allocate(content.length);
    this.write(at, content);
    return at;
  }

  write(address: bigint, content: ByteString): void {
    if (content === "") return;
    const { view, at } = this.#find(address, content.length);
    new Uint8Array(view.buffer).set(toBytes(content), at);
  }

  read(address: bigint, size: bigint | number): ByteString {
    if (BigInt(size) === 0n) return "";
    const { view, at } = this.#find(address, Number(size));
    return fromBytes(new Uint8Array(view.buffer, at, Number(size)));
  }

  /** Reads a text that ends with a NUL. */
  readText(address: bigint): ByteString {
    const { view, at } = this.#find(address, 1);
    const bytes = new Uint8Array(view.buffer);
    const end = bytes.indexOf(0, at);
    if (end < 0) throw new Error(`The text at 0x${address.toString(16)} has no end`);
    return fromBytes(bytes.subarray(at, end));
  }

  load(size: Size, address: bigint): bigint {
    const { view, at } = this.#find(address, size);
    if (size === 1) return BigInt(view.getUint8(at));
    return size === 4 ? BigInt(view.getUint32(at, true)) : view.getBigInt64(at, true);
  }

  store(size: Size, address: bigint, value: bigint): void {
    const { view, at } = this.#find(address, size);
    check(value);
    if (size === 1) view.setUint8(at, Number(value & 0xffn));
    else if (size === 4) view.setUint32(at, Number(value & 0xffffffffn), true);
    else view.setBigInt64(at, value, true);
  }

  syscall(name: SystemCall, parameters: bigint[]): bigint {
    parameters.forEach(check);
    if (name === "exit_group") throw new Gone(name, parameters);
    return this.kernel[name]?.(...parameters) ?? -ENOSYS;
  }

  jump(address: bigint, stack: bigint): never {
    throw new Gone("jump", [address, stack]);
  }

  text(content: ByteString): bigint {
    const at = this.#texts.get(content) ?? this.put(content + "\0");
    this.#texts.set(content, at);
    return at;
  }

  appendix(): bigint {
    return this.appendixAt;
  }

  #find(address: bigint, size: number): { view: DataView; at: number } {
    check(address);
    for (const { start, view } of this.#regions) {
      const at = Number(address - start);
      if (at >= 0 && at + size <= view.byteLength) return { view, at };
    }
    throw new Error(`There is no memory of ${size} bytes at 0x${address.toString(16)}`);
  }
}

function check(value: bigint): void {
  if (value !== BigInt.asIntN(64, value)) throw new Error(`${value} does not fit into 64 bits`);
}

/** A file of a simulated machine. */
export interface SimulatedFile {
  type: "file" | "directory" | "other";
  content: ByteString;
  mayBeExecuted: boolean;
}

/** System calls for files, which `find` finds by their paths. */
export function fileSystem(
  machine: () => Simulation,
  find: (path: ByteString) => SimulatedFile | undefined,
): Kernel {
  const opened = new Map<bigint, { file: SimulatedFile; at: number }>();
  let next = 3n;
  const ENOENT = -2n, EACCES = -13n;
  const status = (file: SimulatedFile | undefined, address: bigint) => {
    if (!file) return ENOENT;
    const type = { file: 0o100000n, directory: 0o040000n, other: 0o020000n }[file.type];
    machine().store(4, address + 24n, type | 0o644n);
    machine().store(8, address + 48n, BigInt(file.content.length));
    return 0n;
  };
  return {
    openat: (_directory, path) => {
      const file = find(machine().readText(path));
      if (!file) return ENOENT;
      opened.set(next, { file, at: 0 });
      return next++;
    },
    read: (file, address, size) => {
      const it = opened.get(file)!;
      const part = it.file.content.slice(it.at, it.at + Number(size));
      machine().write(address, part);
      it.at += part.length;
      return BigInt(part.length);
    },
    close: (file) => opened.delete(file) ? 0n : -9n,
    fstat: (file, address) => status(opened.get(file)?.file, address),
    newfstatat: (_directory, path, address) => status(find(machine().readText(path)), address),
    faccessat: (_directory, path, how) => {
      const file = find(machine().readText(path));
      if (!file) return ENOENT;
      return how === 0n || file.mayBeExecuted ? 0n : EACCES;
    },
  };
}
