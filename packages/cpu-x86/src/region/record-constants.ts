import type { Constant, IrBuilder, Val } from "@tsvm/tcg";
import { RECORD } from "../decode/decoded-insn.ts";
import type { InsnFields } from "../emit/fields.ts";

/** The fields of a decoded record as constants: what semantics emit with them is a translation of that instruction. */
export class RecordConstants implements InsnFields {
  readonly #b: IrBuilder;
  readonly #view: DataView;
  #record: number;

  constructor(b: IrBuilder, view: DataView, record: number) {
    this.#b = b;
    this.#view = view;
    this.#record = record;
  }

  /** Goes on to another record. */
  moveTo(record: number): void {
    this.#record = record;
  }

  record(): Val {
    return this.#b.const32(this.#record);
  }

  reg(): Val {
    return this.#b.const32(this.#u16(RECORD.reg));
  }

  rm(): Val {
    return this.#b.const32(this.#u16(RECORD.rm));
  }

  vvvv(): Val {
    return this.#b.const32(this.#u16(RECORD.vvvv));
  }

  x87Opcode(): Val {
    return this.#b.const32(this.#u16(RECORD.x87Opcode));
  }

  base(): Val {
    return this.#b.const32(this.#u16(RECORD.base));
  }

  index(): Val {
    return this.#b.const32(this.#u16(RECORD.index));
  }

  scale(): Val {
    return this.#b.const(this.#u8(RECORD.scale));
  }

  segment(): Val {
    return this.#b.const32(this.#u8(RECORD.segment));
  }

  displacement(): Val {
    return this.#b.const(this.#i32(RECORD.displacement));
  }

  immediate(): Val {
    return this.#b.const(this.#i32(RECORD.immediate));
  }

  wideImmediate(): Val {
    return this.#b.const(this.#wideImmediate());
  }

  pageOffset(): Val {
    return this.#b.const(this.#u16(RECORD.pageOffset));
  }

  length(): Val {
    return this.#b.const(this.#u8(RECORD.length));
  }

  accessSize(): Val {
    return this.#b.const(this.#u16(RECORD.accessSize));
  }

  addressHigh(): Val {
    return this.#b.const(this.#i32(RECORD.addressHigh));
  }

  #u8(offset: number): number {
    return this.#view.getUint8(this.#record + offset);
  }

  #u16(offset: number): number {
    return this.#view.getUint16(this.#record + offset, true);
  }

  #i32(offset: number): number {
    return this.#view.getInt32(this.#record + offset, true);
  }

  #wideImmediate(): Constant {
    const low = this.#i32(RECORD.wideImmediate);
    const high = this.#i32(RECORD.wideImmediate + 4);
    return high === low >> 31 ? low : this.#view.getBigInt64(this.#record + RECORD.wideImmediate, true);
  }
}
