// Finds the code of a region: from one hot instruction along jumps, branches and calls that were seen to be taken. Functions
// that are called come after the caller's own code, as far as there is room: control then stays in the region on the way
// there and back.

import { RECORD, RECORD_BYTES } from "../decode/decoded-insn.ts";
import { numbering } from "../decode/decoder.ts";
import type { Shape } from "../emit/shape.ts";
import { ADDRESS_ROWS, PSEUDO_ROWS } from "../instructions/pseudo.ts";
import type { Row } from "../instructions/row.ts";
import { COPY_SPAN, copyOf, offsetOf, type Place } from "./place.ts";
import type { RegionInsn } from "./region-builder.ts";

/** Decoded code around the page a region starts in; offsets count from that page. */
export interface CodeSource {
  readonly view: DataView;
  /** The record of the instruction at `offset`, or 0: it is not to be had without a look at memory that may fault. */
  recordAt(offset: number): number;
  /** The handler number a record had before it led into a region. */
  handlerOf(record: number): number;
  /** Whether control came to the record often enough by branches; it may lead into a region. */
  isWarm(record: number): boolean;
  /** Whether the conditional branch at `record` was passed, not taken, often enough. */
  isPassed(record: number): boolean;
  /** Whether control came to the record `target` many times for each time that the branch to it, at `record`, was passed. */
  isMostlyTaken(record: number, target: number): boolean;
  /** Where the indirect jump, call or return at `record` nearly always went; undefined: here and there, or nowhere yet. */
  usualTarget(record: number): number | undefined;
  /** Where it went of late, the most frequent first: for one that goes here and there. */
  recentTargets(record: number): readonly number[];
}

/** Code that is entered at its first instruction only; branches may leave it anywhere. */
export interface FoundBlock {
  readonly insns: readonly RegionInsn[];
  /** Where a function that the last instruction calls returns to; undefined: it calls none. */
  readonly returnsTo: Place | undefined;
}

/** Instructions of a region at most: larger functions take long to compile and gain little. */
const MAX_INSNS = 120;
/** A called function of as many instructions at most is taken along before larger ones, wherever the call is. */
const SMALL_INSNS = 32;
/** Instructions of a region at most, with small functions: the way there and back costs as much as some twenty. */
const MAX_WITH_SMALL = 200;
/** No further called function is taken along if there are as many already. */
const ENOUGH_INSNS = 60;

const PAGE_SHIFT = 12;

const ALL_PSEUDO_ROWS: ReadonlySet<Row> = new Set(PSEUDO_ROWS);

/** Shape of the instruction (not of the address) that a record belongs to. */
export function shapeOfRecord(source: Pick<CodeSource, "handlerOf">, record: number): Shape {
  return numbering.shapeOf(source.handlerOf(record));
}

/** Blocks of the region that starts at `start`, that one first. Empty if its first instruction is not to be had. */
export function findBlocks(source: CodeSource, start: number): FoundBlock[] {
  const search = new Search(source);
  search.from(start);
  return search.blocks(start);
}

interface FoundInsn extends RegionInsn, Flow {
  readonly likely: Place[];
  targets: readonly Place[];
  enters: Place | undefined;
}

/** Where control goes from an instruction. */
interface Flow {
  /** Nothing follows, or what follows is reached by a call's return only. */
  readonly ends: boolean;
  readonly returnsTo: Place | undefined;
  /** Those of a jump's or branch's targets that were followed. */
  readonly targets: readonly Place[];
  /** Where a jump went that goes here and there. */
  readonly scattered: readonly Place[];
  readonly branchesTo: Place | undefined;
  readonly isMostlyTaken: boolean;
  /** Offset of a called function that may be taken along. */
  readonly called: number | undefined;
  /** The two above are where control went most of the time. */
  readonly isGuess: boolean;
  readonly isReturn: boolean;
  /** Offset where a return went most of the time. */
  readonly usualReturn: number | undefined;
}

const PLAIN: Flow = {
  ends: false,
  returnsTo: undefined,
  targets: [],
  scattered: [],
  branchesTo: undefined,
  isMostlyTaken: false,
  called: undefined,
  isGuess: false,
  isReturn: false,
  usualReturn: undefined,
};

/** Whether the target is an operand relative to the instruction. */
const isRelative = (row: Row): boolean => row.operands.some((code) => code[0] === "J");

class Search {
  readonly #source: CodeSource;
  readonly #insns = new Map<Place, FoundInsn>();
  readonly #leaders = new Set<Place>();
  readonly #queue: Place[] = [];
  /** Calls of functions that may be taken along, in the order they were found. */
  readonly #calls: FoundInsn[] = [];
  /** How many of them have been looked at. */
  #answered = 0;
  /** The call each copy was made for. */
  readonly #callOf = new Map<number, FoundInsn>();

  constructor(source: CodeSource) {
    this.#source = source;
  }

  from(start: number): void {
    this.#reach([start], MAX_INSNS);
    for (const insn of this.#insns.values()) if (insn.scattered.length > 0) this.#reachScattered(insn);
    this.#reachCalled();
    for (const insn of this.#insns.values()) this.#reachCaller(insn);
  }

  /** All that a jump goes to is taken along, or nothing: without some of it control would leave all the time. */
  #reachScattered(jump: FoundInsn): void {
    if (!this.#reachAll(jump.scattered, MAX_INSNS)) return;
    jump.targets = jump.scattered;
    jump.likely.push(...jump.scattered);
  }

  #reachCalled(): void {
    const first = this.#answered;
    const large: FoundInsn[] = [];
    for (let i = first; ; ) {
      for (; i < this.#calls.length; i++) {
        const call = this.#calls[i] as FoundInsn;
        if (!this.#reachSmall(call)) large.push(call);
      }
      const next = large.shift();
      if (next === undefined) break;
      this.#reachLarge(next);
    }
    for (const insn of this.#calls.slice(first)) this.#noteReturns(insn);
    this.#answered = this.#calls.length;
  }

  /** Where a return leads out of the code that was found, that may go on with the caller's. */
  #reachCaller({ copy, isReturn, likely, usualReturn }: FoundInsn): void {
    if (!isReturn || copy !== 0 || likely.length > 0 || usualReturn === undefined || this.#insns.size >= ENOUGH_INSNS)
      return;
    if (!this.#isWarm(usualReturn)) return;
    likely.push(usualReturn);
    this.#reach([usualReturn], MAX_INSNS);
    this.#reachCalled();
  }

  /** Follows the code from `starts` on. @returns false: there is more of it than fits in, with all the rest, `limit`. */
  #reach(starts: readonly Place[], limit: number): boolean {
    for (const start of starts) this.#lead(start);
    let complete = true;
    for (let at = this.#queue.shift(); at !== undefined; at = this.#queue.shift())
      complete = this.#straight(at, limit) && complete;
    return complete;
  }

  /** All calls of a large function go to the same code. */
  #reachLarge(call: FoundInsn): void {
    const called = call.called as number;
    if (this.#insns.size < ENOUGH_INSNS || this.#insns.has(called)) {
      this.#enter(call, called);
      this.#reach([called], MAX_INSNS);
    }
  }

  #enter(call: FoundInsn, place: Place): void {
    call.enters = place;
    if (call.isGuess) call.likely.push(place);
  }

  /** Takes a copy of a called function along if it is small. */
  #reachSmall(call: FoundInsn): boolean {
    if (this.#isRecursive(call)) return false;
    const copy = (this.#callOf.size + 1) * COPY_SPAN;
    const start = copy + (call.called as number);
    if (!this.#reachAll([start], Math.min(this.#insns.size + SMALL_INSNS, MAX_WITH_SMALL))) return false;
    this.#callOf.set(copy, call);
    this.#enter(call, start);
    return true;
  }

  /** As {@link #reach}, but what does not fit in is given up, all of it. */
  #reachAll(starts: readonly Place[], limit: number): boolean {
    const [insns, leaders, calls] = [new Set(this.#insns.keys()), new Set(this.#leaders), this.#calls.length];
    if (this.#reach(starts, limit)) return true;
    for (const at of this.#insns.keys()) if (!insns.has(at)) this.#insns.delete(at);
    for (const at of this.#leaders) if (!leaders.has(at)) this.#leaders.delete(at);
    this.#calls.length = calls;
    return false;
  }

  /** The call stands in a copy of the function that it calls. */
  #isRecursive(call: FoundInsn): boolean {
    let outer = this.#callOf.get(call.copy);
    while (outer !== undefined && outer.called !== call.called) outer = this.#callOf.get(outer.copy);
    return outer !== undefined;
  }

  /** Tells the RETs of a function taken along where they return to. */
  #noteReturns({ enters, returnsTo }: FoundInsn): void {
    const seen = new Set<Place>();
    const work = [enters];
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      const insn = this.#insns.get(at);
      if (insn === undefined || seen.has(at)) continue;
      seen.add(at);
      if (insn.isReturn) insn.likely.push(returnsTo as Place);
      if (!insn.ends) work.push(at + insn.length);
      if (insn.returnsTo !== undefined) work.push(insn.returnsTo);
      work.push(...insn.targets);
    }
  }

  blocks(start: number): FoundBlock[] {
    const starts = [start, ...[...this.#leaders].filter((place) => place !== start && this.#insns.has(place))];
    return this.#insns.has(start) ? starts.map((place) => this.#block(place)) : [];
  }

  #block(start: Place): FoundBlock {
    const insns: RegionInsn[] = [];
    for (let at = start; ; ) {
      const insn = this.#insns.get(at);
      if (insn === undefined || (at !== start && this.#leaders.has(at))) return { insns, returnsTo: undefined };
      insns.push(insn);
      if (insn.ends) return { insns, returnsTo: insn.returnsTo };
      at += insn.length;
    }
  }

  #lead(place: Place): void {
    this.#leaders.add(place);
    this.#queue.push(place);
  }

  /** @returns false: the limit ended it. */
  #straight(start: Place, limit: number): boolean {
    for (let at = start; !this.#insns.has(at); ) {
      if (this.#insns.size >= limit) return false;
      const insn = this.#look(at);
      if (insn === undefined) return true;
      this.#insns.set(at, insn);
      if (insn.called !== undefined) this.#calls.push(insn);
      if (insn.ends) return true;
      at += insn.length;
      // Another page may be changed or mapped elsewhere by itself: a block is of one page.
      if (offsetOf(at) >> PAGE_SHIFT !== insn.offset >> PAGE_SHIFT) this.#lead(at);
    }
    return true;
  }

  #look(place: Place): FoundInsn | undefined {
    const { view } = this.#source;
    const [copy, offset] = [copyOf(place), offsetOf(place)];
    const first = this.#source.recordAt(offset);
    if (first === 0) return undefined;
    const records = this.#recordsFrom(first);
    // Of an instruction that is more than an address and itself nothing matters but that it is straight-line code.
    const last = (records.length > 2 ? first : records.at(-1)) as number;
    const shape = this.#shape(last);
    const length = view.getUint8(last + RECORD.length);
    if (ALL_PSEUDO_ROWS.has(shape.row) && !ADDRESS_ROWS.has(shape.row)) return undefined;
    if (shape.rep !== "none") {
      this.#leaders.add(place);
      this.#lead(place + length);
    }
    const flow = this.#flow(shape, last, place, length);
    const likely = flow.isGuess ? [...flow.targets] : [];
    return { offset, copy, length, records, likely, enters: undefined, ...flow };
  }

  /** The records of an instruction; a branch is but one, or an address and itself. */
  #recordsFrom(first: number): number[] {
    const { row } = this.#shape(first);
    const following = row.flow === undefined ? this.#source.view.getUint8(first + RECORD.following) : 0;
    const count = ADDRESS_ROWS.has(row) ? Math.max(1, following) : following;
    return Array.from({ length: count + 1 }, (_, i) => first + i * RECORD_BYTES);
  }

  #flow(shape: Shape, record: number, place: Place, length: number): Flow {
    const { row } = shape;
    if (row.flow === undefined) return PLAIN;
    const relative = isRelative(row);
    const offset = relative ? this.#relativeTarget(shape, record, place) : this.#source.usualTarget(record);
    if (row.mnemonic === "RET") return { ...PLAIN, ends: true, isReturn: true, usualReturn: offset };
    if (row.mnemonic === "CALL") return this.#call(offset, place + length, relative);
    const surely = relative && row.flow === "jump";
    const targets = offset !== undefined && (surely || this.#isWarm(offset)) ? [copyOf(place) + offset] : [];
    for (const target of targets) this.#lead(target);
    const passed = row.flow === "branch" && this.#source.isPassed(record);
    const scattered = relative || offset !== undefined || copyOf(place) !== 0 ? [] : this.#scattered(record);
    const branchesTo = relative ? targets[0] : undefined;
    const isMostlyTaken = branchesTo !== undefined && this.#isMostlyTaken(record, branchesTo);
    // What comes behind a loop is no part of its turns.
    if (isMostlyTaken && passed && branchesTo <= place) this.#lead(place + length);
    return { ...PLAIN, ends: !passed, targets, scattered, branchesTo, isMostlyTaken, isGuess: !relative };
  }

  #scattered(record: number): readonly Place[] {
    return this.#source.recentTargets(record).filter((target) => this.#isWarm(target));
  }

  #call(offset: number | undefined, next: Place, relative: boolean): Flow {
    const returnsTo = this.#isWarm(offsetOf(next)) ? next : undefined;
    if (returnsTo !== undefined) this.#lead(next);
    const called = returnsTo !== undefined && offset !== undefined && this.#isWarm(offset) ? offset : undefined;
    return { ...PLAIN, ends: true, returnsTo, called, isGuess: !relative };
  }

  /** Offset a relative branch goes to. */
  #relativeTarget({ opsize }: Shape, record: number, place: Place): number | undefined {
    if (opsize === 16) return undefined;
    return (offsetOf(place) >> PAGE_SHIFT) * 4096 + this.#source.view.getInt32(record + RECORD.immediate, true);
  }

  #isWarm(offset: number): boolean {
    const record = this.#source.recordAt(offset);
    return record !== 0 && this.#source.isWarm(record);
  }

  #isMostlyTaken(record: number, place: Place): boolean {
    const target = this.#source.recordAt(offsetOf(place));
    return target !== 0 && this.#source.isMostlyTaken(record, target);
  }

  #shape(record: number): Shape {
    return shapeOfRecord(this.#source, record);
  }
}
