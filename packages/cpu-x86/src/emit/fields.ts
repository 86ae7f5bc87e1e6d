import type { IrBuilder, Val, Variable } from "@tsvm/tcg";
import { RECORD } from "../decode/decoded-insn.ts";

/**
 * Where the dynamic fields of an instruction come from: the decoded record (interpreter) or constants (translator).
 * Register fields are i32 byte offsets into their register file.
 */
export interface InsnFields {
  /** Address of the record, i32; for slow paths that look at it. */
  record(): Val;
  reg(): Val;
  rm(): Val;
  vvvv(): Val;
  /** Opcode and ModRM of x87 instructions as FNSTENV saves them, i32. */
  x87Opcode(): Val;
  base(): Val;
  index(): Val;
  /** log2 of the index scale, i64. */
  scale(): Val;
  /** Number of the segment register, i32. */
  segment(): Val;
  displacement(): Val;
  immediate(): Val;
  /** All 64 bits of an immediate that may have more than 32. */
  wideImmediate(): Val;
  /** Offset of this instruction in its page, i64. */
  pageOffset(): Val;
  /** Length in bytes, i64. */
  length(): Val;
  /** Bytes the coming access touches, i64; address records only. */
  accessSize(): Val;
  /** What is added to bits 63:32 of the address, i64; address records only. */
  addressHigh(): Val;
}

/** The fixed local of handler functions that holds the record's address. */
export const RECORD_LOCAL: Variable = { type: "i32", variable: -1 };

/** Fields loaded from the decoded record: one handler serves every instruction of its shape. */
export function recordFields(b: IrBuilder): InsnFields {
  const record = (): Val => b.get(RECORD_LOCAL);
  const u16 = (offset: number) => (): Val => b.load("i32.load16_u", record(), offset);
  return {
    record,
    reg: u16(RECORD.reg),
    rm: u16(RECORD.rm),
    base: u16(RECORD.base),
    index: u16(RECORD.index),
    vvvv: u16(RECORD.vvvv),
    x87Opcode: u16(RECORD.x87Opcode),
    scale: () => b.load("i64.load8_u", record(), RECORD.scale),
    segment: () => b.load("i32.load8_u", record(), RECORD.segment),
    displacement: () => b.load("i64.load32_s", record(), RECORD.displacement),
    immediate: () => b.load("i64.load32_s", record(), RECORD.immediate),
    wideImmediate: () => b.load("i64.load", record(), RECORD.wideImmediate),
    pageOffset: () => b.load("i64.load16_u", record(), RECORD.pageOffset),
    length: () => b.load("i64.load8_u", record(), RECORD.length),
    accessSize: () => b.load("i64.load16_u", record(), RECORD.accessSize),
    addressHigh: () => b.load("i64.load32_s", record(), RECORD.addressHigh),
  };
}
