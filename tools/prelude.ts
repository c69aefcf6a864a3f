export function addPrelude(elf: Uint8Array): Uint8Array {
  return elf;
}
