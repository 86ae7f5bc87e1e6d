import { PSEUDO } from "../instructions/pseudo.ts";
import type { Row } from "../instructions/row.ts";
import { RECORD_BYTES } from "./decoded-insn.ts";
import { numbering } from "./decoder.ts";

const ADDRESS_ROWS: ReadonlySet<Row> = new Set([PSEUDO.addressRead, PSEUDO.addressWrite, PSEUDO.addressOnly]);

/**
 * The manual's name of the instruction whose first record this is. @param handlerOf gives a record's handler number, that of
 * the instruction where the record leads into a region.
 */
export function mnemonicAt(record: number, handlerOf: (record: number) => number): string {
  const { row } = numbering.shapeOf(handlerOf(record));
  return ADDRESS_ROWS.has(row) ? numbering.shapeOf(handlerOf(record + RECORD_BYTES)).row.mnemonic : row.mnemonic;
}
