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
    return this.#b.const(this.#view.getInt32(this.#record + RECORD.displacement, true));
  }

  immediate(): Val {
    return this.#b.const(this.#immediate());
  }

  pageOffset(): Val {
    return this.#b.const(this.#u16(RECORD.pageOffset));
  }

  length(): Val {
    return this.#b.const(this.#u8(RECORD.length));
  }

  accessSize(): Val {
    return this.#b.const(this.#view.getUint32(this.#record + RECORD.target, true));
  }

  #u8(offset: number): number {
    return this.#view.getUint8(this.#record + offset);
  }

  #u16(offset: number): number {
    return this.#view.getUint16(this.#record + offset, true);
  }

  /** Nearly all immediates are sign-extended from 32 bits. */
  #immediate(): Constant {
    const low = this.#view.getInt32(this.#record + RECORD.immediate, true);
    const high = this.#view.getInt32(this.#record + RECORD.immediate + 4, true);
    return high === low >> 31 ? low : this.#view.getBigInt64(this.#record + RECORD.immediate, true);
  }
}
