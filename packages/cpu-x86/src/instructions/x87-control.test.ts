import { describe, expect, it } from "vitest";
import { X87, X87Machine } from "../../test/x87-machine.ts";
import { CR0 } from "../state/bits.ts";

const m = new X87Machine();
const AREA = 0x2000;
const data = new DataView(m.ram.buffer, m.ram.byteOffset + AREA);
m.set({ rsi: AREA });
m.cpu.set64("cr0", m.cpu.get64("cr0") | BigInt(CR0.NE));

describe("pending exceptions", () => {
  it("are #MF at the next waiting instruction", () => {
    m.reset(X87.one, X87.zero).control(0x37b).run("d8f1");
    expect(m.fault).toBe("none");
    for (const code of ["d8c1", "9b", "0f77", "d9e8", "d9d0"]) {
      m.run(code);
      expect(m.fault, code).toBe("#16");
    }
    expect(m.stack).toEqual([X87.one, X87.zero]);
    m.run("dfe0");
    expect([m.fault, m.get("rax") & 0x84n]).toEqual(["none", 0x84n]);
    m.run("dbe2");
    m.run("9b");
    expect([m.fault, m.flags87]).toEqual(["none", ""]);
  });

  it("appear when FLDCW unmasks them", () => {
    m.reset(X87.one, X87.zero).run("d8f1");
    data.setUint16(0, 0x37b, true);
    m.run("d92e");
    expect(m.flags87).toBe("ZE ES B");
    m.run("9b");
    expect(m.fault).toBe("#16");
  });
});

describe("device not available", () => {
  it("is #NM by CR0.TS, for FWAIT only with CR0.MP", () => {
    const before = m.cpu.get64("cr0");
    m.reset();
    m.cpu.set64("cr0", before | BigInt(CR0.TS));
    m.run("d9e8");
    expect(m.fault).toBe("#NM");
    m.run("9b");
    expect(m.fault).toBe("none");
    m.cpu.set64("cr0", before | BigInt(CR0.TS | CR0.MP));
    m.run("9b");
    expect(m.fault).toBe("#NM");
    m.cpu.set64("cr0", before);
  });
});

describe("environments", () => {
  it("hold what the registers are, and come back", () => {
    m.reset(X87.one, X87.zero, X87.infinity).control(0x27f);
    data.setFloat32(0x40, 2, true);
    m.run("d84640");
    m.run("d936");
    expect(data.getUint32(0, true)).toBe(0xffff_027f);
    expect(data.getUint32(4, true)).toBe(0xffff_2800);
    // Registers 5, 6 and 7 are valid, zero and special; the others are empty.
    expect(data.getUint32(8, true)).toBe(0xffff_93ff);
    expect([data.getUint32(12, true), data.getUint32(16, true)]).toEqual([0x1000, 0x0046_0008]);
    expect([data.getUint32(20, true), data.getUint32(24, true)]).toEqual([AREA + 0x40, 0xffff_0008]);
    m.run("dbe3");
    m.run("d926");
    expect([m.stack.length, m.cpu.get32("fpuControl"), m.cpu.low("fpuDp")]).toEqual([3, 0x27f, AREA + 0x40]);
  });

  it("are 14 bytes with 16-bit operands", () => {
    m.ram.fill(0x55, AREA, AREA + 32);
    m.reset(X87.one).run("66d936");
    expect([data.getUint16(0, true), data.getUint16(4, true), data.getUint16(14, true)]).toEqual([
      0x37f, 0x3fff, 0x5555,
    ]);
  });

  it("mask all exceptions once saved", () => {
    m.reset(X87.one, X87.zero).control(0x340).run("d8f1");
    m.run("d936");
    expect([data.getUint16(4, true), m.cpu.get32("fpuControl"), m.flags87]).toEqual([0xb084, 0x37f, "ZE"]);
  });

  it("with the registers behind them are FNSAVE's and FRSTOR's, in order from ST(0)", () => {
    m.reset(X87.one, X87.two, X87.three).run("dd36");
    expect([m.stack, m.cpu.get32("fpuControl"), m.status]).toEqual([[], 0x37f, 0]);
    expect([data.getUint16(28 + 8, true), data.getUint16(28 + 18, true)]).toEqual([0x3fff, 0x4000]);
    m.run("dd26");
    expect(m.stack).toEqual([X87.one, X87.two, X87.three]);
  });

  it("in real-address mode have linear addresses", () => {
    const real = new X87Machine(16);
    real.cpu.set64("cr0", 0x10n);
    real.cpu.set32("fpuIp", 0x100);
    real.cpu.set32("fpuCs", 0xf234);
    real.cpu.set32("fpuOpcode", 0x7c1);
    real.set({ rsi: AREA }).run("d934");
    const area = new DataView(real.ram.buffer, real.ram.byteOffset + AREA);
    // f2340 + 100 = f2440, its upper bits above the opcode.
    expect([area.getUint16(6, true), area.getUint16(8, true)]).toEqual([0x2440, 0xf7c1]);
  });
});
