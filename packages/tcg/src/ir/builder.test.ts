import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IrBuilder } from "./builder.ts";
import type { Val } from "./types.ts";

const constantOf = ({ constant }: Val): bigint | undefined => (constant === undefined ? undefined : BigInt(constant));

describe("faults before commits", () => {
  test("a guest access after a write of state is refused with the instruction's name", () => {
    const b = new IrBuilder();
    b.beginInsn("ADD Eb,Gb");
    b.committing("general register");
    expect(() => b.faultPoint("guest load")).toThrow("ADD Eb,Gb: guest load after state write (general register)");
  });

  test("the next instruction starts afresh", () => {
    const b = new IrBuilder();
    b.beginInsn("one");
    b.committing("x");
    b.beginInsn("two");
    expect(() => b.faultPoint("guest load")).not.toThrow();
  });

  test("a branch that leaves commits nothing for what follows, one that goes on does", () => {
    const b = new IrBuilder();
    b.beginInsn("leaves");
    const condition = b.eqz(b.load("i64.load", undefined, 0));
    b.when(condition, () => {
      b.committing("x");
      b.exit("out");
    });
    expect(() => b.faultPoint("guest load")).not.toThrow();
    b.when(condition, () => b.committing("x"));
    expect(() => b.faultPoint("guest load")).toThrow();
  });
});

describe("constants", () => {
  const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

  test("fold as 64-bit arithmetic and leave no code", () => {
    fc.assert(
      fc.property(i64, i64, (x, y) => {
        const b = new IrBuilder();
        const [p, q] = [b.const(x), b.const(y)];
        expect(constantOf(b.add(p, q))).toBe(BigInt.asIntN(64, x + y));
        expect(constantOf(b.sub(p, q))).toBe(BigInt.asIntN(64, x - y));
        expect(constantOf(b.mul(p, q))).toBe(BigInt.asIntN(64, x * y));
        expect(constantOf(b.ltU(p, q))).toBe(BigInt.asUintN(64, x) < BigInt.asUintN(64, y) ? 1n : 0n);
        expect(constantOf(b.shr(p, q))).toBe(BigInt.asIntN(64, BigInt.asUintN(64, x) >> (y & 63n)));
        expect(constantOf(b.sext(p, 16))).toBe(BigInt.asIntN(16, x));
        expect(constantOf(b.wrap(p))).toBe(BigInt.asIntN(32, x));
      }),
    );
  });

  test("identities give the operand itself", () => {
    const b = new IrBuilder();
    const x = b.load("i64.load", undefined, 0);
    expect(b.add(x, b.const(0))).toBe(x);
    expect(b.and(x, b.const(-1))).toBe(x);
    expect(b.shl(x, b.const(0))).toBe(x);
    expect(b.and(x, b.const(0))).not.toBe(x);
  });

  test("a constant condition keeps one branch only", () => {
    const b = new IrBuilder();
    b.when(
      b.const32(0),
      () => b.exit("then"),
      () => b.exit("else"),
    );
    expect(b.take().map(({ kind, op }) => [kind, op])).toEqual([["exit", "else"]]);
  });
});
