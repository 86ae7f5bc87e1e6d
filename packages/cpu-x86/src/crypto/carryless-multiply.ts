// Products of polynomials over bits. SDM vol. 2B, PCLMULQDQ.
//
// Ordinary products of operands with three zeros between their bits: sums of up to fifteen bits do not run into the next
// one, and their lowest bit is the sum without carries. Pornin, "BearSSL: Constant-Time Mul", for the idea.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { giveBack, type Subroutine } from "../softfloat/subroutine.ts";

const EVERY_FOURTH = 0x1111_1111_1111_1111n;
const masks = [0n, 1n, 2n, 3n].map((i) => EVERY_FOURTH << i);

/** The low 64 bits. */
function lowProduct(b: IrBuilder, x: Val, y: Val): Val {
  const [xs, ys] = [x, y].map((value) => masks.map((mask) => b.and(value, b.const(mask)))) as [Val[], Val[]];
  let product: Val | undefined;
  for (let place = 0; place < 4; place++) {
    let sum: Val | undefined;
    for (let i = 0; i < 4; i++) {
      const term = b.mul(xs[i] as Val, ys[(place - i + 4) % 4] as Val);
      sum = sum === undefined ? term : b.xor(sum, term);
    }
    const bits = b.and(sum as Val, b.const(masks[place] as bigint));
    product = product === undefined ? bits : b.or(product, bits);
  }
  return product as Val;
}

const SWAPS: readonly (readonly [count: number, mask: bigint])[] = [
  [1, 0x5555_5555_5555_5555n],
  [2, 0x3333_3333_3333_3333n],
  [4, 0x0f0f_0f0f_0f0f_0f0fn],
  [8, 0x00ff_00ff_00ff_00ffn],
  [16, 0x0000_ffff_0000_ffffn],
];

function reverseBits(b: IrBuilder, value: Val): Val {
  const swapped = SWAPS.reduce((x, [count, mask]) => {
    const low = b.and(b.shr(x, b.const(count)), b.const(mask));
    return b.or(low, b.shl(b.and(x, b.const(mask)), b.const(count)));
  }, value);
  return b.op("i64.rotl", swapped, b.const(32));
}

/** The 127 bits of the product of two i64, as a vector. */
export const carrylessMultiply: Subroutine = {
  name: "carrylessMultiply",
  params: ["i64", "i64"],
  result: "v128",
  body: (b, x, y) => {
    const low = lowProduct(b, x!, y!);
    // The high half is the low half of the product seen from the other end.
    const mirrored = lowProduct(b, reverseBits(b, x!), reverseBits(b, y!));
    const high = b.shr(reverseBits(b, mirrored), b.const(1));
    giveBack(b, b.lane("i64x2.replace_lane", 1, b.op("i64x2.splat", low), high));
  },
};
