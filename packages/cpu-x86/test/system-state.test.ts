import { beforeEach, describe, expect, it } from "vitest";
import { readCpuid } from "../src/cpuid/leaves.ts";
import { AT, GPR, SEGMENT } from "../src/state/layout.ts";
import { timeStamp, timeStampTicks } from "../src/system/time-stamp.ts";
import { BareMachine, PAGE_TABLES, TSS } from "./bare-machine.ts";

let m: BareMachine;

const readMsr = (index: number): bigint | string => {
  m.cpu.setGpr32(GPR.rcx, index);
  const result = m.call("rdmsr");
  return result === "fault" ? m.fault() : (m.cpu.gpr64(GPR.rdx) << 32n) | m.cpu.gpr64(GPR.rax);
};
const writeMsr = (index: number, value: bigint): string => {
  m.cpu.setGpr32(GPR.rcx, index);
  m.cpu.setGpr64(GPR.rax, value & 0xffff_ffffn);
  m.cpu.setGpr64(GPR.rdx, value >> 32n);
  const result = m.call("wrmsr");
  return result === "fault" ? m.fault() : result;
};

describe("MSRs", () => {
  beforeEach(() => {
    m = new BareMachine().long();
  });

  it("keep what is written", () => {
    for (const [index, value] of [
      [0xc000_0081, 0x0023_0010_0000_0000n],
      [0xc000_0082, 0xffff_ffff_8100_0000n],
      [0x176, 0xffff_ffff_8200_0000n],
      [0x277, 0x0007_0106_0007_0106n],
      [0x200, 0x8000_0006n],
      [0x201, 0xff_8000_0800n],
      [0x26f, 0x0606_0606_0606_0606n],
      [0x2ff, 0xc06n],
      [0xc000_0103, 0x5n],
      [0x1a0, 0x4_00c5_0809n],
    ] as const) {
      expect(writeMsr(index, value)).toBe("next");
      expect(readMsr(index)).toBe(value);
    }
  });

  it("AMD's legacy counters of events exist and count nothing", () => {
    for (const index of [0xc001_0000, 0xc001_0003, 0xc001_0004, 0xc001_0007]) {
      expect(writeMsr(index, 0x41n)).toBe("next");
      expect(readMsr(index)).toBe(0n);
    }
    expect(readMsr(0xc001_0008)).toBe("#GP(0)");
  });

  it.each([
    ["unknown ones", 0x1234, 0n],
    ["non-canonical LSTAR", 0xc000_0082, 1n << 57n],
    ["non-canonical FS base", 0xc000_0100, 1n << 63n],
    ["PAT type 2", 0x277, 2n],
    ["MTRR type 7", 0x2ff, 0xc07n],
    ["MTRR mask beyond the address width", 0x201, 1n << 40n],
    ["reserved bits of FMASK", 0xc000_0084, 1n << 32n],
    ["EFER bits that do not exist", 0xc000_0080, 0x1_0000n],
    ["LME under paging", 0xc000_0080, 0x401n],
    ["read-only MTRRCAP", 0xfe, 0x508n],
  ])("refuse %s", (_, index, value) => {
    expect(writeMsr(index, value)).toBe("#GP(0)");
  });

  it("are for CPL 0", () => {
    m.user();
    expect(readMsr(0xc000_0080)).toBe("#GP(0)");
    expect(writeMsr(0xc000_0080, 0n)).toBe("#GP(0)");
  });

  it("EFER: automatic IBRS can be switched on, and changes nothing else", () => {
    expect(writeMsr(0xc000_0080, 0x20_0501n)).toBe("jump");
    expect(readMsr(0xc000_0080)).toBe(0x20_0501n);
  });

  it("EFER: LMA ignores writes, NXE reaches the walker", () => {
    expect(writeMsr(0xc000_0080, 0x101n)).toBe("jump");
    expect(readMsr(0xc000_0080)).toBe(0x501n);
    expect(m.cpu.walker.registers.nxe).toBe(false);
    writeMsr(0xc000_0080, 0xd01n);
    expect(m.cpu.walker.registers.nxe).toBe(true);
  });

  it("FS and GS base are the segments'", () => {
    writeMsr(0xc000_0101, 0xffff_8880_0000_0000n);
    expect(m.cpu.get64("segBase", SEGMENT.gs)).toBe(0xffff_8880_0000_0000n);
  });

  it("go to the APIC where they live there", () => {
    expect(readMsr(0x1b)).toBe(0xfee0_0900n);
    expect(readMsr(0x808)).toBe("#GP(0)");
  });

  it("exist only with their feature and vendor", () => {
    expect(readMsr(0xc001_0015)).toBe(0n);
    m = new BareMachine("486");
    expect(readMsr(0x277)).toBe("#GP(0)");
    expect(readMsr(0xc001_0015)).toBe("#GP(0)");
    expect(readMsr(0x4b56_4d01)).toBe("#GP(0)");
  });

  it("kvmclock: one nanosecond a tick, stable, and the wall clock of power-on", () => {
    m.nowNs = 5_000;
    writeMsr(0x10, 1_000_000n);
    expect(writeMsr(0x4b56_4d01, 0x5001n)).toBe("next");
    const delta = timeStamp(m.cpu) - m.read64(0x5008);
    expect([m.read32(0x5000) & 1, delta, m.read64(0x5010)]).toEqual([0, 0n, 5_000n]);
    const [shift, multiplier] = [BigInt(m.read8(0x501c)), BigInt(m.read32(0x5018))];
    expect(((123_456n << shift) * multiplier) >> 32n).toBe(123_456n);
    expect(m.read8(0x501d)).toBe(1);
    writeMsr(0x4b56_4d00, 0x6000n);
    expect([m.read32(0x6004), m.read32(0x6008)]).toEqual([1_700_000_000, 500_000_000]);
  });
});

describe("the time-stamp counter", () => {
  beforeEach(() => {
    m = new BareMachine().long();
  });

  it("counts nanoseconds and moves with TSC and TSC_ADJUST", () => {
    m.nowNs = 0x1_2345_6789;
    expect(readMsr(0x10)).toBe(0x1_2345_6789n);
    writeMsr(0x3b, 0xffff_ffffn);
    expect(readMsr(0x10)).toBe(0x1_2345_6789n + 0xffff_ffffn);
    writeMsr(0x10, 1000n);
    expect([readMsr(0x10), timeStampTicks(m.cpu)]).toEqual([1000n, 1000]);
    expect(readMsr(0x3b)).toBe(BigInt.asUintN(64, 1000n - 0x1_2345_6789n));
  });
});

describe("CPUID", () => {
  it("shows OSXSAVE as CR4 has it", () => {
    m = new BareMachine().long();
    expect((readCpuid(m.cpu, 1, 0)[2] >>> 27) & 1).toBe(0);
    m.call("movToCr", 4, 0x4_0020);
    expect((readCpuid(m.cpu, 1, 0)[2] >>> 27) & 1).toBe(1);
  });

  it("clears the upper halves of its registers", () => {
    m = new BareMachine().long();
    for (const register of [GPR.rax, GPR.rbx, GPR.rcx, GPR.rdx]) m.cpu.setGpr64(register, -1n & 0xffff_ffff_0000_0000n);
    m.call("cpuid");
    const text = [GPR.rbx, GPR.rdx, GPR.rcx].map((register) => {
      const word = Number(m.cpu.gpr64(register));
      return String.fromCharCode(word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, (word >> 24) & 0xff);
    });
    expect(text.join("")).toBe("AuthenticAMD");
  });
});

describe("ports", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it("IN writes AL, AX or EAX only", () => {
    m.portValue = 0xdead_beef;
    m.cpu.setGpr64(GPR.rax, 0x1111_2222_3333_4444n);
    m.call("portIn", 0x60, 1);
    expect(m.cpu.gpr64(GPR.rax)).toBe(0x1111_2222_3333_44efn);
    m.call("portIn", 0x60, 2);
    expect(m.cpu.gpr64(GPR.rax)).toBe(0x1111_2222_3333_beefn);
    m.call("portIn", 0x60, 4);
    expect(m.cpu.gpr64(GPR.rax)).toBe(0xdead_beefn);
    m.call("portOut", 0x61, 1);
    expect(m.portLog).toEqual(["in 60 1", "in 60 2", "in 60 4", "out 61 1 ef"]);
  });

  it("user code needs IOPL or the TSS bit map", () => {
    m.user();
    m.cpu.set32("fuel", 1);
    expect(m.faultOf("portOut", 0x80, 1)).toBe("#GP(0)");
    m.cpu.rflags = 0x3002;
    expect(m.call("portOut", 0x80, 1)).toBe("next");
    m.cpu.rflags = 2;
    m.cpu.set32("segLimit", 0xff, SEGMENT.tr);
    m.write16(TSS + 102, 0x80);
    m.write8(TSS + 0x80 + 0x10, 0x80);
    expect(m.call("portOut", 0x80, 4)).toBe("next");
    expect(m.faultOf("portOut", 0x84, 4)).toBe("#GP(0)");
    expect(m.faultOf("portOut", 0x3f8, 1)).toBe("#GP(0)");
  });

  it("INS stores, steps by DF and repeats", () => {
    m.portValue = 0x1234;
    m.cpu.setGpr32(GPR.rdx, 0x1f0);
    m.cpu.setGpr32(GPR.rdi, 0x5000);
    m.cpu.setGpr32(GPR.rcx, 3);
    expect(m.call("portInString", 2, 32, 1, 2, SEGMENT.es)).toBe("next");
    expect([m.read16(0x5004), m.cpu.gpr32(GPR.rdi), m.cpu.gpr32(GPR.rcx), m.portLog.length]).toEqual([
      0x1234, 0x5006, 0, 3,
    ]);
    m.cpu.rflags = 0x402;
    m.call("portInString", 1, 32, 0, 1, SEGMENT.es);
    expect(m.cpu.gpr32(GPR.rdi)).toBe(0x5005);
  });

  it("long transfers come back to themselves in between", () => {
    m.cpu.setGpr32(GPR.rcx, 1000);
    m.cpu.setGpr32(GPR.rsi, 0x5000);
    m.cpu.rip = 0x1_0002n;
    expect(m.call("portOutString", 1, 32, 1, 2, SEGMENT.ds)).toBe("jump");
    expect([m.cpu.rip, m.cpu.gpr32(GPR.rcx) + m.portLog.length]).toEqual([0x1_0000n, 1000]);
  });

  it("a device is not read for a datum that cannot be stored", () => {
    m.cpu.set32("segLimit", 0x5000, SEGMENT.es);
    m.cpu.set64("segWriteLast", 0x5000n, SEGMENT.es);
    m.cpu.setGpr32(GPR.rdi, 0x4ffe);
    m.cpu.setGpr32(GPR.rcx, 5);
    expect(m.faultOf("portInString", 1, 32, 1, 2, SEGMENT.es)).toBe("#GP(0)");
    expect([m.portLog.length, m.cpu.gpr32(GPR.rdi), m.cpu.gpr32(GPR.rcx)]).toEqual([3, 0x5001, 2]);
  });
});

describe("FXSAVE and XSAVE", () => {
  const xmm = (i: number): number => AT.zmm + i * 64;
  beforeEach(() => {
    m = new BareMachine().long();
    m.call("movToCr", 4, 0x4_0620);
    m.cpu.set32("fpuControl", 0x37f);
    m.cpu.set32("fpuStatus", 3 << 11);
    m.cpu.set32("fpuTag", 0x18);
    m.cpu.view.setBigUint64(AT.fpr + 3 * 16, 0x8000_0000_0000_0001n, true);
    m.cpu.view.setUint16(AT.fpr + 3 * 16 + 8, 0x3fff, true);
    for (let i = 0; i < 16; i++) m.cpu.view.setBigUint64(xmm(i), BigInt(i) << 8n, true);
  });

  it("FXSAVE lays out ST relative to TOP and FXRSTOR brings all back", () => {
    expect(m.call("fxsave", 0x5000, 64)).toBe("next");
    expect([m.read16(0x5000), m.read16(0x5002), m.read8(0x5004), m.read32(0x5018)]).toEqual([
      0x37f, 0x1800, 0x18, 0x1f80,
    ]);
    expect([m.read64(0x5020), m.read16(0x5028), m.read64(0x5000 + 160 + 15 * 16)]).toEqual([
      0x8000_0000_0000_0001n,
      0x3fff,
      0xf00n,
    ]);
    m.cpu.u8.fill(0, AT.fpr, AT.fpr + 128);
    m.cpu.u8.fill(0, xmm(0), xmm(16));
    m.cpu.set32("fpuStatus", 0);
    expect(m.call("fxrstor", 0x5000, 64)).toBe("next");
    expect([m.cpu.view.getUint16(AT.fpr + 3 * 16 + 8, true), m.cpu.view.getBigUint64(xmm(15), true)]).toEqual([
      0x3fff,
      0xf00n,
    ]);
  });

  it("check alignment, TS, MXCSR and both pages before anything", () => {
    expect(m.faultOf("fxsave", 0x5008, 64)).toBe("#GP(0)");
    expect(m.faultOf("xsave", 0x5010, 64)).toBe("#GP(0)");
    expect(m.faultOf("fxsave", 0x4000_0000n - 256n, 64)).toBe("#PF(2)");
    m.call("fxsave", 0x5000, 64);
    m.write32(0x5018, 0x1_0000);
    expect(m.faultOf("fxrstor", 0x5000, 64)).toBe("#GP(0)");
    m.call("lmsw", 9);
    expect([m.faultOf("fxsave", 0x5000, 64), m.faultOf("xrstor", 0x5000, 64)]).toEqual(["#NM", "#NM"]);
  });

  it("an address that is not canonical is #SS in the stack segment, before its alignment matters", () => {
    expect(m.faultOf("fxsave", 0x8000_0000_0001n << 4n, 64, SEGMENT.ss)).toBe("#SS(0)");
    // Of XSAVE and the others the alignment comes first.
    expect(m.faultOf("xsavec", 0x8000_0000_0001n << 6n, 64, SEGMENT.ss)).toBe("#SS(0)");
    expect(m.faultOf("xsavec", 0x8000_0000_0001n << 4n, 64, SEGMENT.ss)).toBe("#GP(0)");
    expect(m.faultOf("fxrstor", (0x8000_0000_0001n << 4n) + 1n, 64, SEGMENT.ss)).toBe("#SS(0)");
    expect(m.faultOf("xsave", 0x8000_0000_0001n << 8n, 64, SEGMENT.ds)).toBe("#GP(0)");
  });

  it("crosses pages", () => {
    m.call("fxsave", 0x5f00, 64);
    expect([m.read64(0x5f20), m.read64(0x5f00 + 160 + 15 * 16)]).toEqual([0x8000_0000_0000_0001n, 0xf00n]);
  });

  /** XSETBV of XCR0. @returns how it ended. */
  const setXcr0 = (value: number): string => {
    m.cpu.setGpr32(GPR.rcx, 0);
    m.cpu.setGpr32(GPR.rax, value);
    m.cpu.setGpr32(GPR.rdx, 0);
    const result = m.call("xsetbv");
    return result === "fault" ? m.fault() : result;
  };

  it("XSETBV takes x87 and SSE, XSAVE obeys XCR0 and EDX:EAX", () => {
    expect([setXcr0(2), setXcr0(5), setXcr0(15), setXcr0(3)]).toEqual(["#GP(0)", "#GP(0)", "#GP(0)", "next"]);
    m.write32(0x5200, 0);
    m.cpu.setGpr32(GPR.rax, 2);
    expect(m.call("xsave", 0x5000, 64)).toBe("next");
    expect([m.read16(0x5000), m.read64(0x5200), m.read64(0x5000 + 160 + 16)]).toEqual([0, 2n, 0x100n]);
    m.cpu.setGpr32(GPR.rax, 3);
    m.cpu.u8.fill(0, xmm(0), xmm(16));
    expect(m.call("xrstor", 0x5000, 64)).toBe("next");
    expect([m.cpu.view.getBigUint64(xmm(1), true), m.cpu.get32("fpuTag"), m.cpu.get32("fpuControl")]).toEqual([
      0x100n,
      0,
      0x37f,
    ]);
    m.write32(0x5200, 4);
    expect(m.faultOf("xrstor", 0x5000, 64)).toBe("#GP(0)");
    m.write32(0x5200, 3);
    m.write64(0x5208, 1n << 63n);
    expect(m.faultOf("xrstor", 0x5000, 64)).toBe("#GP(0)");
  });

  describe("with AVX-512 state on", () => {
    const zmm = (register: number, at: number): number => AT.zmm + register * 64 + at;
    beforeEach(() => {
      m.cpu.setLow("xcr0", 0xe7);
      m.cpu.view.setBigUint64(zmm(3, 32), 0x1111n, true);
      m.cpu.view.setBigUint64(zmm(16, 8), 0x2222n, true);
      m.cpu.view.setBigUint64(zmm(31, 56), 0x3333n, true);
      m.cpu.set64("opmask", 0x4444n, 7);
      m.cpu.setGpr32(GPR.rax, 0xe0);
    });

    it("XSETBV takes its components together, with AVX", () => {
      expect([setXcr0(0x67), setXcr0(0xe3), setXcr0(0xe7)]).toEqual(["#GP(0)", "#GP(0)", "next"]);
      // Code is decoded otherwise without them.
      expect([setXcr0(7), setXcr0(3), setXcr0(0xe7)]).toEqual(["jump", "next", "jump"]);
    });

    it("XSAVE and XRSTOR move masks, upper halves and the further registers", () => {
      expect(m.call("xsave", 0x5000, 64)).toBe("next");
      const at = [1088 + 56, 1152 + 3 * 32, 1664 + 8, 1664 + 15 * 64 + 56];
      expect(at.map((offset) => m.read64(0x5000 + offset))).toEqual([0x4444n, 0x1111n, 0x2222n, 0x3333n]);
      expect(m.read64(0x5200)).toBe(0xe0n);
      m.cpu.u8.fill(0xee, zmm(0, 0), zmm(32, 0));
      expect(m.call("xrstor", 0x5000, 64)).toBe("next");
      expect([m.cpu.view.getBigUint64(zmm(3, 32), true), m.cpu.view.getBigUint64(zmm(31, 56), true)]).toEqual([
        0x1111n,
        0x3333n,
      ]);
      // The lower halves are other components.
      expect(m.cpu.u8[zmm(3, 16)]).toBe(0xee);
      m.write64(0x5200, 0n);
      expect(m.call("xrstor", 0x5000, 64)).toBe("next");
      expect([m.cpu.get64("opmask", 7), m.cpu.u8[zmm(31, 56)], m.cpu.u8[zmm(3, 32)]]).toEqual([0n, 0, 0]);
    });

    it("XSAVEC packs them", () => {
      m.cpu.set64("opmask", 0n, 7);
      expect(m.call("xsavec", 0x5000, 64)).toBe("next");
      expect([m.read64(0x5200), m.read64(0x5208), m.read64(0x5240 + 64 + 3 * 32)]).toEqual([
        0xc0n,
        (1n << 63n) | 0xe0n,
        0x1111n,
      ]);
    });
  });

  describe("with AVX state on", () => {
    const upper = (register: number): number => xmm(register) + 16;
    const request = (components: number): void => m.cpu.setGpr32(GPR.rax, components);

    beforeEach(() => {
      m.cpu.setLow("xcr0", 7);
      m.cpu.view.setBigUint64(upper(3), 0x1234n, true);
      request(7);
    });

    it("XSAVE puts the upper halves of YMM behind the header, XRSTOR brings them back or clears them", () => {
      expect(m.call("xsave", 0x5000, 64)).toBe("next");
      expect([m.read64(0x5200), m.read64(0x5240 + 3 * 16)]).toEqual([7n, 0x1234n]);
      m.cpu.view.setBigUint64(upper(3), 0n, true);
      expect(m.call("xrstor", 0x5000, 64)).toBe("next");
      expect(m.cpu.view.getBigUint64(upper(3), true)).toBe(0x1234n);
      m.write64(0x5200, 3n);
      expect(m.call("xrstor", 0x5000, 64)).toBe("next");
      expect(m.cpu.view.getBigUint64(upper(3), true)).toBe(0n);
    });

    it("XSAVEOPT leaves alone what has its initial configuration", () => {
      m.cpu.view.setBigUint64(upper(3), 0n, true);
      m.write64(0x5240 + 3 * 16, 0x77n);
      m.write64(0x5200, 4n);
      expect(m.call("xsaveopt", 0x5000, 64)).toBe("next");
      expect([m.read64(0x5200), m.read64(0x5240 + 3 * 16)]).toEqual([3n, 0x77n]);
    });

    it("XSAVEC packs the components that are asked for, XRSTOR unpacks them", () => {
      request(5);
      expect(m.call("xsavec", 0x5000, 64)).toBe("next");
      expect([m.read64(0x5200), m.read64(0x5208), m.read64(0x5240 + 3 * 16)]).toEqual([5n, (1n << 63n) | 5n, 0x1234n]);
      m.cpu.u8.fill(0xee, xmm(0), xmm(16));
      request(7);
      expect(m.call("xrstor", 0x5000, 64)).toBe("next");
      expect([m.cpu.view.getBigUint64(upper(3), true), m.cpu.view.getBigUint64(xmm(3), true)]).toEqual([0x1234n, 0n]);
      m.write64(0x5208, (1n << 63n) | 1n);
      expect(m.faultOf("xrstor", 0x5000, 64)).toBe("#GP(0)");
    });

    it("XRSTORS knows the compacted form only", () => {
      expect(m.call("xsaves", 0x5000, 64)).toBe("next");
      expect(m.call("xrstors", 0x5000, 64)).toBe("next");
      m.write64(0x5208, 0n);
      expect(m.faultOf("xrstors", 0x5000, 64)).toBe("#GP(0)");
    });

    it("XGETBV tells which components are in use", () => {
      m.cpu.view.setBigUint64(upper(3), 0n, true);
      m.cpu.setGpr32(GPR.rcx, 1);
      expect([m.call("xgetbv"), m.cpu.gpr32(GPR.rax)]).toEqual(["next", 3]);
      m.cpu.setGpr32(GPR.rcx, 2);
      expect(m.faultOf("xgetbv")).toBe("#GP(0)");
    });
  });

  describe("where the area is", () => {
    const AREA = 0x5e00;
    const BYTES = 2696;
    const image = (from: number): number[] => Array.from({ length: BYTES }, (_, i) => m.read8(from + i));
    const vectors = (): Uint8Array => m.cpu.u8.slice(AT.fpr, AT.zmm + 16 * 64);

    beforeEach(() => {
      m.cpu.setLow("xcr0", 0x207);
      m.cpu.setGpr32(GPR.rax, 0x207);
      m.cpu.set32("pkru", 0x5554);
      for (let i = 0; i < 32; i++) m.cpu.u8.fill(0x10 + i, xmm(0) + i * 32, xmm(0) + i * 32 + 32);
      for (let i = 0; i < BYTES; i++) for (const at of [AREA, 0x9000]) m.write8(at + i, i & 0xff);
      for (const at of [AREA, 0x9000]) for (let i = 512; i < 576; i++) m.write8(at + i, 0);
    });

    it.each([
      ["crosses pages", []],
      ["begins in a device", [5]],
      ["ends in a device", [6]],
      ["is in devices", [5, 6]],
    ])("does not matter to what is saved and restored: it %s", (_, devices) => {
      for (const gfn of devices) m.devices.add(gfn);
      for (const [save, restore] of [
        ["fxsave", "fxrstor"],
        ["xsave", "xrstor"],
        ["xsaveopt", "xrstor"],
        ["xsavec", "xrstor"],
        ["xsaves", "xrstors"],
      ] as const) {
        const before = vectors();
        expect([m.call(save, 0x9000, 64, SEGMENT.ds), m.call(save, AREA, 64, SEGMENT.ds)]).toEqual(["next", "next"]);
        expect(image(AREA), save).toEqual(image(0x9000));
        m.cpu.u8.fill(0, AT.fpr, AT.fpr + 128);
        for (let i = 0; i < 16; i++) m.cpu.u8.fill(0, xmm(i), xmm(i) + (save === "fxsave" ? 16 : 32));
        expect(m.call(restore, AREA, 64, SEGMENT.ds)).toBe("next");
        expect(vectors(), restore).toEqual(before);
        for (let i = 512; i < 576; i++) for (const at of [AREA, 0x9000]) m.write8(at + i, 0);
      }
    });

    it("bytes that no component has keep what memory has", () => {
      expect(m.call("xsave", AREA, 64, SEGMENT.ds)).toBe("next");
      for (const at of [464, 511, 832, 2687]) expect(m.read8(AREA + at)).toBe(at & 0xff);
    });

    it("a fault on its last page leaves memory and state as they were", () => {
      // The GiB's last page; what follows is not mapped.
      const frame = 0x3fff_f000n;
      m.write64(PAGE_TABLES + 0x1000, BigInt(PAGE_TABLES + 0x2000) | 7n);
      m.write64(PAGE_TABLES + 0x2000 + 511 * 8, BigInt(PAGE_TABLES + 0x3000) | 7n);
      m.write64(PAGE_TABLES + 0x3000 + 511 * 8, 0x5007n);
      m.cpu.linear.flushAll();
      // The header of an area at 5c00h.
      for (let i = 0; i < 64; i++) m.write8(AREA + i, i === 0 ? 7 : i === 1 ? 2 : 0);
      const [memory, state] = [image(AREA), vectors()];
      for (const name of ["xsave", "xsaveopt", "xsavec", "xsaves"] as const)
        expect(m.faultOf(name, frame + 0xe00n, 64, SEGMENT.ds), name).toBe("#PF(2)");
      expect(m.faultOf("xrstor", frame + 0xc00n, 64, SEGMENT.ds)).toBe("#PF(0)");
      expect([image(AREA), vectors()]).toEqual([memory, state]);
    });
  });

  it("need CR4.OSXSAVE", () => {
    m.call("movToCr", 4, 0x20);
    for (const name of ["xsave", "xrstor", "xgetbv", "xsetbv"] as const)
      expect(m.faultOf(name, 0x5000, 64)).toBe("#UD");
  });

  it("LDMXCSR refuses reserved bits", () => {
    expect(m.faultOf("ldmxcsr", 0x1_0000)).toBe("#GP(0)");
    m.call("ldmxcsr", 0x1fbf);
    expect(m.cpu.get32("mxcsr")).toBe(0x1fbf);
  });
});

describe("waiting and invalidating", () => {
  beforeEach(() => {
    m = new BareMachine().long();
  });

  it("HLT and MWAIT halt; MWAIT with interrupts off goes on", () => {
    expect([m.call("hlt"), m.cpu.get32("halted")]).toEqual(["exit", 1]);
    m.cpu.set32("halted", 0);
    m.cpu.setGpr32(GPR.rcx, 0);
    expect([m.call("monitor", 0x5000), m.call("mwait"), m.cpu.get32("halted")]).toEqual(["next", "next", 0]);
    m.cpu.rflags = 0x202;
    expect([m.call("mwait"), m.cpu.get32("halted")]).toEqual(["exit", 1]);
    m.user();
    expect([m.faultOf("hlt"), m.faultOf("mwait"), m.faultOf("monitor", 0x5000)]).toEqual(["#GP(0)", "#UD", "#UD"]);
  });

  it("INVPCID checks its type and descriptor", () => {
    expect(m.faultOf("invpcid", 4, 0x5000)).toBe("#GP(0)");
    m.write64(0x5000, 1n);
    expect(m.faultOf("invpcid", 0, 0x5000)).toBe("#GP(0)");
    m.write64(0x5000, 0n);
    m.write64(0x5008, 1n << 57n);
    expect(m.faultOf("invpcid", 0, 0x5000)).toBe("#GP(0)");
    const before = m.cpu.low("tlbContext");
    expect(m.call("invpcid", 2, 0x5000)).toBe("jump");
    expect(m.cpu.low("tlbContext")).not.toBe(before);
  });

  it("INVLPG and cache control are for CPL 0", () => {
    expect([m.call("invlpg", PAGE_TABLES), m.call("checkSupervisor")]).toEqual(["jump", "next"]);
    m.user();
    expect([m.faultOf("invlpg", 0), m.faultOf("checkSupervisor")]).toEqual(["#GP(0)", "#GP(0)"]);
  });

  it("RDRAND fills the register at its width and sets CF alone", () => {
    m.cpu.setGpr64(GPR.rbx, 0x1111_2222_3333_4444n);
    m.cpu.rflags = 0x8d7;
    m.call("rdrand", GPR.rbx * 8, 16);
    expect([m.cpu.gpr64(GPR.rbx) >> 16n, m.cpu.rflags]).toEqual([0x1111_2222_3333n, 3]);
    const values = new Set(
      Array.from({ length: 8 }, () => {
        m.call("rdrand", 0, 64);
        return m.cpu.gpr64(0);
      }),
    );
    expect(values.size).toBe(8);
  });
});
