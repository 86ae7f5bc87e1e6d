// All instructions with an EVEX prefix, and the steps they are put together of.
import { rows as arithmetic } from "./evex-arithmetic.ts";
import { rows as moves } from "./evex-moves.ts";
import { stepRows } from "./evex-steps.ts";
import type { Row } from "./row.ts";

/** Rows for the opcode maps; they have no handlers. */
export const evexRows: readonly Row[] = [...arithmetic, ...moves];

/** Rows for handlers; they stand in no opcode map. */
export const evexStepRows: readonly Row[] = [
  ...stepRows,
  ...new Set(
    evexRows.flatMap(({ evex }) => [evex?.step, evex?.base]).filter((step) => step?.encoding.includes(".STEP ")),
  ),
] as readonly Row[];
