// NOP, hints and fences: instructions that have nothing to do on a CPU without caches or reordering.
// SDM vol. 2, the instruction of each name; hint space: SDM vol. 2D, opcode map, 0F 0D and 0F 18 to 0F 1F.
//
// The rows have no operands, so that no address is formed and nothing can fault.
import { type Row, row, type Semantics } from "./row.ts";

const nop: Semantics = () => {};

/** PREFETCHh, the multi-byte NOP, ENDBR and RDSSP: all executed as NOP where the feature behind them is off; else shadow-stack.ts and enforced-branch.ts have them. */
const HINTS = ["18", "19", "1A", "1B", "1C", "1D", "1E", "1F"] as const;

export const rows: readonly Row[] = [
  row("90", "NOP", [], nop),
  row("F3 90", "PAUSE", [], nop),
  row("0F 0D /r", "PREFETCHW", [], nop),
  ...HINTS.map((opcode) => row(`0F ${opcode} /r`, opcode === "18" ? "PREFETCH" : "NOP", [], nop)),
  row("NP 0F AE E8+i", "LFENCE", [], nop, { no66: true }),
  row("NP 0F AE F0+i", "MFENCE", [], nop, { no66: true }),
  row("NP 0F AE F8+i", "SFENCE", [], nop, { no66: true }),
];
