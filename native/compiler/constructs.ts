// Every construct that the compiler knows, for its test. Writes each result to standard output, as 8 bytes.

import {
  appendix,
  constant,
  either,
  jump,
  load1,
  load4,
  load8,
  store1,
  store4,
  store8,
  syscall,
  text,
} from "../machine.ts";
import { length, SEVEN } from "./more_constructs.ts";

const LEAST = -(1n << 62n) * 2n;
const MASK = ~0xffn | 1n;
const BOTH = either(SEVEN, SEVEN) + 1n;

export function main(stack: bigint): void {
  const memory = syscall("mmap", 0n, 4096n, 3n, 0x22n, -1n, 0n);
  let at = memory;
  for (let left = -3n; left < 4n; left += 1n) {
    for (let right = 9n; right > -10n; right -= 3n) at = operators(at, left * 1000000007n, right);
  }
  at = operators(at, LEAST >> 1n, SEVEN);
  write(memory, at);
  at = control(memory);
  at = calls(at, stack);
  write(memory, at);
  jump(text("never read") + 0n * appendix() + end(), stack);
}

function operators(start: bigint, left: bigint, right: bigint): bigint {
  let at = start;
  at = add(at, left + right);
  at = add(at, left - right);
  at = add(at, left % 1000n * right);
  at = add(at, left / 3n);
  at = add(at, left % 3n);
  at = add(at, left & right);
  at = add(at, left | right);
  at = add(at, left ^ right);
  at = add(at, (left & 0xffffn) << 40n);
  at = add(at, left >> 2n);
  at = add(at, -left);
  at = add(at, ~left);
  at = add(at, left & MASK);
  at = add(at, bit(left === right) * 32n + bit(left !== right) * 16n + bit(left < right) * 8n);
  at = add(at, bit(left <= right) * 4n + bit(left > right) * 2n + bit(left >= right));
  at = add(at, bit(!(left < 0n && right < 0n)) * 2n + bit(left > 0n || right > 0n));
  return write(start, at);
}

function control(start: bigint): bigint {
  let at = start;
  let count = 0n;
  while (true) {
    count += 1n;
    if (count === 3n) continue;
    if (count > 5n) break;
    for (let inner = 0n; inner < count; inner += 1n) {
      if (inner === 2n) break;
      at = add(at, count * 10n + inner);
    }
    const isOdd = (count & 1n) === 1n;
    if (isOdd) at = add(at, 1n);
    else if (count === 2n) at = add(at, 2n);
    else at = add(at, 3n);
  }
  for (;;) {
    const count = 42n; // Hides the other one.
    at = add(at, count > 41n ? count : -count);
    at = add(at, count > 42n ? count : -count);
    break;
  }
  let value = 100n;
  value -= 1n;
  value *= 2n;
  value /= 3n;
  value %= 50n;
  value |= 0x100n;
  value &= 0x1fcn;
  value ^= 0xfn;
  value <<= 33n;
  value >>= 3n;
  at = add(at, value);
  at = add(at, count);
  return add(at, LEAST);
}

function calls(start: bigint, stack: bigint): bigint {
  let at = start;
  at = add(at, fibonacci(15n));
  at = add(at, six(1n, 2n, 3n, 4n, 5n, fibonacci(6n)));
  at = add(at, many(7n));
  at = add(at, fibonacci(1n) + 0xffffffffn);
  at = add(at, fibonacci(1n) + 0x80000000n - 0x100000000n);
  at = add(at, length(text("seven b")) + BOTH);
  at = add(at, load8(text("\xff\xfe\x80\x7f\x01\x02\x03\xff")));
  at = add(at, load8(text("12345678") + 1n) & 0xffffffffffffffn);
  at = add(at, load4(text("\xff\xff\xff\xff")));
  at = add(at, load1(text("\xff")));
  at = add(at, load1(text("")));
  at = add(at, load8(constant(BOTH - 0x1234567890abcdefn)));
  store8(at, -1n);
  store4(at + 1n, 0x1234567890n);
  store1(at + 6n, 0x4321n);
  at += 8n;
  at = add(at, syscall("close", -1n));
  return add(at, load8(stack) & 0n);
}

function fibonacci(n: bigint): bigint {
  if (n < 2n) return n;
  return fibonacci(n - 1n) + fibonacci(n - 2n);
}

function six(a: bigint, b: bigint, c: bigint, d: bigint, e: bigint, f: bigint): bigint {
  const first = a * 100000n + b * 10000n, last = d * 100n + e * 10n + f;
  return first + c * 1000n + last;
}

/** More variables than the short form of an instruction can reach. */
function many(a: bigint): bigint {
  const b = a + 1n, c = b + 1n, d = c + 1n, e = d + 1n, f = e + 1n, g = f + 1n, h = g + 1n;
  const i = h + 1n, j = i + 1n, k = j + 1n, l = k + 1n, m = l + 1n, n = m + 1n, o = n + 1n;
  let p = o + 1n, q = p + 1n, r = q + 1n;
  for (let s = 0n; s < 2n; s += 1n) {
    p += q;
    q += r;
    r += s + 1n;
  }
  return a + b * c + d * e + f * g + h * i + j * k + l * m + n * o + p * 10n + q * 100n + r * 1000n;
}

function bit(condition: boolean): bigint {
  return condition ? 1n : 0n;
}

function add(at: bigint, value: bigint): bigint {
  store8(at, value);
  return at + 8n;
}

function write(start: bigint, end: bigint): bigint {
  syscall("write", 1n, start, end - start);
  return start;
}

function end(): bigint {
  syscall("exit_group", 42n);
  return 0n;
}
