// Writes the records of one instruction one after the other, and in the end how many there are.
import type { HandlerNumbering } from "../emit/handlers.ts";
import type { Row } from "../instructions/row.ts";
import { RECORD, RECORD_BYTES } from "./decoded-insn.ts";

const NO_FACTS = { opsize: 32, form: "reg", asize: 64, stack: "s64", rep: "none", inPage: false } as const;

export class StepWriter {
  readonly #view: DataView;
  readonly #numbering: HandlerNumbering;
  readonly #numbers = new Map<Row, number>();
  #first = 0;
  #at = 0;
  #pageOffset = 0;
  #ordinal = 0;
  #length = 0;
  /** SEGMENT of the memory operand. */
  segment = 0;

  constructor(view: DataView, numbering: HandlerNumbering) {
    this.#view = view;
    this.#numbering = numbering;
  }

  /** Goes on behind `done` records, written by others, of the instruction whose first record is at `first`. */
  start(first: number, done: number, pageOffset: number, ordinal: number, length: number): void {
    this.#first = first;
    this.#at = first + done * RECORD_BYTES;
    this.#pageOffset = pageOffset;
    this.#ordinal = ordinal;
    this.#length = length;
    this.segment = 0;
  }

  /** Appends a record with the register form of `row`. The numbers are what its fields hold; the last two are the immediate. */
  step(row: Row, reg = 0, vvvv = 0, rm = 0, low = 0, high: number = low >> 31): void {
    const [view, at] = [this.#view, this.#at];
    for (let i = 0; i < RECORD_BYTES; i += 4) view.setUint32(at + i, 0, true);
    view.setUint16(at + RECORD.handler, this.#numberOf(row), true);
    view.setUint16(at + RECORD.pageOffset, this.#pageOffset, true);
    view.setUint8(at + RECORD.length, this.#length);
    view.setUint8(at + RECORD.ordinal, this.#ordinal);
    view.setUint8(at + RECORD.segment, this.segment);
    view.setUint16(at + RECORD.reg, reg, true);
    view.setUint16(at + RECORD.vvvv, vvvv, true);
    view.setUint16(at + RECORD.rm, rm, true);
    view.setInt32(at + RECORD.wideImmediate, low, true);
    view.setInt32(at + RECORD.wideImmediate + 4, high, true);
    this.#at += RECORD_BYTES;
  }

  /** Records so far. */
  get count(): number {
    return (this.#at - this.#first) / RECORD_BYTES;
  }

  /** Tells the first record how many follow. @returns how many records there are. */
  finish(): number {
    const { count } = this;
    this.#view.setUint8(this.#first + RECORD.following, count - 1);
    return count;
  }

  #numberOf(row: Row): number {
    const known = this.#numbers.get(row);
    if (known !== undefined) return known;
    const number = this.#numbering.numberOf(row, NO_FACTS);
    this.#numbers.set(row, number);
    return number;
  }
}
