import { describe, expect, it } from "vitest";
import { extended, X87, X87Machine } from "../../test/x87-machine.ts";

const m = new X87Machine();
/** ST(0) and ST(1) as operands. */
const CODE = { add: "d8c1", mul: "d8c9", sub: "d8e1", subr: "d8e9", div: "d8f1", divr: "d8f9" } as const;
const NATIVE = {
  add: (x: number, y: number) => x + y,
  mul: (x: number, y: number) => x * y,
  sub: (x: number, y: number) => x - y,
  subr: (x: number, y: number) => y - x,
  div: (x: number, y: number) => x / y,
  divr: (x: number, y: number) => y / x,
};

describe("results", () => {
  it("are those of doubles where 53 bits are enough, with the precision control of doubles", () => {
    const values = [1, -1, 3, 10, 0.1, 1 / 3, -2.5e10, 6.02214076e23, 1e-30, 12345.678, 2 ** 52 + 1];
    for (const name of Object.keys(CODE) as (keyof typeof CODE)[])
      for (const x of values)
        for (const y of values) {
          m.reset(extended(x), extended(y)).control(0x27f).run(CODE[name]);
          expect(m.st(0), `${x} ${name} ${y}`).toBe(extended(NATIVE[name](x, y)));
        }
  });

  it("round once, to 64 bits, in the direction of the control word", () => {
    // 1/3 is 3ffd:aaaaaaaaaaaaaaaa.aaa...
    const third = (rounding: number): string => {
      m.reset(X87.one, X87.three)
        .control(0x37f | (rounding << 10))
        .run(CODE.div);
      return `${m.st(0)} ${m.flags87}`;
    };
    expect(third(0)).toBe("3ffd:aaaaaaaaaaaaaaab PE C1");
    expect(third(1)).toBe("3ffd:aaaaaaaaaaaaaaaa PE");
    expect(third(2)).toBe("3ffd:aaaaaaaaaaaaaaab PE C1");
    expect(third(3)).toBe("3ffd:aaaaaaaaaaaaaaaa PE");
  });

  it("keep all bits of a difference that cancels", () => {
    m.reset("4000:8000000000000001", "3fff:ffffffffffffffff").run(CODE.sub);
    expect([m.st(0), m.flags87]).toEqual(["3fc1:c000000000000000", ""]);
  });

  it("of opposite numbers are +0, or -0 when rounding down", () => {
    m.reset(X87.one, X87.one).run(CODE.sub);
    expect(m.st(0)).toBe(X87.zero);
    m.reset(X87.one, X87.one).control(0x77f).run(CODE.sub);
    expect(m.st(0)).toBe(X87.minusZero);
  });

  it("of the square root are correctly rounded", () => {
    m.reset(X87.two).run("d9fa");
    expect([m.st(0), m.flags87]).toEqual(["3fff:b504f333f9de6484", "PE"]);
    m.reset("4002:9000000000000000").run("d9fa");
    expect([m.st(0), m.flags87]).toEqual([X87.three, ""]);
    m.reset("3fff:fffffffffffffffe").run("d9fa");
    expect(m.st(0)).toBe("3fff:b504f333f9de6484");
  });
});

describe("exceptions", () => {
  it("masked give the default result", () => {
    const run = (code: string, ...numbers: string[]): string[] => {
      m.reset(...numbers).run(code);
      return [m.st(0), m.flags87];
    };
    expect(run(CODE.div, X87.one, X87.zero)).toEqual([X87.infinity, "ZE"]);
    expect(run(CODE.div, X87.zero, X87.zero)).toEqual([X87.indefinite, "IE"]);
    expect(run(CODE.sub, X87.infinity, X87.infinity)).toEqual([X87.indefinite, "IE"]);
    expect(run(CODE.mul, X87.greatest, X87.two)).toEqual([X87.infinity, "OE PE C1"]);
    expect(run(CODE.mul, X87.leastNormal, X87.half)).toEqual(["0000:4000000000000000", ""]);
    expect(run(CODE.mul, "0001:8000000000000001", X87.half)).toEqual(["0000:4000000000000000", "UE PE"]);
    expect(run(CODE.add, X87.leastDenormal, X87.zero)).toEqual([X87.leastDenormal, "DE"]);
    expect(run(CODE.add, X87.unsupported, X87.one)).toEqual([X87.indefinite, "IE"]);
    expect(run("d9fa", X87.minusOne)).toEqual([X87.indefinite, "IE"]);
  });

  it("unmasked before the operation leave everything, and are pending", () => {
    m.reset(X87.one, X87.zero).control(0x37b).run(CODE.div);
    expect([m.stack, m.flags87]).toEqual([[X87.one, X87.zero], "ZE ES B"]);
    m.reset(X87.zero, X87.one).control(0x37b).run("def9");
    expect(m.stack).toEqual([X87.zero, X87.one]);
  });

  it("unmasked after the operation give a result with the exponent moved by 24576", () => {
    m.reset(X87.greatest, X87.greatest).control(0x377).run(CODE.mul);
    expect([m.st(0), m.flags87]).toEqual(["5ffe:fffffffffffffffe", "OE PE ES B"]);
    m.reset(X87.leastNormal, X87.leastNormal).control(0x36f).run(CODE.mul);
    expect([m.st(0), m.flags87]).toEqual(["2003:8000000000000000", "UE ES B"]);
  });

  it("choose the quiet NaN before the signaling one, then the greater significand", () => {
    m.reset(X87.signaling, X87.quiet).run(CODE.add);
    expect([m.st(0), m.flags87]).toEqual([X87.quiet, "IE"]);
    m.reset(X87.quiet, "ffff:d000000000000000").run(CODE.mul);
    expect([m.st(0), m.flags87]).toEqual(["ffff:d000000000000000", ""]);
    m.reset(X87.signaling, X87.one).run(CODE.add);
    expect(m.st(0)).toBe("7fff:c000000000000001");
  });

  it("of an empty register are a stack underflow", () => {
    m.reset(X87.one).run(CODE.add);
    expect([m.st(0), m.flags87]).toEqual([X87.indefinite, "IE SF"]);
    m.reset(X87.one).control(0x37e).run(CODE.add);
    expect([m.st(0), m.flags87]).toEqual([X87.one, "IE SF ES B"]);
  });
});

describe("the reversed forms of DC and DE", () => {
  it("subtract and divide ST(0) from and into ST(i)", () => {
    const run = (code: string): readonly string[] => m.reset(X87.one, X87.three).step(code).stack;
    expect(run("dce9")).toEqual([X87.one, X87.two]); // FSUB ST(1), ST
    expect(run("dce1")).toEqual([X87.one, "c000:8000000000000000"]); // FSUBR ST(1), ST
    expect(run("dee9")).toEqual([X87.two]); // FSUBP
    expect(run("def9")).toEqual([X87.three]); // FDIVP
  });
});

describe("memory operands", () => {
  it("are integers, singles and doubles", () => {
    const data = new DataView(m.ram.buffer, m.ram.byteOffset);
    data.setFloat32(0x2000, 0.5, true);
    data.setFloat64(0x2008, -4, true);
    data.setInt16(0x2010, -3, true);
    data.setInt32(0x2014, 100_000, true);
    m.set({ rsi: 0x2000 });
    const run = (code: string): string => m.reset(X87.two).step(code).st(0);
    expect(run("d806")).toBe(extended(2.5));
    expect(run("dc4e08")).toBe(extended(-8));
    expect(run("de6610")).toBe(extended(5));
    expect(run("da7e14")).toBe(extended(50_000));
  });
});

describe("remainders", () => {
  it("FPREM truncates the quotient and FPREM1 rounds it; its low bits are in C0, C3 and C1", () => {
    m.reset(extended(17), extended(3)).run("d9f8");
    expect([m.st(0), m.flags87]).toEqual([extended(2), "C0 C1"]);
    m.reset(extended(17), extended(3)).run("d9f5");
    expect([m.st(0), m.flags87]).toEqual([extended(-1), "C0 C3"]);
  });

  it("take several steps when the exponents are far apart, C2 telling that one is left", () => {
    m.reset(extended(2 ** 100), extended(3));
    let steps = 0;
    do {
      m.run("d9f8");
      steps++;
    } while (m.flags87.includes("C2"));
    // 2^100 = (2^2)^50 = 1^50 modulo 3.
    expect([m.st(0), steps]).toEqual([X87.one, 2]);
  });
});

describe("exponents", () => {
  it("FXTRACT takes a number apart and FSCALE puts it together", () => {
    m.reset(extended(-40)).run("d9f4");
    expect(m.stack).toEqual([extended(-1.25), extended(5)]);
    m.run("d9fd");
    expect(m.st(0)).toBe(extended(-40));
  });

  it("FSCALE rounds denormal results and overflows", () => {
    m.reset(X87.three, extended(-16446)).run("d9fd");
    expect([m.st(0), m.flags87]).toEqual(["0000:0000000000000002", "UE PE C1"]);
    m.reset(X87.one, extended(20_000)).run("d9fd");
    expect([m.st(0), m.flags87]).toEqual([X87.infinity, "OE PE C1"]);
  });

  it("FRNDINT rounds to integers by rounding control", () => {
    const rounded = (value: number, rounding: number): string =>
      m
        .reset(extended(value))
        .control(0x37f | (rounding << 10))
        .step("d9fc")
        .st(0);
    expect([0, 1, 2, 3].map((rounding) => rounded(2.5, rounding))).toEqual([2, 2, 3, 2].map(extended));
    expect([0, 1, 2, 3].map((rounding) => rounded(-3.5, rounding))).toEqual([-4, -4, -3, -3].map(extended));
    expect(rounded(-0.25, 0)).toBe(X87.minusZero);
  });
});
