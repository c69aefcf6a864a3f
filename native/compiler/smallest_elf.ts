/** The smallest program: a header, one segment, the code. For the tests. */
export function makeElf(code: Uint8Array, machine: number): Uint8Array {
  const START = 0x400000n, HEADERS = 64 + 56;
  const elf = new Uint8Array(HEADERS + code.length);
  const view = new DataView(elf.buffer);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, START + BigInt(HEADERS), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  for (const [at, value] of [[52, 64], [54, 56], [56, 1]]) view.setUint16(at, value, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // Read and execute.
  view.setBigUint64(80, START, true); // p_vaddr
  view.setBigUint64(96, BigInt(elf.length), true); // p_filesz
  view.setBigUint64(104, BigInt(elf.length), true); // p_memsz
  view.setBigUint64(112, 0x10000n, true); // p_align
  elf.set(code, HEADERS);
  return elf;
}
