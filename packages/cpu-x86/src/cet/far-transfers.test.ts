import { beforeEach, describe, expect, it } from "vitest";
import { SEL, TSS } from "../../test/bare-machine.ts";
import { CetMachine, CODE, KERNEL_SHADOW, KERNEL_SSP, STACK, USER_SSP } from "../../test/cet-machine.ts";
import { deliver } from "../exceptions/deliver.ts";
import { recomputeMode } from "../segments/cache.ts";
import { CET } from "../state/bits.ts";
import { AT } from "../state/layout.ts";

let m: CetMachine;
const SS = CET.SH_STK_EN;
const TARGET = 0x1_2000n;
const pl = (cpl: number): bigint => m.cpu.get64(AT.privilegeSsp, cpl);
/** Puts the token of a free supervisor shadow stack there. */
const free = (at: bigint): void => m.write64(Number(at), at);

describe("events from user code to a supervisor with a shadow stack", () => {
  beforeEach(() => {
    m = new CetMachine().enforceUser(SS, SS);
    m.cpu.set64("privilegeSsp", KERNEL_SSP, 0);
    free(KERNEL_SSP);
  });

  it("take it and leave the user's where it was; IRET gives it back", () => {
    expect(deliver(m.cpu, 0x20, "external")).toBe(true);
    expect([m.cpu.cpl, m.ssp, pl(3), m.shadow(1)]).toEqual([0, KERNEL_SSP, USER_SSP, [KERNEL_SSP | 1n]]);
    expect(m.call("returnFromInterrupt", 64)).toBe("jump");
    expect([m.cpu.cpl, m.ssp, m.read64(Number(KERNEL_SSP))]).toEqual([3, USER_SSP, KERNEL_SSP]);
  });

  it.each([
    ["taken", () => m.write64(Number(KERNEL_SSP), KERNEL_SSP | 1n)],
    ["not aligned", () => m.cpu.set64("privilegeSsp", KERNEL_SSP + 4n, 0)],
  ])("#GP if it is %s, and nothing has changed", (_, spoil) => {
    spoil();
    const { rsp } = m.cpu;
    expect(deliver(m.cpu, 0x20, "software")).toBe(false);
    // The gate is not the program's to use: its privilege is another matter.
    m.fault();
    expect(deliver(m.cpu, 0x20, "exception")).toBe(false);
    expect([m.fault(), m.cpu.cpl, m.cpu.rsp, m.ssp]).toEqual(["#GP(1)", 3, rsp, USER_SSP]);
  });

  it("#PF if it is not there", () => {
    m.map(KERNEL_SHADOW, 0n);
    expect(deliver(m.cpu, 0x20, "exception")).toBe(false);
    expect([m.fault(), m.ssp]).toEqual(["#PF(42)", USER_SSP]);
  });

  it("IRET leaves a shadow stack that is not aligned to nobody", () => {
    deliver(m.cpu, 0x20, "external");
    m.ssp -= 4n;
    expect(m.faultOf("returnFromInterrupt", 64)).toBe("#CP(2)");
  });
});

describe("events within the supervisor", () => {
  beforeEach(() => {
    m = new CetMachine().enforce(SS, 0);
    m.ssp = KERNEL_SSP;
  });

  it("keep CS, address and SSP on the shadow stack, which IRET compares", () => {
    expect(deliver(m.cpu, 0x20, "external")).toBe(true);
    expect([m.ssp, m.shadow(3)]).toEqual([KERNEL_SSP - 24n, [KERNEL_SSP, CODE, BigInt(SEL.code64)]]);
    expect([m.call("returnFromInterrupt", 64), m.ssp, m.cpu.rip]).toEqual(["jump", KERNEL_SSP, CODE]);
  });

  it("fill a hole if SSP is a multiple of four only", () => {
    m.ssp = KERNEL_SSP + 4n;
    m.write32(Number(KERNEL_SSP), 0x55);
    expect(deliver(m.cpu, 0x20, "external")).toBe(true);
    expect([m.ssp, m.shadow(1), m.read32(Number(KERNEL_SSP))]).toEqual([KERNEL_SSP - 24n, [KERNEL_SSP + 4n], 0]);
    expect([m.call("returnFromInterrupt", 64), m.ssp]).toEqual(["jump", KERNEL_SSP + 4n]);
  });

  it.each([
    ["address", 0],
    ["selector", 8],
  ])("IRET to another %s is #CP(2)", (_, at) => {
    deliver(m.cpu, 0x20, "external");
    const slot = Number(m.cpu.rsp) + at;
    m.write64(slot, at === 0 ? TARGET : BigInt(SEL.code64 | 4));
    const fault = m.faultOf("returnFromInterrupt", 64);
    expect(fault).toBe(at === 0 ? "#CP(2)" : "#GP(54)");
    expect(m.ssp).toBe(KERNEL_SSP - 24n);
  });

  it("go to the shadow stack that the table has for the gate's IST, and back", () => {
    const own = BigInt(KERNEL_SHADOW + 0x400);
    free(own);
    m.write64(0x3_0008, own);
    m.cpu.set64("interruptSspTable", 0x3_0000n);
    m.setGate64(0x20, SEL.code64, 0x8200n, 0x8e, 1);
    expect(deliver(m.cpu, 0x20, "external")).toBe(true);
    expect([m.ssp, m.shadow(4)]).toEqual([own - 24n, [KERNEL_SSP, CODE, BigInt(SEL.code64), own | 1n]]);
    expect([m.call("returnFromInterrupt", 64), m.ssp, m.read64(Number(own))]).toEqual(["jump", KERNEL_SSP, own]);
  });
});

describe("far CALL and RET", () => {
  it("at the same privilege keep and compare what events do", () => {
    m = new CetMachine().enforce(SS, 0);
    m.ssp = KERNEL_SSP;
    expect(m.call("callFar", SEL.code64, TARGET, 64)).toBe("jump");
    expect([m.cpu.rip, m.ssp, m.shadow(3)]).toEqual([TARGET, KERNEL_SSP - 24n, [KERNEL_SSP, CODE, BigInt(SEL.code64)]]);
    m.write64(Number(m.cpu.rsp), CODE + 1n);
    expect(m.faultOf("returnFar", 0, 64)).toBe("#CP(2)");
    m.write64(Number(m.cpu.rsp), CODE);
    expect([m.call("returnFar", 0, 64), m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual(["jump", CODE, STACK, KERNEL_SSP]);
  });

  it("64-bit shadow-stack pointers are not taken into 32-bit code", () => {
    m = new CetMachine().enforce(SS, 0);
    m.ssp = 0x1_0000_0000n;
    expect(m.faultOf("jumpFar", SEL.code0, TARGET, 32)).toBe("#GP(0)");
    expect(m.faultOf("callFar", SEL.code0, TARGET, 32)).toBe("#GP(0)");
  });

  it("through a gate to the supervisor take its shadow stack", () => {
    m = new CetMachine().enforceUser(SS, SS);
    m.cpu.set64("privilegeSsp", KERNEL_SSP, 0);
    free(KERNEL_SSP);
    m.setDescriptor(SEL.spare, (SEL.code64 << 16) | Number(TARGET & 0xffffn), Number(TARGET & 0xffff_0000n) | 0xec00);
    m.write64(0x1000 + SEL.spare + 8, 0n);
    expect(m.call("callFar", SEL.spare, 0, 64)).toBe("jump");
    expect([m.cpu.cpl, m.ssp, pl(3)]).toEqual([0, KERNEL_SSP, USER_SSP]);
    expect([m.call("returnFar", 0, 64), m.cpu.cpl, m.ssp]).toEqual(["jump", 3, USER_SSP]);
    expect(m.read64(Number(KERNEL_SSP))).toBe(KERNEL_SSP);
  });
});

describe("SYSCALL and SYSENTER", () => {
  it.each([
    ["0f05", "480f07"],
    ["0f34", "480f35"],
  ])("leave the user's shadow stack in IA32_PL3_SSP", (enter, leave) => {
    m = new CetMachine(enter === "0f34" ? "max,vendor=GenuineIntel" : "max").enforceUser(SS, SS);
    m.cpu.set64("star", 0x0048_0050_0000_0000n);
    m.cpu.set64("lstar", TARGET);
    m.cpu.set64("sysenterCs", 0x50n);
    m.cpu.set64("sysenterEip", TARGET);
    expect(m.run(enter)).toBe("none");
    expect([m.cpu.cpl, m.cpu.rip, m.ssp, pl(3)]).toEqual([0, TARGET, 0n, USER_SSP]);
    m.cpu.setGpr64(2, CODE);
    m.cpu.setGpr64(1, CODE);
    expect(m.run(leave, TARGET)).toBe("none");
    expect([m.cpu.cpl, m.ssp]).toEqual([3, USER_SSP]);
  });
});

describe("task switches", () => {
  const OTHER = 0x3800;
  /** Flat 32-bit code at CPL 0 with paging off, where everything is shadow stack, and another task whose TSS has room for SSP. */
  const enforce = (sCet: number, limit = 0x6b): void => {
    m = new CetMachine().protect() as CetMachine;
    m.cpu.set64("cr0", 0x1_0011n);
    m.cpu.set64("cr4", 0x80_0000n);
    m.cpu.set64("cetControl", BigInt(sCet), 0);
    recomputeMode(m.cpu);
    m.ssp = KERNEL_SSP;
    m.setSystem(SEL.spare, OTHER, limit, 0x89);
    m.write32(OTHER + 32, Number(TARGET));
    m.write32(OTHER + 36, 2);
    m.write32(OTHER + 56, 0x6000);
    for (const [i, selector] of [SEL.data0, SEL.code0, SEL.data0, SEL.data0].entries())
      m.write32(OTHER + 72 + i * 4, selector);
    m.write32(OTHER + 104, KERNEL_SHADOW + 0x400);
    free(BigInt(KERNEL_SHADOW + 0x400));
  };

  it("CALL takes the new task's shadow stack, and IRET goes back", () => {
    enforce(SS);
    const own = BigInt(KERNEL_SHADOW + 0x400);
    m.write64(Number(KERNEL_SSP), KERNEL_SSP | 1n);
    expect(m.call("callFar", SEL.spare, 0, 32)).toBe("exit");
    expect([m.fault(), m.cpu.rip, m.ssp, m.shadow(4)]).toEqual([
      "none",
      TARGET,
      own - 24n,
      [KERNEL_SSP, CODE, BigInt(SEL.code0), own | 1n],
    ]);
    expect(m.call("returnFromInterrupt", 32)).toBe("exit");
    expect([m.fault(), m.cpu.rip, m.ssp, m.read64(Number(own))]).toEqual(["none", CODE, KERNEL_SSP, own]);
  });

  it("IRET to where the shadow stack does not lead is #CP(2)", () => {
    enforce(SS);
    m.call("callFar", SEL.spare, 0, 32);
    m.write32(TSS + 32, Number(CODE) + 1);
    m.call("returnFromInterrupt", 32);
    expect(m.fault()).toBe("#CP(2)");
  });

  it("a TSS without room for SSP, or an SSP that is not aligned, is #TS", () => {
    enforce(SS, 0x67);
    m.call("callFar", SEL.spare, 0, 32);
    expect(m.fault()).toBe(`#TS(${SEL.spare.toString(16)})`);
    enforce(SS);
    m.write32(OTHER + 104, KERNEL_SHADOW + 0x404);
    m.call("jumpFar", SEL.spare, 0, 32);
    expect(m.fault()).toBe(`#TS(${SEL.spare.toString(16)})`);
  });

  it("the new task has to begin with ENDBRANCH", () => {
    enforce(CET.ENDBR_EN);
    m.call("jumpFar", SEL.spare, 0, 32);
    expect([m.fault(), m.cpu.low(AT.cetControl) & CET.TRACKER]).toEqual(["none", CET.TRACKER]);
  });
});

describe("virtual-8086 mode", () => {
  it("IRET does not go there while user code is enforced upon", () => {
    m = new CetMachine().protect() as CetMachine;
    m.cpu.set64("cr0", 0x1_0011n);
    m.cpu.set64("cr4", 0x80_0000n);
    m.cpu.set64("cetControl", BigInt(SS), 1);
    recomputeMode(m.cpu);
    m.cpu.rsp = 0x6000n;
    for (const [i, value] of [0x100, 0x200, 0x2_0002, 0x1000, 0x300, 0, 0, 0, 0].entries())
      m.write32(0x6000 + i * 4, value);
    expect(m.faultOf("returnFromInterrupt", 32)).toBe("#GP(0)");
    m.cpu.set64("cetControl", 0n, 1);
    expect([m.call("returnFromInterrupt", 32), m.cpu.vm86]).toEqual(["exit", true]);
  });
});
