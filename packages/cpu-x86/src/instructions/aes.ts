// AESNI, VAES, PCLMULQDQ, VPCLMULQDQ and GFNI. SDM vol. 2, the instruction of each name; FIPS 197.
import type { Val } from "@tsvm/tcg";
import { carrylessMultiply } from "../crypto/carryless-multiply.ts";
import { double, multiplyBytes } from "../crypto/galois-field.ts";
import { invertBytes, restoreBytes, substituteBytes } from "../crypto/subroutines.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { highHalf, lowHalf, splat, splatConstant } from "./vector-lanes.ts";
import { type PackedCompute, packed, vexEncoding } from "./vector-operands.ts";

/** The state lies in a vector column by column: byte `row + 4 * column`. */
const rotateRows = (direction: 1 | -1): number[] =>
  Array.from({ length: 16 }, (_, i) => (i + 16 + 4 * (i & 3) * direction) & 15);
const SHIFT_ROWS = rotateRows(1);
const INVERSE_SHIFT_ROWS = rotateRows(-1);
/** Each column turned by `count` rows. */
const turned = (count: number): number[] => Array.from({ length: 16 }, (_, i) => (i & ~3) | ((i + count) & 3));

/** FIPS 197, "MixColumns": twice this row and the next, and the other ones once. */
function mixColumns(b: X86Builder, state: Val): Val {
  const turn = (count: number): Val => b.shuffle(turned(count), state, state);
  const next = turn(1);
  const sum = b.op("v128.xor", b.op("v128.xor", next, turn(2)), turn(3));
  return b.op("v128.xor", double(b, b.op("v128.xor", state, next)), sum);
}

/** Its reverse: the same after every row has got four times itself and the row after the next. */
function inverseMixColumns(b: X86Builder, state: Val): Val {
  const opposite = b.op("v128.xor", state, b.shuffle(turned(2), state, state));
  return mixColumns(b, b.op("v128.xor", state, double(b, double(b, opposite))));
}

const encrypt =
  (last: boolean) =>
  (b: X86Builder, state: Val, key: Val): Val => {
    const substituted = callSubroutine(b, substituteBytes, b.shuffle(SHIFT_ROWS, state, state));
    return b.op("v128.xor", last ? substituted : mixColumns(b, substituted), key);
  };

const decrypt =
  (last: boolean) =>
  (b: X86Builder, state: Val, key: Val): Val => {
    const restored = callSubroutine(b, restoreBytes, b.shuffle(INVERSE_SHIFT_ROWS, state, state));
    return b.op("v128.xor", last ? restored : inverseMixColumns(b, restored), key);
  };

const aesimc: Semantics = (b, dst, src) => dst!.store(inverseMixColumns(b, src!.load()));

/** Dwords 1 and 3 substituted, and the same turned by a byte with the round constant added. */
const aeskeygenassist: Semantics = (b, dst, src, immediate) => {
  const substituted = callSubroutine(b, substituteBytes, src!.load());
  const placed = b.shuffle([4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12], substituted, substituted);
  const constant = b.shl(b.and(immediate!.load(), b.const(0xff)), b.const(32));
  dst!.store(b.op("v128.xor", placed, b.op("i64x2.splat", constant)));
};

/** Bit 0 of the immediate chooses the half of the first source, bit 4 that of the second. */
const pclmulqdq: PackedCompute = (b, x, y, immediate) => {
  const half = (v: Val, bit: number): Val =>
    b.select(b.wrap(b.and(immediate, b.const(bit))), highHalf(b, v), lowHalf(b, v));
  return callSubroutine(b, carrylessMultiply, half(x, 1), half(y, 16));
};

/** Bit i of a byte is the parity of the byte and row 7 - i of its matrix, and bit i of the immediate. */
function affine(b: X86Builder, x: Val, matrices: Val, immediate: Val): Val {
  const one = splatConstant(b, "i8x16", 1);
  let result = splat(b, "i8x16", immediate);
  for (let bit = 0; bit < 8; bit++) {
    const row = b.shuffle(
      Array.from({ length: 16 }, (_, i) => (i & 8) + 7 - bit),
      matrices,
      matrices,
    );
    const parity = b.op("v128.and", b.op("i8x16.popcnt", b.op("v128.and", x, row)), one);
    result = b.op("v128.xor", result, b.op("i8x16.shl", parity, b.const32(bit)));
  }
  return result;
}

const affineOfInverse: PackedCompute = (b, x, matrices, immediate) =>
  affine(b, callSubroutine(b, invertBytes, x), matrices, immediate);

/** The legacy row and its VEX forms. @param features of 128 bits, and of 256. */
function family(
  encoding: string,
  name: string,
  semantics: Semantics,
  [narrow, wide]: readonly [string, string],
  w = "WIG",
): Row[] {
  const immediate: readonly OperandCode[] = encoding.endsWith("ib") ? ["Ib"] : [];
  const vex = (length: string, cpuid: string): Row => {
    const options: RowOptions = { fpu: "avx", cpuid, protectedOnly: true };
    const own = vexEncoding(encoding, length).replace("WIG", w);
    return row(own, `V${name}`, ["Vx", "Hx", "Wx", ...immediate], semantics, options);
  };
  return [
    row(encoding, name, ["Vdq", "Wdq", ...immediate], semantics, { fpu: "sse", cpuid: narrow, aligned: true }),
    vex("128", narrow),
    vex("256", wide),
  ];
}

/** Rows that have no 256-bit form and one source. */
const unary = (encoding: string, name: string, semantics: Semantics, operands: readonly OperandCode[]): Row[] => [
  row(encoding, name, operands, semantics, { fpu: "sse", cpuid: "aes", aligned: true }),
  row(vexEncoding(encoding, "128"), `V${name}`, operands, semantics, { fpu: "avx", cpuid: "aes", protectedOnly: true }),
];

const AES = ["aes", "vaes"] as const;
const GFNI = ["gfni", "gfni"] as const;

export const rows: readonly Row[] = [
  ...family("66 0F 38 DC /r", "AESENC", packed(encrypt(false)), AES),
  ...family("66 0F 38 DD /r", "AESENCLAST", packed(encrypt(true)), AES),
  ...family("66 0F 38 DE /r", "AESDEC", packed(decrypt(false)), AES),
  ...family("66 0F 38 DF /r", "AESDECLAST", packed(decrypt(true)), AES),
  ...unary("66 0F 38 DB /r", "AESIMC", aesimc, ["Vdq", "Wdq"]),
  ...unary("66 0F 3A DF /r ib", "AESKEYGENASSIST", aeskeygenassist, ["Vdq", "Wdq", "Ib"]),
  ...family("66 0F 3A 44 /r ib", "PCLMULQDQ", packed(pclmulqdq), ["pclmulqdq", "vpclmulqdq"]),
  ...family("66 0F 38 CF /r", "GF2P8MULB", packed(multiplyBytes), GFNI, "W0"),
  ...family("66 0F 3A CE /r ib", "GF2P8AFFINEQB", packed(affine), GFNI, "W1"),
  ...family("66 0F 3A CF /r ib", "GF2P8AFFINEINVQB", packed(affineOfInverse), GFNI, "W1"),
];
