// BOUND. SDM vol. 2A, "BOUND—Check Array Index Against Bounds". Its opcode is EVEX in 64-bit code.
import { type Row, row, type Semantics } from "./row.ts";

/** #BR unless the signed index lies between the two bounds in memory, the lower one first. */
const bound: Semantics = (b, index, bounds) => {
  const { width } = index!;
  const bytes = width / 8;
  b.noteOperandAccess(2 * bytes, false);
  const first = bounds!.address();
  const lower = b.sext(b.guestLoad(width, first), width);
  const upper = b.sext(b.guestLoad(width, b.zext(b.add(first, b.const(bytes)), 32)), width);
  const value = b.sext(index!.load(), width);
  b.raiseIf(b.either(b.ltS(value, lower), b.ltS(upper, value)), "BR");
};

export const rows: readonly Row[] = [row("62 /r", "BOUND", ["Gv", "Mv"], bound, { i64: true })];
