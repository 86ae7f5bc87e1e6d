// SHA-NI. SDM vol. 2B, the instruction of each name; FIPS 180-4.
//
// The manual has misaligned memory operands fault. AMD's processors take them (seen on Zen 3), and so do we.
import type { Val } from "@tsvm/tcg";
import { sha1Rounds, sha256Rounds } from "../crypto/sha-rounds.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type OperandCode, type Row, row, type Semantics } from "./row.ts";
import { fromHalves, highHalf, lowHalf, pickLanes, zeroVector } from "./vector-lanes.ts";

type Compute = (b: X86Builder, x: Val, y: Val) => Val;

const packed =
  (compute: Compute): Semantics =>
  (b, dst, src) => {
    const y = src!.load();
    dst!.store(compute(b, dst!.load(), y));
  };

/** Bits 1:0 of the immediate choose the function and the constant. */
const sha1rnds4: Semantics = (b, dst, src, immediate) => {
  const words = src!.load();
  const quarter = b.wrap(b.and(immediate!.load(), b.const(3)));
  dst!.store(callSubroutine(b, sha1Rounds, dst!.load(), words, quarter));
};

const lane = (b: X86Builder, vector: Val, i: number): Val => b.lane("i32x4.extract_lane", i, vector);
const rotateLeft = (b: X86Builder, x: Val, count: number): Val => b.op("i32.rotl", x, b.const32(count));

/** E of the next four rounds: A turned, added to the highest word. */
const sha1nexte: Compute = (b, x, y) => {
  const e = b.op("i32.add", lane(b, y, 3), rotateLeft(b, lane(b, x, 3), 30));
  return b.lane("i32x4.replace_lane", 3, y, e);
};

/** W[t-16] and W[t-14] of four words t. */
const sha1msg1: Compute = (b, x, y) => b.op("v128.xor", x, fromHalves(b, highHalf(b, y), lowHalf(b, x)));

/** The last words depend on the first. */
const sha1msg2: Compute = (b, x, y) => {
  const word = (i: number, other: Val): Val => rotateLeft(b, b.op("i32.xor", lane(b, x, i), other), 1);
  const w16 = word(3, lane(b, y, 2));
  const w17 = word(2, lane(b, y, 1));
  const w18 = word(1, lane(b, y, 0));
  const w19 = word(0, w16);
  return [w19, w18, w17, w16].reduce((v, w, i) => b.lane("i32x4.replace_lane", i, v, w), zeroVector(b));
};

const sha256rnds2: Semantics = (b, dst, src) => {
  const abef = src!.load();
  const words = b.vectorRegister(128, b.const32(0));
  dst!.store(callSubroutine(b, sha256Rounds, dst!.load(), abef, words));
};

/** Turned by two counts and shifted by a third, in all lanes. FIPS 180-4, "SHA-256 Functions". */
function smallSigma(b: X86Builder, x: Val, first: number, second: number, shift: number): Val {
  const right = (count: number): Val => b.op("i32x4.shr_u", x, b.const32(count));
  const turn = (count: number): Val => b.op("v128.or", right(count), b.op("i32x4.shl", x, b.const32(32 - count)));
  return b.op("v128.xor", b.op("v128.xor", turn(first), turn(second)), right(shift));
}

const sha256msg1: Compute = (b, x, y) =>
  b.op("i32x4.add", x, smallSigma(b, pickLanes(b, 4, [1, 2, 3, 4], x, y), 7, 18, 3));

/** Words 2 and 3 need words 0 and 1. */
const sha256msg2: Compute = (b, x, y) => {
  const low = b.op("i32x4.add", x, smallSigma(b, pickLanes(b, 4, [2, 3, 2, 3], y, y), 17, 19, 10));
  const high = b.op("i32x4.add", x, smallSigma(b, pickLanes(b, 4, [0, 1, 0, 1], low, low), 17, 19, 10));
  return pickLanes(b, 4, [0, 1, 6, 7], low, high);
};

const shaRow = (encoding: string, name: string, semantics: Semantics, more: readonly OperandCode[] = []): Row =>
  row(encoding, name, ["Vdq", "Wdq", ...more], semantics, { fpu: "sse", cpuid: "sha-ni", no66: true });

export const rows: readonly Row[] = [
  shaRow("NP 0F 3A CC /r ib", "SHA1RNDS4", sha1rnds4, ["Ib"]),
  shaRow("NP 0F 38 C8 /r", "SHA1NEXTE", packed(sha1nexte)),
  shaRow("NP 0F 38 C9 /r", "SHA1MSG1", packed(sha1msg1)),
  shaRow("NP 0F 38 CA /r", "SHA1MSG2", packed(sha1msg2)),
  shaRow("NP 0F 38 CB /r", "SHA256RNDS2", sha256rnds2),
  shaRow("NP 0F 38 CC /r", "SHA256MSG1", packed(sha256msg1)),
  shaRow("NP 0F 38 CD /r", "SHA256MSG2", packed(sha256msg2)),
];
