// VCVTPH2PS VCVTPS2PH. SDM vol. 2C, the instruction of each name. Too rare for a native path.
import type { Val } from "@tsvm/tcg";
import { FloatLanes, slowResult } from "./float-lanes.ts";
import { type OperandCode, type Row, row, type Semantics } from "./row.ts";
import { fromLow, lowHalf } from "./vector-lanes.ts";

/** Always exact. */
const widen: Semantics = (b, dst, src) => {
  const halves = src!.width === 128 ? src!.load() : fromLow(b, src!.load());
  new FloatLanes(b, "ps").slow("fromHalf", [], [halves], { lanes: dst!.lanes === 2 ? 8 : 4 });
  dst!.storeLanes(slowResult(b, dst!.lanes));
};

/** Bits 1:0 of the immediate choose the rounding as MXCSR.RC does, bit 2 leaves it to MXCSR. */
const narrow: Semantics = (b, dst, src, immediate) => {
  // The slow path writes MXCSR: what the store may fault on comes before it.
  if (dst!.memory) dst!.modify();
  new FloatLanes(b, "ps").slow("toHalf", [], src!.loadLanes(), { immediate: immediate!.load() });
  const halves = slowResult(b, 1)[0] as Val;
  dst!.store(dst!.width === 128 ? halves : lowHalf(b, halves));
};

const F16C = { fpu: "avx", cpuid: "f16c", protectedOnly: true } as const;

const narrowRow = (length: 128 | 256, operand: OperandCode, semantics: Semantics): Row =>
  row(`VEX.${length}.66.0F3A.W0 1D /r ib`, "VCVTPS2PH", [operand, "Vps", "Ib"], semantics, F16C);

export const rows: readonly Row[] = [
  row("VEX.128.66.0F38.W0 13 /r", "VCVTPH2PS", ["Vps", "Wq"], widen, F16C),
  row("VEX.256.66.0F38.W0 13 /r", "VCVTPH2PS", ["Vps", "Wdq"], widen, F16C),
  // In a register the result is followed by zeros, which the slow path leaves.
  narrowRow(128, "Udq", narrow),
  narrowRow(128, "Mq", narrow),
  narrowRow(256, "Wdq", narrow),
];
