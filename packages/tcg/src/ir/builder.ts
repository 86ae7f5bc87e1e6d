import type { LaneOp, LoadOp, PlainOp, StoreOp, ValueType } from "@tsvm/wasm-emit";
import { bitLength, canonical } from "./constant.ts";
import { factsOf, foldConstant, loadedBits, type OpFacts } from "./fold.ts";
import { SlotFile } from "./slot-file.ts";
import type { SlotTable } from "./slots.ts";
import { type Constant, GOTO, Node, type NodeKind, resultType, type Val, type Variable } from "./types.ts";

const OP = {
  add: factsOf("i64.add"),
  sub: factsOf("i64.sub"),
  and: factsOf("i64.and"),
  or: factsOf("i64.or"),
  xor: factsOf("i64.xor"),
  shl: factsOf("i64.shl"),
  shr: factsOf("i64.shr_u"),
  extend: factsOf("i64.extend_i32_u"),
  wrap: factsOf("i32.wrap_i64"),
  isZero: factsOf("i32.eqz"),
  toF64: factsOf("f64.reinterpret_i64"),
  toF32: factsOf("f32.reinterpret_i32"),
} as const;
const NO_NODES: readonly Node[] = [];

/**
 * Builds IR. Constants fold while building, so that one semantics function specialises itself: with fields of the
 * decoded record it becomes an interpreter handler, with constants a piece of a translated block.
 *
 * Checked while building: after the first commit of an instruction (a write of CPU state) nothing may fault any more,
 * so that a fault always leaves the state as it was before the instruction.
 */
export class IrBuilder {
  #nodes: Node[] = [];
  #nextId = 0;
  #nextLabel = 0;
  #insn: string | (() => string) = "";
  #committed = "";
  /** Counts the blocks; values of another one are not found again. */
  #block = 1;
  /** Branches around what is built. */
  #depth = 0;
  readonly #slots: SlotFile | undefined;
  /** Pure values by a hash of operation and operands: a newer one takes the place of another. */
  readonly #known: (Node | undefined)[] = [];
  /** What branches hid in `#known`, to be put back behind them. */
  readonly #hidden: { readonly index: number; readonly node: Node | undefined }[] = [];
  readonly #constants = new Map<Constant, Node>();
  readonly #constants32 = new Map<number, Node>();

  /** @param slots state that is kept in variables; by default all state is in memory. */
  constructor(slots?: SlotTable) {
    this.#slots = slots && new SlotFile(slots);
    if (slots !== undefined) this.#known = new Array(KNOWN_VALUES).fill(undefined);
  }

  /** State that was stored is found again as the same value, until control joins from elsewhere. */
  get keepsState(): boolean {
    return this.#slots !== undefined;
  }

  /**
   * Starts a block whose predecessors left all slots in their variables. @param defers its own changes are put there only as it
   * is left: more code for each way out, less between them.
   */
  beginBlock(defers = false): void {
    this.#slots?.begin(defers);
    this.#block++;
  }

  /** What was built so far ends by leaving, whatever happens. */
  get ended(): boolean {
    const nodes = this.#nodes;
    return nodes.length > 0 && (nodes[nodes.length - 1] as Node).kind === "exit";
  }

  /** What was built so far; the builder starts empty again. */
  take(): readonly Node[] {
    const nodes = this.#nodes;
    this.#nodes = [];
    return nodes;
  }

  /** Starts an instruction; `what` names it, if it has to be named, in the errors of the faults-before-commits check. */
  beginInsn(what: string | (() => string)): void {
    this.#insn = what;
    this.#committed = "";
  }

  /** Notes that CPU state is written: from here on the instruction may not fault. */
  committing(what: string): void {
    if (this.#committed === "") this.#committed = what;
  }

  /** Notes a point where the instruction may fault. @throws if state was written before. */
  faultPoint(what: string): void {
    if (this.#committed === "") return;
    const insn = typeof this.#insn === "string" ? this.#insn : this.#insn();
    throw new Error(`${insn}: ${what} after state write (${this.#committed}): not restartable`);
  }

  // --- values ---

  const(value: Constant): Val {
    const constant = typeof value === "number" && Number.isSafeInteger(value) ? value : canonical(BigInt(value));
    const known = this.#constants.get(constant);
    if (known !== undefined) return known;
    const made = new Node("const", "i64", this.#nextId++, "", NO_NODES, 0, constant, bitLength(constant));
    this.#constants.set(constant, made);
    return made;
  }

  const32(value: number): Val {
    const constant = value | 0;
    const known = this.#constants32.get(constant);
    if (known !== undefined) return known;
    const made = new Node("const", "i32", this.#nextId++, "", NO_NODES, 0, constant, bitLength(constant));
    this.#constants32.set(constant, made);
    return made;
  }

  float64(value: number): Val {
    return this.#add("float", "f64", "", NO_NODES, value);
  }

  float32(value: number): Val {
    return this.#add("float", "f32", "", NO_NODES, value);
  }

  vector(low: bigint, high: bigint): Val {
    const bytes = [...new Uint8Array(BigUint64Array.of(low, high).buffer)];
    const hash = this.#slots === undefined ? -1 : hashOf(VECTORS, highBits(low), highBits(high));
    const known = hash < 0 ? undefined : this.#known[hash];
    if (known?.block === this.#block && known.kind === "v128" && bytes.every((byte, i) => byte === known.bytes?.[i]))
      return known;
    const node = this.#add("v128", "v128", "", NO_NODES);
    node.bytes = bytes;
    if (hash >= 0) this.#remember(hash, node);
    return node;
  }

  /** Any operation without immediates, by its WebAssembly name. */
  op(op: PlainOp, a: Val, b?: Val, c?: Val): Val {
    return this.#apply(factsOf(op), a, b, c);
  }

  #apply(facts: OpFacts, a: Val, b?: Val, c?: Val): Val {
    const constant = foldConstant(facts, a, b);
    if (constant !== undefined) return facts.type === "i32" ? this.const32(Number(constant)) : this.const(constant);
    if (facts.identity !== undefined && b?.constant === facts.identity) return a;
    if (facts.undoes !== undefined && facts.undoes === a.op) return a.args[0] as Val;
    if (facts === OP.add && this.#slots?.defers && a.op === OP.add.op && b?.constant !== undefined) {
      const inner = a.args[1] as Val;
      if (inner.constant !== undefined) return this.add(a.args[0] as Val, this.add(inner, b));
    }
    if (facts === OP.toF64 && a.op === "i64x2.extract_lane")
      return this.lane("f64x2.extract_lane", a.immediate, a.args[0] as Val);
    if (facts === OP.toF32 && a.op === "i32x4.extract_lane")
      return this.lane("f32x4.extract_lane", a.immediate, a.args[0] as Val);
    const hash =
      this.#slots === undefined || c !== undefined ? -1 : hashOf(facts.number, a.id, b === undefined ? 0 : b.id);
    if (hash >= 0) {
      const known = this.#known[hash];
      if (known !== undefined && known.block === this.#block && isSame(known, facts, a, b)) return known;
      const older = this.#known[hash ^ 1];
      if (older !== undefined && older.block === this.#block && isSame(older, facts, a, b)) return older;
    }
    const args = b === undefined ? [a] : c === undefined ? [a, b] : [a, b, c];
    const bits = facts.bits === undefined ? undefined : facts.bits(a, b);
    const made = new Node("op", facts.type, this.#nextId++, facts.op, args, 0, undefined, bits);
    made.size = Math.min(255, 1 + a.size + (b === undefined ? 0 : b.size));
    this.#push(made);
    if (hash >= 0) this.#remember(hash, made);
    return made;
  }

  /** Of two values for one place, the older goes to the place beside. */
  #remember(hash: number, node: Node): void {
    const older = this.#known[hash];
    if (older !== undefined && older.block === this.#block) this.#put(hash ^ 1, older);
    node.block = this.#block;
    this.#put(hash, node);
  }

  #put(index: number, node: Node): void {
    if (this.#depth > 0) this.#hidden.push({ index, node: this.#known[index] });
    this.#known[index] = node;
  }

  lane(op: LaneOp, lane: number, a: Val, b?: Val): Val {
    // A float stays where floats are.
    if (b?.op === "i64.reinterpret_f64" && op === "i64x2.replace_lane")
      return this.lane("f64x2.replace_lane", lane, a, b.args[0]);
    if (b?.op === "i32.reinterpret_f32" && op === "i32x4.replace_lane")
      return this.lane("f32x4.replace_lane", lane, a, b.args[0]);
    if (b !== undefined) {
      // What was in the lane before does not matter.
      const over = a.kind === "lane" && a.immediate === lane && a.op.slice(LANE_COUNT_AT) === op.slice(LANE_COUNT_AT);
      return this.#pure("lane", resultType(op), op, [over ? (a.args[0] as Val) : a, b], lane);
    }
    return this.#replaced(op, lane, a) ?? this.#extract(op, lane, a);
  }

  /** What is extracted from a lane that was just replaced. */
  #replaced(op: LaneOp, lane: number, vector: Val): Val | undefined {
    const [inner, replacement] = vector.args;
    if (vector.kind !== "lane" || replacement === undefined || vector.op.slice(1, 5) !== op.slice(1, 5))
      return undefined;
    if (vector.immediate !== lane) return this.lane(op, lane, inner as Val);
    // Narrower lanes are extended as they are extracted.
    if (vector.op[0] === op[0]) return op.endsWith("extract_lane") ? replacement : undefined;
    return this.op(REINTERPRET[replacement.type as "i64"], replacement);
  }

  #extract(op: LaneOp, lane: number, vector: Val): Val {
    const hash = this.#slots === undefined ? -1 : hashOf(LANES + lane, vector.id, op.charCodeAt(0) + op.charCodeAt(1));
    const known = hash < 0 ? undefined : this.#known[hash];
    if (known?.block === this.#block && known.op === op && known.immediate === lane && known.args[0] === vector)
      return known;
    const made = this.#pure("lane", resultType(op), op, [vector], lane);
    if (hash >= 0) this.#remember(hash, made);
    return made;
  }

  /** Byte `i` of the result is byte `lanes[i]` of the two vectors laid side by side. */
  shuffle(lanes: readonly number[], a: Val, b: Val): Val {
    const node = this.#pure("shuffle", "v128", "", [a, b], 0);
    node.bytes = lanes;
    return node;
  }

  select(condition: Val, ifTrue: Val, ifFalse: Val): Val {
    if (condition.constant !== undefined) return condition.constant !== 0 ? ifTrue : ifFalse;
    return this.#pure("select", ifTrue.type, "", [ifTrue, ifFalse, condition], 0);
  }

  #pure(kind: NodeKind, type: ValueType, op: string, args: readonly Val[], immediate: number): Node {
    const node = this.#add(kind, type, op, args, immediate);
    let size = 1;
    for (const arg of args) size += arg.size;
    node.size = Math.min(255, size);
    return node;
  }

  // 64-bit integer shorthands: almost all semantics are made of these.
  add(a: Val, b: Val): Val {
    return this.#apply(OP.add, a, b);
  }
  sub(a: Val, b: Val): Val {
    return this.#apply(OP.sub, a, b);
  }
  mul(a: Val, b: Val): Val {
    return this.op("i64.mul", a, b);
  }
  and(a: Val, b: Val): Val {
    return this.#apply(OP.and, a, b);
  }
  or(a: Val, b: Val): Val {
    return this.#apply(OP.or, a, b);
  }
  xor(a: Val, b: Val): Val {
    return this.#apply(OP.xor, a, b);
  }
  not(a: Val): Val {
    return this.#apply(OP.xor, a, this.const(-1));
  }
  shl(a: Val, b: Val): Val {
    return this.#apply(OP.shl, a, b);
  }
  shr(a: Val, b: Val): Val {
    return this.#apply(OP.shr, a, b);
  }
  sar(a: Val, b: Val): Val {
    return this.op("i64.shr_s", a, b);
  }
  /** Conditions are i32: 0 or 1. */
  eq(a: Val, b: Val): Val {
    return this.op("i64.eq", a, b);
  }
  ne(a: Val, b: Val): Val {
    return this.op("i64.ne", a, b);
  }
  eqz(a: Val): Val {
    return this.op("i64.eqz", a);
  }
  ltU(a: Val, b: Val): Val {
    return this.op("i64.lt_u", a, b);
  }
  ltS(a: Val, b: Val): Val {
    return this.op("i64.lt_s", a, b);
  }
  /** Logical not of a condition. */
  isFalse(condition: Val): Val {
    return this.#apply(OP.isZero, condition);
  }
  both(a: Val, b: Val): Val {
    return this.op("i32.and", a, b);
  }
  either(a: Val, b: Val): Val {
    return this.op("i32.or", a, b);
  }
  /** 0 or 1 as i64. */
  bool(condition: Val): Val {
    return this.#apply(OP.extend, condition);
  }
  wrap(a: Val): Val {
    return this.#apply(OP.wrap, a);
  }
  /** Low `width` bits. */
  zext(a: Val, width: number): Val {
    if (width >= 64 || (a.bits !== undefined && a.bits <= width)) return a;
    return this.and(a, this.const(width < 53 ? 2 ** width - 1 : (1n << BigInt(width)) - 1n));
  }
  /** Low `width` bits, sign-extended to 64. */
  sext(a: Val, width: number): Val {
    if (width >= 64) return a;
    if (width === 8) return this.op("i64.extend8_s", a);
    if (width === 16) return this.op("i64.extend16_s", a);
    return this.op("i64.extend32_s", a);
  }

  // --- host memory: addresses are i32; undefined stands for address 0 ---

  load(op: LoadOp, address: Val | undefined, offset: number): Val {
    const slot = this.#slotAt(address, offset);
    if (slot >= 0) return this.#slots!.load(this, slot, op, staticAddress(address, offset));
    const args = [address ?? this.const32(0)];
    const node = new Node("load", resultType(op), this.#nextId++, op, args, offset, undefined, loadedBits(op));
    this.#push(node);
    return node;
  }

  store(op: StoreOp, address: Val | undefined, offset: number, value: Val): void {
    const slot = this.#slotAt(address, offset);
    if (slot >= 0 && !this.#slots!.store(this, slot, op, staticAddress(address, offset), value)) return;
    this.#add("store", "i32", op, [address ?? this.const32(0), value], offset);
  }

  copyMemory(destination: Val, source: Val, length: Val): void {
    this.#add("copy", "i32", "", [destination, source, length]);
  }

  fillMemory(destination: Val, byte: Val, length: Val): void {
    this.#add("fill", "i32", "", [destination, byte, length]);
  }

  // --- variables and control ---

  variable(initial: Val): Variable {
    const variable = this.declare(initial.type);
    this.set(variable, initial);
    return variable;
  }

  /** A variable that will be set on all ways before it is read. @param bits that its values may have; undefined: any. */
  declare(type: ValueType, bits?: number): Variable {
    return { type, variable: this.#nextId++, bits };
  }

  get(variable: Variable): Val {
    const node = new Node("get", variable.type, this.#nextId++, "", NO_NODES, 0, undefined, variable.bits);
    node.variable = variable;
    this.#push(node);
    return node;
  }

  set(variable: Variable, value: Val): void {
    this.#add("set", "i32", "", [value]).variable = variable;
  }

  /** Calls a function that the generator of the module knows by name. */
  call(target: string, args: readonly Val[], result?: ValueType): Val {
    return this.#add("call", result ?? "i32", target, args, result === undefined ? 0 : 1);
  }

  /** Runs `then` or `otherwise`; a constant condition leaves only one of them. */
  when(condition: Val, then: () => void, otherwise: () => void = NOTHING): void {
    if (condition.constant !== undefined) {
      if (condition.constant !== 0) then();
      else otherwise();
      return;
    }
    const node = new Node("if", "i32", this.#nextId++, "", [condition]);
    if (this.#slots === undefined) {
      node.body = this.#collect(then);
      node.otherwise = this.#collect(otherwise);
    } else this.#branches(node, this.#slots, then, otherwise);
    this.#push(node);
  }

  /** As {@link when}, for what is hardly ever done. */
  whenRarely(condition: Val, then: () => void, otherwise?: () => void): void {
    this.when(condition, then, otherwise);
    const made = this.#nodes[this.#nodes.length - 1];
    if (made?.kind === "if" && made.args[0] === condition) made.rare = true;
  }

  #branches(node: Node, slots: SlotFile, then: () => void, otherwise: () => void): void {
    const first = slots.enterBranch();
    const body = this.#collect(then);
    node.body = body;
    if (leaves(body)) {
      slots.dropBranch(first);
      // Whatever follows comes from here.
      if (otherwise !== NOTHING) node.otherwise = this.#collect(otherwise);
      return;
    }
    const firstEnd = slots.leaveBranch(first);
    const second = slots.enterBranch();
    const other = this.#collect(otherwise);
    node.otherwise = other;
    if (leaves(other)) {
      slots.dropBranch(second);
      slots.adopt(firstEnd);
    } else slots.merge(firstEnd, slots.leaveBranch(second), body, other);
  }

  /** Repeats `body` until it breaks. */
  loop(body: (control: { break(): void; continue(): void }) => void): void {
    const label = this.#nextLabel++;
    this.#slots?.flush(this);
    const leave = (kind: "break" | "continue"): void => {
      this.#slots?.flush(this);
      this.#add(kind, "i32", "", NO_NODES, label);
    };
    const node = new Node("loop", "i32", this.#nextId++, "", NO_NODES, label);
    node.body = this.#collect(() => body({ break: () => leave("break"), continue: () => leave("continue") }));
    this.#slots?.clear();
    this.#push(node);
  }

  /** Leaves the fragment; what `exit` means is up to whoever lowers it. */
  exit(exit: string, ...args: Val[]): void {
    this.#leave(new Node("exit", "i32", this.#nextId++, exit, args));
  }

  /** Leaves along an edge to a block of the same region. */
  goTo(target: number): void {
    const node = new Node("exit", "i32", this.#nextId++, GOTO);
    node.target = target;
    this.#leave(node);
  }

  #leave(node: Node): void {
    this.#slots?.settle(node);
    this.#push(node);
  }

  /** Commits of one branch must not forbid faults in the other: each starts from the state before. */
  #collect(build: () => void): Node[] {
    const outer = this.#nodes;
    const before = this.#committed;
    const hidden = this.#hidden.length;
    const inner: Node[] = [];
    this.#nodes = inner;
    this.#depth++;
    this.branch(build);
    this.#depth--;
    this.#nodes = outer;
    while (this.#hidden.length > hidden) {
      const { index, node } = this.#hidden.pop()!;
      this.#known[index] = node;
    }
    // A branch that leaves does not commit anything for what follows.
    if (leaves(inner)) this.#committed = before;
    return inner;
  }

  /** Builds what is executed on some ways only; for builders that remember what was built before. */
  protected branch(build: () => void): void {
    build();
  }

  #slotAt(address: Val | undefined, offset: number): number {
    if (this.#slots === undefined || (address !== undefined && address.constant === undefined)) return -1;
    return this.#slots.find(staticAddress(address, offset));
  }

  #add(kind: NodeKind, type: ValueType, op: string, args: readonly Node[], immediate = 0): Node {
    const node = new Node(kind, type, this.#nextId++, op, args, immediate);
    this.#push(node);
    return node;
  }

  /** Nothing is added behind an exit: it would not be reached. */
  #push(node: Node): void {
    if (!this.ended) this.#nodes.push(node);
  }
}

const NOTHING = (): void => {};

const staticAddress = (address: Val | undefined, offset: number): number => Number(address?.constant ?? 0) + offset;

/** Of the name of an operation on 64 or 32 bits of a vector, what does not tell floats from integers. */
const LANE_COUNT_AT = 3;

/** Takes the bits of a number to the other kind of lane. */
const REINTERPRET = {
  i64: "f64.reinterpret_i64",
  f64: "i64.reinterpret_f64",
  i32: "f32.reinterpret_i32",
  f32: "i32.reinterpret_f32",
} as const;

/** Where the numbers of lanes begin, above those of operations. */
const LANES = 1024;

/** Stands for the operation of v128 constants, above the numbers of lanes. */
const VECTORS = 2048;

/** Places for values to be found again at; a power of two. */
const KNOWN_VALUES = 4096;

/** Mixes the three numbers; any mixing does. */
function hashOf(op: number, a: number, b: number): number {
  const mixed = Math.imul(op, 0x9e3779b1) ^ Math.imul(a, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 15)) & (KNOWN_VALUES - 1);
}

/** Of a constant for vectors of floats: what tells them apart is on top. */
const highBits = (lane: bigint): number => Number(lane >> 48n);

function isSame(node: Node, facts: OpFacts, a: Val, b: Val | undefined): boolean {
  const { args } = node;
  return node.op === facts.op && args[0] === a && args[1] === b && args.length < 3;
}

/** Whether control never comes out at the end. */
function leaves(nodes: readonly Node[]): boolean {
  const last = nodes[nodes.length - 1]?.kind;
  return last === "exit" || last === "break" || last === "continue";
}
