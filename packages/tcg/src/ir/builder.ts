import type { LaneOp, LoadOp, PlainOp, StoreOp, ValueType } from "@tsvm/wasm-emit";
import { foldConstant, foldIdentity } from "./fold.ts";
import { type Node, resultType, type Val, type Variable } from "./types.ts";

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
    return this.#val("i64", BigInt.asIntN(64, BigInt(value)));
  }

  const32(value: number): Val {
    return this.#val("i32", BigInt(value | 0));
  }

  float64(value: number): Val {
    const result = this.#val("f64");
    this.#nodes.push({ kind: "float", value, result });
    return result;
  }

  float32(value: number): Val {
    const result = this.#val("f32");
    this.#nodes.push({ kind: "float", value, result });
    return result;
  }

  vector(low: bigint, high: bigint): Val {
    const result = this.#val("v128");
    this.#nodes.push({ kind: "v128", low, high, result });
    return result;
  }

  /** Any operation without immediates, by its WebAssembly name. */
  op(op: PlainOp, ...args: Val[]): Val {
    const type = resultType(op);
    const constant = foldConstant(op, args, type);
    if (constant !== undefined) return this.#val(type, constant);
    const same = foldIdentity(op, args);
    if (same !== undefined) return same;
    const result = this.#val(type);
    this.#nodes.push({ kind: "op", op, args, result });
    return result;
  }

  lane(op: LaneOp, lane: number, ...args: Val[]): Val {
    const result = this.#val(resultType(op));
    this.#nodes.push({ kind: "lane", op, lane, args, result });
    return result;
  }

  /** Byte `i` of the result is byte `lanes[i]` of the two vectors laid side by side. */
  shuffle(lanes: readonly number[], a: Val, b: Val): Val {
    const result = this.#val("v128");
    this.#nodes.push({ kind: "shuffle", lanes, args: [a, b], result });
    return result;
  }

  select(condition: Val, ifTrue: Val, ifFalse: Val): Val {
    if (condition.constant !== undefined) return condition.constant !== 0n ? ifTrue : ifFalse;
    const result = this.#val(ifTrue.type);
    this.#nodes.push({ kind: "select", args: [ifTrue, ifFalse, condition], result });
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
    return width >= 64 ? a : this.and(a, this.const((1n << BigInt(width)) - 1n));
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
    const result = this.#val(resultType(op));
    this.#nodes.push({ kind: "load", op, args: [address ?? this.const32(0)], offset, result });
    return result;
  }

  store(op: StoreOp, address: Val | undefined, offset: number, value: Val): void {
    this.#nodes.push({ kind: "store", op, args: [address ?? this.const32(0), value], offset });
  }

  copyMemory(destination: Val, source: Val, length: Val): void {
    this.#nodes.push({ kind: "copy", args: [destination, source, length] });
  }

  fillMemory(destination: Val, byte: Val, length: Val): void {
    this.#nodes.push({ kind: "fill", args: [destination, byte, length] });
  }

  // --- variables and control ---

  variable(initial: Val): Variable {
    const variable: Variable = { type: initial.type, variable: this.#nextId++ };
    this.set(variable, initial);
    return variable;
  }

  get(variable: Variable): Val {
    const result = this.#val(variable.type);
    this.#nodes.push({ kind: "get", variable, result });
    return result;
  }

  set(variable: Variable, value: Val): void {
    this.#nodes.push({ kind: "set", variable, args: [value] });
  }

  /** Calls a function that the generator of the module knows by name. */
  call(target: string, args: readonly Val[], result?: ValueType): Val {
    const value = this.#val(result ?? "i32");
    this.#nodes.push({ kind: "call", target, args, result: result === undefined ? undefined : value });
    return value;
  }

  /** Runs `then` or `otherwise`; a constant condition leaves only one of them. */
  when(condition: Val, then: () => void, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      if (condition.constant !== 0n) then();
      else otherwise();
      return;
    }
    const thenNodes = this.#collect(then);
    const elseNodes = this.#collect(otherwise);
    this.#nodes.push({ kind: "if", args: [condition], whenTrue: thenNodes, whenFalse: elseNodes });
  }

  /** Repeats `body` until it breaks. */
  loop(body: (control: { break(): void; continue(): void }) => void): void {
    const label = this.#nextLabel++;
    const nodes = this.#collect(() =>
      body({
        break: () => void this.#nodes.push({ kind: "break", label }),
        continue: () => void this.#nodes.push({ kind: "continue", label }),
      }),
    );
    this.#nodes.push({ kind: "loop", body: nodes, label });
  }

  /** Leaves the fragment; what `exit` means is up to whoever lowers it. */
  exit(exit: string, ...args: Val[]): void {
    this.#nodes.push({ kind: "exit", exit, args });
  }

  /** Commits of one branch must not forbid faults in the other: each starts from the state before. */
  #collect(build: () => void): readonly Node[] {
    const outer = this.#nodes;
    const before = this.#committed;
    this.#nodes = [];
    build();
    const inner = this.#nodes;
    this.#nodes = outer;
    const last = inner[inner.length - 1]?.kind;
    // A branch that leaves does not commit anything for what follows.
    if (last === "exit" || last === "break" || last === "continue") this.#committed = before;
    return inner;
  }

  #val(type: ValueType, constant?: bigint): Val {
    return { type, id: this.#nextId++, constant };
  }
}
