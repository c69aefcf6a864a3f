import {
  type Code,
  type Frame,
  type Instruction,
  type Label,
  type Processor,
} from "./instructions.ts";

// The value is x0; the other side of an operator is x1. The stack pointer must be a multiple of 16, so each push takes 16
// bytes. x29 is where the locals begin; behind them are the saved x29 and x30, and then the parameters.

const unary = {
  "-": [0xcb0003e0], // neg x0, x0
  "~": [0xaa2003e0], // mvn x0, x0
  "!": [0xf100001f, 0x9a9f17e0], // cmp x0, #0; cset x0, eq
};

const binary = {
  "+": [0x8b000020], // add x0, x1, x0
  "-": [0xcb000020], // sub x0, x1, x0
  "*": [0x9b007c20], // mul x0, x1, x0
  "/": [0x9ac00c20], // sdiv x0, x1, x0
  "%": [0x9ac00c22, 0x9b008440], // sdiv x2, x1, x0; msub x0, x2, x0, x1
  "&": [0x8a000020], // and x0, x1, x0
  "|": [0xaa000020], // orr x0, x1, x0
  "^": [0xca000020], // eor x0, x1, x0
  "<<": [0x9ac02020], // lsl x0, x1, x0
  ">>": [0x9ac02820], // asr x0, x1, x0
  "===": [0xeb00003f, 0x9a9f17e0], // cmp x1, x0; cset x0, eq
  "!==": [0xeb00003f, 0x9a9f07e0], // ne
  "<": [0xeb00003f, 0x9a9fa7e0], // lt
  ">=": [0xeb00003f, 0x9a9fb7e0], // ge
  "<=": [0xeb00003f, 0x9a9fc7e0], // le
  ">": [0xeb00003f, 0x9a9fd7e0], // gt
};

const load = {
  1: 0x39400000, // ldrb w0, [x0]
  4: 0xb9400000, // ldr w0, [x0]
  8: 0xf9400000, // ldr x0, [x0]
};

const store = {
  1: 0x39000020, // strb w0, [x1]
  4: 0xb9000020, // str w0, [x1]
  8: 0xf9000020, // str x0, [x1]
};

const PUSH = 0xf81f0fe0; // str x0, [sp, #-16]!
const POP = 0xf84107e0; // ldr x0, [sp], #16; the register's number is to be added

export const aarch64: Processor = {
  index: 1,

  begin(code: Code, main: Label): void {
    words(code, 0x910003e0, PUSH); // mov x0, sp
    branch(code, 0x94000000, main, 26, 0); // bl
    words(code, 0xd4200000); // brk #0
  },

  translate(code: Code, instruction: Instruction, frame: Frame): void {
    const room = sizeOfLocals(frame);
    switch (instruction.do) {
      case "enter": // stp x29, x30, [sp, #-16]!; sub sp, sp, #room; mov x29, sp
        return words(code, 0xa9bf7bfd, 0xd10003ff | immediate(room, 12) << 10, 0x910003fd);
      case "return": // add sp, x29, #room; ldp x29, x30, [sp], #16; ret
        return words(code, 0x910003bf | immediate(room, 12) << 10, 0xa8c17bfd, 0xd65f03c0);
      case "call":
        branch(code, 0x94000000, instruction.label, 26, 0); // bl
        return words(code, 0x910003ff | immediate(16 * instruction.parameters, 12) << 10); // add sp, sp, #...
      case "constant":
        for (let part = 0; part < 4; part++) { // movz x0, #...; then three movk
          const bits = Number(instruction.value >> 16n * BigInt(part) & 0xffffn);
          words(code, (part === 0 ? 0xd2800000 : 0xf2800000) | part << 21 | bits << 5);
        }
        return;
      case "address": // adr x0, ...; not adrp, since the code need not begin where a page does
        return code.reference(
          instruction.label,
          (distance) => 0x10000000 | (distance & 3) << 29 | signed(distance >> 2, 19) << 5,
        );
      case "get": // ldr x0, [x29, #...]
        return words(
          code,
          0xf94003a0 | immediate(place(instruction.variable, frame) / 8, 12) << 10,
        );
      case "set": // str x0, [x29, #...]
        return words(
          code,
          0xf90003a0 | immediate(place(instruction.variable, frame) / 8, 12) << 10,
        );
      case "push":
        return words(code, PUSH);
      case "unary":
        return words(code, ...unary[instruction.operator]);
      case "binary":
        return words(code, POP | 1, ...binary[instruction.operator]);
      case "label":
        return code.place(instruction.label);
      case "goto":
        return branch(code, 0x14000000, instruction.label, 26, 0); // b
      case "gotoIfFalse":
        return branch(code, 0xb4000000, instruction.label, 19, 5); // cbz x0
      case "load":
        return words(code, load[instruction.size]);
      case "store":
        return words(code, POP | 1, store[instruction.size]);
      case "syscall": {
        words(code, 0xaa0003e8); // mov x8, x0
        for (let register = instruction.parameters - 1; register >= 0; register--) {
          words(code, POP | register);
        }
        return words(code, 0xd4000001); // svc #0
      }
      case "jump": // mov sp, x0; mov x0, #0; br x1
        return words(code, POP | 1, 0x9100001f, 0xd2800000, 0xd61f0020);
    }
  },
};

function words(code: Code, ...instructions: number[]): void {
  for (const instruction of instructions) code.number(4, instruction);
}

/** A branch: its distance, in instructions, goes into `bits` bits from `shift` on. */
function branch(code: Code, instruction: number, label: Label, bits: number, shift: number): void {
  code.reference(label, (distance) => instruction | signed(distance / 4, bits) << shift);
}

function signed(value: number, bits: number): number {
  if (value < -(2 ** (bits - 1)) || value >= 2 ** (bits - 1)) throw new Error("too far to reach");
  return value & (2 ** bits - 1);
}

function immediate(value: number, bits: number): number {
  if (value >= 2 ** bits) throw new Error("too large for an instruction");
  return value;
}

function sizeOfLocals({ locals }: Frame): number {
  return 16 * Math.ceil(locals / 2);
}

function place(variable: number, frame: Frame): number {
  const { parameters } = frame;
  return variable < parameters
    ? sizeOfLocals(frame) + 16 + 16 * (parameters - 1 - variable)
    : 8 * (variable - parameters);
}
