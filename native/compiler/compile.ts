/**
 * Translates programs in a small subset of TypeScript to machine code.
 *
 * The subset: modules of functions and constants; `let` and `const` of `bigint` and `boolean`; `if`, `while`, `for`,
 * `break`, `continue`, `return`; all operators of `bigint` but `**` and `>>>`; the functions of machine.ts. `deno check`
 * checks the types, so the compiler does not. Everything else is an error, with file and line.
 *
 * @module
 */
import { type Expression, type Node, Parser, type Pattern, type Statement } from "acorn";
import { tsPlugin } from "@sveltejs/acorn-typescript";
import { dirname, join, relative } from "@std/path";
import { fromBytes, toBytes } from "../../posix/bytes.ts";
import { Problem, projectFolder } from "../../build/project.ts";
import { syscalls, type SystemCall } from "../syscalls.ts";
import {
  type BinaryOperator,
  Code,
  type Instruction,
  type Label,
  type Processor,
} from "./instructions.ts";

const OPERATORS = "+ - * / % & | ^ << >> === !== < <= > >=".split(" ");
/** Operators for which bigint and the processors differ at some numbers: their right side must be a constant between these. */
const WITH_CONSTANT: Record<string, { least: bigint; most: bigint }> = {
  "/": { least: 1n, most: 2n ** 63n },
  "%": { least: 1n, most: 2n ** 63n },
  "<<": { least: 0n, most: 63n },
  ">>": { least: 0n, most: 63n },
};

const parser = Parser.extend(tsPlugin() as unknown as Parameters<typeof Parser.extend>[0]);

/** Translates the function `main` of a module and all that it calls. The appendix must follow the code directly. */
export function compile(file: string, processor: Processor): Uint8Array<ArrayBuffer> {
  return new Program(processor).compile(file);
}

/** A module: its names mean functions and constants, its own or imported ones. */
interface Module {
  file: string;
  names: Map<string, Global>;
}

type Global =
  | { is: "function"; module: Module; node: FunctionNode; label: Label }
  | { is: "constant"; module: Module; node: Expression }
  | { is: "intrinsic"; name: string };

type FunctionNode = Extract<Statement, { type: "FunctionDeclaration" }>;

class Program {
  #modules = new Map<string, Module>();
  #texts = new Map<string, Label>();
  #functions = new Set<Extract<Global, { is: "function" }>>();
  #appendix: Label = {};

  constructor(readonly processor: Processor) {}

  compile(file: string): Uint8Array<ArrayBuffer> {
    const { names } = this.load(file);
    const main = names.get("main");
    if (main?.is !== "function") throw new Problem(`${file}: there is no function main`);
    const code = new Code();
    this.processor.begin(code, this.use(main));
    for (const { module, node, label } of this.#functions) { // The set grows in this loop.
      code.place(label);
      const instructions = new Translation(this, module, node).instructions;
      const [frame] = instructions;
      if (frame.do !== "enter") throw new Error("a function begins with enter");
      for (const instruction of instructions) this.processor.translate(code, instruction, frame);
    }
    for (const [content, label] of this.#texts) {
      code.place(label);
      code.bytes(toBytes(content + "\0"));
    }
    while (code.length % 16 !== 0) code.hex("00");
    code.place(this.#appendix);
    return code.finish();
  }

  load(file: string): Module {
    const known = this.#modules.get(file);
    if (known) return known;
    const module: Module = { file, names: new Map() };
    this.#modules.set(file, module);
    for (const node of parse(file)) this.#declare(module, node);
    return module;
  }

  #declare(module: Module, node: Statement | Node): void {
    const statement = node as ReturnType<typeof parse>[number];
    switch (statement.type) {
      case "ImportDeclaration": {
        const from = join(dirname(module.file), String(statement.source.value));
        const isMachine = from.endsWith("/native/machine.ts");
        for (const specifier of statement.specifiers) {
          if (specifier.type !== "ImportSpecifier") refuse(module, specifier);
          const { name } = specifier.local;
          if ((specifier as { importKind?: string }).importKind === "type") continue;
          const global: Global | undefined = isMachine
            ? { is: "intrinsic", name }
            : this.load(from).names.get(name);
          if (!global) {
            refuse(module, specifier, `${name}, which ${from} does not export under this name`);
          }
          module.names.set(name, global);
        }
        return;
      }
      case "ExportNamedDeclaration":
        if (!statement.declaration) refuse(module, statement);
        return this.#declare(module, statement.declaration);
      case "FunctionDeclaration":
        module.names.set(statement.id.name, {
          is: "function",
          module,
          node: statement,
          label: {},
        });
        return;
      case "VariableDeclaration":
        for (const { id, init } of statement.declarations) {
          if (statement.kind !== "const" || !init) refuse(module, statement, "a global variable");
          module.names.set(nameOf(module, id), { is: "constant", module, node: init });
        }
        return;
      default:
        refuse(module, statement);
    }
  }

  /** Makes sure that a function is translated. Returns its label. */
  use(called: Extract<Global, { is: "function" }>): Label {
    this.#functions.add(called);
    return called.label;
  }

  text(content: string): Label {
    const label = this.#texts.get(content) ?? {};
    this.#texts.set(content, label);
    return label;
  }

  get appendix(): Label {
    return this.#appendix;
  }

  /** The value of a constant expression; undefined for any other. */
  evaluate(module: Module, node: Expression): bigint | undefined {
    switch (node.type) {
      case "Literal":
        return node.bigint ? BigInt(node.bigint) : undefined;
      case "Identifier": {
        const global = module.names.get(node.name);
        return global?.is === "constant" ? this.evaluate(global.module, global.node) : undefined;
      }
      case "UnaryExpression": {
        const value = this.evaluate(module, node.argument);
        if (value === undefined) return undefined;
        return node.operator === "-" ? -value : node.operator === "~" ? ~value : undefined;
      }
      case "BinaryExpression": {
        if (node.left.type === "PrivateIdentifier") return undefined;
        const left = this.evaluate(module, node.left), right = this.evaluate(module, node.right);
        return left === undefined || right === undefined
          ? undefined
          : calculate(node.operator, left, right);
      }
      case "CallExpression": {
        const chosen = this.chosen(module, node);
        return chosen && this.evaluate(module, chosen);
      }
    }
  }

  /** The argument of either() that is for the processor; undefined for any other call. */
  chosen(module: Module, call: Extract<Expression, { type: "CallExpression" }>) {
    if (call.callee.type !== "Identifier" || call.arguments.length !== 2) return undefined;
    const global = module.names.get(call.callee.name);
    if (global?.is !== "intrinsic" || global.name !== "either") return undefined;
    return call.arguments[this.processor.index] as Expression;
  }
}

/** The translation of one function. */
class Translation {
  instructions: Instruction[] = [];
  #scopes: Map<string, number>[] = [new Map()];
  #loops: { next: Label; end: Label }[] = [];
  #frame: Extract<Instruction, { do: "enter" }>;

  constructor(readonly program: Program, readonly module: Module, node: FunctionNode) {
    if (node.async || node.generator) refuse(module, node);
    this.#frame = { do: "enter", parameters: node.params.length, locals: 0 };
    this.#add(this.#frame);
    for (const [index, parameter] of node.params.entries()) {
      this.#declare(parameter, index);
    }
    this.#statement(node.body);
    this.#add({ do: "return" });
  }

  #add(...instructions: Instruction[]): void {
    this.instructions.push(...instructions);
  }

  #statement(node: Statement): void {
    switch (node.type) {
      case "EmptyStatement":
        return;
      case "ExpressionStatement":
        return this.#expression(node.expression);
      case "BlockStatement":
        return this.#inScope(() => {
          for (const statement of node.body) this.#statement(statement);
        });
      case "VariableDeclaration":
        if (node.kind === "var") refuse(this.module, node);
        for (const { id, init } of node.declarations) {
          if (!init) refuse(this.module, node, "a variable without a value");
          this.#expression(init);
          const variable = this.#frame.parameters + this.#frame.locals++;
          this.#declare(id, variable);
          this.#add({ do: "set", variable });
        }
        return;
      case "IfStatement": {
        const { test, consequent, alternate } = node;
        return this.#choose(
          test,
          () => this.#statement(consequent),
          () => alternate && this.#statement(alternate),
        );
      }
      case "WhileStatement":
        return this.#loop(node.test, node.body, undefined);
      case "ForStatement":
        return this.#inScope(() => {
          if (node.init?.type === "VariableDeclaration") this.#statement(node.init);
          else if (node.init) this.#expression(node.init);
          this.#loop(node.test, node.body, node.update);
        });
      case "BreakStatement":
      case "ContinueStatement": {
        const [loop] = this.#loops;
        if (!loop || node.label) refuse(this.module, node);
        return this.#add({
          do: "goto",
          label: node.type === "BreakStatement" ? loop.end : loop.next,
        });
      }
      case "ReturnStatement":
        if (node.argument) this.#expression(node.argument);
        return this.#add({ do: "return" });
      default:
        refuse(this.module, node);
    }
  }

  #choose(test: Expression, ifTrue: () => void, ifFalse: () => void): void {
    const otherwise: Label = {}, end: Label = {};
    this.#expression(test);
    this.#add({ do: "gotoIfFalse", label: otherwise });
    ifTrue();
    this.#add({ do: "goto", label: end }, { do: "label", label: otherwise });
    ifFalse();
    this.#add({ do: "label", label: end });
  }

  #inScope(translate: () => void): void {
    this.#scopes.unshift(new Map());
    translate();
    this.#scopes.shift();
  }

  #loop(test: Expression | null | undefined, body: Statement, update?: Expression | null): void {
    const again: Label = {}, loop = { next: {}, end: {} };
    this.#add({ do: "label", label: again });
    if (test) {
      this.#expression(test);
      this.#add({ do: "gotoIfFalse", label: loop.end });
    }
    this.#loops.unshift(loop);
    this.#statement(body);
    this.#loops.shift();
    this.#add({ do: "label", label: loop.next });
    if (update) this.#expression(update);
    this.#add({ do: "goto", label: again }, { do: "label", label: loop.end });
  }

  /** Computes an expression: its result becomes the value (see instructions.ts). */
  #expression(node: Expression): void {
    const constant = this.program.evaluate(this.module, node);
    if (constant !== undefined) {
      const fits = constant === BigInt.asIntN(64, constant);
      if (!fits) refuse(this.module, node, `${constant}, which does not fit into 64 bits`);
      return this.#add({ do: "constant", value: constant });
    }
    switch (node.type) {
      case "Literal":
        if (typeof node.value !== "boolean") refuse(this.module, node);
        return this.#add({ do: "constant", value: node.value ? 1n : 0n });
      case "Identifier":
        return this.#add({ do: "get", variable: this.#variable(node) });
      case "UnaryExpression": {
        const { operator } = node;
        if (operator !== "-" && operator !== "~" && operator !== "!") refuse(this.module, node);
        this.#expression(node.argument);
        return this.#add({ do: "unary", operator });
      }
      case "BinaryExpression":
        if (node.left.type === "PrivateIdentifier") refuse(this.module, node);
        this.#expression(node.left);
        return this.#binary(node, node.operator, node.right);
      case "LogicalExpression": {
        const otherwise: Label = {}, end: Label = {};
        if (node.operator === "??") refuse(this.module, node);
        this.#expression(node.left);
        if (node.operator === "&&") this.#add({ do: "gotoIfFalse", label: end });
        else {
          this.#add({ do: "gotoIfFalse", label: otherwise }, { do: "goto", label: end });
          this.#add({ do: "label", label: otherwise });
        }
        this.#expression(node.right);
        return this.#add({ do: "label", label: end });
      }
      case "ConditionalExpression": {
        const { test, consequent, alternate } = node;
        return this.#choose(
          test,
          () => this.#expression(consequent),
          () => this.#expression(alternate),
        );
      }
      case "AssignmentExpression": {
        const variable = this.#variable(node.left);
        if (node.operator === "=") this.#expression(node.right);
        else {
          this.#add({ do: "get", variable });
          this.#binary(node, node.operator.slice(0, -1), node.right);
        }
        return this.#add({ do: "set", variable });
      }
      case "CallExpression":
        return this.#call(node);
      default:
        refuse(this.module, node);
    }
  }

  /** Computes the rest of an operation whose left side is the value already. */
  #binary(node: Node, operator: string, right: Expression): void {
    if (!OPERATORS.includes(operator)) refuse(this.module, node);
    const bounds = WITH_CONSTANT[operator];
    if (bounds) {
      const value = this.program.evaluate(this.module, right);
      if (value === undefined || value < bounds.least || value > bounds.most) {
        refuse(
          this.module,
          node,
          `${operator} without a constant from ${bounds.least} to ${bounds.most} on the right`,
        );
      }
    }
    this.#add({ do: "push" });
    this.#expression(right);
    this.#add({ do: "binary", operator: operator as BinaryOperator });
  }

  #call(node: Extract<Expression, { type: "CallExpression" }>): void {
    if (node.callee.type !== "Identifier") refuse(this.module, node);
    const { name } = node.callee;
    const called = this.module.names.get(name);
    if (called?.is === "intrinsic") return this.#intrinsic(called.name, node);
    if (called?.is !== "function") refuse(this.module, node, `${name}(), which is not a function`);
    if (node.arguments.length !== called.node.params.length) refuse(this.module, node);
    this.#push(node.arguments);
    const label = this.program.use(called);
    this.#add({ do: "call", label, parameters: node.arguments.length });
  }

  #intrinsic(name: string, node: Extract<Expression, { type: "CallExpression" }>): void {
    const [first, ...others] = node.arguments as Expression[];
    const size = Number(name.at(-1)) as 1 | 4 | 8;
    switch (name) {
      case "load1":
      case "load4":
      case "load8":
        this.#expression(first);
        return this.#add({ do: "load", size });
      case "store1":
      case "store4":
      case "store8":
        this.#push([first]);
        this.#expression(others[0]);
        return this.#add({ do: "store", size });
      case "jump":
        this.#push([first]);
        this.#expression(others[0]);
        return this.#add({ do: "jump" });
      case "text":
        return this.#add({ do: "address", label: this.program.text(this.#literal(first)) });
      case "constant": {
        const value = this.program.evaluate(this.module, first);
        if (value === undefined) refuse(this.module, node);
        const bytes = new Uint8Array(BigInt64Array.of(BigInt.asIntN(64, value)).buffer);
        return this.#add({ do: "address", label: this.program.text(fromBytes(bytes)) });
      }
      case "appendix":
        return this.#add({ do: "address", label: this.program.appendix });
      case "either":
        return this.#expression(node.arguments[this.program.processor.index] as Expression);
      case "syscall": {
        const numbers = syscalls[this.#literal(first) as SystemCall];
        if (!numbers || others.length > 6) refuse(this.module, node);
        this.#push(others);
        this.#add({ do: "constant", value: BigInt(numbers[this.program.processor.index]) });
        return this.#add({ do: "syscall", parameters: others.length });
      }
      default:
        refuse(this.module, node);
    }
  }

  #push(nodes: readonly (Expression | Node)[]): void {
    for (const node of nodes) {
      this.#expression(node as Expression);
      this.#add({ do: "push" });
    }
  }

  #literal(node: Expression): string {
    if (node?.type !== "Literal" || typeof node.value !== "string") {
      refuse(this.module, node, "a text that is not a constant");
    }
    return node.value;
  }

  #declare(node: Pattern, variable: number): void {
    const name = nameOf(this.module, node);
    if (this.module.names.get(name)?.is === "constant") {
      refuse(this.module, node, `a second ${name}`);
    }
    this.#scopes[0].set(name, variable);
  }

  #variable(node: Expression | Pattern): number {
    const name = nameOf(this.module, node);
    const scope = this.#scopes.find((scope) => scope.has(name));
    const variable = scope?.get(name);
    if (variable === undefined) refuse(this.module, node, `${name}, which is not a variable`);
    return variable;
  }
}

function parse(file: string) {
  const source = Deno.readTextFileSync(file);
  try {
    const options = { sourceType: "module", ecmaVersion: 2022, locations: true } as const;
    return parser.parse(source, options).body;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Problem(`${relative(projectFolder, file)}: ${error.message}`);
  }
}

function nameOf(module: Module, node: Expression | Pattern): string {
  return node.type === "Identifier" ? node.name : refuse(module, node);
}

function calculate(operator: string, left: bigint, right: bigint): bigint | undefined {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "&":
      return left & right;
    case "|":
      return left | right;
    case "<<":
      return left << right;
  }
}

function refuse(module: Module, node: Node, what: string = node.type): never {
  const line = node.loc?.start.line;
  throw new Problem(
    `${relative(projectFolder, module.file)}:${line}: the compiler does not know ${what}`,
  );
}
