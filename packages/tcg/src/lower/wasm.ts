import type { CodeWriter, ValueType } from "@tsvm/wasm-emit";
import type { Node, Val } from "../ir/types.ts";

/** What lowering has to be told: how calls and exits of this kind of code look. */
export interface LoweringTarget {
  /** Function index of a call target. */
  functionIndex(target: string): number;
  /** Writes an exit; its operands are on the stack; `depth` is the number of blocks opened inside the fragment. */
  writeExit(exit: string, writer: CodeWriter, depth: number): void;
}

/** Hands out locals by type; {@link reset} makes them all free again for the next fragment of the same function. */
export class LocalPool {
  readonly #byType = new Map<ValueType, { indices: number[]; used: number }>();
  readonly #types: ValueType[] = [];
  readonly #first: number;

  /** @param first index of the first local that is ours (after parameters and fixed locals). */
  constructor(first: number) {
    this.#first = first;
  }

  take(type: ValueType): number {
    let pool = this.#byType.get(type);
    if (pool === undefined) {
      pool = { indices: [], used: 0 };
      this.#byType.set(type, pool);
    }
    if (pool.used === pool.indices.length) {
      this.#types.push(type);
      pool.indices.push(this.#first + this.#types.length - 1);
    }
    return pool.indices[pool.used++] as number;
  }

  reset(): void {
    for (const pool of this.#byType.values()) pool.used = 0;
  }

  /** Types of all locals handed out, in index order. */
  get types(): readonly ValueType[] {
    return this.#types;
  }
}

/**
 * Writes IR as WebAssembly. A value that is used once is written where it is used; every other one gets a local.
 *
 * Invariant: a deferred value that reads memory or a variable is written before the next effect.
 */
export function lowerNodes(
  nodes: readonly Node[],
  writer: CodeWriter,
  locals: LocalPool,
  target: LoweringTarget,
): void {
  new Lowering(writer, locals, target, countUses(nodes)).block(nodes);
}

type Definition = Extract<Node, { result: Val }>;

function countUses(nodes: readonly Node[], uses = new Map<number, number>()): Map<number, number> {
  for (const node of nodes) {
    if ("args" in node) for (const arg of node.args) uses.set(arg.id, (uses.get(arg.id) ?? 0) + 1);
    if (node.kind === "if") {
      countUses(node.whenTrue, uses);
      countUses(node.whenFalse, uses);
    } else if (node.kind === "loop") countUses(node.body, uses);
  }
  return uses;
}

function containsLoop(node: Node): boolean {
  if (node.kind === "loop") return true;
  return node.kind === "if" && (node.whenTrue.some(containsLoop) || node.whenFalse.some(containsLoop));
}

class Lowering {
  readonly #writer: CodeWriter;
  readonly #locals: LocalPool;
  readonly #target: LoweringTarget;
  readonly #uses: ReadonlyMap<number, number>;
  readonly #localOf = new Map<number, number>();
  readonly #variableLocal = new Map<number, number>();
  /** Values not written yet; true: their evaluation reads memory or a variable. */
  readonly #deferred = new Map<number, { node: Definition; impure: boolean }>();
  readonly #labelDepth = new Map<number, number>();
  #depth = 0;

  constructor(writer: CodeWriter, locals: LocalPool, target: LoweringTarget, uses: ReadonlyMap<number, number>) {
    this.#writer = writer;
    this.#locals = locals;
    this.#target = target;
    this.#uses = uses;
  }

  block(nodes: readonly Node[]): void {
    for (const node of nodes) this.#node(node);
  }

  #node(node: Node): void {
    switch (node.kind) {
      case "op":
      case "lane":
      case "shuffle":
      case "v128":
      case "float":
      case "select":
        return this.#define(node, false);
      case "load":
        return this.#define(node, true);
      case "get":
        return this.#define(node, node.variable.variable >= 0);
      case "if":
        return this.#if(node);
      case "loop":
        return this.#loop(node);
      default:
        return this.#effect(node);
    }
  }

  #define(node: Definition, reads: boolean): void {
    const uses = this.#uses.get(node.result.id) ?? 0;
    if (uses === 0) return;
    const args = "args" in node ? node.args : [];
    const impure = reads || args.some((arg) => this.#deferred.get(arg.id)?.impure);
    if (uses === 1) {
      this.#deferred.set(node.result.id, { node, impure });
      return;
    }
    this.#write(node);
    this.#toLocal(node.result);
  }

  #effect(node: Exclude<Node, Definition> | Extract<Node, { kind: "call" }>): void {
    const args: readonly Val[] = "args" in node ? node.args : [];
    this.#flush(args, true);
    for (const arg of args) this.#value(arg);
    const writer = this.#writer;
    if (node.kind === "store") writer.memory(node.op, node.offset);
    else if (node.kind === "copy") writer.memoryCopy();
    else if (node.kind === "fill") writer.memoryFill();
    else if (node.kind === "set") writer.localSet(this.#variable(node.variable));
    else if (node.kind === "exit") this.#target.writeExit(node.exit, writer, this.#depth);
    else if (node.kind === "break") writer.br(this.#depth - (this.#labelDepth.get(node.label) as number) + 1);
    else if (node.kind === "continue") writer.br(this.#depth - (this.#labelDepth.get(node.label) as number));
    else if (node.kind === "call") {
      writer.call(this.#target.functionIndex(node.target));
      if (node.result === undefined) return;
      if ((this.#uses.get(node.result.id) ?? 0) === 0) writer.drop();
      else this.#toLocal(node.result);
    }
  }

  #if(node: Extract<Node, { kind: "if" }>): void {
    // A loop in a branch writes out everything deferred, which must not happen to what the other branch uses too.
    this.#flush(node.args, !containsLoop(node));
    this.#value(node.args[0]);
    const writer = this.#writer;
    writer.if();
    this.#depth++;
    this.block(node.whenTrue);
    if (node.whenFalse.length > 0) {
      writer.else();
      this.block(node.whenFalse);
    }
    this.#depth--;
    writer.end();
  }

  #loop(node: Extract<Node, { kind: "loop" }>): void {
    this.#flush([], false);
    const writer = this.#writer;
    writer.block();
    writer.loop();
    this.#depth += 2;
    this.#labelDepth.set(node.label, this.#depth);
    this.block(node.body);
    this.#depth -= 2;
    writer.end();
    writer.end();
  }

  /** Puts deferred values into locals: only those that read (`impureOnly`), and not those about to be used by `args`. */
  #flush(args: readonly Val[], impureOnly: boolean): void {
    const consumed = new Set<number>();
    const consume = (val: Val): void => {
      const deferred = this.#deferred.get(val.id);
      if (deferred === undefined) return;
      consumed.add(val.id);
      if ("args" in deferred.node) deferred.node.args.forEach(consume);
    };
    args.forEach(consume);
    for (const [id, { node, impure }] of [...this.#deferred]) {
      if (!this.#deferred.has(id) || consumed.has(id) || (impureOnly && !impure)) continue;
      this.#deferred.delete(id);
      this.#write(node);
      this.#toLocal(node.result);
    }
  }

  #toLocal(value: Val): void {
    const local = this.#locals.take(value.type);
    this.#localOf.set(value.id, local);
    this.#writer.localSet(local);
  }

  #variable(variable: { readonly type: ValueType; readonly variable: number }): number {
    if (variable.variable < 0) return -variable.variable - 1;
    const known = this.#variableLocal.get(variable.variable);
    if (known !== undefined) return known;
    const local = this.#locals.take(variable.type);
    this.#variableLocal.set(variable.variable, local);
    return local;
  }

  /** Leaves a value on the stack. */
  #value(value: Val): void {
    const writer = this.#writer;
    if (value.constant !== undefined) {
      if (value.type === "i32") writer.i32Const(Number(value.constant));
      else writer.i64Const(value.constant);
      return;
    }
    const deferred = this.#deferred.get(value.id);
    if (deferred !== undefined) {
      this.#deferred.delete(value.id);
      this.#write(deferred.node);
      return;
    }
    const local = this.#localOf.get(value.id);
    if (local === undefined) throw new Error(`value ${value.id} is used but not defined here`);
    writer.localGet(local);
  }

  #write(node: Definition): void {
    const writer = this.#writer;
    if ("args" in node) for (const arg of node.args) this.#value(arg);
    if (node.kind === "op") writer.op(node.op);
    else if (node.kind === "lane") writer.lane(node.op, node.lane);
    else if (node.kind === "shuffle") writer.shuffle(node.lanes);
    else if (node.kind === "v128") writer.v128Const(node.low, node.high);
    else if (node.kind === "float")
      node.result.type === "f32" ? writer.f32Const(node.value) : writer.f64Const(node.value);
    else if (node.kind === "select") writer.select();
    else if (node.kind === "load") writer.memory(node.op, node.offset);
    else if (node.kind === "get") writer.localGet(this.#variable(node.variable));
  }
}
