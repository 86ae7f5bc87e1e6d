import type { IrBuilder, Val } from "@tsvm/tcg";

const LOW = 0xffff_ffffn;

/** High 64 bits of the unsigned 128-bit product, from four 32-bit products; WebAssembly has no wider multiplication. */
export function multiplyHigh(b: IrBuilder, x: Val, y: Val): Val {
  const half = b.const(32);
  const [xLow, yLow] = [b.and(x, b.const(LOW)), b.and(y, b.const(LOW))];
  const [xHigh, yHigh] = [b.shr(x, half), b.shr(y, half)];
  // Neither sum can overflow: (2^32 - 1)^2 + 2^32 - 1 < 2^64.
  const middle = b.add(b.mul(xHigh, yLow), b.shr(b.mul(xLow, yLow), half));
  const other = b.add(b.mul(xLow, yHigh), b.and(middle, b.const(LOW)));
  return b.add(b.mul(xHigh, yHigh), b.add(b.shr(middle, half), b.shr(other, half)));
}

/** High 64 bits of the signed product: the unsigned one less each operand where the other is negative. */
export function multiplyHighSigned(b: IrBuilder, x: Val, y: Val): Val {
  const correction = b.add(b.and(b.sar(x, b.const(63)), y), b.and(b.sar(y, b.const(63)), x));
  return b.sub(multiplyHigh(b, x, y), correction);
}
