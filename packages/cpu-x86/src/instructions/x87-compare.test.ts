import { describe, expect, it } from "vitest";
import { X87, X87Machine } from "../../test/x87-machine.ts";
import { FLAG } from "../state/bits.ts";

const m = new X87Machine();
const ASCENDING = [
  X87.minusInfinity,
  "c000:c000000000000000",
  X87.minusOne,
  "8001:8000000000000000",
  "8000:0000000000000001",
  X87.zero,
  X87.leastDenormal,
  X87.leastNormal,
  X87.half,
  X87.one,
  "3fff:8000000000000001",
  X87.two,
  X87.greatest,
  X87.infinity,
];

describe("order", () => {
  it("is that of the numbers, in condition codes and in EFLAGS", () => {
    for (const [i, x] of ASCENDING.entries())
      for (const [j, y] of ASCENDING.entries()) {
        m.reset(x, y).run("d8d1");
        expect(m.status & 0x4700, `${x} ${y}`).toBe(i < j ? 0x100 : i === j ? 0x4000 : 0);
        m.flags = 0x8d5;
        m.reset(x, y).run("dbf1");
        expect(m.flags, `${x} ${y}`).toBe(i < j ? FLAG.CF : i === j ? FLAG.ZF : 0);
      }
  });

  it("makes zeros of both signs equal, and a pseudo-denormal what it means", () => {
    m.reset(X87.zero, X87.minusZero).run("d8d1");
    expect(m.flags87).toBe("C3");
    m.reset("0000:8000000000000000", X87.leastNormal).run("d8d1");
    expect(m.flags87).toBe("DE C3");
  });
});

describe("NaNs", () => {
  it("are unordered; quiet ones are invalid to FCOM only", () => {
    m.reset(X87.quiet, X87.one).run("d8d1");
    expect(m.flags87).toBe("IE C0 C2 C3");
    m.reset(X87.quiet, X87.one).run("dde1");
    expect(m.flags87).toBe("C0 C2 C3");
    m.reset(X87.one, X87.signaling).run("dde1");
    expect(m.flags87).toBe("IE C0 C2 C3");
    m.reset(X87.one, X87.quiet).run("dbe9");
    expect([m.flags, m.flags87]).toEqual([FLAG.CF | FLAG.PF | FLAG.ZF, ""]);
  });

  it("with IE unmasked stay on the stack", () => {
    m.reset(X87.quiet, X87.one).control(0x37e).run("ded9");
    expect([m.stack, m.flags87]).toEqual([[X87.quiet, X87.one], "IE ES C0 C2 C3 B"]);
  });
});

describe("pops", () => {
  it("are none, one or two", () => {
    const left = (code: string): number => m.reset(X87.one, X87.two, X87.three).step(code).stack.length;
    expect(["d8d1", "d8d9", "ded9", "dfe9", "dae9"].map(left)).toEqual([3, 2, 1, 2, 1]);
  });
});

describe("FXAM", () => {
  it("tells classes and signs apart", () => {
    const of = (number: string): string => m.reset(number).step("d9e5").flags87;
    expect(of(X87.one)).toBe("C2");
    expect(of(X87.minusOne)).toBe("C1 C2");
    expect(of(X87.zero)).toBe("C3");
    expect(of(X87.minusInfinity)).toBe("C0 C1 C2");
    expect(of(X87.quiet)).toBe("C0");
    expect(of(X87.leastDenormal)).toBe("C2 C3");
    expect(of(X87.unsupported)).toBe("");
    m.reset().run("d9e5");
    expect(m.flags87).toBe("C0 C3");
  });
});
