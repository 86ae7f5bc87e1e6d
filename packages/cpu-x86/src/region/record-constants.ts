import type { IrBuilder } from "@tsvm/tcg";
import { RECORD } from "../decode/decoded-insn.ts";
import type { InsnFields } from "../emit/fields.ts";

/** The fields of one decoded record as constants: what semantics emit with them is a translation of that instruction. */
export const recordConstants =
  (view: DataView, record: number) =>
  (b: IrBuilder): InsnFields => {
    const u16 = (offset: number) => () => b.const32(view.getUint16(record + offset, true));
    return {
      record: () => b.const32(record),
      reg: u16(RECORD.reg),
      rm: u16(RECORD.rm),
      vvvv: u16(RECORD.vvvv),
      x87Opcode: u16(RECORD.x87Opcode),
      base: u16(RECORD.base),
      index: u16(RECORD.index),
      scale: () => b.const(view.getUint8(record + RECORD.scale)),
      segment: () => b.const32(view.getUint8(record + RECORD.segment)),
      displacement: () => b.const(view.getInt32(record + RECORD.displacement, true)),
      immediate: () => b.const(view.getBigInt64(record + RECORD.immediate, true)),
      pageOffset: () => b.const(view.getUint16(record + RECORD.pageOffset, true)),
      length: () => b.const(view.getUint8(record + RECORD.length)),
      accessSize: () => b.const(view.getUint32(record + RECORD.target, true)),
    };
  };
