import { beforeEach, describe, expect, it } from "vitest";
import { CetMachine, MSR, USER_SSP } from "../../test/cet-machine.ts";
import { readCpuid } from "../cpuid/leaves.ts";
import { CET } from "../state/bits.ts";
import { GPR } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import { restoreRegisters, saveRegisters } from "../state/save.ts";

let m: CetMachine;
const CR4_CET = 0x80_0000;

describe("registers of CET", () => {
  beforeEach(() => {
    m = new CetMachine().long();
    m.cpu.set64("cr0", 0x8001_0011n);
  });

  it.each([
    ["all controls and a bitmap", MSR.uCet, 0x7fff_ffff_f43fn, "next"],
    ["the tracker", MSR.sCet, 0x804n, "next"],
    ["reserved bits", MSR.uCet, 0x40n, "#GP(0)"],
    ["tracker and suppression", MSR.sCet, 0xc04n, "#GP(0)"],
    ["a bitmap that is not canonical", MSR.sCet, 1n << 60n, "#GP(0)"],
    ["SSP", MSR.pl3Ssp, 0x7fff_ffff_fffcn, "next"],
    ["an odd SSP", MSR.pl3Ssp, 0x1002n, "#GP(0)"],
    ["an SSP that is not canonical", MSR.pl0Ssp, 1n << 60n, "#GP(0)"],
    ["the table", MSR.sspTable, 0xffff_8000_0000_1000n, "next"],
    ["components of the supervisor", MSR.xss, 0x1800n, "next"],
    ["other components", MSR.xss, 0x100n, "#GP(0)"],
  ])("%s", (_, index, value, outcome) => {
    expect(m.wrmsr(index, value)).toBe(outcome);
    if (outcome === "next") expect(m.rdmsr(index)).toBe(value);
  });

  it("have only the bits of what the processor has", () => {
    m = new CetMachine("max,-ibt").long();
    expect([m.wrmsr(MSR.uCet, 3n), m.wrmsr(MSR.uCet, 4n), m.wrmsr(MSR.uCet, 0x1000n)]).toEqual([
      "next",
      "#GP(0)",
      "#GP(0)",
    ]);
    m = new CetMachine("max,-shstk").long();
    expect([m.wrmsr(MSR.uCet, 4n), m.wrmsr(MSR.uCet, 1n), m.rdmsr(MSR.pl3Ssp), m.wrmsr(MSR.xss, 0x800n)]).toEqual([
      "next",
      "#GP(0)",
      "#GP(0)",
      "#GP(0)",
    ]);
  });

  it("CR4.CET needs CR0.WP, and keeps it", () => {
    m.cpu.set64("cr0", 0x8000_0011n);
    expect(m.faultOf("movToCr", 4, 0x20 | CR4_CET)).toBe("#GP(0)");
    m.cpu.set64("cr0", 0x8001_0011n);
    expect(m.call("movToCr", 4, 0x20 | CR4_CET)).toBe("jump");
    expect(m.faultOf("movToCr", 0, 0x8000_0011)).toBe("#GP(0)");
    expect(m.call("movToCr", 4, 0x20)).toBe("jump");
    expect(m.call("movToCr", 0, 0x8000_0011)).toBe("jump");
  });

  it("change how code is decoded while CR4.CET is set", () => {
    const enforced = (): boolean => (m.cpu.get32("mode") & MODE.enforced) !== 0;
    expect([m.wrmsr(MSR.uCet, 1n), enforced()]).toEqual(["next", false]);
    expect([m.call("movToCr", 4, 0x20 | CR4_CET), enforced()]).toEqual(["jump", true]);
    expect([m.wrmsr(MSR.uCet, 0n), enforced()]).toEqual(["jump", false]);
    expect([m.wrmsr(MSR.sCet, 0x804n), m.cpu.get32("mode")]).toEqual([
      "jump",
      MODE.code64 | MODE.enforced | MODE.awaitsEndbranch,
    ]);
  });

  it("are shown by CPUID", () => {
    const leaf = readCpuid(m.cpu, 7, 0);
    expect([(leaf[2] >>> 7) & 1, (leaf[3] >>> 20) & 1]).toEqual([1, 1]);
    expect(readCpuid(m.cpu, 0xd, 11)).toEqual([16, 0, 1, 0]);
    expect(readCpuid(m.cpu, 0xd, 12)).toEqual([24, 0, 1, 0]);
    m.cpu.set64("xss", 0x1800n);
    expect(readCpuid(m.cpu, 0xd, 1)).toEqual([15, 576 + 40, 0x1800, 0]);
  });
});

describe("XSAVES and XRSTORS of CET state", () => {
  const AREA = 0x2_0000;
  const move = (hex: string): string => {
    m.cpu.setGpr64(GPR.rax, 0x1800n);
    m.cpu.setGpr64(GPR.rdx, 0n);
    m.cpu.setGpr64(GPR.rbx, BigInt(AREA));
    return m.run(hex);
  };
  beforeEach(() => {
    m = new CetMachine().enforce(0, CET.SH_STK_EN);
    m.cpu.set64("cr4", m.cpu.get64("cr4") | (1n << 18n));
    m.cpu.set64("xss", 0x1800n);
    m.cpu.set64("privilegeSsp", USER_SSP, 3);
    m.cpu.set64("privilegeSsp", 0x1000n, 1);
  });

  it("keep the user's control and SSP, and the SSPs of the other levels", () => {
    expect(move("0fc72b")).toBe("none");
    expect([m.read64(AREA + 512), m.read64(AREA + 520)]).toEqual([0x1800n, 0x8000_0000_0000_1800n]);
    expect(Array.from({ length: 5 }, (_, i) => m.read64(AREA + 576 + i * 8))).toEqual([1n, USER_SSP, 0n, 0x1000n, 0n]);
    m.cpu.set64("cetControl", 0n, 1);
    m.cpu.set64("privilegeSsp", 0n, 3);
    expect(move("0fc71b")).toBe("none");
    expect([m.rdmsr(MSR.uCet), m.rdmsr(MSR.pl3Ssp), m.rdmsr(0x6a5)]).toEqual([1n, USER_SSP, 0x1000n]);
  });

  it("initialize what is not in the area, and the mode follows", () => {
    m.write64(AREA + 512, 0n);
    m.write64(AREA + 520, 0x8000_0000_0000_1800n);
    expect(move("0fc71b")).toBe("none");
    expect([m.rdmsr(MSR.uCet), m.cpu.get32("mode")]).toEqual([0n, MODE.code64]);
  });

  it("refuse values that WRMSR would", () => {
    move("0fc72b");
    m.write64(AREA + 576, 0x40n);
    expect([move("0fc71b"), m.rdmsr(MSR.pl3Ssp)]).toEqual(["#GP(0)", USER_SSP]);
  });

  it("are for supervisors: XSAVEC and XRSTOR do not know the components", () => {
    expect([move("0fc723"), m.read64(AREA + 520)]).toEqual(["none", 1n << 63n]);
    move("0fc72b");
    expect(move("0fae2b")).toBe("#GP(0)");
  });
});

describe("saved state", () => {
  it("has all of it", () => {
    m = new CetMachine().enforceUser(0x804, 1);
    m.cpu.set64("privilegeSsp", 0x3000n, 2);
    m.cpu.set64("xss", 0x800n);
    const saved = saveRegisters(m.cpu);
    const other = new CetMachine();
    restoreRegisters(other.cpu, saved);
    expect(saveRegisters(other.cpu)).toEqual(saved);
    expect([other.ssp, other.cpu.get32("mode")]).toEqual([USER_SSP, m.cpu.get32("mode")]);
  });

  it("is refused where no processor could be in it", () => {
    m = new CetMachine().long();
    expect(() => restoreRegisters(m.cpu, { cr4: BigInt(0x20 | CR4_CET) })).toThrow(/CET without cr0.WP/);
    expect(() => restoreRegisters(m.cpu, { "msr.da0": 0x100n })).toThrow(/IA32_XSS/);
  });
});
