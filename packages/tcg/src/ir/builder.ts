import type { LaneOp, LoadOp, PlainOp, StoreOp, ValueType } from "@tsvm/wasm-emit";
import { bitLength, factsOf, foldConstant, foldIdentity, knownBits, loadedBits } from "./fold.ts";
import { SlotFile } from "./slot-file.ts";
import type { SlotTable } from "./slots.ts";
import { type ExitNode, type Node, resultType, type Val, type Variable } from "./types.ts";

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
  #insn = "";
  #committed = "";
  readonly #slots: SlotFile | undefined;
  /** What zero-extended values were before. */
  readonly #narrowOf = new Map<number, Val>();
  /** Pure values by operation and operands, and the keys in the order they came: those of a branch are forgotten behind it. */
  readonly #known = new Map<number, Val>();
  readonly #knownKeys: number[] = [];
  readonly #constants = new Map<bigint, Val>();
  readonly #constants32 = new Map<number, Val>();

  /** @param slots state that is kept in variables; by default all state is in memory. */
  constructor(slots?: SlotTable) {
    this.#slots = slots && new SlotFile(slots);
  }

  /** State that was stored is found again as the same value, until control joins from elsewhere. */
  get keepsState(): boolean {
    return this.#slots !== undefined;
  }

  /** Starts a block whose predecessors left all slots in their variables. */
  beginBlock(): void {
    this.#slots?.clear();
    this.#known.clear();
    this.#knownKeys.length = 0;
  }

  /** What was built so far ends by leaving, whatever happens. */
  get ended(): boolean {
    return this.#nodes[this.#nodes.length - 1]?.kind === "exit";
  }

  /** What was built so far; the builder starts empty again. */
  take(): readonly Node[] {
    const nodes = this.#nodes;
    this.#nodes = [];
    return nodes;
  }

  /** Starts an instruction; `what` names it in the errors of the faults-before-commits check. */
  beginInsn(what: string): void {
    this.#insn = what;
    this.#committed = "";
  }

  /** Notes that CPU state is written: from here on the instruction may not fault. */
  committing(what: string): void {
    if (this.#committed === "") this.#committed = what;
  }

  /** Notes a point where the instruction may fault. @throws if state was written before. */
  faultPoint(what: string): void {
    if (this.#committed !== "")
      throw new Error(`${this.#insn}: ${what} after state write (${this.#committed}): not restartable`);
  }

  // --- values ---

  const(value: bigint | number): Val {
    const wide = BigInt.asIntN(64, BigInt(value));
    const known = this.#constants.get(wide);
    if (known !== undefined) return known;
    const made = this.#val("i64", wide);
    this.#constants.set(wide, made);
    return made;
  }

  const32(value: number): Val {
    const known = this.#constants32.get(value | 0);
    if (known !== undefined) return known;
    const made = this.#val("i32", BigInt(value | 0));
    this.#constants32.set(value | 0, made);
    return made;
  }

  float64(value: number): Val {
    const result = this.#val("f64");
    this.#push({ kind: "float", value, result });
    return result;
  }

  float32(value: number): Val {
    const result = this.#val("f32");
    this.#push({ kind: "float", value, result });
    return result;
  }

  vector(low: bigint, high: bigint): Val {
    const result = this.#val("v128");
    this.#push({ kind: "v128", low, high, result });
    return result;
  }

  /** Any operation without immediates, by its WebAssembly name. */
  op(op: PlainOp, ...args: Val[]): Val {
    const facts = factsOf(op);
    const constant = foldConstant(facts, args);
    if (constant !== undefined) return facts.type === "i32" ? this.const32(Number(constant)) : this.const(constant);
    const same = foldIdentity(facts, args) ?? (op === "i32.wrap_i64" ? this.#narrowOf.get(args[0]!.id) : undefined);
    if (same !== undefined) return same;
    const key = this.#keyOf(facts.number, args);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const result = this.#val(facts.type, undefined, knownBits(op, args));
    this.#push({ kind: "op", op, args, result });
    if (op === "i64.extend_i32_u") this.#narrowOf.set(result.id, args[0]!);
    if (key >= 0) {
      this.#known.set(key, result);
      this.#knownKeys.push(key);
    }
    return result;
  }

  /** Pure values are computed once in a block, where state is in variables: interpreter handlers gain nothing from it. */
  #keyOf(op: number, args: readonly Val[]): number {
    if (this.#slots === undefined || args.length > 2 || this.#nextId > MAX_KEYED_ID) return -1;
    return (op * ID_RANGE + args[0]!.id) * ID_RANGE + (args[1]?.id ?? 0);
  }

  lane(op: LaneOp, lane: number, ...args: Val[]): Val {
    const result = this.#val(resultType(op));
    this.#push({ kind: "lane", op, lane, args, result });
    return result;
  }

  /** Byte `i` of the result is byte `lanes[i]` of the two vectors laid side by side. */
  shuffle(lanes: readonly number[], a: Val, b: Val): Val {
    const result = this.#val("v128");
    this.#push({ kind: "shuffle", lanes, args: [a, b], result });
    return result;
  }

  select(condition: Val, ifTrue: Val, ifFalse: Val): Val {
    if (condition.constant !== undefined) return condition.constant !== 0n ? ifTrue : ifFalse;
    const result = this.#val(ifTrue.type);
    this.#push({ kind: "select", args: [ifTrue, ifFalse, condition], result });
    return result;
  }

  // 64-bit integer shorthands: almost all semantics are made of these.
  add(a: Val, b: Val): Val {
    return this.op("i64.add", a, b);
  }
  sub(a: Val, b: Val): Val {
    return this.op("i64.sub", a, b);
  }
  mul(a: Val, b: Val): Val {
    return this.op("i64.mul", a, b);
  }
  and(a: Val, b: Val): Val {
    return this.op("i64.and", a, b);
  }
  or(a: Val, b: Val): Val {
    return this.op("i64.or", a, b);
  }
  xor(a: Val, b: Val): Val {
    return this.op("i64.xor", a, b);
  }
  not(a: Val): Val {
    return this.op("i64.xor", a, this.const(-1));
  }
  shl(a: Val, b: Val): Val {
    return this.op("i64.shl", a, b);
  }
  shr(a: Val, b: Val): Val {
    return this.op("i64.shr_u", a, b);
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
    return this.op("i32.eqz", condition);
  }
  both(a: Val, b: Val): Val {
    return this.op("i32.and", a, b);
  }
  either(a: Val, b: Val): Val {
    return this.op("i32.or", a, b);
  }
  /** 0 or 1 as i64. */
  bool(condition: Val): Val {
    return this.op("i64.extend_i32_u", condition);
  }
  wrap(a: Val): Val {
    return this.op("i32.wrap_i64", a);
  }
  /** Low `width` bits. */
  zext(a: Val, width: number): Val {
    if (width >= 64 || (a.bits !== undefined && a.bits <= width)) return a;
    return this.and(a, this.const((1n << BigInt(width)) - 1n));
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
    const result = this.#val(resultType(op), undefined, loadedBits(op));
    this.#push({ kind: "load", op, args: [address ?? this.const32(0)], offset, result });
    return result;
  }

  store(op: StoreOp, address: Val | undefined, offset: number, value: Val): void {
    const slot = this.#slotAt(address, offset);
    if (slot >= 0 && !this.#slots!.store(this, slot, op, staticAddress(address, offset), value)) return;
    this.#push({ kind: "store", op, args: [address ?? this.const32(0), value], offset });
  }

  copyMemory(destination: Val, source: Val, length: Val): void {
    this.#push({ kind: "copy", args: [destination, source, length] });
  }

  fillMemory(destination: Val, byte: Val, length: Val): void {
    this.#push({ kind: "fill", args: [destination, byte, length] });
  }

  // --- variables and control ---

  variable(initial: Val): Variable {
    const variable: Variable = { type: initial.type, variable: this.#nextId++ };
    this.set(variable, initial);
    return variable;
  }

  get(variable: Variable): Val {
    const result = this.#val(variable.type);
    this.#push({ kind: "get", variable, result });
    return result;
  }

  set(variable: Variable, value: Val): void {
    this.#push({ kind: "set", variable, args: [value] });
  }

  /** Calls a function that the generator of the module knows by name. */
  call(target: string, args: readonly Val[], result?: ValueType): Val {
    const value = this.#val(result ?? "i32");
    this.#push({ kind: "call", target, args, result: result === undefined ? undefined : value });
    return value;
  }

  /** Runs `then` or `otherwise`; a constant condition leaves only one of them. */
  when(condition: Val, then: () => void, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      if (condition.constant !== 0n) then();
      else otherwise();
      return;
    }
    const before = this.#slots?.snapshot();
    const thenNodes = this.#collect(then);
    const afterThen = this.#slots?.snapshot();
    if (before !== undefined) this.#slots!.restore(before);
    const elseNodes = this.#collect(otherwise);
    if (afterThen !== undefined) this.#joinSlots(afterThen, thenNodes, elseNodes);
    this.#push({ kind: "if", args: [condition], whenTrue: thenNodes, whenFalse: elseNodes });
  }

  #joinSlots(afterThen: ReturnType<SlotFile["snapshot"]>, thenNodes: Node[], elseNodes: Node[]): void {
    if (leaves(thenNodes)) return;
    if (leaves(elseNodes)) this.#slots!.restore(afterThen);
    else this.#slots!.merge(afterThen, thenNodes, elseNodes);
  }

  /** Moves all that is known of slots to their variables: control may come here from elsewhere. */
  #settleSlots(): void {
    if (this.#slots === undefined) return;
    const { variables, values } = this.#slots.pending();
    for (const [i, variable] of variables.entries()) this.set(variable, values[i] as Val);
    this.#slots.clear();
  }

  /** Repeats `body` until it breaks. */
  loop(body: (control: { break(): void; continue(): void }) => void): void {
    const label = this.#nextLabel++;
    this.#settleSlots();
    const leave = (kind: "break" | "continue"): void => {
      this.#settleSlots();
      this.#push({ kind, label });
    };
    const nodes = this.#collect(() => body({ break: () => leave("break"), continue: () => leave("continue") }));
    this.#slots?.clear();
    this.#push({ kind: "loop", body: nodes, label });
  }

  /** Leaves the fragment; what `exit` means is up to whoever lowers it. */
  exit(exit: string, ...args: Val[]): void {
    this.#leave({ kind: "exit", exit, args });
  }

  /** Leaves along an edge to a block of the same region. */
  goTo(target: number): void {
    this.#leave({ kind: "exit", exit: "goto", args: [], target });
  }

  #leave(node: ExitNode): void {
    const pending = this.#slots?.pending();
    if (pending === undefined || pending.values.length === 0) this.#push(node);
    else this.#push({ ...node, args: [...pending.values, ...node.args], sets: pending.variables });
  }

  /** Commits of one branch must not forbid faults in the other: each starts from the state before. */
  #collect(build: () => void): Node[] {
    const outer = this.#nodes;
    const before = this.#committed;
    const known = this.#knownKeys.length;
    this.#nodes = [];
    this.branch(build);
    const inner = this.#nodes;
    this.#nodes = outer;
    while (this.#knownKeys.length > known) this.#known.delete(this.#knownKeys.pop() as number);
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

  /** Nothing is added behind an exit: it would not be reached. */
  #push(node: Node): void {
    if (!this.ended) this.#nodes.push(node);
  }

  #val(type: ValueType, constant?: bigint, bits?: number): Val {
    return {
      type,
      id: this.#nextId++,
      constant,
      bits: constant !== undefined && constant >= 0n ? bitLength(constant) : bits,
    };
  }
}

const staticAddress = (address: Val | undefined, offset: number): number => Number(address?.constant ?? 0n) + offset;

/** Values with numbers below this are found again; keys of two of them and an operation are exact in a double. */
const ID_RANGE = 2 ** 21;
const MAX_KEYED_ID = ID_RANGE - 1;

/** Whether control never comes out at the end. */
function leaves(nodes: readonly Node[]): boolean {
  const last = nodes[nodes.length - 1]?.kind;
  return last === "exit" || last === "break" || last === "continue";
}
