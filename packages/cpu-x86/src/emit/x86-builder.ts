import { IrBuilder, type SlotTable, type Val } from "@tsvm/tcg";
import { STACK_ACCESS } from "../decode/decoded-insn.ts";
import { NO_ERROR_CODE, VECTOR, type VectorName } from "../exceptions/vectors.ts";
import type { FpuUse } from "../instructions/row.ts";
import { tlbEntry, tlbHit, tlbHost } from "../memory/tlb-probe.ts";
import { AT, ELEMENT_SIZE, type FieldName, GPR, SEGMENT } from "../state/layout.ts";
import { JUMP_LOG, JUMP_LOG_BYTES, JUMP_LOG_ENTRY_BYTES, TLB_READ, TLB_WRITE } from "../state/memory-map.ts";
import { MODE } from "../state/mode.ts";
import { HELPERS, type HelperName } from "../system/helpers.ts";
import { checkUnit } from "./check-unit.ts";
import type { InsnFields } from "./fields.ts";
import { emitCondition, FlagWriter } from "./flags.ts";
import type { Shape } from "./shape.ts";

/** Bits of a general-register or memory access; 128 is a vector. */
export type Width = 8 | 16 | 32 | 64 | 128;

/** How values of a width are loaded: zero-extended, or as vectors. */
export const LOADS = {
  8: "i64.load8_u",
  16: "i64.load16_u",
  32: "i64.load32_u",
  64: "i64.load",
  128: "v128.load",
} as const;
const STORES = {
  8: "i64.store8",
  16: "i64.store16",
  32: "i64.store32",
  64: "i64.store",
  128: "v128.store",
} as const;

/** How a handler is left, apart from falling through to the next instruction. */
export type X86Exit =
  /** An exception is pending. */
  | "fault"
  /** Taken branch within the page: the record's target, or found by the run loop. */
  | "near"
  /** Continue at the rip in CPU state, and note in the record where that was: jumps without a register operand only. */
  | "indirect"
  /** Continue at the rip in CPU state. */
  | "elsewhere"
  /** This instruction again (REP), after a look at the fuel. */
  | "again"
  /** The same, but what was done does not count yet. */
  | "unfinished"
  /** To the run loop; the rip in CPU state is right. */
  | "leave"
  /** To the next record. */
  | "next"
  /** Into the region whose number stands in the record. */
  | "region";

/**
 * IrBuilder with the x86 CPU in it. Integer values are i64; loads zero-extend; stores take the low bits they need.
 * Every method that writes CPU state commits: nothing after it may fault.
 */
export class X86Builder extends IrBuilder {
  #shape: Shape;
  readonly #fields: InsnFields;
  /** Arithmetic flags, in their lazy form. */
  readonly flags: FlagWriter = new FlagWriter(this);

  /** What the semantics did with the memory operand: bytes touched and whether they are written. */
  operandAccess = { bytes: 0, write: false };

  /** The semantics wrote a vector register. */
  writesVectors = false;

  constructor(shape: Shape, fields: (b: IrBuilder) => InsnFields, slots?: SlotTable) {
    super(slots);
    this.#shape = shape;
    this.#fields = fields(this);
  }

  get shape(): Shape {
    return this.#shape;
  }

  get fields(): InsnFields {
    return this.#fields;
  }

  /** Goes on to another instruction, whose fields are where those of the first were. */
  protected retarget(shape: Shape): void {
    this.#shape = shape;
  }

  /** Checks that the unit may be used; see checkUnit in check-unit.ts. */
  checkUnit(unit: FpuUse): void {
    checkUnit(this, unit);
  }

  /** False where it is known that MXCSR.PE is set: then it need not be found out whether results are exact. */
  get mayNeedExactness(): boolean {
    return true;
  }

  /** Helpers and exceptions leave: what they are given does not matter, the instruction is executed again elsewhere. */
  get leavesForHelpers(): boolean {
    return false;
  }

  /** Does `otherwise`, which must leave, where a condition (i32) does not hold. */
  prove(condition: Val, otherwise: () => void): void {
    this.when(this.isFalse(condition), otherwise);
  }

  /** Whether that was proved, or assumed, before. */
  isProven(_condition: Val): boolean {
    return false;
  }

  /** It follows from what was proved that `condition` holds; computing it changes nothing. */
  assume(_condition: () => Val): void {}

  /** It was proved that no lane of these vectors is denormal. */
  noteNoDenormals(_vectors: readonly Val[]): void {}

  /** Whether that was noted of a vector. */
  hasNoDenormals(_vector: Val): boolean {
    return false;
  }

  /** Called by memory operands; see `operandAccess`. */
  noteOperandAccess(bytes: number, write: boolean): void {
    const access = this.operandAccess;
    access.bytes = Math.max(bytes, access.bytes);
    access.write ||= write;
  }

  // --- CPU state ---

  /** A field of CPU state, zero-extended to i64. */
  state(field: FieldName, index = 0): Val {
    const size = ELEMENT_SIZE[field];
    return this.load(size === 4 ? "i64.load32_u" : "i64.load", undefined, AT[field] + index * size);
  }

  setState(field: FieldName, value: Val, index = 0): void {
    this.committing(field);
    const size = ELEMENT_SIZE[field];
    this.store(size === 4 ? "i64.store32" : "i64.store", undefined, AT[field] + index * size, value);
  }

  /** An element of an array field, chosen when the code runs; `index` is i32. */
  stateAt(field: FieldName, index: Val): Val {
    const size = ELEMENT_SIZE[field];
    const offset = this.op("i32.mul", index, this.const32(size));
    return this.load(size === 4 ? "i64.load32_u" : "i64.load", offset, AT[field]);
  }

  /** Register by byte offset into the general register file (i32, may point at a high byte). */
  gpr(width: Width, offset: Val): Val {
    return this.load(LOADS[width], offset, AT.gpr);
  }

  /** 32-bit writes clear the upper half; 8- and 16-bit ones keep it. SDM vol. 1, "General-Purpose Registers in 64-Bit Mode". */
  setGpr(width: Width, offset: Val, value: Val): void {
    this.committing("general register");
    if (width === 32) this.store("i64.store", offset, AT.gpr, this.zext(value, 32));
    else this.store(STORES[width], offset, AT.gpr, value);
  }

  /** Part of a vector register by byte offset into the file (i32); 128-bit lane `lane` of it. Narrow ones are zero-extended. */
  vectorRegister(width: Width, offset: Val, lane: number = 0): Val {
    return this.load(LOADS[width], offset, AT.zmm + lane * 16);
  }

  /** Bits above `width` keep their values. */
  setVectorRegister(width: Width, offset: Val, value: Val, lane: number = 0): void {
    this.committing("vector register");
    this.writesVectors = true;
    this.store(STORES[width], offset, AT.zmm + lane * 16, value);
  }

  /** A named register: `b.reg(64, "rsp")`. */
  reg(width: Width, name: keyof typeof GPR): Val {
    return this.gpr(width, this.const32(GPR[name] * 8));
  }

  setReg(width: Width, name: keyof typeof GPR, value: Val): void {
    this.setGpr(width, this.const32(GPR[name] * 8), value);
  }

  /** Condition of Jcc, SETcc, CMOVcc by its number 0..15, as i32. */
  condition(code: number): Val {
    return emitCondition(this, code);
  }

  // --- guest memory by linear address ---

  /** Reads guest memory. @param access STACK_ACCESS, or the record by which the memory operand is accessed. */
  guestLoad(width: Width, linear: Val, access?: Val): Val {
    return this.load(LOADS[width], this.probe(TLB_READ, "readMiss", width / 8, linear, access), 0);
  }

  /** Reads 256 bits: the low and the high lane. */
  guestLoadPair(linear: Val): readonly [low: Val, high: Val] {
    const host = this.probe(TLB_READ, "readMiss", 32, linear);
    return [this.load("v128.load", host, 0), this.load("v128.load", host, 16)];
  }

  /** Reads what will be written back: faults as the write would. Write it back with {@link guestStore}. */
  guestModify(width: Width, linear: Val): Val {
    return this.load(LOADS[width], this.probe(TLB_WRITE, "modifyMiss", width / 8, linear), 0);
  }

  /** Host address (i32) of up to 64 bytes of guest memory that do not cross a page; for reading. */
  guestAddress(bytes: number, linear: Val): Val {
    return this.probe(TLB_READ, "readMiss", bytes, linear);
  }

  /**
   * Looks for plain host memory to write `width` bits to, without faults or side effects: `host` (i32) is good if `hit`.
   * A miss says nothing about the page; {@link guestStore} to it may make the next look a hit.
   */
  probeForWrite(width: Width, linear: Val): { hit: Val; host: Val } {
    return this.probeBytesForWrite(width / 8, linear);
  }

  /** The same for any number of bytes up to 64. */
  probeBytesForWrite(bytes: number, linear: Val): { hit: Val; host: Val } {
    const { entry, hit } = this.lookup(TLB_WRITE, bytes, linear);
    return { hit, host: this.hostAddress(entry, TLB_WRITE, linear) };
  }

  /** The same for reading: `hit` says whether all `bytes` are plain host memory at `host`. */
  probeForRead(bytes: number, linear: Val): { hit: Val; host: Val } {
    const { entry, hit } = this.lookup(TLB_READ, bytes, linear);
    return { hit, host: this.hostAddress(entry, TLB_READ, linear) };
  }

  /** Reads at a host address, as {@link guestAddress} gives it; zero-extends. */
  hostLoad(width: Width, host: Val): Val {
    return this.load(LOADS[width], host, 0);
  }

  hostStore(width: Width, host: Val, value: Val): void {
    this.store(STORES[width], host, 0, value);
  }

  /** Writes guest memory. @param access as {@link guestLoad} has it. */
  guestStore(width: Width, linear: Val, value: Val, access?: Val): void {
    this.storeGuest(width / 8, linear, (host, offset) => this.store(STORES[width], host, offset, value), access);
  }

  /** Writes 256 bits, all or nothing. */
  guestStorePair(linear: Val, [low, high]: readonly [low: Val, high: Val]): void {
    this.storeGuest(32, linear, (host, offset) => {
      this.store("v128.store", host, offset, low);
      this.store("v128.store", host, offset + 16, high);
    });
  }

  /** Writes vectors of 128 bits one behind the other, up to four, all or nothing. */
  guestStoreLanes(linear: Val, lanes: readonly Val[]): void {
    this.storeGuest(lanes.length * 16, linear, (host, offset) => {
      for (const [i, lane] of lanes.entries()) this.store("v128.store", host, offset + i * 16, lane);
    });
  }

  /** `put` stores at a host address, for whole or in the bounce buffer. */
  protected storeGuest(
    bytes: number,
    linear: Val,
    put: (host: Val | undefined, offset: number) => void,
    access?: Val,
  ): void {
    this.faultPoint("guest store");
    const { entry, hit } = this.lookup(TLB_WRITE, bytes, linear);
    this.when(
      hit,
      () => put(this.hostAddress(entry, TLB_WRITE, linear), 0),
      () => {
        put(undefined, AT.bounce);
        const args = [this.wrap(linear), this.#high(linear), this.const32(bytes)];
        const done = this.call("writeMiss", [...args, access ?? this.fields.record()], "i32");
        this.when(this.op("i32.eqz", done), () => this.exit("fault"));
      },
    );
  }

  protected probe(table: number, miss: string, bytes: number, linear: Val, access?: Val): Val {
    this.faultPoint("guest access");
    const { entry, hit } = this.lookup(table, bytes, linear);
    const host = this.variable(this.hostAddress(entry, table, linear));
    this.when(this.op("i32.eqz", hit), () => {
      const args = [this.wrap(linear), this.#high(linear), this.const32(bytes)];
      this.set(host, this.call(miss, [...args, access ?? this.fields.record()], "i32"));
      this.when(this.op("i32.eqz", this.get(host)), () => this.exit("fault"));
    });
    return this.get(host);
  }

  protected lookup(table: number, bytes: number, linear: Val): { entry: Val; hit: Val } {
    const entry = tlbEntry(this, this.state("tlbContext"), linear);
    return { entry, hit: tlbHit(this, entry, table, linear, this.const(bytes - 1)) };
  }

  protected hostAddress(entry: Val, table: number, linear: Val): Val {
    return tlbHost(this, entry, table, linear);
  }

  #high(linear: Val): Val {
    return this.wrap(this.shr(linear, this.const(32)));
  }

  // --- exceptions and helpers ---

  raise(name: VectorName, errorCode: Val = this.const(NO_ERROR_CODE)): void {
    this.faultPoint(`#${name}`);
    this.store("i64.store32", undefined, AT.pendingVector, this.const(VECTOR[name] + 1));
    this.store("i64.store32", undefined, AT.pendingErrorCode, errorCode);
    this.exit("fault");
  }

  raiseIf(condition: Val, name: VectorName, errorCode?: Val): void {
    this.faultPoint(`#${name}`);
    this.when(condition, () => this.raise(name, errorCode));
  }

  /** Calls a TypeScript helper with rip at the next instruction; it may fault, jump or leave. */
  helper(name: HelperName, ...args: Val[]): void {
    this.faultPoint(`helper ${name}`);
    this.store("i64.store", undefined, AT.rip, this.nextRip());
    args.forEach((arg, i) => {
      const wide = arg.type === "i32" ? this.op("i64.extend_i32_u", arg) : arg;
      this.store("i64.store", undefined, AT.helperArgs + i * 8, wide);
    });
    const number = Object.keys(HELPERS).indexOf(name);
    const result = this.variable(this.call("helper", [this.const32(number), this.fields.record()], "i32"));
    this.when(this.get(result), () => {
      this.when(this.op("i32.eq", this.get(result), this.const32(1)), () => this.exit("fault"));
      this.when(this.op("i32.eq", this.get(result), this.const32(2)), () => this.exit("elsewhere"));
      this.exit("leave");
    });
  }

  /** The machine's clock in nanoseconds, f64. Whoever answers is given the fuel, in case the clock counts instructions. */
  clock(): Val {
    return this.call("clock", [this.load("i32.load", undefined, AT.fuel)], "f64");
  }

  // --- control flow ---

  /** rip of the next instruction, as wide as the code's instruction pointer. */
  nextRip(): Val {
    const page = this.reg(64, "pageRip");
    return this.add(page, this.add(this.fields.pageOffset(), this.fields.length()));
  }

  /** A branch is about to go on: `check` raises what it may raise by its target. Nothing is committed yet. */
  checkBranch(check: () => void): void {
    check();
  }

  /** Continues at `rip`, cut to the operand size. Commits. */
  jumpTo(rip: Val): void {
    this.setState("rip", this.zext(rip, this.shape.opsize));
    this.exit("indirect");
  }

  /** Appends an indirect jump to the ring of those there were; regions are made by it, and note nothing. */
  noteJump(rip: Val): void {
    const written = this.load("i32.load", undefined, JUMP_LOG);
    this.store("i32.store", undefined, JUMP_LOG, this.op("i32.add", written, this.const32(JUMP_LOG_ENTRY_BYTES)));
    const at = this.op("i32.and", written, this.const32(JUMP_LOG_BYTES - 1));
    this.store("i32.store", at, JUMP_LOG + 4, this.fields.record());
    this.store("i32.store", at, JUMP_LOG + 8, this.wrap(rip));
  }

  /** rip a relative branch goes to; invariant 6 of decoded-insn.ts. */
  branchTarget(): Val {
    const offset = this.fields.immediate();
    return this.add(this.reg(64, "pageRip"), this.sext(offset, 32));
  }

  // --- stack ---

  /** Bits of the stack pointer. */
  get stackWidth(): 16 | 32 | 64 {
    const { stack } = this.shape;
    return stack === "s64" ? 64 : stack === "s16" ? 16 : 32;
  }

  /** Linear address of a stack offset, after the limit check where there is one. */
  stackLinear(offset: Val, bytes: number, write: boolean): Val {
    const { stack } = this.shape;
    const cut = this.zext(offset, this.stackWidth);
    if (stack === "s64" || stack === "flat32") return cut;
    return this.segmentLinear(cut, this.const32(SEGMENT.ss), this.const(bytes), write);
  }

  /** Linear address of `offset` in a segment chosen when the code runs, limits checked. @param bytes i64. */
  segmentLinear(offset: Val, segment: Val, bytes: Val, write: boolean): Val {
    const code64 = this.inCode64();
    this.when(this.isFalse(code64), () => this.checkLimit(offset, segment, bytes, write));
    return this.cutLinear(this.add(offset, this.stateAt("segBase", segment)), code64);
  }

  /** Linear addresses have 64 bits in 64-bit code and 32 elsewhere. */
  cutLinear(linear: Val, code64: Val = this.inCode64()): Val {
    return this.and(linear, this.select(code64, this.const(-1), this.const(0xffff_ffff)));
  }

  /** Whether this is 64-bit code, i32. The shape tells, except under 32-bit addresses, which both kinds have. */
  inCode64(): Val {
    const { asize, stack, code64 } = this.shape;
    if (asize !== 32 || stack !== "s64") return this.const32(code64 ? 1 : 0);
    return this.modeIsCode64();
  }

  /** The same of the mode, for rows whose shapes do not tell: they look at neither address size nor stack. */
  modeIsCode64(): Val {
    return this.eq(this.and(this.state("mode"), this.const(MODE.codeSizeMask)), this.const(MODE.code64));
  }

  /** #GP(0), or #SS(0) in the stack segment, unless all bytes lie in the segment. */
  checkLimit(offset: Val, segment: Val, bytes: Val, write: boolean): void {
    const last = this.add(offset, this.sub(bytes, this.const(1)));
    const first = this.stateAt(write ? "segWriteFirst" : "segReadFirst", segment);
    const limit = this.stateAt(write ? "segWriteLast" : "segReadLast", segment);
    const outside = this.either(this.ltU(offset, first), this.ltU(limit, last));
    this.when(outside, () => {
      const stack = this.op("i32.eq", segment, this.const32(SEGMENT.ss));
      this.when(
        stack,
        () => this.raise("SS", this.const(0)),
        () => this.raise("GP", this.const(0)),
      );
    });
  }

  /** Reads the stack `offset` bytes above the stack pointer. */
  stackLoad(width: Width, offset: Val = this.const(0)): Val {
    const at = this.add(this.reg(64, "rsp"), offset);
    return this.guestLoad(width, this.stackLinear(at, width / 8, false), this.const32(STACK_ACCESS));
  }

  /** Writes `value` where a push would put it; commits nothing: {@link adjustStack} by -width/8 afterwards. */
  stackStore(width: Width, value: Val, below: number = width / 8): void {
    const at = this.sub(this.reg(64, "rsp"), this.const(below));
    this.guestStore(width, this.stackLinear(at, width / 8, true), value, this.const32(STACK_ACCESS));
  }

  /** Adds to the stack pointer, keeping the bits above its width (but a 32-bit pointer clears them). */
  adjustStack(bytes: Val): void {
    this.setStack(this.add(this.reg(64, "rsp"), bytes));
  }

  setStack(value: Val): void {
    this.setReg(this.stackWidth, "rsp", value);
  }
}
