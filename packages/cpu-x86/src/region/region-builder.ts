// Semantics as a region wants them: registers are variables, whatever is not plain leaves the region.
//
// Invariants:
// 1. No TypeScript runs inside a region but a look at the clock. A TLB miss, an exception, a helper: the region is left in
//    front of the instruction, whose record the interpreter then executes.
// 2. `fuel` counts the instructions completed whenever the region is left.
// 3. Every cycle in a region has an edge that goes back in the guest's code: the fuel is looked at there. What a loop's
//    next turn overwrites (flags) is computed only if it is spent. Between turns that are emitted one behind the other it is
//    not: then it is on all edges behind them, and the main loop looks behind side exits.
import type { Constant, Val } from "@tsvm/tcg";
import type { LoadOp, ValueType } from "@tsvm/wasm-emit";
import { checkPending, looksForPending } from "../emit/check-unit.ts";
import { runSemantics } from "../emit/emit-insn.ts";
import type { Shape } from "../emit/shape.ts";
import { LOADS, type Width, X86Builder, type X86Exit } from "../emit/x86-builder.ts";
import type { VectorName } from "../exceptions/vectors.ts";
import type { FpuUse } from "../instructions/row.ts";
import { unlessJumpCacheLeads } from "../interpreter/jump-cache.ts";
import { reachGuest } from "../memory/tlb-probe.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { AT, type FieldName, GPR } from "../state/layout.ts";
import { TLB_LOOKS, TLB_READ, TLB_WRITE, UNDO_LOG } from "../state/memory-map.ts";
import type { HelperName } from "../system/helpers.ts";
import { canLeaveTo, LEAVE_TO } from "./leave-to.ts";
import { copyOf, offsetOf, type Place } from "./place.ts";
import { type Near, ReachedMemory } from "./reached-memory.ts";
import { RecordConstants } from "./record-constants.ts";
import { REGION_SLOTS } from "./region-slots.ts";
import type { SideCause } from "./side-causes.ts";
import { SIDE, sideDetail } from "./side-exit.ts";

const PAGE = 4096;
const PAGE_SHIFT = 12;
const PAGE_RIP = GPR.pageRip * 8;
const ZERO_REGISTER = GPR.zero * 8;

/** Leaves the region with what the function returns. */
export const LEAVE = "leave";

/** Where an instruction's parts are, and what the region may take for granted. */
export interface RegionContext {
  readonly view: DataView;
  /** MXCSR.PE is set when regions are translated; if it is not when they run, inexact operations leave them. */
  readonly inexactSeen: boolean;
  /** 64-bit code; otherwise instruction pointers have 32 bits. */
  readonly code64: boolean;
  /** What stores overwrite is kept in the undo log, so that the region can be run again by the interpreter. */
  readonly logsStores: boolean;
  /** Looks into the soft TLB are counted: see TLB_LOOKS. */
  readonly countsLooks: boolean;
  shapeOf(record: number): Shape;
  /** The block at a place, or undefined: there is none. */
  blockAt(place: Place): number | undefined;
  /** The record that the jump cache gives for the block at `offset`. */
  recordOfBlock(offset: number): number;
  /** The record to execute instead of the instruction at `record` when the region is left in front of it. */
  sideRecord(record: number, offset: number): number;
}

/** One instruction of a block: where it is in the region, and its records (an address record may come first). */
export interface RegionInsn {
  /** From the region's first page. */
  readonly offset: number;
  /** The copy it stands in, as places have it. */
  readonly copy: number;
  readonly length: number;
  readonly records: readonly number[];
  /** Where an indirect jump, call or return is expected to go. */
  readonly likely: readonly Place[];
  /** Where the function that is called was taken along. */
  readonly enters: Place | undefined;
  /** Where a relative jump or branch goes, if it was followed; undefined: it is no such instruction. */
  readonly branchesTo: Place | undefined;
  /** It is hardly ever passed. */
  readonly isMostlyTaken: boolean;
}

/** The shape a builder starts with, before the first instruction. */
const NO_RECORD = 0;

const NOTHING: RegionInsn = {
  offset: 0,
  copy: 0,
  length: 0,
  records: [NO_RECORD],
  likely: [],
  enters: undefined,
  branchesTo: undefined,
  isMostlyTaken: false,
};

/** Emits blocks of a region, one after the other. */
export class RegionBuilder extends X86Builder {
  readonly #context: RegionContext;
  #insn: RegionInsn = NOTHING;
  readonly #edges: number[] = [];
  /** Instructions of the block that are complete. */
  #completed = 0;
  /** A branch to there does not leave the block. */
  #goesOnAt: Place | undefined;
  /** Such branches that were met. */
  #timesGoneOn = 0;
  /** One was met that goes back in the guest's code, where the fuel was not looked at. */
  #wentBack = false;
  /** The branch that is being emitted was found to lead to a page that is mapped. */
  #targetIsMapped = false;
  /** Units that were found usable in this block. */
  readonly #checkedUnits = new Set<FpuUse>();
  readonly #reached = new ReachedMemory();
  /** Conditions that are known to hold, in the order they came. */
  readonly #proven: Val[] = [];
  /** Vectors whose lanes were all found not to be denormal. */
  readonly #withoutDenormals: Val[] = [];

  constructor(context: RegionContext, first: number) {
    super(context.shapeOf(first), (b) => new RecordConstants(b, context.view, first), REGION_SLOTS);
    this.#context = context;
  }

  /** Blocks gone to since this was last asked, one of them as often as there are edges to it. */
  takeEdges(): readonly number[] {
    return this.#edges.splice(0);
  }

  /** Starts a block. @param defers see IrBuilder. */
  startBlock(place: Place, defers: boolean): void {
    this.beginBlock(defers);
    this.#wentBack = false;
    this.#completed = 0;
    this.#checkedUnits.clear();
    this.#proven.length = 0;
    this.#withoutDenormals.length = 0;
    this.#reached.forgetSince(0);
    this.#insn = { ...NOTHING, offset: offsetOf(place), copy: copyOf(place) };
  }

  /**
   * Emits one instruction. A branch to `goesOnAt` does not leave the block: the code there is what is emitted next; who
   * does not branch leaves it. @returns false: nothing behind it is reached.
   */
  emit(insn: RegionInsn, goesOnAt?: Place): boolean {
    this.#insn = insn;
    this.#goesOnAt = goesOnAt;
    this.#targetIsMapped = false;
    const before = this.#timesGoneOn;
    for (const record of insn.records) {
      this.retarget(this.#context.shapeOf(record));
      (this.fields as RecordConstants).moveTo(record);
      runSemantics(this);
    }
    this.#completed++;
    if (goesOnAt !== undefined && offsetOf(goesOnAt) <= insn.offset) this.#wentBack = true;
    // What it depends on may be known: then it does not branch, and only what is behind it is emitted.
    if (goesOnAt !== undefined && goesOnAt !== this.#next && this.#timesGoneOn === before) this.finishBlock();
    return !this.ended;
  }

  /** Ends the block with the edge to what follows it. */
  finishBlock(): void {
    this.#goesOnAt = undefined;
    if (!this.ended) this.#edge(this.#next, 0);
  }

  // --- what differs from the interpreter ---

  override when(condition: Val, then: () => void, otherwise?: () => void): void {
    if (this.#goesOnAt === undefined) return super.when(condition, then, otherwise);
    const before = this.#timesGoneOn;
    super.when(condition, then, () => {
      const goesOn = this.#timesGoneOn > before;
      otherwise?.();
      if (goesOn) this.#edge(this.#next, 1);
    });
  }

  override get mayNeedExactness(): boolean {
    return !this.#context.inexactSeen;
  }

  override get leavesForHelpers(): boolean {
    return true;
  }

  override prove(condition: Val, otherwise: () => void): void {
    if (this.isProven(condition)) return;
    super.prove(condition, otherwise);
    this.#proven.push(condition);
  }

  override isProven(condition: Val): boolean {
    return this.#proven.includes(condition);
  }

  override assume(condition: () => Val): void {
    this.#proven.push(condition());
  }

  override noteNoDenormals(vectors: readonly Val[]): void {
    for (const vector of vectors) if (!this.hasNoDenormals(vector)) this.#withoutDenormals.push(vector);
  }

  override hasNoDenormals(vector: Val): boolean {
    return this.#withoutDenormals.includes(vector);
  }

  override gpr(width: Width, offset: Val): Val {
    if (offset.constant === ZERO_REGISTER) return this.const(0);
    const value = super.gpr(width, offset);
    if (offset.constant !== PAGE_RIP) return value;
    return this.add(value, this.const(this.#pageDistance * PAGE));
  }

  /** In another context, other pages may be reached. */
  override setState(field: FieldName, value: Val, index = 0): void {
    super.setState(field, value, index);
    if (field === "tlbContext") this.#reached.forgetAll();
  }

  override checkUnit(unit: FpuUse): void {
    const checked = this.#checkedUnits.has(unit);
    this.#checkedUnits.add(unit);
    if (!checked) super.checkUnit(unit);
    else if (looksForPending(unit)) checkPending(this, this.state("cr0"));
  }

  override raise(name: VectorName): void {
    this.faultPoint(`#${name}`);
    this.#side(`#${name}`);
  }

  override helper(name: HelperName): void {
    this.faultPoint(`helper ${name}`);
    this.#side(name);
  }

  /** The interpreter would read another time when it repeats the region. */
  override clock(): Val {
    if (this.#context.logsStores) {
      this.#side("clock");
      return this.float64(0);
    }
    return this.call("clock", [this.op("i32.sub", this.#fuel(), this.const32(this.#completed))], "f64");
  }

  /** Where the region goes on within itself, the target was executed: it needs no check. */
  override checkBranch(check: () => void): void {
    const place = this.#context.code64 && this.#isRelative() ? this.#relativeTarget() : undefined;
    if (place === undefined || this.#context.blockAt(place) === undefined) return check();
    if (offsetOf(place) >> PAGE_SHIFT === this.#pageDistance) return;
    this.#unlessMapped(place, () => this.#side("otherPage"));
    this.#targetIsMapped = true;
  }

  override noteJump(): void {}

  override jumpTo(rip: Val): void {
    if (this.#isRelative()) this.#edge(this.#relativeTarget(), 1, this.#targetIsMapped);
    else this.#jumpIndirect(this.zext(rip, this.shape.opsize));
  }

  #jumpIndirect(rip: Val): void {
    // A copy is entered by its call only: the caller's page was executed since mappings last changed.
    const fromCopy = this.#insn.copy !== 0 && this.shape.row.mnemonic === "RET";
    const places = this.#insn.likely.filter((place) => this.#context.blockAt(place) !== undefined);
    this.#jumpToOneOf(
      places.toSorted((a, b) => offsetOf(a) - offsetOf(b)),
      rip,
      fromCopy,
    );
    this.setState("rip", rip);
    this.#leave(1);
  }

  /** By halves. Does nothing if `rip` is none of the places, which stand in order. */
  #jumpToOneOf(places: readonly Place[], rip: Val, mapped: boolean): void {
    const [first] = places;
    if (first === undefined) return;
    if (places.length === 1) {
      this.when(this.eq(rip, this.#ripOf(offsetOf(first))), () => this.#edge(first, 1, mapped));
      return;
    }
    const middle = places.length >> 1;
    this.when(
      this.ltU(rip, this.#ripOf(offsetOf(places[middle] as Place))),
      () => this.#jumpToOneOf(places.slice(0, middle), rip, mapped),
      () => this.#jumpToOneOf(places.slice(middle), rip, mapped),
    );
  }

  /** The ways semantics leave an instruction. */
  override exit(exit: string): void {
    switch (exit as X86Exit) {
      case "near":
        return this.#edge(this.#relativeTarget(), 1);
      case "next":
        return this.#edge(this.#next, 1);
      case "again":
        return this.#edge(this.#insn.copy + this.#insn.offset, 1);
      case "unfinished":
        return this.#edge(this.#insn.copy + this.#insn.offset, 0);
      case "elsewhere":
      case "indirect":
        return this.#leave(1);
      default:
        return this.#side("other");
    }
  }

  override goTo(target: number): void {
    if (!this.ended) this.#edges.push(target);
    super.goTo(target);
  }

  protected override probe(table: number, _miss: string, bytes: number, linear: Val): Val {
    return this.#hostOf(this.#reached.near(linear, bytes, table === TLB_WRITE), table, bytes, linear);
  }

  #hostOf(near: Near | undefined, table: number, bytes: number, linear: Val): Val {
    this.faultPoint("guest access");
    const writes = table === TLB_WRITE;
    if (near?.isPart) return this.op("i32.add", near.reached.host, this.const32(near.distance));
    const host = near === undefined ? this.#look(table, bytes, linear) : this.#reachFrom(near, table, bytes, linear);
    this.#reached.add({ linear, host, bytes, writable: writes, lookedUp: near === undefined });
    return host;
  }

  #look(table: number, bytes: number, linear: Val): Val {
    const { entry, hit } = this.lookup(table, bytes, linear);
    this.when(this.isFalse(hit), () => this.#missed(table));
    return this.hostAddress(entry, table, linear);
  }

  override guestLoad(width: Width, linear: Val): Val {
    const bytes = width / 8;
    const { op, type } = this.#loadOf(width);
    const near = this.#reached.near(linear, bytes, false);
    if (near === undefined || near.isPart)
      return this.#bitsOf(this.load(op, this.#hostOf(near, TLB_READ, bytes, linear), 0));
    const value = this.declare(type, type === "i64" ? width : undefined);
    this.#beside(near, TLB_READ, bytes, linear, (host, offset) => this.set(value, this.load(op, host, offset)));
    return this.#bitsOf(this.get(value));
  }

  /** What SSE instructions load are floats mostly, which stay where floats are. */
  #loadOf(width: Width): { op: LoadOp; type: ValueType } {
    const { fpu } = this.shape.row;
    const isSse = fpu === "sse" || fpu === "avx";
    if (isSse && width === 64) return { op: "f64.load", type: "f64" };
    if (isSse && width === 32) return { op: "f32.load", type: "f32" };
    return { op: LOADS[width], type: width === 128 ? "v128" : "i64" };
  }

  /** A value as {@link guestLoad} gives it. */
  #bitsOf(value: Val): Val {
    if (value.type === "f64") return this.op("i64.reinterpret_f64", value);
    return value.type === "f32" ? this.bool(this.op("i32.reinterpret_f32", value)) : value;
  }

  /** Does `access` where the TLB says, or `near`, if it is in the same page: one of the two, so that hosts need no sum. */
  #beside(near: Near, table: number, bytes: number, linear: Val, access: (host: Val, offset: number) => void): void {
    this.faultPoint("guest access");
    const { reached, distance } = near;
    this.whenRarely(
      this.#isOutside(near, bytes),
      () => access(this.#find(table, bytes, linear), 0),
      () =>
        distance >= 0
          ? access(reached.host, distance)
          : access(this.op("i32.add", reached.host, this.const32(distance)), 0),
    );
  }

  /** `linear` is `distance` bytes behind what was reached: in the same page, or the TLB is asked. */
  #reachFrom(near: Near, table: number, bytes: number, linear: Val): Val {
    const host = this.variable(this.op("i32.add", near.reached.host, this.const32(near.distance)));
    this.whenRarely(this.#isOutside(near, bytes), () => this.set(host, this.#find(table, bytes, linear)));
    return this.get(host);
  }

  /** Whether the access is in another page than what it was reached from, i32. */
  #isOutside({ reached, distance }: Near, bytes: number): Val {
    const inPage = this.op("i32.and", this.wrap(reached.linear), this.const32(PAGE - 1));
    const most = PAGE - bytes;
    return distance >= 0
      ? this.op("i32.gt_u", inPage, this.const32(most - distance))
      : this.op("i32.gt_u", this.op("i32.add", inPage, this.const32(distance)), this.const32(most));
  }

  /** Where the TLB has `linear`, or the region is left. */
  #find(table: number, bytes: number, linear: Val): Val {
    const context = this.state("tlbContext");
    const found = callSubroutine(this, reachGuest, linear, context, this.const(bytes - 1), this.const32(table));
    this.when(this.op("i32.eqz", found), () => this.#missed(table));
    return found;
  }

  #missed(table: number): void {
    this.#side(table === TLB_WRITE ? "writeMiss" : "readMiss");
  }

  protected override lookup(table: number, bytes: number, linear: Val): { entry: Val; hit: Val } {
    if (this.#context.countsLooks) {
      const looks = this.add(this.load("i64.load", undefined, TLB_LOOKS), this.const(1));
      this.store("i64.store", undefined, TLB_LOOKS, looks);
    }
    return super.lookup(table, bytes, linear);
  }

  protected override storeGuest(
    bytes: number,
    linear: Val,
    put: (host: Val | undefined, offset: number) => void,
  ): void {
    const near = this.#reached.near(linear, bytes, true);
    const store = (host: Val, offset: number): void => {
      this.#logStore(host, this.const32(bytes), offset);
      put(host, offset);
    };
    if (near === undefined || near.isPart) store(this.#hostOf(near, TLB_WRITE, bytes, linear), 0);
    else this.#beside(near, TLB_WRITE, bytes, linear, store);
  }

  override hostStore(width: Width, host: Val, value: Val): void {
    this.#logStore(host, this.const32(width / 8));
    super.hostStore(width, host, value);
  }

  override copyMemory(destination: Val, source: Val, length: Val): void {
    this.#logStore(destination, length);
    super.copyMemory(destination, source, length);
  }

  override fillMemory(destination: Val, byte: Val, length: Val): void {
    this.#logStore(destination, length);
    super.fillMemory(destination, byte, length);
  }

  /** Appends {i32 host address, i32 length, the bytes there} to the undo log; `offset` is added to `host`. */
  #logStore(host: Val, length: Val, offset = 0): void {
    if (!this.#context.logsStores) return;
    const at = this.load("i32.load", undefined, UNDO_LOG);
    const from = this.op("i32.add", host, this.const32(offset));
    this.store("i32.store", at, 0, from);
    this.store("i32.store", at, 4, length);
    super.copyMemory(this.op("i32.add", at, this.const32(8)), from, length);
    const end = this.op("i32.add", at, this.op("i32.add", length, this.const32(8 + 3)));
    this.store("i32.store", undefined, UNDO_LOG, this.op("i32.and", end, this.const32(-4)));
  }

  protected override branch(build: () => void): void {
    const reached = this.#reached.mark;
    const proven = this.#proven.length;
    const withoutDenormals = this.#withoutDenormals.length;
    build();
    this.#proven.length = proven;
    this.#withoutDenormals.length = withoutDenormals;
    this.#reached.forgetSince(reached);
  }

  // --- leaving ---

  get #pageDistance(): number {
    return this.#insn.offset >> PAGE_SHIFT;
  }

  #isRelative(): boolean {
    return this.shape.row.operands.some((code) => code[0] === "J");
  }

  get #next(): Place {
    const { copy, offset, length } = this.#insn;
    return copy + offset + length;
  }

  #relativeTarget(): Place {
    const { copy, enters } = this.#insn;
    if (enters !== undefined) return enters;
    // Invariant 4 of decoded-insn.ts; 32 bits of it count.
    const fromPage = Number(BigInt.asIntN(32, BigInt(this.fields.immediate().constant as Constant)));
    return copy + this.#pageDistance * PAGE + fromPage;
  }

  #fuel(): Val {
    return this.load("i32.load", undefined, AT.fuel);
  }

  #fuelLeft(extra: number): Val {
    return this.op("i32.sub", this.#fuel(), this.const32(this.#completed + extra));
  }

  #spendFuel(extra: number): void {
    this.store("i32.store", undefined, AT.fuel, this.#fuelLeft(extra));
  }

  /** rip of an offset from the region's first page, as wide as the code's instruction pointer. */
  #ripOf(offset: number): Val {
    const rip = this.add(super.gpr(64, this.const32(PAGE_RIP)), this.const(offset));
    return this.#context.code64 ? rip : this.zext(rip, 32);
  }

  #side(cause: SideCause): void {
    const record = this.#context.sideRecord(this.#insn.records[0] as number, this.#insn.offset);
    super.exit(SIDE, this.const32(record), this.const32(sideDetail(this.#completed, this.#pageDistance, cause)));
  }

  /** With rip in CPU state. @param extra instructions completed beside those counted. */
  #leave(extra: number): void {
    this.#spendFuel(extra);
    super.exit(LEAVE, this.const32(0));
  }

  #leaveTo(offset: number, extra: number): void {
    if (canLeaveTo(offset)) {
      super.exit(LEAVE_TO, this.const32(offset), this.const32(this.#completed + extra));
      return;
    }
    this.store("i64.store", undefined, AT.rip, this.#ripOf(offset));
    this.#leave(extra);
  }

  /** To the instruction at a place: within the region if it has a block there. @param mapped its page is known to be. */
  #edge(place: Place, extra: number, mapped = false): void {
    if (place === this.#goesOnAt) {
      this.#timesGoneOn++;
      return;
    }
    const block = this.#context.blockAt(place);
    const offset = offsetOf(place);
    if (block === undefined) this.#leaveTo(offset, extra);
    else if (mapped || offset >> PAGE_SHIFT === this.#pageDistance) this.#goTo(offset, block, extra);
    else this.#edgeAcrossPages(offset, block, extra);
  }

  #goTo(offset: number, block: number, extra: number): void {
    const left = this.#fuelLeft(extra);
    if (offset <= this.#insn.offset || this.#wentBack)
      this.when(this.op("i32.le_s", left, this.const32(0)), () => this.#leaveTo(offset, extra));
    this.store("i32.store", undefined, AT.fuel, left);
    this.goTo(block);
  }

  /** The page must still be mapped where it was: the jump cache says so, or the run loop is asked. */
  #edgeAcrossPages(offset: number, block: number, extra: number): void {
    this.#unlessMapped(offset, () => this.#leaveTo(offset, extra));
    this.#goTo(offset, block, extra);
  }

  #unlessMapped(place: Place, otherwise: () => void): void {
    const offset = offsetOf(place);
    unlessJumpCacheLeads(this, this.#ripOf(offset), this.#context.recordOfBlock(offset), otherwise);
  }
}
