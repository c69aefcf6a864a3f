import { type Size } from "../machine.ts";

/** A place in the code or among the constants. */
export interface Label {
  /** Its offset; known when it has been placed. */
  at?: number;
}

export type UnaryOperator = "-" | "~" | "!";
export type BinaryOperator =
  | "+"
  | "-"
  | "*"
  | "/"
  | "%"
  | "&"
  | "|"
  | "^"
  | "<<"
  | ">>"
  | Comparison;
export type Comparison = "===" | "!==" | "<" | "<=" | ">" | ">=";

/**
 * What a program is translated to first: instructions of a machine that has one register, *the value*, and a stack.
 * Each processor's file translates these to its own. False is 0, true is 1.
 */
export type Instruction =
  /** The beginning of a function. Its variables are numbered from 0: first the parameters, then the locals. */
  | { do: "enter"; parameters: number; locals: number }
  /** The end of a function; the value is its result. */
  | { do: "return" }
  /** Calls a function whose parameters have been pushed, and takes them off the stack. */
  | { do: "call"; label: Label; parameters: number }
  | { do: "constant"; value: bigint }
  | { do: "address"; label: Label }
  | { do: "get" | "set"; variable: number }
  | { do: "push" }
  | { do: "unary"; operator: UnaryOperator }
  /** The left side has been pushed, the right one is the value. */
  | { do: "binary"; operator: BinaryOperator }
  | { do: "label" | "goto" | "gotoIfFalse"; label: Label }
  | { do: "load"; size: Size }
  /** The address has been pushed. */
  | { do: "store"; size: Size }
  /** The parameters have been pushed, the value is the call's number. */
  | { do: "syscall"; parameters: number }
  /** The address has been pushed, the value is the new stack. */
  | { do: "jump" };

/** What a processor's file must know about the function that it translates. */
export type Frame = Extract<Instruction, { do: "enter" }>;

/** A processor. */
export interface Processor {
  /** Which element of a pair is for it: of a system call's numbers, and of the arguments of either(). */
  index: 0 | 1;
  /** Adds the beginning of a program: it calls the main function with the stack pointer. */
  begin(code: Code, main: Label): void;
  translate(code: Code, instruction: Instruction, frame: Frame): void;
}

/** Machine code that is being written. */
export class Code {
  #bytes: number[] = [];
  #references: { at: number; label: Label; resolve: Resolve }[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  /** Adds bytes, written as hexadecimal digits. */
  hex(digits: string): void {
    for (const [byte] of digits.matchAll(/[0-9a-f]{2}/g)) this.#bytes.push(parseInt(byte, 16));
  }

  /** Adds a number, its lowest byte first. */
  number(bytes: 1 | 4 | 8, value: number | bigint): void {
    for (let i = 0n; i < bytes; i++) this.#bytes.push(Number(BigInt(value) >> 8n * i & 0xffn));
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.push(...bytes);
  }

  place(label: Label): void {
    label.at = this.#bytes.length;
  }

  /** Adds 4 bytes that depend on the distance between them and a label. */
  reference(label: Label, resolve: Resolve): void {
    this.#references.push({ at: this.#bytes.length, label, resolve });
    this.number(4, 0);
  }

  finish(): Uint8Array<ArrayBuffer> {
    const finished = Uint8Array.from(this.#bytes);
    const view = new DataView(finished.buffer);
    for (const { at, label, resolve } of this.#references) {
      if (label.at === undefined) throw new Error("a label was never placed");
      view.setInt32(at, resolve(label.at - at), true);
    }
    return finished;
  }
}

/** Makes the 4 bytes of a reference from its distance. */
type Resolve = (distance: number) => number;
