import { beforeEach, describe, expect, it } from "vitest";
import { CetMachine, KERNEL_SHADOW, KERNEL_SSP, USER_SHADOW, USER_SSP } from "../../test/cet-machine.ts";
import { CET, FLAG } from "../state/bits.ts";
import { AT, GPR, SEGMENT } from "../state/layout.ts";

let m: CetMachine;
const ALL = CET.SH_STK_EN | CET.WR_SHSTK_EN;
const carry = (): boolean => (m.cpu.rflags & FLAG.CF) !== 0;

describe("with a user shadow stack", () => {
  beforeEach(() => {
    m = new CetMachine().enforceUser(ALL);
  });

  it("RDSSP reads SSP, whole or in half", () => {
    m.cpu.setGpr64(GPR.rax, -1n & 0xffff_ffff_ffff_ffffn);
    m.ssp = 0x7f12_3456_7898n;
    expect([m.run("f3480f1ec8"), m.cpu.gpr64(GPR.rax)]).toEqual(["none", 0x7f12_3456_7898n]);
    expect([m.run("f30f1ec8"), m.cpu.gpr64(GPR.rax)]).toEqual(["none", 0x3456_7898n]);
  });

  it("INCSSP pops up to 255 elements of 8 or 4 bytes", () => {
    m.cpu.setGpr64(GPR.rax, 0x103n);
    expect([m.run("f3480faee8"), m.ssp]).toEqual(["none", USER_SSP + 24n]);
    expect([m.run("f30faee8"), m.ssp]).toEqual(["none", USER_SSP + 36n]);
    m.cpu.setGpr64(GPR.rax, 0n);
    expect([m.run("f3480faee8"), m.ssp]).toEqual(["none", USER_SSP + 36n]);
  });

  it("INCSSP faults where the last element is no shadow stack", () => {
    m.ssp = BigInt(USER_SHADOW + 0xff8);
    m.cpu.setGpr64(GPR.rax, 2n);
    expect([m.run("f3480faee8"), m.ssp]).toEqual(["#PF(45)", BigInt(USER_SHADOW + 0xff8)]);
  });

  it("WRSS writes aligned elements", () => {
    m.cpu.setGpr64(GPR.rax, 0x1122_3344_5566_7788n);
    m.cpu.setGpr64(GPR.rbx, BigInt(USER_SHADOW));
    expect([m.run("480f38f603"), m.read64(USER_SHADOW)]).toEqual(["none", 0x1122_3344_5566_7788n]);
    expect([m.run("0f38f64308"), m.read64(USER_SHADOW + 8)]).toEqual(["none", 0x5566_7788n]);
    expect(m.run("480f38f64304")).toBe("#GP(0)");
    m.cpu.setGpr64(GPR.rbx, 0x2_0000n);
    expect([m.run("480f38f603"), m.cpu.get64(AT.pendingAddress)]).toEqual(["#PF(47)", 0x2_0000n]);
    m.cpu.setGpr64(GPR.rbx, BigInt(KERNEL_SHADOW));
    expect(m.run("480f38f603")).toBe("#PF(47)");
    m.cpu.setGpr64(GPR.rbx, 1n << 60n);
    expect(m.run("480f38f603")).toBe("#GP(0)");
  });

  it("WRSS is #UD unless enabled, WRUSS is the supervisor's", () => {
    expect(m.run("66480f38f503")).toBe("#GP(0)");
    m.enforceUser(CET.SH_STK_EN);
    expect(m.run("480f38f603")).toBe("#UD");
  });

  it("SETSSBSY and CLRSSBSY are #UD without a shadow stack of the supervisor, else #GP", () => {
    expect([m.run("f30f01e8"), m.run("f30fae30")]).toEqual(["#UD", "#UD"]);
    m.enforceUser(ALL, CET.SH_STK_EN);
    expect([m.run("f30f01e8"), m.run("f30fae30")]).toEqual(["#GP(0)", "#GP(0)"]);
  });

  describe("RSTORSSP and SAVEPREVSSP", () => {
    const OTHER = USER_SHADOW + 0x200;
    beforeEach(() => {
      m.write64(OTHER, BigInt(OTHER + 8) | 1n);
      m.cpu.setGpr64(GPR.rbx, BigInt(OTHER));
    });

    it("go to another shadow stack and leave a token to come back by", () => {
      m.cpu.rflags = 0x8d5;
      expect(m.run("f30f012b")).toBe("none");
      expect([m.ssp, m.shadow(1), m.cpu.rflags & 0x8d5]).toEqual([BigInt(OTHER), [USER_SSP | 3n], 0]);
      expect(m.run("f30f01ea")).toBe("none");
      expect([m.ssp, m.read64(Number(USER_SSP) - 8)]).toEqual([BigInt(OTHER + 8), USER_SSP | 1n]);
      m.cpu.setGpr64(GPR.rbx, USER_SSP - 8n);
      expect([m.run("f30f012b"), m.ssp, m.shadow(1)]).toEqual(["none", USER_SSP - 8n, [BigInt(OTHER + 8) | 3n]]);
    });

    it.each([
      ["of 32-bit code", BigInt(OTHER + 8)],
      ["of another place", BigInt(OTHER + 16) | 1n],
      ["of SAVEPREVSSP", BigInt(OTHER + 8) | 3n],
      ["that is none", 0n],
    ])("a token %s is #CP(4)", (_, token) => {
      m.write64(OTHER, token);
      expect([m.run("f30f012b"), m.ssp, m.read64(OTHER)]).toEqual(["#CP(4)", USER_SSP, token]);
    });

    it("tell a hole of 4 bytes by CF", () => {
      m.write64(OTHER, BigInt(OTHER + 12) | 1n);
      expect([m.run("f30f012b"), carry()]).toEqual(["none", true]);
      expect(m.run("f30f01ea")).toBe("#GP(0)");
    });

    it("in 32-bit code, holes are popped and left", () => {
      m.setFlat(3);
      m.ssp = USER_SSP + 4n;
      m.write32(OTHER + 8, 0);
      m.write64(OTHER, BigInt(OTHER + 12));
      expect([m.run("f30f012b"), carry(), m.shadow(1)]).toEqual(["none", true, [(USER_SSP + 4n) | 2n]]);
      m.write32(Number(USER_SSP), 0x5555);
      expect([m.run("f30f01ea"), m.ssp]).toEqual(["none", BigInt(OTHER + 12)]);
      expect([m.read32(Number(USER_SSP)), m.read64(Number(USER_SSP) - 8)]).toEqual([0, USER_SSP + 4n]);
    });

    it("refuse what is not aligned or not there", () => {
      m.cpu.setGpr64(GPR.rbx, BigInt(OTHER + 4));
      expect(m.run("f30f012b")).toBe("#GP(0)");
      m.cpu.setGpr64(GPR.rbx, 0x2_0000n);
      expect(m.run("f30f012b")).toBe("#PF(47)");
      m.ssp = USER_SSP + 4n;
      expect(m.run("f30f01ea")).toBe("#GP(0)");
      m.ssp = USER_SSP;
      m.write64(Number(USER_SSP), USER_SSP | 1n);
      expect(m.run("f30f01ea")).toBe("#GP(0)");
    });
  });
});

describe("with a supervisor shadow stack", () => {
  beforeEach(() => {
    m = new CetMachine().enforce(ALL, 0);
    m.write64(Number(KERNEL_SSP), KERNEL_SSP);
    m.cpu.set64("privilegeSsp", KERNEL_SSP, 0);
    m.cpu.setGpr64(GPR.rbx, KERNEL_SSP);
  });

  it("SETSSBSY takes that of IA32_PL0_SSP once, CLRSSBSY gives it back", () => {
    expect([m.run("f30f01e8"), m.ssp, m.shadow(1)]).toEqual(["none", KERNEL_SSP, [KERNEL_SSP | 1n]]);
    expect(m.run("f30f01e8")).toBe("#CP(5)");
    m.cpu.rflags = 0x8d5;
    expect([m.run("f30fae33"), m.ssp, m.read64(Number(KERNEL_SSP)), m.cpu.rflags & 0x8d5]).toEqual([
      "none",
      0n,
      KERNEL_SSP,
      0,
    ]);
    expect([m.run("f30fae33"), carry()]).toEqual(["none", true]);
  });

  it("WRUSS writes to user shadow stacks, WRSS to its own", () => {
    m.cpu.setGpr64(GPR.rax, 0x55n);
    expect(m.run("66480f38f503")).toBe("#PF(47)");
    expect([m.run("480f38f603"), m.read64(Number(KERNEL_SSP))]).toEqual(["none", 0x55n]);
    m.cpu.setGpr64(GPR.rbx, USER_SSP);
    expect([m.run("66480f38f503"), m.read64(Number(USER_SSP))]).toEqual(["none", 0x55n]);
    expect(m.run("480f38f603")).toBe("#PF(43)");
  });

  it("a bad IA32_PL0_SSP is #GP, a bad operand #GP or #SS", () => {
    m.cpu.set64("privilegeSsp", KERNEL_SSP + 4n, 0);
    expect(m.run("f30f01e8")).toBe("#GP(0)");
    m.cpu.setGpr64(GPR.rbx, KERNEL_SSP + 4n);
    expect(m.run("f30fae33")).toBe("#GP(0)");
    m.cpu.setGpr64(GPR.rbp, 1n << 60n);
    expect(m.run("f30fae7500")).toBe("#SS(0)");
  });
});

describe("without CET", () => {
  it("RDSSP is NOP, the others are #UD", () => {
    m = new CetMachine().long();
    m.cpu.setGpr64(GPR.rax, 7n);
    expect([m.run("f3480f1ec8"), m.cpu.gpr64(GPR.rax)]).toEqual(["none", 7n]);
    const others = ["f3480faee8", "f30f01ea", "f30f012b", "f30f01e8", "f30fae33", "480f38f603", "66480f38f503"];
    for (const hex of others) expect(m.run(hex), hex).toBe("#UD");
  });

  it("RDSSP is NOP where the privilege has no shadow stack", () => {
    m = new CetMachine().enforce(0, CET.SH_STK_EN);
    m.cpu.setGpr64(GPR.rax, 7n);
    expect([m.run("f3480f1ec8"), m.cpu.gpr64(GPR.rax), m.run("f3480faee8")]).toEqual(["none", 7n, "#UD"]);
    expect(m.selector("cs")).toBe(m.cpu.get32("segSelector", SEGMENT.cs));
  });

  it("a processor without them knows neither instruction nor register", () => {
    m = new CetMachine("max,-shstk,-ibt").long();
    expect(m.run("480f38f603")).toBe("#UD");
    expect([m.rdmsr(0x6a0), m.rdmsr(0x6a7)]).toEqual(["#GP(0)", "#GP(0)"]);
    expect(m.faultOf("movToCr", 4, 0x80_0020)).toBe("#GP(0)");
  });
});
