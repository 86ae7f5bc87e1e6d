// Finds the code of a region: from one hot instruction along jumps, branches and calls that were seen to be taken.

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

/** Straight-line code, entered at its first instruction. */
export interface FoundBlock {
  readonly insns: readonly RegionInsn[];
  /** Where a function that the last instruction calls returns to; undefined: it calls none. */
  readonly returnsTo: number | undefined;
}

/** Instructions of a region at most: larger functions take long to compile and gain little. */
const MAX_INSNS = 200;

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

interface FoundInsn extends RegionInsn {
  /** Nothing follows, or what follows is reached by a call's return only. */
  readonly ends: boolean;
  readonly returnsTo: number | undefined;
}

class Search {
  readonly #source: CodeSource;
  readonly #insns = new Map<number, FoundInsn>();
  readonly #leaders = new Set<number>();
  readonly #queue: number[] = [];

  constructor(source: CodeSource) {
    this.#source = source;
  }

  from(start: number): void {
    this.#lead(start);
    for (let at = this.#queue.shift(); at !== undefined; at = this.#queue.shift()) this.#straight(at);
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
    return { offset, length, records, ...this.#flow(shape, last, offset, next) };
  }

  #flow(shape: Shape, record: number, offset: number, next: number): { ends: boolean; returnsTo: number | undefined } {
    const { row } = shape;
    const calls = row.mnemonic === "CALL";
    if (row.flow === undefined) return { ends: false, returnsTo: undefined };
    const relative = row.operands.some((code) => code[0] === "J");
    if (relative && !calls && shape.opsize !== 16) {
      const fromPage = this.#source.view.getInt32(record + RECORD.immediate, true);
      const target = (offset >> 12) * 4096 + fromPage;
      if (row.flow === "jump" || this.#isWarm(target)) this.#lead(target);
    }
    if (row.flow === "branch") {
      this.#lead(next);
      return { ends: false, returnsTo: undefined };
    }
    const returnsTo = calls && this.#isWarm(next) ? next : undefined;
    if (returnsTo !== undefined) this.#lead(next);
    return { ends: true, returnsTo };
  }

  #isWarm(offset: number): boolean {
    const record = this.#source.recordAt(offset);
    return record !== 0 && this.#source.wasEntered(record);
  }

  #shape(record: number): Shape {
    return shapeOfRecord(this.#source, record);
  }
}
