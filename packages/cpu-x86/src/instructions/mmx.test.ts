import { describe, expect, it } from "vitest";
import { X87, X87Machine } from "../../test/x87-machine.ts";
import { AT } from "../state/layout.ts";

const m = new X87Machine();
const mm = (i: number): bigint => m.cpu.view.getBigUint64(AT.fpr + i * 16, true);
/** MM0 <- MM0 op MM1. */
function run(code: string, x: bigint, y: bigint): bigint {
  m.cpu.view.setBigUint64(AT.fpr, x, true);
  m.cpu.view.setBigUint64(AT.fpr + 16, y, true);
  m.run(code);
  return mm(0);
}

describe("x87 state", () => {
  it("shows every MMX register valid, at the top, with all ones for an exponent", () => {
    m.reset(X87.one);
    expect(run("0f6fc1", 1n, 0x1234n)).toBe(0x1234n);
    expect([m.top, m.cpu.get32("fpuTag"), m.st(0)]).toEqual([0, 0xff, "ffff:0000000000001234"]);
  });

  it("is kept in exponents by instructions that only read, and empty after EMMS", () => {
    m.reset();
    m.write(0, X87.one);
    m.run("0f7ec0");
    expect([m.cpu.get32("fpuTag"), m.st(0)]).toEqual([0xff, X87.one]);
    m.run("0f77");
    expect(m.stack).toEqual([]);
  });
});

describe("arithmetic", () => {
  it("wraps or saturates lane by lane", () => {
    expect(run("0ffcc1", 0xff01_7f80_0000_00ffn, 0x01ff_0180_0000_0002n)).toBe(0x0000_8000_0000_0001n);
    expect(run("0fdcc1", 0xff01_7f80_0000_00ffn, 0x01ff_0180_0000_0002n)).toBe(0xffff_80ff_0000_00ffn);
    expect(run("0fedc1", 0x7fff_8000_0001_ffffn, 0x0001_ffff_0001_0001n)).toBe(0x7fff_8000_0002_0000n);
    expect(run("0fd5c1", 0x0003_ffff_0100_0002n, 0x0005_0002_0100_0003n)).toBe(0x000f_fffe_0000_0006n);
    expect(run("0ff5c1", 0x0002_0003_ffff_0001n, 0x0004_0005_0001_0001n)).toBe(0x0000_0017_0000_0000n);
    expect(run("0ff6c1", 0x00ff_0000_0000_0010n, 0x0000_0000_0000_0001n)).toBe(0x10en);
  });

  it("joins neighbours of both operands", () => {
    expect(run("0f3801c1", 0x0004_0003_0002_0001n, 0x0040_0030_0020_0010n)).toBe(0x0070_0030_0007_0003n);
  });
});

describe("permutations", () => {
  it("interleave and pack", () => {
    expect(run("0f60c1", 0x8877_6655_4433_2211n, 0x1817_1615_1413_1211n)).toBe(0x1444_1333_1222_1111n);
    expect(run("0f6ac1", 0x8877_6655_4433_2211n, 0x1817_1615_1413_1211n)).toBe(0x1817_1615_8877_6655n);
    expect(run("0f63c1", 0x7fff_8000_0012_fff0n, 0x0001_0002_0003_0004n)).toBe(0x0102_0304_7f80_12f0n);
  });

  it("by number", () => {
    expect(run("0f3800c1", 0x8877_6655_4433_2211n, 0x8000_0102_0304_0f08n)).toBe(0x0011_2233_4455_8811n);
    expect(run("0f70c11b", 0n, 0x4444_3333_2222_1111n)).toBe(0x1111_2222_3333_4444n);
  });

  it("align across both operands, with nothing left after sixteen bytes", () => {
    const align = (by: number): bigint =>
      run(`0f3a0fc1${by.toString(16).padStart(2, "0")}`, 0x8877_6655_4433_2211n, 0x1817_1615_1413_1211n);
    expect([0, 1, 7, 8, 9, 15, 16, 255].map(align)).toEqual([
      0x1817_1615_1413_1211n,
      0x1118_1716_1514_1312n,
      0x7766_5544_3322_1118n,
      0x8877_6655_4433_2211n,
      0x0088_7766_5544_3322n,
      0x88n,
      0n,
      0n,
    ]);
  });
});

describe("shifts", () => {
  it("by more than the lane leave nothing, or the sign", () => {
    expect(run("0fd1c1", 0xffff_8000_0001_1234n, 16n)).toBe(0n);
    expect(run("0fe1c1", 0xffff_8000_0001_1234n, 1n << 40n)).toBe(0xffff_ffff_0000_0000n);
    expect(run("0f73f021", 1n, 0n)).toBe(1n << 33n);
  });
});

describe("memory", () => {
  it("of half an operand is all that PUNPCKL reads", () => {
    m.limit("ds", 0x2003);
    m.ram.set([1, 2, 3, 4], 0x2000);
    m.set({ rsi: 0x2000 });
    expect(run("0f6006", 0x0403_0201n, 0n)).toBe(0x0404_0303_0202_0101n);
    expect(m.fault).toBe("none");
    m.run("0f6806");
    expect(m.fault).toBe("#GP(0)");
    m.limit("ds", 0xffff_ffff);
  });

  it("is written by MASKMOVQ where the mask has signs", () => {
    m.ram.fill(0x55, 0x2000, 0x2008);
    m.set({ rdi: 0x2000 });
    run("0ff7c1", 0x0807_0605_0403_0201n, 0x80ff_7f00_0000_0080n);
    expect(Buffer.from(m.ram.subarray(0x2000, 0x2008)).toString("hex")).toBe("0155555555550708");
  });
});
