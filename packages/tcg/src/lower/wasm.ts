import type { CodeWriter, LaneOp, LoadOp, PlainOp, StoreOp, ValueType } from "@tsvm/wasm-emit";
import { type Constant, type Node, PLACE, type Variable } from "../ir/types.ts";
import { countUses, isColdOnly, SMALL_TREE } from "./uses.ts";

/** What lowering has to be told: how calls and exits of this kind of code look. */
export interface LoweringTarget {
  /** Function index of a call target. */
  functionIndex(target: string): number;
  /** Writes an exit; its operands are on the stack; `depth` is the number of blocks opened inside the fragment. */
  writeExit(exit: string, writer: CodeWriter, depth: number, node: Node): void;
  /** Exits so rare that what only they need is computed at each of them, not before. */
  readonly coldExits?: ReadonlySet<string>;
  /** Exits that are hardly ever taken. */
  readonly rareExits?: ReadonlySet<string>;
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
 * Writes IR as WebAssembly. A value that is used once is written where it is used; every other one gets a local. IR can be
 * written once: its nodes keep the notes that are made.
 *
 * Invariant: a deferred value that reads memory or a variable is written before an effect on what it reads.
 */
export function lowerNodes(
  nodes: readonly Node[],
  writer: CodeWriter,
  locals: LocalPool,
  target: LoweringTarget,
): void {
  const { coldExits, rareExits } = target;
  countUses(nodes, coldExits && { exits: coldExits, isUnlikely: (node) => isUnlikely(node, rareExits) });
  new Lowering(writer, locals, target).block(nodes);
}

/** A branch of pure values and an exit. */
function leavesAtOnce(nodes: readonly Node[]): boolean {
  for (let i = 0; i < nodes.length - 1; i++) if (!isDefinition(nodes[i] as Node)) return false;
  return nodes.length > 0 && (nodes[nodes.length - 1] as Node).kind === "exit";
}

/** A way out that is rare, or one that takes a call: nothing that is frequent does. */
function isUnlikely({ body, otherwise, rare }: Node, rareExits: ReadonlySet<string> | undefined): boolean {
  if (rare) return true;
  const last = body[body.length - 1];
  if (otherwise.length > 0 || last === undefined) return false;
  return (last.kind === "exit" && rareExits?.has(last.op) === true) || body.some(isCall);
}

const isCall = ({ kind }: Node): boolean => kind === "call";

function isDefinition({ kind }: Node): boolean {
  switch (kind) {
    case "op":
    case "load":
    case "get":
    case "lane":
    case "select":
    case "shuffle":
    case "v128":
    case "float":
      return true;
    default:
      return false;
  }
}

/** What takes a register at most, which V8 finds by itself where it is needed: in a local it would be computed for exits, too. */
const FREE: ReadonlySet<string> = new Set([
  "i32.reinterpret_f32",
  "i64.reinterpret_f64",
  "f32.reinterpret_i32",
  "f64.reinterpret_i64",
]);

/** Another view of a local, written wherever it is used. */
const isFree = ({ op, args }: Node): boolean => FREE.has(op) && (args[0] as Node).place === PLACE.local;

const isLargeAndCold = ({ place, size }: Node): boolean => place === PLACE.cold && size > SMALL_TREE;

/** What the evaluation of a deferred value reads. */
const READS = { memory: 1, variable: 2 } as const;
/** An effect on everything. */
const EVERYTHING = READS.memory | READS.variable | 4;

class Lowering {
  readonly #writer: CodeWriter;
  readonly #locals: LocalPool;
  readonly #target: LoweringTarget;
  readonly #variableLocal = new Map<number, number>();
  /** Values to be written where they are used, in the order they were built; those that were written meanwhile too. */
  #deferred: Node[] = [];
  /** How many deferred values read memory, and how many read variables: mostly there is none to look for. */
  #memoryReaders = 0;
  #variableReaders = 0;
  #waiting = 0;
  readonly #labelDepth = new Map<number, number>();
  #depth = 0;
  /** Cold values that the exit being written needs more than once: in which local they are, or -1: not written yet. Else empty. */
  readonly #shared = new Map<Node, number>();

  constructor(writer: CodeWriter, locals: LocalPool, target: LoweringTarget) {
    this.#writer = writer;
    this.#locals = locals;
    this.#target = target;
  }

  block(nodes: readonly Node[]): void {
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i] as Node;
      if (isDefinition(node)) this.#define(node);
      else if (node.kind === "if") this.#if(node);
      else if (node.kind === "loop") this.#loop(node);
      else this.#effect(node);
    }
  }

  #define(node: Node): void {
    if (node.uses === 0 && node.coldUses === 0) return;
    if (isColdOnly(node) || isFree(node)) node.place = PLACE.cold;
    else if (node.uses === 1 && node.coldUses === 0) this.#defer(node);
    else {
      this.#write(node);
      this.#toLocal(node);
    }
  }

  #defer(node: Node): void {
    let reads = 0;
    if (node.kind === "load") reads = READS.memory;
    else if (node.kind === "get" && (node.variable as Variable).variable >= 0) reads = READS.variable;
    const { args } = node;
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] as Node;
      if (arg.place === PLACE.deferred) reads |= arg.reads;
    }
    node.reads = reads;
    node.place = PLACE.deferred;
    if ((reads & READS.memory) !== 0) this.#memoryReaders++;
    if ((reads & READS.variable) !== 0) this.#variableReaders++;
    this.#waiting++;
    this.#deferred.push(node);
  }

  /** Takes a deferred value out: it is being written. */
  #undefer(node: Node): void {
    node.place = PLACE.nowhere;
    if ((node.reads & READS.memory) !== 0) this.#memoryReaders--;
    if ((node.reads & READS.variable) !== 0) this.#variableReaders--;
    if (--this.#waiting === 0) this.#deferred.length = 0;
  }

  #effect(node: Node): void {
    // Nothing is written behind an exit; what it needs itself is written with it.
    if (node.kind === "exit") return this.#exit(node);
    const writer = this.#writer;
    if (node.kind === "break" || node.kind === "continue") {
      const depth = this.#depth - (this.#labelDepth.get(node.immediate) as number);
      return writer.br(node.kind === "break" ? depth + 1 : depth);
    }
    if (node.kind === "set") this.#flush(node.args, READS.variable, node.variable as Variable);
    else this.#flush(node.args, READS.memory);
    this.#values(node.args, 0);
    if (node.kind === "set") writer.localSet(this.#variable(node.variable as Variable));
    else if (node.kind === "store") writer.memory(node.op as StoreOp, node.immediate);
    else if (node.kind === "copy") writer.memoryCopy();
    else if (node.kind === "fill") writer.memoryFill();
    else if (node.kind === "call") this.#call(node);
  }

  #call(node: Node): void {
    this.#writer.call(this.#target.functionIndex(node.op));
    if (node.immediate === 0) return;
    if (node.uses === 0 && node.coldUses === 0) this.#writer.drop();
    else this.#toLocal(node);
  }

  /** Variables are set all at once, since the new value of one may be the old one of another. */
  #exit(node: Node): void {
    const { sets, args } = node;
    const operands = args.length - sets.length;
    const mark = this.#locals.mark();
    this.#findShared(args);
    let constant = true;
    for (let i = sets.length; i < args.length; i++) constant &&= (args[i] as Node).constant !== undefined;
    if (constant) this.#setAll(node, sets.length);
    else {
      // Operands that are computed come first: the variables may be what they are computed from.
      const saved: number[] = [];
      for (let i = 0; i < operands; i++) saved.push(this.#locals.take((args[sets.length + i] as Node).type));
      this.#values(args, 0);
      for (let i = operands - 1; i >= 0; i--) this.#writer.localSet(saved[i] as number);
      this.#setAll(node, 0);
      for (const local of saved) this.#writer.localGet(local);
    }
    if (constant) this.#values(args, sets.length);
    this.#shared.clear();
    this.#locals.release(mark);
    this.#target.writeExit(node.op, this.#writer, this.#depth, node);
  }

  #findShared(args: readonly Node[]): void {
    const large = args.filter(isLargeAndCold);
    if (large.length > 0) this.#noteShared(large, new Set());
  }

  #noteShared(values: readonly Node[], seen: Set<Node>): void {
    for (const value of values) {
      if (!isLargeAndCold(value)) continue;
      if (seen.has(value)) this.#shared.set(value, -1);
      else this.#noteShared(value.args, seen.add(value));
    }
  }

  /** Sets an exit's variables. @param values how many of its values are to be put on the stack first. */
  #setAll({ sets, args }: Node, values: number): void {
    for (let i = 0; i < values; i++) this.#value(args[i] as Node);
    for (let i = sets.length - 1; i >= 0; i--) this.#writer.localSet(this.#variable(sets[i] as Variable));
  }

  #if(node: Node): void {
    // A loop in a branch writes out everything deferred, which must not happen to what the other branch uses too.
    this.#flushIf(node);
    this.#value(node.args[0] as Node);
    const writer = this.#writer;
    if (isUnlikely(node, this.#target.rareExits)) writer.ifUnlikely();
    else writer.if();
    this.#depth++;
    this.block(node.body);
    if (node.otherwise.length > 0) {
      writer.else();
      this.block(node.otherwise);
    }
    this.#depth--;
    writer.end();
  }

  /** A branch may change what deferred values read. One that only leaves changes nothing for those behind it. */
  #flushIf(node: Node): void {
    if (node.otherwise.length === 0 && leavesAtOnce(node.body)) return;
    this.#flush(node.args, EVERYTHING);
  }

  #loop(node: Node): void {
    this.#flush(node.args, EVERYTHING);
    const writer = this.#writer;
    writer.block();
    writer.loop();
    this.#depth += 2;
    this.#labelDepth.set(node.immediate, this.#depth);
    this.block(node.body);
    this.#depth -= 2;
    writer.end();
    writer.end();
  }

  /** Puts deferred values that an effect would disturb into locals, but not those about to be used by `args`. */
  #flush(args: readonly Node[], effect: number, variable?: Variable): void {
    if (this.#waiting === 0) return;
    if (effect === READS.memory && this.#memoryReaders === 0) return;
    if (effect === READS.variable && this.#variableReaders === 0) return;
    const consumed = new Set<Node>();
    for (const arg of args) consume(arg, consumed);
    const waiting = this.#deferred;
    this.#deferred = [];
    const kept: Node[] = [];
    for (const node of waiting) {
      if (node.place !== PLACE.deferred) continue;
      if (consumed.has(node) || !isDisturbed(node, effect, variable)) kept.push(node);
      else {
        this.#undefer(node);
        this.#write(node);
        this.#toLocal(node);
      }
    }
    // Writing a value may have taken others along that were kept at first.
    this.#deferred = kept.filter((node) => node.place === PLACE.deferred);
  }

  #toLocal(node: Node): void {
    const local = this.#locals.take(node.type);
    node.place = PLACE.local;
    node.local = local;
    this.#writer.localSet(local);
  }

  #variable(variable: Variable): number {
    if (variable.variable < 0) return -variable.variable - 1;
    const fixed = this.#target.fixedLocal?.(variable);
    if (fixed !== undefined) return fixed;
    const known = this.#variableLocal.get(variable.variable);
    if (known !== undefined) return known;
    const local = this.#locals.take(variable.type);
    this.#variableLocal.set(variable.variable, local);
    return local;
  }

  #values(args: readonly Node[], first: number): void {
    for (let i = first; i < args.length; i++) this.#value(args[i] as Node);
  }

  /** Leaves a value on the stack. */
  #value(node: Node): void {
    const writer = this.#writer;
    if (node.kind === "const") {
      if (node.type === "i32") writer.i32Const(Number(node.constant));
      else writer.i64Const(node.constant as Constant);
      return;
    }
    switch (node.place) {
      case PLACE.local:
        return writer.localGet(node.local);
      case PLACE.deferred:
        this.#undefer(node);
        return this.#write(node);
      case PLACE.cold:
        return this.#cold(node);
      default:
        throw new Error(`value ${node.id} (${node.kind} ${node.op}) is used but not defined here`);
    }
  }

  #cold(node: Node): void {
    const local = this.#shared.get(node);
    if (local !== undefined && local >= 0) return this.#writer.localGet(local);
    this.#write(node);
    if (local === undefined) return;
    const kept = this.#locals.take(node.type);
    this.#shared.set(node, kept);
    this.#writer.localTee(kept);
  }

  #write(node: Node): void {
    const writer = this.#writer;
    this.#values(node.args, 0);
    switch (node.kind) {
      case "op":
        return writer.op(node.op as PlainOp);
      case "load":
        return writer.memory(node.op as LoadOp, node.immediate);
      case "get":
        return writer.localGet(this.#variable(node.variable as Variable));
      case "lane":
        return writer.lane(node.op as LaneOp, node.immediate);
      case "select":
        return writer.select();
      case "shuffle":
        return writer.shuffle(node.bytes as readonly number[]);
      case "v128":
        return writer.v128Const(node.bytes as readonly number[]);
      case "float":
        return node.type === "f32" ? writer.f32Const(node.immediate) : writer.f64Const(node.immediate);
    }
  }
}

function isDisturbed(node: Node, effect: number, variable: Variable | undefined): boolean {
  if (effect === EVERYTHING) return true;
  if ((node.reads & effect) === 0) return false;
  return variable === undefined || readsVariable(node, variable.variable);
}

/** Whether a deferred value's evaluation reads a variable. */
function readsVariable(node: Node, variable: number): boolean {
  if (node.kind === "get") return (node.variable as Variable).variable === variable;
  return node.args.some((arg) => arg.place === PLACE.deferred && readsVariable(arg, variable));
}

function consume(node: Node, consumed: Set<Node>): void {
  if (node.place !== PLACE.deferred) return;
  consumed.add(node);
  for (const arg of node.args) consume(arg, consumed);
}
