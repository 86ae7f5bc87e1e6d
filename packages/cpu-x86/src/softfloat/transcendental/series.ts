// Power series in fixed point, and the constants they give. All arguments and results have `scale` bits behind the
// point and are not negative unless said otherwise.

/** sum of (-1)^k x^(2k+1) / (2k+1), or without the signs: arc tangent and its hyperbolic twin. |x| < 1, signed. */
export function arcSeries(x: bigint, scale: number, alternating: boolean): bigint {
  const bits = BigInt(scale);
  const square = (x * x) >> bits;
  let power = x;
  let sum = x;
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = (power * square) >> bits;
    if (alternating) power = -power;
    sum += power / n;
  }
  return sum;
}

/** x - x^3 / 3! + x^5 / 5! - ... and 1 - x^2 / 2! + x^4 / 4! - ... */
export function sineAndCosine(x: bigint, scale: number): { readonly sine: bigint; readonly cosine: bigint } {
  const bits = BigInt(scale);
  const square = (x * x) >> bits;
  let [sine, cosine] = [x, 1n << bits];
  let [odd, even] = [x, cosine];
  for (let n = 1n; odd !== 0n || even !== 0n; n += 2n) {
    even = -(((even * square) >> bits) / (n * (n + 1n)));
    odd = -(((odd * square) >> bits) / ((n + 1n) * (n + 2n)));
    cosine += even;
    sine += odd;
  }
  return { sine, cosine };
}

/** x + x^2 / 2! + x^3 / 3! + ...: e^x - 1 for any sign of x. */
export function exponentialMinusOne(x: bigint, scale: number): bigint {
  const bits = BigInt(scale);
  let term = x;
  let sum = x;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = ((term * x) >> bits) / n;
    sum += term;
  }
  return sum;
}

/** A constant for any scale up to the one it was computed with. */
function constant(compute: (scale: number) => bigint): (scale: number) => bigint {
  let [known, value] = [0, 0n];
  return (scale) => {
    if (scale > known) {
      known = scale;
      value = compute(scale + GUARD) >> BigInt(GUARD);
    }
    return value >> BigInt(known - scale);
  };
}
const GUARD = 16;

/** The natural logarithm of 2: 2 artanh(1/3). */
export const naturalLog2: (scale: number) => bigint = constant(
  (scale) => 2n * arcSeries((1n << BigInt(scale)) / 3n, scale, false),
);

/** Pi, by Machin's formula: 16 arctan(1/5) - 4 arctan(1/239). */
export const pi: (scale: number) => bigint = constant((scale) => {
  const one = 1n << BigInt(scale);
  return 16n * arcSeries(one / 5n, scale, true) - 4n * arcSeries(one / 239n, scale, true);
});
