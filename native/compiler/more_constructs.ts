import { load1 } from "../machine.ts";

export const SEVEN = 7n;

export function length(text: bigint): bigint {
  let end = text;
  while (load1(end) !== 0n) end += 1n;
  return end - text;
}
