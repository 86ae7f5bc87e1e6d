import { beforeEach, describe, expect, it } from "vitest";
import { SEL } from "../../test/bare-machine.ts";
import { CetMachine, CODE, STACK, USER_SSP } from "../../test/cet-machine.ts";
import { deliver } from "../exceptions/deliver.ts";
import { CET } from "../state/bits.ts";
import { AT, GPR } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";

let m: CetMachine;

const TARGET = 0x1_2000n;
const awaits = (): boolean => (m.cpu.get32(AT.mode) & MODE.awaitsEndbranch) !== 0;
const control = (index: 0 | 1): number => m.cpu.low(AT.cetControl, index);

describe.each([
  ["user", 1],
  ["supervisor", 0],
] as const)("indirect branches of %s code", (who, index) => {
  const enforce = (controls: number): void => {
    m = new CetMachine();
    if (who === "user") m.enforceUser(controls);
    else m.enforce(controls, 0);
    m.cpu.setGpr64(GPR.rax, TARGET);
  };
  beforeEach(() => enforce(CET.ENDBR_EN));

  it.each([
    ["JMP r", "ffe0", STACK],
    ["CALL r", "ffd0", STACK - 8n],
  ])("%s waits for ENDBR64", (_, hex, rsp) => {
    expect(m.run(hex)).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, awaits(), control(index) & CET.TRACKER]).toEqual([TARGET, rsp, true, CET.TRACKER]);
    expect(control(index === 0 ? 1 : 0)).toBe(0);
    expect(m.run("f30f1efa", TARGET)).toBe("none");
    expect([m.cpu.rip, awaits(), control(index)]).toEqual([TARGET + 4n, false, CET.ENDBR_EN]);
  });

  it("of memory wait as well", () => {
    m.write64(0x1_4000, TARGET);
    m.cpu.setGpr64(GPR.rbx, 0x1_4000n);
    expect([m.run("ff23"), m.cpu.rip, awaits()]).toEqual(["none", TARGET, true]);
  });

  it.each([
    ["NOP", "90"],
    ["ENDBR32", "f30f1efb"],
    ["UD2", "0f0b"],
    ["INT 3 with a vector", "cd03"],
    ["too many prefixes", "66".repeat(16)],
  ])("%s instead is #CP(3), and it is waited on", (_, hex) => {
    m.run("ffe0");
    expect(m.run(hex, TARGET)).toBe("#CP(3)");
    expect([m.cpu.rip, awaits()]).toEqual([TARGET, true]);
  });

  it("INT3 is executed: debuggers put it there", () => {
    m.setGate64(3, SEL.code64, 0x8030n, 0xee);
    m.run("ffe0");
    expect(m.run("cc", TARGET)).toBe("none");
    expect(m.cpu.rip).toBe(0x8030n);
  });

  it.each([
    ["relative", "e8fb0f0000"],
    ["RET", "c3"],
    ["conditional", "7500"],
  ])("are not meant: %s", (_, hex) => {
    m.write64(Number(STACK), TARGET);
    expect([m.run(hex), awaits()]).toEqual(["none", false]);
  });

  it("NOTRACK counts where it is enabled only, as the last segment prefix", () => {
    expect([m.run("3effe0"), awaits()]).toEqual(["none", true]);
    enforce(CET.ENDBR_EN | CET.NO_TRACK_EN);
    expect([m.run("3effe0"), m.cpu.rip, awaits()]).toEqual(["none", TARGET, false]);
    expect([m.run("3effd0"), m.cpu.rip, awaits()]).toEqual(["none", TARGET, false]);
    expect([m.run("3e64ffe0"), awaits()]).toEqual(["none", true]);
  });

  it("ENDBRANCH where nobody waits does nothing", () => {
    expect([m.run("f30f1efa"), m.cpu.rip]).toEqual(["none", CODE + 4n]);
  });
});

describe("legacy code pages", () => {
  const BITMAP = 0x2_0000;
  const enforce = (more: number): void => {
    m = new CetMachine().enforceUser(BITMAP | CET.ENDBR_EN | CET.LEG_IW_EN | more);
    m.cpu.setGpr64(GPR.rax, TARGET);
    m.run("ffe0");
  };
  /** Page 12h: byte 2, bit 2. */
  const allow = (): void => m.write8(BITMAP + 2, 1 << 2);

  it("may be branched to, which suppresses tracking until ENDBRANCH", () => {
    enforce(0);
    allow();
    expect([m.run("90", TARGET), m.cpu.rip, awaits()]).toEqual(["none", TARGET, false]);
    expect(control(1) & (CET.SUPPRESS | CET.TRACKER)).toBe(CET.SUPPRESS);
    expect([m.run("ffe0"), awaits()]).toEqual(["none", false]);
    expect(m.run("f30f1efa")).toBe("none");
    expect(control(1) & CET.SUPPRESS).toBe(0);
    expect([m.run("ffe0"), awaits()]).toEqual(["none", true]);
  });

  it("do not suppress it if that is disabled", () => {
    enforce(CET.SUPPRESS_DIS);
    allow();
    expect([m.run("90", TARGET), control(1) & (CET.SUPPRESS | CET.TRACKER)]).toEqual(["none", 0]);
  });

  it("are those that the bitmap has", () => {
    enforce(0);
    expect(m.run("90", TARGET)).toBe("#CP(3)");
  });

  it("are found in memory, which may fault", () => {
    enforce(0);
    m.map(BITMAP, 0n);
    expect(m.run("90", TARGET)).toBe("#PF(4)");
  });
});

describe("tracking and events", () => {
  it("handlers have to begin with ENDBRANCH, and the interrupted branch is remembered", () => {
    m = new CetMachine().enforceUser(CET.ENDBR_EN, CET.ENDBR_EN);
    m.cpu.setGpr64(GPR.rax, TARGET);
    m.run("ffe0");
    expect(deliver(m.cpu, 0x20, "external")).toBe(true);
    expect([m.cpu.cpl, awaits(), control(0), control(1)]).toEqual([
      0,
      true,
      CET.ENDBR_EN | CET.TRACKER,
      CET.ENDBR_EN | CET.TRACKER,
    ]);
    m.run("f30f1efa", m.cpu.rip);
    expect(awaits()).toBe(false);
    expect(m.call("returnFromInterrupt", 64)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, awaits()]).toEqual([3, TARGET, true]);
  });

  it("system calls have to as well, and returns need not", () => {
    m = new CetMachine().enforceUser(CET.ENDBR_EN, CET.ENDBR_EN);
    m.cpu.set64("star", 0x0048_0050_0000_0000n);
    m.cpu.set64("lstar", TARGET);
    expect(m.run("0f05")).toBe("none");
    expect([m.cpu.cpl, m.cpu.rip, awaits()]).toEqual([0, TARGET, true]);
    m.run("f30f1efa", TARGET);
    expect(m.run("480f07", m.cpu.rip)).toBe("none");
    expect([m.cpu.cpl, awaits()]).toEqual([3, false]);
  });

  it("far jumps wait", () => {
    m = new CetMachine().enforce(CET.ENDBR_EN, 0);
    expect(m.call("jumpFar", 0x50, TARGET, 64)).toBe("jump");
    expect([m.cpu.rip, awaits()]).toEqual([TARGET, true]);
  });

  it("CALL with both keeps the address and waits", () => {
    m = new CetMachine().enforceUser(CET.ENDBR_EN | CET.SH_STK_EN);
    m.cpu.setGpr64(GPR.rax, TARGET);
    expect(m.run("ffd0")).toBe("none");
    expect([m.ssp, awaits()]).toEqual([USER_SSP - 8n, true]);
  });
});
