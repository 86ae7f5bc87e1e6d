import { stepRows } from "../instructions/evex-steps.ts";
import { ADDRESS_ROWS } from "../instructions/pseudo.ts";
import type { Row } from "../instructions/row.ts";
import { RECORD_BYTES } from "./decoded-insn.ts";
import { numbering } from "./decoder.ts";

const STEP_ROWS: ReadonlySet<Row> = new Set(stepRows);

/**
 * The manual's name of the instruction whose first record this is; of one with EVEX, that of what computes. @param handlerOf gives
 * a record's handler number, that of the instruction where the record leads into a region. @param following records behind it.
 */
export function mnemonicAt(record: number, handlerOf: (record: number) => number, following: number): string {
  const rowAt = (i: number): Row => numbering.shapeOf(handlerOf(record + i * RECORD_BYTES)).row;
  const first = rowAt(0);
  // A branch behind its address is not counted.
  const last = ADDRESS_ROWS.has(first) ? Math.max(1, following) : following;
  for (let i = 0; i <= last; i++) {
    const row = rowAt(i);
    if (!ADDRESS_ROWS.has(row) && !STEP_ROWS.has(row)) return row.mnemonic.split(/[ -]/)[0] as string;
  }
  return rowAt(last).mnemonic;
}
