import { describe, expect, it } from "vitest";
import { add, type BinaryOperation, divide, multiply, squareRoot, subtract } from "./float-arithmetic.ts";
import { contextOf, DOUBLE, type FloatFormat, MXCSR, ROUND, SINGLE } from "./float-format.ts";

const MASKED = 0x1f80;
const view = new DataView(new ArrayBuffer(8));
const toBits = (value: number, { bits }: FloatFormat): bigint => {
  if (bits === 64) view.setFloat64(0, value);
  else view.setFloat32(4, value);
  return bits === 64 ? view.getBigUint64(0) : BigInt(view.getUint32(4));
};
const fromBits = (value: bigint, { bits }: FloatFormat): number => {
  if (bits === 64) view.setBigUint64(0, value);
  else view.setUint32(4, Number(value));
  return bits === 64 ? view.getFloat64(0) : view.getFloat32(4);
};

let state = 1;
const random32 = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
/** Any bits; exponents of zero, denormals, one and infinity more often than chance has them. */
function anyNumber(format: FloatFormat): bigint {
  const bits = BigInt.asUintN(format.bits, (BigInt(random32()) << 32n) | BigInt(random32()));
  const exponents = [0, 1, format.bias, 2 * format.bias, 2 * format.bias + 1];
  if (random32() % 2 === 0) return bits;
  const exponent = BigInt(exponents[random32() % exponents.length]!) << BigInt(format.fraction);
  return (bits & ~format.infinity) | exponent;
}

/** JavaScript computes doubles to nearest; singles come from doubles without double rounding for these operations. */
const NATIVE: readonly (readonly [string, BinaryOperation, (x: number, y: number) => number])[] = [
  ["add", add, (x, y) => x + y],
  ["subtract", subtract, (x, y) => x - y],
  ["multiply", multiply, (x, y) => x * y],
  ["divide", divide, (x, y) => x / y],
];

describe.each([
  ["single", SINGLE],
  ["double", DOUBLE],
] as const)("%s precision", (_, format) => {
  it.each(NATIVE)("%s agrees with the host to nearest", (_name, operation, native) => {
    for (let i = 0; i < 3000; i++) {
      const [x, y] = [anyNumber(format), anyNumber(format)];
      const result = fromBits(operation(contextOf(MASKED), format, x, y), format);
      const host = native(fromBits(x, format), fromBits(y, format));
      expect(result, `${x.toString(16)} ${y.toString(16)}`).toBe(format === SINGLE ? Math.fround(host) : host);
    }
  });

  it("squareRoot agrees with the host to nearest", () => {
    for (let i = 0; i < 3000; i++) {
      const x = anyNumber(format);
      const host = Math.sqrt(fromBits(x, format));
      const result = fromBits(squareRoot(contextOf(MASKED), format, x), format);
      expect(result, x.toString(16)).toBe(format === SINGLE ? Math.fround(host) : host);
    }
  });

  it("directed rounding brackets inexact results by neighbours and leaves exact ones alone", () => {
    for (let i = 0; i < 2000; i++) {
      const [x, y] = [anyNumber(format), anyNumber(format)];
      const at = (rounding: number): { bits: bigint; inexact: boolean } => {
        const context = contextOf(MASKED | (rounding << 13));
        const bits = divide(context, format, x, y);
        return { bits, inexact: (context.exceptions & MXCSR.PE) !== 0 };
      };
      const [down, up, zero] = [at(ROUND.down), at(ROUND.up), at(ROUND.zero)];
      const negative = (down.bits & format.sign) !== 0n;
      expect(zero.bits).toBe(negative ? up.bits : down.bits);
      // Neighbours of one sign are neighbours as integers too.
      const distance = negative ? down.bits - up.bits : up.bits - down.bits;
      expect(distance).toBe(down.inexact ? 1n : 0n);
    }
  });
});

describe("exceptions", () => {
  const run = (
    mxcsr: number,
    operation: BinaryOperation,
    x: number,
    y: number,
  ): { result: number; exceptions: number } => {
    const context = contextOf(mxcsr);
    const result = fromBits(operation(context, DOUBLE, toBits(x, DOUBLE), toBits(y, DOUBLE)), DOUBLE);
    return { result, exceptions: context.exceptions };
  };
  const TINY = 2 ** -1074;
  const LARGEST = Number.MAX_VALUE;

  it.each([
    ["an exact sum", add, 1, 2, 3, 0],
    ["an inexact quotient", divide, 1, 3, 1 / 3, MXCSR.PE],
    ["a quotient by zero", divide, -1, 0, Number.NEGATIVE_INFINITY, MXCSR.ZE],
    ["infinity less infinity", subtract, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, MXCSR.IE],
    ["zero times infinity", multiply, 0, Number.POSITIVE_INFINITY, Number.NaN, MXCSR.IE],
    ["a sum too large", add, LARGEST, LARGEST, Number.POSITIVE_INFINITY, MXCSR.OE | MXCSR.PE],
    ["a product too small", multiply, 2 ** -600, 2 ** -600, 0, MXCSR.UE | MXCSR.PE],
    ["an exact denormal", multiply, 2 ** -1022, 0.5, 2 ** -1023, 0],
    ["a denormal operand", add, TINY, 1, 1, MXCSR.DE | MXCSR.PE],
    ["a denormal and infinity", add, TINY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, MXCSR.DE],
  ] as const)("%s", (_, operation, x, y, result, exceptions) => {
    expect(run(MASKED, operation, x, y)).toEqual({ result, exceptions });
  });

  it("denormals are zeros under DAZ", () => {
    expect(run(MASKED | MXCSR.DAZ, divide, 1, TINY)).toEqual({
      result: Number.POSITIVE_INFINITY,
      exceptions: MXCSR.ZE,
    });
  });

  it("tiny results are flushed under FZ, exact ones too, unless underflow is unmasked", () => {
    expect(run(MASKED | MXCSR.FZ, multiply, 2 ** -1022, -0.5)).toEqual({ result: -0, exceptions: MXCSR.UE | MXCSR.PE });
    const unmasked = (MASKED | MXCSR.FZ) & ~MXCSR.UM;
    expect(run(unmasked, multiply, 2 ** -1022, -0.5).exceptions).toBe(MXCSR.UE);
  });

  it("unmasked underflow has PE only if the result is inexact with an unbounded exponent", () => {
    const unmasked = MASKED & ~MXCSR.UM;
    // 2^-1022 * (1 - 2^-53) needs 53 bits: inexact as a denormal, exact for the handler.
    expect(run(unmasked, multiply, 2 ** -1022, 1 - 2 ** -53).exceptions).toBe(MXCSR.UE);
    expect(run(MASKED, multiply, 2 ** -1022, 1 - 2 ** -53).exceptions).toBe(MXCSR.UE | MXCSR.PE);
    expect(run(unmasked, divide, 2 ** -1022, 3).exceptions).toBe(MXCSR.UE | MXCSR.PE);
  });

  it("overflow stops at the largest number when rounding toward zero", () => {
    const towardZero = MASKED | (ROUND.zero << 13);
    expect(run(towardZero, multiply, -LARGEST, 2).result).toBe(-LARGEST);
  });

  it("the first NaN wins and becomes quiet", () => {
    const context = contextOf(MASKED);
    const [quiet, signaling] = [0x7ff8_0000_0000_0001n, 0xfff0_0000_0000_0002n];
    expect(add(context, DOUBLE, quiet, signaling)).toBe(quiet);
    expect(context.exceptions).toBe(MXCSR.IE);
    expect(add(context, DOUBLE, signaling, quiet)).toBe(0xfff8_0000_0000_0002n);
  });
});
