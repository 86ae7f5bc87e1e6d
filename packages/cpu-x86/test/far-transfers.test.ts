import { beforeEach, describe, expect, it } from "vitest";
import { SEGMENT } from "../src/state/layout.ts";
import { MODE } from "../src/state/mode.ts";
import { BareMachine, CODE32, FLAT_LOW, GDT, PAGE_TABLES, SEL, TSS } from "./bare-machine.ts";

let m: BareMachine;
/** 32-bit words on the stack from the top. */
const stack32 = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => m.read32(Number(m.cpu.rsp) + i * 4));
const stack64 = (count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => m.read64(Number(m.cpu.rsp) + i * 8));
const push32 = (...values: number[]): void => {
  for (const value of values) {
    m.cpu.rsp -= 4n;
    m.write32(Number(m.cpu.rsp), value);
  }
};
const push64 = (...values: bigint[]): void => {
  for (const value of values) {
    m.cpu.rsp -= 8n;
    m.write64(Number(m.cpu.rsp), value);
  }
};
/** A 32-bit call gate. */
const callGate = (selector: number, target: number, offset: number, parameters: number, dpl = 3): void =>
  m.setDescriptor(
    selector,
    (target << 16) | (offset & 0xffff),
    (offset & 0xffff_0000) | ((0x8c | (dpl << 5)) << 8) | parameters,
  );

describe("far transfers in real mode", () => {
  beforeEach(() => {
    m = new BareMachine();
  });

  it("JMP loads CS and IP, and the limit binds", () => {
    expect(m.call("jumpFar", 0x1234, 0x5678, 16)).toBe("jump");
    expect([m.selector("cs"), m.cpu.rip, m.cpu.get64("segBase", SEGMENT.cs)]).toEqual([0x1234, 0x5678n, 0x12340n]);
    expect(m.faultOf("jumpFar", 0, 0x1_0000, 32)).toBe("#GP(0)");
  });

  it("CALL and RET are each other's reverse", () => {
    m.cpu.rsp = 0x7000n;
    m.call("jumpFar", 0x100, 0x10, 16);
    m.call("callFar", 0x200, 0x20, 16);
    expect([m.cpu.rsp, m.read16(0x6ffc), m.read16(0x6ffe)]).toEqual([0x6ffcn, 0x10, 0x100]);
    expect(m.call("returnFar", 2, 16)).toBe("jump");
    expect([m.selector("cs"), m.cpu.rip, m.cpu.rsp]).toEqual([0x100, 0x10n, 0x7002n]);
  });

  it("wraps the stack pointer at 16 bits and keeps the bits above", () => {
    m.cpu.rsp = 0xabcd_0002n;
    m.call("callFar", 0x200, 0x20, 16);
    expect(m.cpu.rsp).toBe(0xabcd_fffen);
  });

  it("IRET restores the flags", () => {
    m.cpu.rsp = 0x7000n;
    m.write16(0x7000, 0x44);
    m.write16(0x7002, 0x300);
    m.write16(0x7004, 0x7fd7);
    expect(m.call("returnFromInterrupt", 16)).toBe("exit");
    expect([m.selector("cs"), m.cpu.rip, m.cpu.rflags & 0xffff]).toEqual([0x300, 0x44n, 0x7fd7]);
  });

  it("IRETD leaves VIF and VIP as they are", () => {
    const flagsBehind = (flags: number, image: number): number => {
      m.cpu.rsp = 0x7000n;
      m.cpu.rflags = flags;
      m.write32(0x7000, 0x44);
      m.write32(0x7004, 0x300);
      m.write32(0x7008, image);
      expect(m.call("returnFromInterrupt", 32)).toBe("jump");
      return m.cpu.rflags;
    };
    expect(flagsBehind(2, 0x3c_0002)).toBe(0x24_0002);
    expect(flagsBehind(0x18_0002, 2)).toBe(0x18_0002);
  });
});

describe("far transfers in protected mode", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it.each([
    ["null selector", 0, "#GP(0)"],
    ["beyond the table", 0x2000, "#GP(2000)"],
    ["data segment", SEL.data0, "#GP(10)"],
    ["code of another privilege", SEL.code3 & ~3, "#GP(18)"],
    ["LDT descriptor", SEL.ldt, "#GP(38)"],
    ["busy TSS", SEL.tss, "#GP(28)"],
  ])("JMP refuses a %s", (_, selector, fault) => {
    expect(m.faultOf("jumpFar", selector, 0x100, 32)).toBe(fault);
    expect(m.selector("cs")).toBe(SEL.code0);
  });

  it("JMP refuses absent code and offsets beyond the limit", () => {
    m.setDescriptor(SEL.spare, 0x0fff, 0x0040_1a00);
    expect(m.faultOf("jumpFar", SEL.spare, 0, 32)).toBe("#NP(68)");
    m.setDescriptor(SEL.spare, 0x0fff, 0x0040_9a00);
    expect(m.faultOf("jumpFar", SEL.spare, 0x1000, 32)).toBe("#GP(0)");
    expect(m.call("jumpFar", SEL.spare, 0xfff, 32)).toBe("jump");
  });

  it("JMP to conforming code keeps CPL, which is what CS.RPL shows", () => {
    m.user();
    expect(m.call("jumpFar", SEL.conforming, 0x100, 32)).toBe("jump");
    expect([m.cpu.cpl, m.selector("cs")]).toEqual([3, SEL.conforming | 3]);
  });

  it("CALL pushes CS and EIP", () => {
    m.call("callFar", SEL.conforming, 0x2_0000, 32);
    expect([m.cpu.rip, m.cpu.rsp, ...stack32(2)]).toEqual([0x2_0000n, 0x6ff8n, 0x1_0000, SEL.code0]);
  });

  it("CALL does not commit if the stack has no room", () => {
    m.cpu.set32("segLimit", 0x6000, SEGMENT.ss);
    expect(m.faultOf("callFar", SEL.conforming, 0x2_0000, 32)).toBe("#SS(0)");
    expect([m.cpu.rip, m.cpu.rsp, m.selector("cs")]).toEqual([0x1_0000n, 0x7000n, SEL.code0]);
  });

  it("call gates switch stacks and copy parameters in order", () => {
    callGate(SEL.spare, SEL.code0, 0x3_0000, 2);
    m.user();
    m.cpu.rsp = 0x6000n;
    push32(0xbbbb, 0xaaaa);
    expect(m.call("callFar", SEL.spare, 0xdead, 32)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.selector("ss")]).toEqual([0, 0x3_0000n, SEL.data0]);
    expect([m.cpu.rsp, ...stack32(6)]).toEqual([0x9000n - 24n, 0x1_0000, SEL.code3, 0xaaaa, 0xbbbb, 0x5ff8, SEL.data3]);
    expect(m.call("returnFar", 8, 32)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.rsp, m.selector("ss")]).toEqual([3, 0x1_0000n, 0x6000n, SEL.data3]);
  });

  it("call gates check privilege and presence of gate and target", () => {
    callGate(SEL.spare, SEL.code0, 0x3_0000, 0, 0);
    m.user();
    expect(m.faultOf("callFar", SEL.spare, 0, 32)).toBe("#GP(68)");
    callGate(SEL.spare, SEL.code0, 0x3_0000, 0);
    m.write8(GDT + SEL.spare + 5, 0x6c);
    expect(m.faultOf("callFar", SEL.spare, 0, 32)).toBe("#NP(68)");
    callGate(SEL.spare, 0, 0, 0);
    expect(m.faultOf("callFar", SEL.spare, 0, 32)).toBe("#GP(0)");
    callGate(SEL.spare, SEL.data0, 0, 0);
    expect(m.faultOf("callFar", SEL.spare, 0, 32)).toBe("#GP(10)");
  });

  it("JMP through a gate may not change privilege", () => {
    callGate(SEL.spare, SEL.code0, 0x3_0000, 0);
    expect(m.call("jumpFar", SEL.spare, 0, 32)).toBe("jump");
    expect(m.cpu.rip).toBe(0x3_0000n);
    m.user();
    expect(m.faultOf("jumpFar", SEL.spare, 0, 32)).toBe("#GP(8)");
  });

  it.each([
    ["null SS", () => m.write16(TSS + 8, 0), "#TS(0)"],
    ["SS of another privilege", () => m.write16(TSS + 8, SEL.data3), "#TS(20)"],
    ["absent SS", () => m.write16(TSS + 8, SEL.absent), "#SS(60)"],
    ["TSS too short", () => m.cpu.set32("segLimit", 8, SEGMENT.tr), "#TS(28)"],
  ])("the inner stack is refused: %s", (_, spoil, fault) => {
    callGate(SEL.spare, SEL.code0, 0x3_0000, 0);
    spoil();
    m.user();
    expect(m.faultOf("callFar", SEL.spare, 0, 32)).toBe(fault);
    expect([m.cpu.cpl, m.selector("ss")]).toEqual([3, SEL.data3]);
  });

  it("RET to outer privilege drops segments that CPL 3 may not have", () => {
    m.call("movToSegment", SEGMENT.fs, SEL.conforming);
    push32(SEL.data3, 0x5000, SEL.code3, 0x4_0000);
    expect(m.call("returnFar", 0, 32)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rsp, m.selector("ds"), m.selector("es"), m.selector("fs")]).toEqual([
      3,
      0x5000n,
      0,
      0,
      SEL.conforming,
    ]);
    expect(m.cpu.get32("mode") & MODE.flat).toBe(0);
  });

  it.each([
    ["more privilege", () => m.user(), [SEL.code0, 0x100], "#GP(8)"],
    ["null CS", () => {}, [0, 0x100], "#GP(0)"],
    ["RPL unlike DPL", () => {}, [SEL.code0 | 3, 0x100], "#GP(8)"],
    ["outer SS of inner privilege", () => {}, [SEL.data0, 0x5000, SEL.code3, 0x100], "#GP(10)"],
    ["null outer SS", () => {}, [0, 0x5000, SEL.code3, 0x100], "#GP(0)"],
  ])("RET refuses %s", (_, prepare, words, fault) => {
    prepare();
    push32(...words);
    const before = m.cpu.rsp;
    expect(m.faultOf("returnFar", 0, 32)).toBe(fault);
    expect(m.cpu.rsp).toBe(before);
  });

  it("IRET gives user code IF and IOPL only as far as CPL allows", () => {
    push32(SEL.data3, 0x5000, 0x3202, SEL.code3, 0x4_0000);
    expect(m.call("returnFromInterrupt", 32)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.rflags]).toEqual([3, 0x4_0000n, 0x3202]);
    m.cpu.rflags = 0x0202;
    m.cpu.rsp = 0x5000n;
    push32(0x3046, SEL.code3, 0x4_0000);
    expect(m.call("returnFromInterrupt", 32)).toBe("jump");
    expect(m.cpu.rflags).toBe(0x0246);
  });

  it.each([
    [
      "IRET",
      () => push32(SEL.data3, 0x1234_5000, 0x0202, SEL.code3, 0x4_0000),
      () => m.call("returnFromInterrupt", 32),
    ],
    ["RET", () => push32(SEL.data3, 0x1234_5000, SEL.code3, 0x4_0000), () => m.call("returnFar", 0, 32)],
  ])("%s to a 16-bit stack loads SP and leaves the bits above as they are", (_, push, transfer) => {
    const attributes = GDT + SEL.data3 - (SEL.data3 & 3) + 4;
    m.write32(attributes, m.read32(attributes) & ~(1 << 22));
    m.cpu.rsp = 0x5_8000n;
    push();
    expect(transfer()).toBe("jump");
    expect(m.cpu.rsp).toBe(0x5_5000n);
  });

  it("IRET leaves for the run loop if it enables interrupts and one waits, or single-steps", () => {
    push32(0x0202, SEL.code0, 0x4_0000, 0x0302, SEL.code0, 0x4_0000);
    expect(m.call("returnFromInterrupt", 32)).toBe("exit");
    m.cpu.rflags = 2;
    m.cpu.set32("interruptRequest", 1);
    expect(m.call("returnFromInterrupt", 32)).toBe("exit");
  });

  it("IRET ends the blocking of NMIs even if it faults", () => {
    m.cpu.set32("nmiBlocked", 1);
    push32(2, 0, 0);
    expect(m.faultOf("returnFromInterrupt", 32)).toBe("#GP(0)");
    expect(m.cpu.get32("nmiBlocked")).toBe(0);
  });

  it("IRET enters virtual-8086 mode and an interrupt leaves it", () => {
    push32(0x15, 0x14, 0x13, 0x12, 0x1000, 0x3000, 0x2_0202, 0x2000, 0x42);
    expect(m.call("returnFromInterrupt", 32)).toBe("exit");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.rsp]).toEqual([3, 0x42n, 0x3000n]);
    const selectors = (["cs", "ss", "es", "ds", "fs", "gs"] as const).map((name) => m.selector(name));
    expect(selectors).toEqual([0x2000, 0x1000, 0x12, 0x13, 0x14, 0x15]);
    expect(m.cpu.get32("mode")).toBe(MODE.code16 | MODE.realAddressing);
    expect(m.cpu.get64("segBase", SEGMENT.cs)).toBe(0x2_0000n);
    expect(m.faultOf("softwareInterrupt", 0x30)).toBe("#GP(0)");
    m.cpu.rflags = 0x2_3202;
    m.setGate(0x30, SEL.code0, 0x8300, 0xee);
    expect(m.call("softwareInterrupt", 0x30)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.vm86]).toEqual([0, 0x8300n, false]);
    expect(stack32(9)).toEqual([0x42, 0x2000, 0x2_3202, 0x3000, 0x1000, 0x12, 0x13, 0x14, 0x15]);
    expect(m.selector("gs")).toBe(0);
  });
});

describe("task switches", () => {
  const NEW = 0x5000;
  beforeEach(() => {
    m = new BareMachine().protect();
    m.setSystem(SEL.spare, NEW, 0x67, 0x89);
    m.write32(NEW + 32, 0x7_0000);
    m.write32(NEW + 36, 0x2);
    m.write32(NEW + 56, 0x6_0000);
    for (const [offset, selector] of [
      [72, SEL.data0],
      [76, SEL.code0],
      [80, SEL.data0],
      [84, SEL.data0],
    ] as const)
      m.write16(NEW + offset, selector);
    m.write32(NEW + 40, 0x1234_5678);
  });
  const busy = (selector: number): boolean => (m.read8(GDT + selector + 5) & 2) !== 0;

  it("JMP saves one task and loads the other", () => {
    m.cpu.setGpr32(3, 0xb0b0);
    expect(m.call("jumpFar", SEL.spare, 0, 32)).toBe("exit");
    expect([m.cpu.rip, m.cpu.rsp, m.cpu.gpr64(0), m.selector("tr")]).toEqual([
      0x7_0000n,
      0x6_0000n,
      0x1234_5678n,
      SEL.spare,
    ]);
    expect([m.read32(TSS + 32), m.read32(TSS + 52), m.read16(TSS + 76)]).toEqual([0x1_0000, 0xb0b0, SEL.code0]);
    expect([busy(SEL.tss), busy(SEL.spare)]).toEqual([false, true]);
    expect(m.cpu.low("cr0") & 8).toBe(8);
    expect(m.cpu.rflags & 0x4000).toBe(0);
  });

  it("CALL nests, IRET returns", () => {
    m.call("callFar", SEL.spare, 0, 32);
    expect([busy(SEL.tss), busy(SEL.spare), m.read16(NEW), m.cpu.rflags & 0x4000]).toEqual([
      true,
      true,
      SEL.tss,
      0x4000,
    ]);
    expect(m.call("returnFromInterrupt", 32)).toBe("exit");
    expect([m.cpu.rip, m.selector("tr"), busy(SEL.spare), busy(SEL.tss)]).toEqual([0x1_0000n, SEL.tss, false, true]);
    expect(m.read32(NEW + 36) & 0x4000).toBe(0);
  });

  it("faults before the switch leave the old task running", () => {
    m.setSystem(SEL.spare, NEW, 0x66, 0x89);
    expect(m.faultOf("jumpFar", SEL.spare, 0, 32)).toBe("#TS(68)");
    m.setSystem(SEL.spare, NEW, 0x67, 0x09);
    expect(m.faultOf("jumpFar", SEL.spare, 0, 32)).toBe("#NP(68)");
    expect([m.selector("tr"), m.cpu.rip]).toEqual([SEL.tss, 0x1_0000n]);
  });

  it("faults after the switch are the new task's", () => {
    m.write16(NEW + 80, SEL.data3);
    expect(m.call("jumpFar", SEL.spare, 0, 32)).toBe("exit");
    expect([m.fault(), m.selector("tr"), m.cpu.rip]).toEqual(["#TS(20)", SEL.spare, 0x7_0000n]);
  });

  it("the T flag raises #DB with BT", () => {
    m.write16(NEW + 100, 1);
    m.call("jumpFar", SEL.spare, 0, 32);
    expect(m.take()).toBe("delivered");
    expect([m.cpu.rip, m.cpu.low("dr", 6) & 0x8000]).toEqual([0x8010n, 0x8000]);
  });

  it("task gates deliver exceptions with the error code on the new stack", () => {
    m.setGate(13, SEL.spare, 0, 0x85);
    m.cpu.raise("GP", 0x40);
    expect(m.take()).toBe("delivered");
    expect([m.cpu.rip, m.selector("tr"), m.cpu.rsp, m.read32(0x5_fffc)]).toEqual([
      0x7_0000n,
      SEL.spare,
      0x5_fffcn,
      0x40,
    ]);
  });
});

describe("far transfers in long mode", () => {
  beforeEach(() => {
    m = new BareMachine().long();
  });

  it("JMP refuses 32-bit system types and code with L and D", () => {
    expect(m.faultOf("jumpFar", SEL.tss, 0, 32)).toBe("#GP(28)");
    m.setDescriptor(SEL.spare, FLAT_LOW, CODE32 | 0x0020_0000);
    expect(m.faultOf("jumpFar", SEL.spare, 0, 32)).toBe("#GP(68)");
    expect(m.faultOf("jumpFar", SEL.code64, 0x8000_0000_0000n, 64)).toBe("#GP(0)");
    expect(m.call("jumpFar", SEL.code0, 0x100, 32)).toBe("jump");
    expect(m.cpu.get32("mode") & MODE.codeSizeMask).toBe(MODE.code32);
  });

  it("64-bit call gates load RSP from the TSS and a null SS", () => {
    callGate(SEL.spare, SEL.code64, 0x3_0000, 0);
    m.write64(GDT + SEL.spare + 8, 0n);
    m.user();
    m.cpu.rsp = 0x6000n;
    expect(m.call("callFar", SEL.spare, 0, 32)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.selector("ss"), m.cpu.rsp]).toEqual([0, 0x3_0000n, 0, 0x9000n - 32n]);
    expect(stack64(4)).toEqual([0x1_0000n, BigInt(SEL.code64User), 0x6000n, BigInt(SEL.data3)]);
    expect(m.call("returnFar", 0, 64)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rsp, m.selector("ss")]).toEqual([3, 0x6000n, SEL.data3]);
  });

  it("IRETQ pops SS:RSP even to the same privilege, and a null SS may return", () => {
    push64(0n, 0x6660n, 0x202n, BigInt(SEL.code64), 0x4_0000n);
    expect(m.call("returnFromInterrupt", 64)).toBe("jump");
    expect([m.cpu.rip, m.cpu.rsp, m.selector("ss"), m.cpu.rflags]).toEqual([0x4_0000n, 0x6660n, 0, 0x202]);
  });

  it("IRETQ to user code keeps FS and GS bases of null selectors", () => {
    m.cpu.set64("segBase", 0x7fff_1234_0000n, SEGMENT.fs);
    m.cpu.set32("segAttributes", 0x1_0000, SEGMENT.fs);
    push64(BigInt(SEL.data3), 0x5000n, 0x202n, BigInt(SEL.code64User), 0x4_0000n);
    m.call("returnFromInterrupt", 64);
    expect([m.cpu.cpl, m.cpu.get64("segBase", SEGMENT.fs)]).toEqual([3, 0x7fff_1234_0000n]);
  });

  it("IRETQ to user code takes kernel segments away, but not the base of GS", () => {
    m.cpu.set64("segBase", 0x7fff_1234_0000n, SEGMENT.gs);
    m.cpu.set32("segAttributes", 0xc093, SEGMENT.gs);
    push64(BigInt(SEL.data3), 0x5000n, 0x202n, BigInt(SEL.code64User), 0x4_0000n);
    m.call("returnFromInterrupt", 64);
    expect([m.selector("gs"), m.cpu.get32("segAttributes", SEGMENT.gs)]).toEqual([0, 0x1_0000]);
    expect(m.cpu.get64("segBase", SEGMENT.gs)).toBe(0x7fff_1234_0000n);
  });

  it.each([
    ["IRETQ", "16-bit", () => m.call("returnFromInterrupt", 64), 0xffff_8000_0005_5000n],
    ["IRETQ", "32-bit", () => m.call("returnFromInterrupt", 64), 0x3456_5000n],
    ["IRETD", "16-bit", () => m.call("returnFromInterrupt", 32), 0xffff_8000_0005_5000n],
    ["RETFQ", "16-bit", () => m.call("returnFar", 0, 64), 0xffff_8000_0005_5000n],
  ])("%s to a %s stack of compatibility mode", (name, width, transfer, rsp) => {
    if (width === "16-bit") {
      const attributes = GDT + SEL.data3 - (SEL.data3 & 3) + 4;
      m.write32(attributes, m.read32(attributes) & ~(1 << 22));
    }
    m.write64(PAGE_TABLES + 0x800, m.read64(PAGE_TABLES));
    m.cpu.linear.flushAll();
    m.cpu.rsp = 0x5_8000n;
    if (name === "IRETD") push32(SEL.data3, 0x3456_5000, 0x202, SEL.code3, 0x4_0000);
    else if (name === "RETFQ") push64(BigInt(SEL.data3), 0x12_3456_5000n, BigInt(SEL.code3), 0x4_0000n);
    else push64(BigInt(SEL.data3), 0x12_3456_5000n, 0x202n, BigInt(SEL.code3), 0x4_0000n);
    m.cpu.rsp += 0xffff_8000_0000_0000n;
    expect(transfer()).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rsp]).toEqual([3, rsp]);
  });

  it.each([
    [
      "NT",
      () => {
        m.cpu.rflags = 0x4002;
      },
      [0n, 0n, 2n, BigInt(SEL.code64), 0n],
      "#GP(0)",
    ],
    ["non-canonical RIP", () => {}, [0n, 0n, 2n, BigInt(SEL.code64), 0x8000_0000_0000n], "#GP(0)"],
    ["null SS for user code", () => {}, [3n, 0n, 2n, BigInt(SEL.code64User), 0n], "#GP(0)"],
  ])("IRETQ refuses %s", (_, prepare, words, fault) => {
    prepare();
    push64(...words);
    expect(m.faultOf("returnFromInterrupt", 64)).toBe(fault);
  });

  it("a page fault on the stack commits nothing", () => {
    m.write64(PAGE_TABLES + 0x1000, 0x87n & ~4n);
    m.cpu.linear.flushAll();
    m.user();
    expect(m.faultOf("returnFar", 0, 64)).toBe("#PF(5)");
    expect(m.cpu.rsp).toBe(0x7000n);
  });
});
