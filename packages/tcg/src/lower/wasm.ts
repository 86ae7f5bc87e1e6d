import type { CodeWriter, ValueType } from "@tsvm/wasm-emit";
import type { ExitNode, Node, Val, Variable } from "../ir/types.ts";
import { countUses, type Uses } from "./uses.ts";

/** What lowering has to be told: how calls and exits of this kind of code look. */
export interface LoweringTarget {
  /** Function index of a call target. */
  functionIndex(target: string): number;
  /** Writes an exit; its operands are on the stack; `depth` is the number of blocks opened inside the fragment. */
  writeExit(exit: string, writer: CodeWriter, depth: number, node: ExitNode): void;
  /** Exits so rare that what only they need is computed at each of them, not before. */
  readonly coldExits?: ReadonlySet<string>;
  /** The fixed local of a variable that outlives the fragment; undefined: it is one of the fragment's own. */
  fixedLocal?(variable: Variable): number | undefined;
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

  /** What is in use now, for {@link release}. */
  mark(): ReadonlyMap<ValueType, number> {
    return new Map([...this.#byType].map(([type, { used }]) => [type, used]));
  }

  /** Only what was in use at the mark stays so: nothing that was taken since is needed any more. */
  release(mark: ReadonlyMap<ValueType, number>): void {
    for (const [type, pool] of this.#byType) pool.used = mark.get(type) ?? 0;
  }

  /** Types of all locals handed out, in index order. */
  get types(): readonly ValueType[] {
    return this.#types;
  }
}

/**
 * Writes IR as WebAssembly. A value that is used once is written where it is used; every other one gets a local.
 *
 * Invariant: a deferred value that reads memory or a variable is written before an effect on what it reads.
 */
export function lowerNodes(
  nodes: readonly Node[],
  writer: CodeWriter,
  locals: LocalPool,
  target: LoweringTarget,
): void {
  new Lowering(writer, locals, target, countUses(nodes, target.coldExits)).block(nodes);
}

type Definition = Extract<Node, { result: Val }>;

/** A branch of pure values and an exit. */
function leavesAtOnce(nodes: readonly Node[]): boolean {
  if (nodes[nodes.length - 1]?.kind !== "exit") return false;
  return nodes.every((node) => node.kind === "exit" || ("result" in node && node.kind !== "call"));
}

function isDisturbed({ memory, variables }: Deferred, disturbed: Disturbed): boolean {
  if (disturbed === "everything") return true;
  if (disturbed === "memory") return memory;
  return variables?.includes(disturbed.variable) === true;
}

/** A value that is written where it is used. */
interface Deferred {
  readonly node: Definition;
  readonly memory: boolean;
  /** Variables that it reads; undefined: none. */
  readonly variables: readonly number[] | undefined;
}

/** What has to be written before an effect: values that read memory, a variable, or all. */
type Disturbed = "memory" | "everything" | { readonly variable: number };

class Lowering {
  readonly #writer: CodeWriter;
  readonly #locals: LocalPool;
  readonly #target: LoweringTarget;
  readonly #uses: Uses;
  /** Pure values that only cold exits need: written anew at each of them. */
  readonly #cold = new Map<number, Definition>();
  readonly #localOf = new Map<number, number>();
  readonly #variableLocal = new Map<number, number>();
  /** Values not written yet, and what their evaluation reads. */
  readonly #deferred = new Map<number, Deferred>();
  /** How many deferred values read memory, and how many read variables: mostly there is none to look for. */
  #readers = { memory: 0, variables: 0 };
  readonly #labelDepth = new Map<number, number>();
  #depth = 0;

  constructor(writer: CodeWriter, locals: LocalPool, target: LoweringTarget, uses: Uses) {
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
      case "load":
      case "get":
        return this.#define(node);
      case "if":
        return this.#if(node);
      case "loop":
        return this.#loop(node);
      default:
        return this.#effect(node);
    }
  }

  #define(node: Definition): void {
    const { id } = node.result;
    if (this.#uses.isUnused(id)) return;
    if (this.#uses.isColdOnly(id)) this.#cold.set(id, node);
    else if (this.#uses.isSingle(id)) this.#defer(node);
    else {
      this.#write(node);
      this.#toLocal(node.result);
    }
  }

  #defer(node: Definition): void {
    let memory = node.kind === "load";
    let variables: number[] | undefined;
    if (node.kind === "get" && node.variable.variable >= 0) variables = [node.variable.variable];
    if ("args" in node)
      for (const arg of node.args) {
        const inner = this.#deferred.get(arg.id);
        if (inner === undefined) continue;
        memory ||= inner.memory;
        if (inner.variables !== undefined)
          variables = variables === undefined ? [...inner.variables] : [...variables, ...inner.variables];
      }
    if (memory) this.#readers.memory++;
    if (variables !== undefined) this.#readers.variables++;
    this.#deferred.set(node.result.id, { node, memory, variables });
  }

  /** Takes a deferred value out: it is being written. */
  #undefer(id: number, { memory, variables }: Deferred): void {
    this.#deferred.delete(id);
    if (memory) this.#readers.memory--;
    if (variables !== undefined) this.#readers.variables--;
  }

  #effect(node: Exclude<Node, Definition> | Extract<Node, { kind: "call" }>): void {
    const args: readonly Val[] = "args" in node ? node.args : [];
    // Nothing is written behind an exit; what it needs itself is written with it.
    if (node.kind === "exit") return this.#exit(node);
    if (node.kind === "set") this.#flush(args, node.variable);
    else if (node.kind !== "break" && node.kind !== "continue") this.#flush(args, "memory");
    for (const arg of args) this.#value(arg);
    const writer = this.#writer;
    if (node.kind === "store") writer.memory(node.op, node.offset);
    else if (node.kind === "copy") writer.memoryCopy();
    else if (node.kind === "fill") writer.memoryFill();
    else if (node.kind === "set") writer.localSet(this.#variable(node.variable));
    else if (node.kind === "break") writer.br(this.#depth - (this.#labelDepth.get(node.label) as number) + 1);
    else if (node.kind === "continue") writer.br(this.#depth - (this.#labelDepth.get(node.label) as number));
    else if (node.kind === "call") {
      writer.call(this.#target.functionIndex(node.target));
      if (node.result === undefined) return;
      if (this.#uses.isUnused(node.result.id)) writer.drop();
      else this.#toLocal(node.result);
    }
  }

  /** Variables are set all at once, since the new value of one may be the old one of another. */
  #exit(node: ExitNode): void {
    const { sets = [], args } = node;
    const operands = args.slice(sets.length);
    const constant = operands.every((operand) => operand.constant !== undefined);
    // Operands that are computed come first: the variables may be what they are computed from.
    const saved = constant ? [] : operands.map(({ type }) => this.#locals.take(type));
    for (const arg of constant ? args.slice(0, sets.length) : args) this.#value(arg);
    for (const local of saved.toReversed()) this.#writer.localSet(local);
    for (let i = sets.length - 1; i >= 0; i--) this.#writer.localSet(this.#variable(sets[i] as Variable));
    if (constant) for (const operand of operands) this.#value(operand);
    else for (const local of saved) this.#writer.localGet(local);
    this.#target.writeExit(node.exit, this.#writer, this.#depth, node);
  }

  #if(node: Extract<Node, { kind: "if" }>): void {
    // A loop in a branch writes out everything deferred, which must not happen to what the other branch uses too.
    this.#flushIf(node);
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

  /** A branch may change what deferred values read. One that only leaves changes nothing for those behind it. */
  #flushIf(node: Extract<Node, { kind: "if" }>): void {
    if (leavesAtOnce(node.whenTrue) && node.whenFalse.length === 0) return;
    this.#flush(node.args, "everything");
  }

  #loop(node: Extract<Node, { kind: "loop" }>): void {
    this.#flush([], "everything");
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

  /** Puts deferred values that an effect would disturb into locals, but not those about to be used by `args`. */
  #flush(args: readonly Val[], disturbed: Disturbed): void {
    if (this.#deferred.size === 0 || !this.#mayDisturb(disturbed)) return;
    const consumed = new Set<number>();
    for (const arg of args) this.#consume(arg, consumed);
    for (const [id, deferred] of [...this.#deferred]) {
      if (!this.#deferred.has(id) || consumed.has(id) || !isDisturbed(deferred, disturbed)) continue;
      this.#undefer(id, deferred);
      this.#write(deferred.node);
      this.#toLocal(deferred.node.result);
    }
  }

  #mayDisturb(disturbed: Disturbed): boolean {
    if (disturbed === "everything") return true;
    return disturbed === "memory" ? this.#readers.memory > 0 : this.#readers.variables > 0;
  }

  #consume(value: Val, consumed: Set<number>): void {
    const deferred = this.#deferred.get(value.id);
    if (deferred === undefined) return;
    consumed.add(value.id);
    if ("args" in deferred.node) for (const arg of deferred.node.args) this.#consume(arg, consumed);
  }

  #toLocal(value: Val): void {
    const local = this.#locals.take(value.type);
    this.#localOf.set(value.id, local);
    this.#writer.localSet(local);
  }

  #variable(variable: { readonly type: ValueType; readonly variable: number }): number {
    if (variable.variable < 0) return -variable.variable - 1;
    const fixed = this.#target.fixedLocal?.(variable);
    if (fixed !== undefined) return fixed;
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
      this.#undefer(value.id, deferred);
      this.#write(deferred.node);
      return;
    }
    const cold = this.#cold.get(value.id);
    if (cold !== undefined) {
      this.#write(cold);
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
