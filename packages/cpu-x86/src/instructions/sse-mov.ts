// Moves between vector registers, general registers and memory. SDM vol. 2, the instruction of each name.
//
// Scalar moves between vector registers keep the rest of the destination; loads from memory clear it.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { fromLow, highHalf, LANE_BITS, pickLanes } from "./vector-lanes.ts";
import { mapLanes, vexForms, withFirstSource, withoutMerged } from "./vector-operands.ts";

const SSE: RowOptions = { fpu: "sse", cpuid: "sse" };
const SSE2: RowOptions = { fpu: "sse", cpuid: "sse2" };
const SSE3: RowOptions = { fpu: "sse", cpuid: "sse3" };

const mov: Semantics = (_b, ...operands) => {
  const [dst, src] = withoutMerged(operands);
  dst!.storeLanes(src!.loadLanes());
};

/** The whole register is the scalar and zeros. */
const movZeroing: Semantics = (b, dst, src) => dst!.store(fromLow(b, src!.load()));

const movToHigh: Semantics = (b, ...operands) => {
  const [dst, first, second] = withFirstSource(b, operands);
  const value = second!.load();
  dst!.store(b.lane("i64x2.replace_lane", 1, first!.load(), value));
};

const movFromHigh: Semantics = (b, ...operands) => {
  const [dst, src] = withoutMerged(operands);
  dst!.store(highHalf(b, src!.load()));
};

const duplicate =
  (lanes: readonly number[]): Semantics =>
  (b, dst, src) =>
    mapLanes(dst!, [src!], (value) => pickLanes(b, 4, lanes, value, value));

const movddup: Semantics = (b, dst, src) => dst!.store(b.op("i64x2.splat", src!.load()));
const movddupWide: Semantics = (b, dst, src) =>
  mapLanes(dst!, [src!], (value) => pickLanes(b, 8, [0, 0], value, value));

/** One bit a lane, the lane's sign, zero-extended into the destination. */
const signMask =
  (lanes: "i8x16" | "i32x4" | "i64x2"): Semantics =>
  (b, dst, src) => {
    const [low, high] = src!.loadLanes().map((lane) => b.bool(b.op(`${lanes}.bitmask`, lane)));
    const count = 128 / LANE_BITS[lanes];
    dst!.store(high === undefined ? (low as Val) : b.or(low as Val, b.shl(high, b.const(count))));
  };

/**
 * Stores at DS:rDI the bytes whose mask byte has its sign set. All 16 are read and written back, so that a fault on
 * any of them comes before the first is changed; the manual lets even an empty mask fault.
 */
const maskmovdqu: Semantics = (b, src, mask) => {
  const linear = maskedStoreAddress(b, 16);
  const signs = b.op("i8x16.shr_s", mask!.load(), b.const32(7));
  const old = b.guestModify(128, linear);
  b.guestStore(128, linear, b.op("v128.bitselect", src!.load(), old, signs));
};

/** Linear address of DS:rDI, or of rDI in the overriding segment, for a store of `bytes`. */
export function maskedStoreAddress(b: X86Builder, bytes: number): Val {
  const offset = b.zext(b.reg(64, "rdi"), b.shape.asize);
  return b.segmentLinear(offset, b.fields.segment(), b.const(bytes), true);
}

/** A load and a store of the same kind. */
const both = (load: string, store: string, name: string, code: "ps" | "pd" | "dq", options: RowOptions): Row[] => [
  row(load, name, [`V${code}`, `W${code}`], mov, options),
  row(store, name, [`W${code}`, `V${code}`], mov, options),
];

/** MOVSS and MOVSD. */
const scalar = (prefix: string, name: string, code: "ss" | "sd", options: RowOptions): Row[] => [
  row(`${prefix} 0F 10 /r`, name, [`V${code}`, `U${code}`], mov, options),
  row(`${prefix} 0F 10 /r`, name, ["Vdq", `M${code}`], movZeroing, options),
  row(`${prefix} 0F 11 /r`, name, [`W${code}`, `V${code}`], mov, options),
];

const undefinedOpcode: Semantics = (b) => b.raise("UD");
/** Where the opcode without prefix exists and 66 makes it none. */
export const undefinedWith66 = (encoding: string, operands: readonly OperandCode[]): Row =>
  row(encoding, "UD", operands, undefinedOpcode);

const aligned = (options: RowOptions): RowOptions => ({ ...options, aligned: true });

const wholeUnaligned: readonly Row[] = [
  ...both("NP 0F 10 /r", "NP 0F 11 /r", "MOVUPS", "ps", SSE),
  ...both("66 0F 10 /r", "66 0F 11 /r", "MOVUPD", "pd", SSE2),
  ...both("F3 0F 6F /r", "F3 0F 7F /r", "MOVDQU", "dq", SSE2),
  row("F2 0F F0 /r", "LDDQU", ["Vdq", "Mdq"], mov, SSE3),
];

// Hints about the cache have nothing to say to us: non-temporal moves are moves.
const wholeAligned: readonly Row[] = [
  ...both("NP 0F 28 /r", "NP 0F 29 /r", "MOVAPS", "ps", aligned(SSE)),
  ...both("66 0F 28 /r", "66 0F 29 /r", "MOVAPD", "pd", aligned(SSE2)),
  ...both("66 0F 6F /r", "66 0F 7F /r", "MOVDQA", "dq", aligned(SSE2)),
  row("NP 0F 2B /r", "MOVNTPS", ["Mps", "Vps"], mov, aligned(SSE)),
  row("66 0F 2B /r", "MOVNTPD", ["Mpd", "Vpd"], mov, aligned(SSE2)),
  row("66 0F E7 /r", "MOVNTDQ", ["Mdq", "Vdq"], mov, aligned(SSE2)),
];
const alignedLoad = row("66 0F 38 2A /r", "MOVNTDQA", ["Vdq", "Mdq"], mov, {
  fpu: "sse",
  cpuid: "sse4.1",
  aligned: true,
});

/** Rows that write half a register: the other half is the destination's, or of the register in VEX.vvvv. */
const intoHalves: readonly Row[] = [
  row("NP 0F 12 /r", "MOVLPS", ["Vq", "Mq"], mov, SSE),
  row("66 0F 12 /r", "MOVLPD", ["Vq", "Mq"], mov, SSE2),
  row("NP 0F 16 /r", "MOVHPS", ["Vdq", "Mq"], movToHigh, SSE),
  row("66 0F 16 /r", "MOVHPD", ["Vdq", "Mq"], movToHigh, SSE2),
  row("NP 0F 12 /r", "MOVHLPS", ["Vq", "Udq"], movFromHigh, SSE),
  row("NP 0F 16 /r", "MOVLHPS", ["Vdq", "Uq"], movToHigh, SSE),
];

/** Rows that read or write one value and, with VEX, exist with 128 bits only. */
const single: readonly Row[] = [
  row("NP 0F 13 /r", "MOVLPS", ["Mq", "Vq"], mov, SSE),
  row("66 0F 13 /r", "MOVLPD", ["Mq", "Vq"], mov, SSE2),
  row("NP 0F 17 /r", "MOVHPS", ["Mq", "Vdq"], movFromHigh, SSE),
  row("66 0F 17 /r", "MOVHPD", ["Mq", "Vdq"], movFromHigh, SSE2),
  row("66 0F 6E /r", "MOVD", ["Vdq", "Ey"], movZeroing, SSE2),
  row("66 0F 7E /r", "MOVD", ["Ey", "Vy"], mov, SSE2),
  row("F3 0F 7E /r", "MOVQ", ["Vdq", "Wq"], movZeroing, SSE2),
  row("66 0F D6 /r", "MOVQ", ["Udq", "Vq"], movZeroing, SSE2),
  row("66 0F D6 /r", "MOVQ", ["Mq", "Vq"], mov, SSE2),
];

const duplications: readonly Row[] = [
  row("F3 0F 12 /r", "MOVSLDUP", ["Vps", "Wps"], duplicate([0, 0, 2, 2]), aligned(SSE3)),
  row("F3 0F 16 /r", "MOVSHDUP", ["Vps", "Wps"], duplicate([1, 1, 3, 3]), aligned(SSE3)),
];
const duplication = row("F2 0F 12 /r", "MOVDDUP", ["Vdq", "Wq"], movddup, SSE3);

const signMasks: readonly Row[] = [
  row("NP 0F 50 /r", "MOVMSKPS", ["Gd", "Ups"], signMask("i32x4"), SSE),
  row("66 0F 50 /r", "MOVMSKPD", ["Gd", "Upd"], signMask("i64x2"), SSE2),
];
const byteMask = row("66 0F D7 /r", "PMOVMSKB", ["Gd", "Udq"], signMask("i8x16"), SSE2);
const maskedStore = row("66 0F F7 /r", "MASKMOVDQU", ["Vdq", "Udq"], maskmovdqu, { ...SSE2, asize: true });

const AVX: RowOptions = { fpu: "avx", cpuid: "avx", protectedOnly: true };

/** VMOVSS and VMOVSD: between registers three operands, with memory two. */
const vexScalar = (prefix: string, name: string, code: "ss" | "sd"): Row[] => [
  row(`VEX.LIG.${prefix}.0F.WIG 10 /r`, name, [`V${code}`, `H${code}`, `U${code}`], mov, AVX),
  row(`VEX.LIG.${prefix}.0F.WIG 10 /r`, name, ["Vdq", `M${code}`], movZeroing, AVX),
  row(`VEX.LIG.${prefix}.0F.WIG 11 /r`, name, [`U${code}`, `H${code}`, `V${code}`], mov, AVX),
  row(`VEX.LIG.${prefix}.0F.WIG 11 /r`, name, [`M${code}`, `V${code}`], mov, AVX),
];

export const rows: readonly Row[] = [
  ...wholeUnaligned,
  ...wholeAligned,
  alignedLoad,
  ...scalar("F3", "MOVSS", "ss", SSE),
  ...scalar("F2", "MOVSD", "sd", SSE2),
  ...intoHalves,
  ...single,
  ...duplications,
  duplication,
  ...signMasks,
  byteMask,
  maskedStore,
  undefinedWith66("66 0F 12 /r", ["Vq", "Uq"]),
  undefinedWith66("66 0F 16 /r", ["Vq", "Uq"]),
  undefinedWith66("66 0F C3 /r", ["My", "Gy"]),
  row("NP 0F C3 /r", "MOVNTI", ["My", "Gy"], mov, { cpuid: "sse2" }),
  row("NP 0F 38 F9 /r", "MOVDIRI", ["My", "Gy"], mov, { cpuid: "movdiri", no66: true }),
  ...vexForms(wholeUnaligned, { operands: "same", wide: "avx" }),
  ...vexForms(wholeAligned, { operands: "same", wide: "avx", aligned: true }),
  ...vexForms([alignedLoad], { operands: "same", wide: "avx2", aligned: true }),
  ...vexScalar("F3", "VMOVSS", "ss"),
  ...vexScalar("F2", "VMOVSD", "sd"),
  ...vexForms(intoHalves, { operands: "three" }),
  ...vexForms(single, { operands: "same" }),
  ...vexForms(duplications, { operands: "same", wide: "avx" }),
  ...vexForms([duplication], { operands: "same" }),
  row("VEX.256.F2.0F.WIG 12 /r", "VMOVDDUP", ["Vx", "Wx"], movddupWide, AVX),
  ...vexForms(signMasks, { operands: "same", wide: "avx" }),
  ...vexForms([byteMask], { operands: "same", wide: "avx2" }),
  ...vexForms([maskedStore], { operands: "same" }),
];
