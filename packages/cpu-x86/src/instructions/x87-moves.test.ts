import { describe, expect, it } from "vitest";
import { extended, X87, X87Machine } from "../../test/x87-machine.ts";
import { FLAG } from "../state/bits.ts";

const m = new X87Machine();
const AREA = 0x2000;
const data = new DataView(m.ram.buffer, m.ram.byteOffset + AREA);
m.set({ rsi: AREA });

/** Bytes of the area, lowest first. */
const bytes = (count: number): string => Buffer.from(m.ram.subarray(AREA, AREA + count)).toString("hex");

describe("loads", () => {
  it("widen exactly", () => {
    data.setFloat32(0, -0.1, true);
    m.reset().run("d906");
    expect([m.st(0), m.flags87]).toEqual([extended(Math.fround(-0.1)), ""]);
    data.setBigInt64(0, -(2n ** 63n), true);
    m.reset().run("df2e");
    expect(m.st(0)).toBe("c03e:8000000000000000");
    data.setInt16(0, 0, true);
    m.reset().run("df06");
    expect(m.st(0)).toBe(X87.zero);
  });

  it("normalize denormals and note them, and make NaNs quiet", () => {
    data.setUint32(0, 1, true);
    m.reset().run("d906");
    expect([m.st(0), m.flags87]).toEqual(["3f6a:8000000000000000", "DE"]);
    data.setBigUint64(0, 0x7ff0_0000_0000_0001n, true);
    m.reset().run("dd06");
    expect([m.st(0), m.flags87]).toEqual(["7fff:c000000000000800", "IE"]);
    m.reset().control(0x37e).run("dd06");
    expect([m.stack, m.flags87]).toEqual([[], "IE ES B"]);
  });

  it("of 80 bits take anything as it is", () => {
    data.setBigUint64(0, 1n, true);
    data.setUint16(8, 0xffff, true);
    m.reset().run("db2e");
    expect([m.st(0), m.flags87]).toEqual(["ffff:0000000000000001", ""]);
  });

  it("to a full stack overflow it", () => {
    m.reset(...new Array<string>(8).fill(X87.one)).run("d9e8");
    expect([m.st(0), m.flags87]).toEqual([X87.indefinite, "IE SF C1"]);
    m.reset(...new Array<string>(8).fill(X87.two))
      .control(0x37e)
      .run("d9e8");
    expect([m.st(0), m.flags87]).toEqual([X87.two, "IE SF ES C1 B"]);
  });

  it("of constants round by rounding control", () => {
    const pi = (rounding: number): string =>
      m
        .reset()
        .control(0x37f | (rounding << 10))
        .step("d9eb")
        .st(0);
    expect([0, 1, 2, 3].map(pi)).toEqual([5, 4, 5, 4].map((last) => `4000:c90fdaa22168c23${last}`));
  });

  it("of packed decimals take the sign of zero", () => {
    data.setBigUint64(0, 0x1234_5678_9012_3456n, true);
    data.setUint16(8, 0x0099, true);
    m.reset().run("df26");
    m.run("df3e");
    expect(data.getBigInt64(0, true)).toBe(991_234_567_890_123_456n);
    data.setBigUint64(0, 0n, true);
    data.setUint16(8, 0x8000, true);
    m.reset().run("df26");
    expect(m.st(0)).toBe(X87.minusZero);
  });
});

describe("stores", () => {
  it("round to the operand's format", () => {
    m.reset("3fff:8000008000000001").run("d91e");
    expect([data.getUint32(0, true), m.flags87, m.stack]).toEqual([0x3f80_0001, "PE C1", []]);
    m.reset(X87.greatest).run("dd16");
    expect([data.getFloat64(0, true), m.flags87]).toEqual([Number.POSITIVE_INFINITY, "OE PE C1"]);
    m.reset("3bcc:c000000000000000").run("dd16");
    expect([data.getBigUint64(0, true), m.flags87]).toEqual([1n, "UE PE C1"]);
  });

  it("with an unmasked exception leave memory and stack", () => {
    data.setUint32(0, 0x1234_5678, true);
    m.reset(X87.greatest).control(0x377).run("d91e");
    expect([bytes(4), m.stack, m.flags87]).toEqual(["78563412", [X87.greatest], "OE ES B"]);
  });

  it("of integers give the integer indefinite beyond the range", () => {
    const stored = (value: number): [number, string] => {
      m.reset(extended(value)).run("df1e");
      return [data.getInt16(0, true), m.flags87];
    };
    expect(stored(32767.4)).toEqual([32767, "PE"]);
    expect(stored(32767.5)).toEqual([-32768, "IE"]);
    expect(stored(-32768.5)).toEqual([-32768, "PE"]);
    expect(stored(-2.5)).toEqual([-2, "PE"]);
    m.reset("c03e:8000000000000000").run("df3e");
    expect([data.getBigInt64(0, true), m.flags87]).toEqual([-(2n ** 63n), ""]);
    m.reset(X87.quiet).run("db1e");
    expect(data.getInt32(0, true)).toBe(-(2 ** 31));
  });

  it("truncate as FISTTP whatever the control word says", () => {
    m.reset(extended(-2.9)).control(0x77f).run("db0e");
    expect([data.getInt32(0, true), m.flags87, m.stack]).toEqual([-2, "PE", []]);
  });

  it("of packed decimals have eighteen digits", () => {
    m.reset("c002:f000000000000000").run("df36");
    expect(bytes(10)).toBe("15000000000000000080");
    m.reset("403a:de0b6b3a76400000").run("df36");
    expect([bytes(10), m.flags87]).toEqual(["000000000000" + "00c0ffff", "IE"]);
  });

  it("of an empty register are the default NaN", () => {
    m.reset().run("d91e");
    expect([data.getUint32(0, true), m.flags87]).toEqual([0xffc0_0000, "IE SF"]);
  });

  it("of 80 bits across an unwritable page change nothing", () => {
    m.limit("ds", AREA + 9);
    m.reset(X87.one);
    m.ram.fill(0x55, AREA, AREA + 16);
    m.set({ rsi: AREA + 1 }).run("db3e");
    expect([m.fault, bytes(16), m.stack]).toEqual(["#GP(0)", "55".repeat(16), [X87.one]]);
    m.limit("ds", 0xffff_ffff).set({ rsi: AREA });
  });
});

describe("registers", () => {
  it("FXCH exchanges, with empty ones as default NaNs", () => {
    m.reset(X87.one, X87.two, X87.three).run("d9ca");
    expect(m.stack).toEqual([X87.three, X87.two, X87.one]);
    m.reset(X87.one).run("d9c9");
    expect([m.stack, m.flags87]).toEqual([[X87.indefinite, X87.one], "IE SF"]);
  });

  it("FCMOV moves if the condition holds", () => {
    m.flags = FLAG.CF;
    m.reset(X87.one, X87.two).run("dac1");
    expect(m.st(0)).toBe(X87.two);
    m.reset(X87.one, X87.two).run("dbc1");
    expect(m.st(0)).toBe(X87.one);
  });

  it("FFREE, FINCSTP and FDECSTP turn the stack without moving numbers", () => {
    m.reset(X87.one, X87.two).run("ddc0");
    expect(m.st(0)).toBe("empty");
    m.run("d9f7");
    expect(m.st(0)).toBe(X87.two);
    m.run("d9f6");
    expect([m.st(0), m.st(1)]).toEqual(["empty", X87.two]);
  });

  it("FST copies, FSTP pops", () => {
    m.reset(X87.one, X87.two).run("ddd2");
    expect(m.stack).toEqual([X87.one, X87.two, X87.one]);
    m.run("ddd9");
    expect(m.stack).toEqual([X87.one, X87.one]);
  });

  it("FSTP from an empty register is an underflow, but not in the encoding D9 D8", () => {
    m.reset(X87.one, X87.two).run("d9d9");
    expect(m.stack).toEqual([X87.one]);
    // FFREE ST(0), so that it is empty and ST(1) is not.
    m.reset(X87.one, X87.two).run("ddc0");
    m.run("ddd9");
    expect(m.flags87).toBe("IE SF");
    m.reset(X87.one, X87.two).run("ddc0");
    m.run("d9d9");
    expect([m.stack, m.flags87]).toEqual([[X87.two], ""]);
  });
});
