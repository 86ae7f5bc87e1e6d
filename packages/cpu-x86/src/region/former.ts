// Finds the code of a region: from one hot instruction along jumps, branches and calls that were seen to be taken. Functions
// that are called come after the caller's own code, as far as there is room: control then stays in the region on the way
// there and back.

import { RECORD, RECORD_BYTES } from "../decode/decoded-insn.ts";
import { numbering } from "../decode/decoder.ts";
import type { Shape } from "../emit/shape.ts";
import { PSEUDO } from "../instructions/pseudo.ts";
import type { Row } from "../instructions/row.ts";
import type { RegionInsn } from "./region-builder.ts";

/** Decoded code around the page a region starts in; offsets count from that page. */
export interface CodeSource {
  readonly view: DataView;
  /** The record of the instruction at `offset`, or 0: it is not to be had without a look at memory that may fault. */
  recordAt(offset: number): number;
  /** The handler number a record had before it led into a region. */
  handlerOf(record: number): number;
  /** Whether control was ever seen to come to the record by a branch. */
  wasEntered(record: number): boolean;
}

/** Code that is entered at its first instruction only; branches may leave it anywhere. */
export interface FoundBlock {
  readonly insns: readonly RegionInsn[];
  /** Where a function that the last instruction calls returns to; undefined: it calls none. */
  readonly returnsTo: number | undefined;
}

/** Instructions of a region at most: larger functions take long to compile and gain little. */
const MAX_INSNS = 200;
/** No further called function is taken along if there are as many already. */
const ENOUGH_INSNS = 100;

const PSEUDO_ROWS: ReadonlySet<Row> = new Set(Object.values(PSEUDO));
const ADDRESS_ROWS: ReadonlySet<Row> = new Set([PSEUDO.addressRead, PSEUDO.addressWrite, PSEUDO.addressOnly]);

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
  readonly isReturn: boolean;
  readonly returns: number[];
}

/** Where control goes from an instruction. */
interface Flow {
  /** Nothing follows, or what follows is reached by a call's return only. */
  readonly ends: boolean;
  readonly returnsTo: number | undefined;
  /** A jump's or branch's target that was followed. */
  readonly target: number | undefined;
  /** A called function that may be taken along. */
  readonly called: number | undefined;
}

const PLAIN: Flow = { ends: false, returnsTo: undefined, target: undefined, called: undefined };

class Search {
  readonly #source: CodeSource;
  readonly #insns = new Map<number, FoundInsn>();
  readonly #leaders = new Set<number>();
  readonly #queue: number[] = [];
  /** Calls of functions that may be taken along, in the order they were found. */
  readonly #calls: FoundInsn[] = [];

  constructor(source: CodeSource) {
    this.#source = source;
  }

  from(start: number): void {
    this.#lead(start);
    this.#follow();
    for (const insn of this.#calls) {
      if (this.#insns.size >= ENOUGH_INSNS) break;
      this.#lead(insn.called as number);
      this.#follow();
    }
    for (const insn of this.#calls) this.#noteReturns(insn);
  }

  #follow(): void {
    for (let at = this.#queue.shift(); at !== undefined; at = this.#queue.shift()) this.#straight(at);
  }

  /** Tells the RETs of a function taken along where they return to. */
  #noteReturns({ called, returnsTo }: FoundInsn): void {
    const seen = new Set<number>();
    const work = [called];
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      const insn = this.#insns.get(at);
      if (insn === undefined || seen.has(at)) continue;
      seen.add(at);
      if (insn.isReturn) insn.returns.push(returnsTo as number);
      if (!insn.ends) work.push(at + insn.length);
      if (insn.returnsTo !== undefined) work.push(insn.returnsTo);
      if (insn.target !== undefined) work.push(insn.target);
    }
  }

  blocks(start: number): FoundBlock[] {
    const starts = [start, ...[...this.#leaders].filter((offset) => offset !== start && this.#insns.has(offset))];
    return this.#insns.has(start) ? starts.map((offset) => this.#block(offset)) : [];
  }

  #block(start: number): FoundBlock {
    const insns: RegionInsn[] = [];
    for (let at = start; ; ) {
      const insn = this.#insns.get(at);
      if (insn === undefined || (at !== start && this.#leaders.has(at))) return { insns, returnsTo: undefined };
      insns.push(insn);
      if (insn.ends) return { insns, returnsTo: insn.returnsTo };
      at += insn.length;
    }
  }

  #lead(offset: number): void {
    this.#leaders.add(offset);
    this.#queue.push(offset);
  }

  #straight(start: number): void {
    for (let at = start; !this.#insns.has(at) && this.#insns.size < MAX_INSNS; ) {
      const insn = this.#look(at);
      if (insn === undefined) return;
      this.#insns.set(at, insn);
      if (insn.called !== undefined) this.#calls.push(insn);
      if (insn.ends) return;
      at += insn.length;
    }
  }

  #look(offset: number): FoundInsn | undefined {
    const { view } = this.#source;
    const first = this.#source.recordAt(offset);
    if (first === 0) return undefined;
    const withAddress = ADDRESS_ROWS.has(this.#shape(first).row);
    const records = withAddress ? [first, first + RECORD_BYTES] : [first];
    const last = records.at(-1) as number;
    const shape = this.#shape(last);
    const length = view.getUint8(last + RECORD.length);
    if (PSEUDO_ROWS.has(shape.row) && !ADDRESS_ROWS.has(shape.row)) return undefined;
    const next = offset + length;
    if (shape.rep !== "none") {
      this.#leaders.add(offset);
      this.#lead(next);
    }
    return { offset, length, records, returns: [], ...this.#flow(shape, last, offset, next) };
  }

  #flow(shape: Shape, record: number, offset: number, next: number): Flow & { isReturn: boolean } {
    const { row } = shape;
    const isReturn = row.mnemonic === "RET";
    if (row.flow === undefined) return { ...PLAIN, isReturn };
    const target = this.#relativeTarget(shape, record, offset);
    if (row.mnemonic === "CALL") return { ...this.#call(target, next), isReturn };
    const followed = target !== undefined && (row.flow === "jump" || this.#isWarm(target)) ? target : undefined;
    if (followed !== undefined) this.#lead(followed);
    return { ...PLAIN, ends: row.flow !== "branch", target: followed, isReturn };
  }

  #call(target: number | undefined, next: number): Flow {
    const returnsTo = this.#isWarm(next) ? next : undefined;
    if (returnsTo !== undefined) this.#lead(next);
    const called = returnsTo !== undefined && target !== undefined && this.#isWarm(target) ? target : undefined;
    return { ends: true, returnsTo, target: undefined, called };
  }

  #relativeTarget({ row, opsize }: Shape, record: number, offset: number): number | undefined {
    if (opsize === 16 || !row.operands.some((code) => code[0] === "J")) return undefined;
    return (offset >> 12) * 4096 + this.#source.view.getInt32(record + RECORD.immediate, true);
  }

  #isWarm(offset: number): boolean {
    const record = this.#source.recordAt(offset);
    return record !== 0 && this.#source.wasEntered(record);
  }

  #shape(record: number): Shape {
    return shapeOfRecord(this.#source, record);
  }
}
