/**
 * What the programs of this folder can do besides computing with `bigint`s: use memory, call the kernel, jump.
 *
 * The compiler knows these functions and makes instructions of them. As TypeScript they act on a simulated machine,
 * which the unit tests set by useMachine().
 *
 * A `bigint` is a signed number of 64 bits here. The processor wraps what does not fit; a simulated machine refuses it.
 *
 * @module
 */
import { type ByteString } from "../posix/bytes.ts";
import { type SystemCall } from "./syscalls.ts";

export type Size = 1 | 4 | 8;

/** A simulated machine, an x86-64. */
export interface Machine {
  load(size: Size, address: bigint): bigint;
  store(size: Size, address: bigint, value: bigint): void;
  syscall(name: SystemCall, parameters: bigint[]): bigint;
  jump(address: bigint, stack: bigint): never;
  text(content: ByteString): bigint;
  appendix(): bigint;
}

let machine: Machine;

/** From now on programs run on this machine. */
export function useMachine(simulated: Machine): void {
  machine = simulated;
}

/** Reads 1 byte, without a sign. */
export function load1(address: bigint): bigint {
  return machine.load(1, address);
}

/** Reads 4 bytes, without a sign. */
export function load4(address: bigint): bigint {
  return machine.load(4, address);
}

/** Reads 8 bytes. */
export function load8(address: bigint): bigint {
  return machine.load(8, address);
}

/** Writes the lowest byte of a number. */
export function store1(address: bigint, value: bigint): void {
  machine.store(1, address, value);
}

/** Writes the lowest 4 bytes of a number. */
export function store4(address: bigint, value: bigint): void {
  machine.store(4, address, value);
}

/** Writes 8 bytes. */
export function store8(address: bigint, value: bigint): void {
  machine.store(8, address, value);
}

/** Calls the kernel: a result from −4095 to −1 is an error's number, negated. syscall(2) */
export function syscall(name: SystemCall, ...parameters: bigint[]): bigint {
  return machine.syscall(name, parameters);
}

/** Continues at an address and does not return. The stack is the given one, the registers are as for a new program. */
export function jump(address: bigint, stack: bigint): never {
  return machine.jump(address, stack);
}

/** The address of a constant text, which ends with a NUL. */
export function text(content: ByteString): bigint {
  return machine.text(content);
}

/** The address of a constant number of 8 bytes. */
export function constant(value: bigint): bigint {
  let content = "";
  for (let bit = 0n; bit < 64n; bit += 8n) {
    content += String.fromCharCode(Number(value >> bit & 0xffn));
  }
  return machine.text(content);
}

/** The address of what elf.ts puts behind the code. */
export function appendix(): bigint {
  return machine.appendix();
}

/** A value that differs between the processors: the compiler takes the one of the processor that it compiles for. */
export function either(x86_64: bigint, _aarch64: bigint): bigint {
  return x86_64;
}
