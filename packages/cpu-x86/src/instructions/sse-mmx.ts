// Moves and conversions between MMX and XMM registers. SDM vol. 2, the instruction of each name.
//
// Those that touch an MMX register make the x87 an MMX unit; a memory operand alone does not.

import type { Val } from "@tsvm/tcg";
import { enterMmx, storeMmx } from "./mmx-state.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { dwordsToSingles, floatsToDwords } from "./sse-convert.ts";
import { fromLow, lowHalf } from "./vector-lanes.ts";

const SSE: RowOptions = { fpu: "mmx-sse", cpuid: "sse" };
const SSE2: RowOptions = { fpu: "mmx-sse", cpuid: "sse2" };

const movq2dq: Semantics = (b, dst, src) => {
  dst!.store(fromLow(b, src!.load()));
  enterMmx(b);
};

const movdq2q: Semantics = (b, dst, src) => storeMmx(b, dst!, src!.load());

/** Two dwords as singles into the low half. */
const cvtpi2ps: Semantics = (b, dst, src) => {
  dst!.store(lowHalf(b, dwordsToSingles(b, [fromLow(b, src!.load())])[0] as Val));
  if (!src!.memory) enterMmx(b);
};

/** Two dwords as doubles: always exact. */
const cvtpi2pd: Semantics = (b, dst, src) => {
  dst!.store(b.op("f64x2.convert_low_i32x4_s", fromLow(b, src!.load())));
  if (!src!.memory) enterMmx(b);
};

const singlesToDwords =
  (rounding: "nearest" | "trunc"): Semantics =>
  (b, dst, src) => {
    const x = fromLow(b, src!.load());
    enterMmx(b);
    storeMmx(b, dst!, lowHalf(b, floatsToDwords(b, "ps", rounding, [x])[0] as Val));
  };

const doublesToDwords =
  (rounding: "nearest" | "trunc"): Semantics =>
  (b, dst, src) => {
    const x = src!.load();
    enterMmx(b);
    storeMmx(b, dst!, lowHalf(b, floatsToDwords(b, "pd", rounding, [x])[0] as Val));
  };

const SSE2_ALIGNED: RowOptions = { ...SSE2, aligned: true };

export const rows: readonly Row[] = [
  row("F3 0F D6 /r", "MOVQ2DQ", ["Vdq", "Nq"], movq2dq, SSE2),
  row("F2 0F D6 /r", "MOVDQ2Q", ["Pq", "Uq"], movdq2q, SSE2),
  row("NP 0F 2A /r", "CVTPI2PS", ["Vq", "Qq"], cvtpi2ps, SSE),
  row("66 0F 2A /r", "CVTPI2PD", ["Vpd", "Qq"], cvtpi2pd, SSE2),
  row("NP 0F 2C /r", "CVTTPS2PI", ["Pq", "Wq"], singlesToDwords("trunc"), SSE),
  row("66 0F 2C /r", "CVTTPD2PI", ["Pq", "Wpd"], doublesToDwords("trunc"), SSE2_ALIGNED),
  row("NP 0F 2D /r", "CVTPS2PI", ["Pq", "Wq"], singlesToDwords("nearest"), SSE),
  row("66 0F 2D /r", "CVTPD2PI", ["Pq", "Wpd"], doublesToDwords("nearest"), SSE2_ALIGNED),
];
