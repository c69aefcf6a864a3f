import {
  type Code,
  type Frame,
  type Instruction,
  type Label,
  type Processor,
} from "./instructions.ts";

// The value is rax; the other side of an operator is rcx. Variables are addressed from rbp: parameters above, locals below.

const unary = {
  "-": "48 f7 d8", // neg rax
  "~": "48 f7 d0", // not rax
  "!": "48 85 c0  0f 94 c0  0f b6 c0", // test rax, rax; sete al; movzx eax, al
};

const binary = {
  "+": "48 01 c8", // add rax, rcx
  "-": "48 29 c8", // sub rax, rcx
  "*": "48 0f af c1", // imul rax, rcx
  "/": "48 99  48 f7 f9", // cqo; idiv rcx
  "%": "48 99  48 f7 f9  48 89 d0", // cqo; idiv rcx; mov rax, rdx
  "&": "48 21 c8", // and rax, rcx
  "|": "48 09 c8", // or rax, rcx
  "^": "48 31 c8", // xor rax, rcx
  "<<": "48 d3 e0", // shl rax, cl
  ">>": "48 d3 f8", // sar rax, cl
  "===": compare("94"), // sete
  "!==": compare("95"), // setne
  "<": compare("9c"), // setl
  ">=": compare("9d"), // setge
  "<=": compare("9e"), // setle
  ">": compare("9f"), // setg
};

function compare(set: string): string {
  return `48 39 c8  0f ${set} c0  0f b6 c0`; // cmp rax, rcx; setCC al; movzx eax, al
}

const load = {
  1: "0f b6 00", // movzx eax, byte ptr [rax]
  4: "8b 00", // mov eax, [rax]
  8: "48 8b 00", // mov rax, [rax]
};

const store = {
  1: "88 01", // mov [rcx], al
  4: "89 01", // mov [rcx], eax
  8: "48 89 01", // mov [rcx], rax
};

/** Pops the n-th parameter of a system call. */
const popParameter = ["5f", "5e", "5a", "41 5a", "41 58", "41 59"]; // pop rdi, rsi, rdx, r10, r8, r9

export const x86_64: Processor = {
  index: 0,

  begin(code: Code, main: Label): void {
    code.hex("48 89 e0  50  e8"); // mov rax, rsp; push rax; call main
    code.reference(main, toNext);
    code.hex("0f 0b"); // ud2
  },

  translate(code: Code, instruction: Instruction, frame: Frame): void {
    switch (instruction.do) {
      case "enter":
        code.hex("55  48 89 e5"); // push rbp; mov rbp, rsp
        return withNumber(code, "48 83 ec", "48 81 ec", 8 * instruction.locals); // sub rsp, ...
      case "return":
        return code.hex("c9  c3"); // leave; ret
      case "call":
        code.hex("e8"); // call
        code.reference(instruction.label, toNext);
        return withNumber(code, "48 83 c4", "48 81 c4", 8 * instruction.parameters); // add rsp, ...
      case "constant": {
        const { value } = instruction;
        const isShort = value === BigInt.asUintN(32, value);
        code.hex(isShort ? "b8" : "48 b8"); // mov eax, ..., which makes the upper half 0; mov rax, ...
        return code.number(isShort ? 4 : 8, value);
      }
      case "address":
        code.hex("48 8d 05"); // lea rax, [rip + ...]
        return code.reference(instruction.label, toNext);
      case "get":
        // mov rax, [rbp + ...]
        return withNumber(code, "48 8b 45", "48 8b 85", place(instruction.variable, frame));
      case "set":
        // mov [rbp + ...], rax
        return withNumber(code, "48 89 45", "48 89 85", place(instruction.variable, frame));
      case "push":
        return code.hex("50"); // push rax
      case "unary":
        return code.hex(unary[instruction.operator]);
      case "binary":
        code.hex("48 89 c1  58"); // mov rcx, rax; pop rax
        return code.hex(binary[instruction.operator]);
      case "label":
        return code.place(instruction.label);
      case "goto":
        code.hex("e9"); // jmp
        return code.reference(instruction.label, toNext);
      case "gotoIfFalse":
        code.hex("48 85 c0  0f 84"); // test rax, rax; jz
        return code.reference(instruction.label, toNext);
      case "load":
        return code.hex(load[instruction.size]);
      case "store":
        code.hex("59"); // pop rcx
        return code.hex(store[instruction.size]);
      case "syscall":
        for (const pop of popParameter.slice(0, instruction.parameters).reverse()) code.hex(pop);
        return code.hex("0f 05"); // syscall
      case "jump":
        return code.hex("59  48 89 c4  31 d2  ff e1"); // pop rcx; mov rsp, rax; xor edx, edx; jmp rcx
    }
  },
};

/** Adds an instruction that ends with a number: in its short form, with one signed byte, if the number fits. */
function withNumber(code: Code, short: string, long: string, value: number): void {
  const isShort = value >= -128 && value < 128;
  code.hex(isShort ? short : long);
  code.number(isShort ? 1 : 4, value);
}

/** The processor counts a distance from the next instruction, which begins after these 4 bytes. */
function toNext(distance: number): number {
  return distance - 4;
}

function place(variable: number, { parameters }: Frame): number {
  return variable < parameters
    ? 16 + 8 * (parameters - 1 - variable) // Behind the saved rbp and the return address.
    : -8 * (variable - parameters + 1);
}
