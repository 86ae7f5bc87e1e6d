import { beforeEach, describe, expect, it } from "vitest";
import { recomputeMode } from "../src/segments/cache.ts";
import { SEGMENT } from "../src/state/layout.ts";
import { MODE } from "../src/state/mode.ts";
import { BareMachine, CODE32, DATA32, FLAT_LOW, GDT, LDT, PRESENT, SEL } from "./bare-machine.ts";

let m: BareMachine;

describe("segment loads in real mode", () => {
  beforeEach(() => {
    m = new BareMachine();
  });

  it("takes the base from the selector and keeps the limit", () => {
    m.cpu.set32("segLimit", 0xffff_ffff, SEGMENT.ds);
    expect(m.call("movToSegment", SEGMENT.ds, 0x1234)).toBe("next");
    expect(m.cpu.get64("segBase", SEGMENT.ds)).toBe(0x12340n);
    expect(m.cpu.get64("segReadLast", SEGMENT.ds)).toBe(0xffff_ffffn);
  });

  it("is 16-bit code with real addressing", () => {
    expect(m.cpu.get32("mode")).toBe(MODE.code16 | MODE.realAddressing);
  });

  it("does not know LLDT, LTR, LAR and VERR", () => {
    for (const name of ["lldt", "ltr", "lar", "lsl", "verr", "verw"] as const)
      expect(m.faultOf(name, 0x28, 0, 32)).toBe("#UD");
  });
});

describe("segment loads in protected mode", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it("loads base, limit and rights, and sets the accessed bit in memory", () => {
    m.setDescriptor(SEL.spare, 0x5678_1234, 0x9a40_9299 & ~0x100);
    expect(m.read8(GDT + SEL.spare + 5) & 1).toBe(0);
    expect(m.call("movToSegment", SEGMENT.fs, SEL.spare)).toBe("next");
    expect(m.cpu.get64("segBase", SEGMENT.fs)).toBe(0x9a99_5678n);
    expect(m.cpu.get32("segLimit", SEGMENT.fs)).toBe(0x1234);
    expect(m.cpu.get32("segAttributes", SEGMENT.fs)).toBe(0x4093);
    expect(m.read8(GDT + SEL.spare + 5) & 1).toBe(1);
  });

  it("scales limits by granularity", () => {
    m.call("movToSegment", SEGMENT.es, SEL.data0);
    expect(m.cpu.get32("segLimit", SEGMENT.es)).toBe(0xffff_ffff);
  });

  it("turns expand-down limits around", () => {
    m.setDescriptor(SEL.spare, 0x0fff, 0x0040_9600);
    m.call("movToSegment", SEGMENT.es, SEL.spare);
    expect(m.cpu.get64("segWriteFirst", SEGMENT.es)).toBe(0x1000n);
    expect(m.cpu.get64("segWriteLast", SEGMENT.es)).toBe(0xffff_ffffn);
    m.setDescriptor(SEL.spare, 0x0fff, 0x0000_9600);
    m.call("movToSegment", SEGMENT.es, SEL.spare);
    expect(m.cpu.get64("segReadLast", SEGMENT.es)).toBe(0xffffn);
  });

  it("lets readable code be read but not written, execute-only code neither", () => {
    m.call("movToSegment", SEGMENT.es, SEL.code0);
    expect(m.cpu.get64("segReadLast", SEGMENT.es)).toBe(0xffff_ffffn);
    expect(m.cpu.get64("segWriteFirst", SEGMENT.es)).toBeGreaterThan(m.cpu.get64("segWriteLast", SEGMENT.es));
    m.setDescriptor(SEL.spare, FLAT_LOW, CODE32 & ~0x200);
    expect(m.faultOf("movToSegment", SEGMENT.es, SEL.spare)).toBe("#GP(68)");
  });

  it("takes null selectors for data, and makes the segment unusable", () => {
    expect(m.call("movToSegment", SEGMENT.gs, 3)).toBe("next");
    expect(m.cpu.get64("segReadFirst", SEGMENT.gs)).toBeGreaterThan(m.cpu.get64("segReadLast", SEGMENT.gs));
    expect(m.selector("gs")).toBe(3);
  });

  it.each([
    ["beyond the table", SEGMENT.ds, 0x1000, "#GP(1000)"],
    ["in an LDT there is not", SEGMENT.ds, 0x0c, "#GP(c)"],
    ["not present", SEGMENT.ds, SEL.absent, "#NP(60)"],
    ["not present, for SS", SEGMENT.ss, SEL.absent, "#SS(60)"],
    ["null SS", SEGMENT.ss, 0, "#GP(0)"],
    ["SS with another RPL", SEGMENT.ss, SEL.data0 | 3, "#GP(10)"],
    ["SS of another DPL", SEGMENT.ss, SEL.data3, "#GP(20)"],
    ["SS of code", SEGMENT.ss, SEL.code0, "#GP(8)"],
    ["system descriptor", SEGMENT.ds, SEL.tss, "#GP(28)"],
    ["RPL above DPL", SEGMENT.ds, SEL.data0 | 3, "#GP(10)"],
  ])("refuses %s", (_, segment, selector, fault) => {
    const before = m.cpu.get32("segSelector", segment);
    expect(m.faultOf("movToSegment", segment, selector)).toBe(fault);
    expect(m.cpu.get32("segSelector", segment)).toBe(before);
  });

  it("keeps user code from supervisor data, but not from conforming code", () => {
    m.user();
    expect(m.faultOf("movToSegment", SEGMENT.ds, SEL.data0)).toBe("#GP(10)");
    expect(m.call("movToSegment", SEGMENT.fs, SEL.conforming | 3)).toBe("next");
  });

  it("finds LDT selectors once LLDT has loaded the table", () => {
    m.setDescriptor(0x0c, FLAT_LOW, DATA32);
    expect(m.call("lldt", SEL.ldt)).toBe("next");
    expect(m.cpu.get64("segBase", SEGMENT.ldtr)).toBe(BigInt(LDT));
    expect(m.call("movToSegment", SEGMENT.fs, 0x0c)).toBe("next");
    expect(m.call("lldt", 0)).toBe("next");
    expect(m.faultOf("movToSegment", SEGMENT.fs, 0x0c)).toBe("#GP(c)");
  });

  it("shadows interrupts behind a load of SS, and leaves for the run loop if one could come", () => {
    m.cpu.rflags = 0x202;
    expect(m.call("movToSegment", SEGMENT.ss, SEL.data0)).toBe("exit");
    expect(m.cpu.get32("interruptShadow")).toBe(2);
  });

  it("pops segments with the stack pointer of the old stack", () => {
    m.cpu.rsp = 0x7000n;
    expect(m.call("popSegment", SEGMENT.es, SEL.data0, 4)).toBe("next");
    expect(m.cpu.rsp).toBe(0x7004n);
    expect(m.faultOf("popSegment", SEGMENT.es, SEL.absent, 4)).toBe("#NP(60)");
    expect(m.cpu.rsp).toBe(0x7004n);
  });

  it("loads far pointers after the checks", () => {
    m.cpu.setGpr64(3, 0x1111_2222_3333_4444n);
    expect(m.faultOf("loadFarPointer", SEGMENT.fs, SEL.absent, 3 * 8, 0x5555, 16)).toBe("#NP(60)");
    expect(m.cpu.gpr64(3)).toBe(0x1111_2222_3333_4444n);
    m.call("loadFarPointer", SEGMENT.fs, SEL.data0, 3 * 8, 0x5555, 16);
    expect(m.cpu.gpr64(3)).toBe(0x1111_2222_3333_5555n);
    m.call("loadFarPointer", SEGMENT.fs, SEL.data0, 3 * 8, 0x9999_5555, 32);
    expect(m.cpu.gpr64(3)).toBe(0x9999_5555n);
  });
});

describe("mode", () => {
  it("is flat only while CS, SS, DS and ES span everything", () => {
    m = new BareMachine().protect();
    expect(m.cpu.get32("mode")).toBe(MODE.code32 | MODE.stack32 | MODE.flat);
    expect(m.call("movToSegment", SEGMENT.es, 0)).toBe("jump");
    expect(m.cpu.get32("mode")).toBe(MODE.code32 | MODE.stack32);
    expect(m.call("movToSegment", SEGMENT.es, SEL.data0)).toBe("jump");
    m.setDescriptor(SEL.spare, FLAT_LOW | (1 << 16), DATA32 | PRESENT);
    m.call("movToSegment", SEGMENT.ds, SEL.spare);
    expect(m.cpu.get32("mode") & MODE.flat).toBe(0);
    expect(m.call("movToSegment", SEGMENT.fs, SEL.spare)).toBe("next");
  });

  it("is 64-bit by CS.L in long mode, whatever the data segments", () => {
    m = new BareMachine().long();
    expect(m.cpu.get32("mode")).toBe(MODE.code64);
    m.setFlat(0, SEL.code0);
    expect(m.cpu.get32("mode")).toBe(MODE.code32 | MODE.stack32 | MODE.flat);
  });

  it("has contexts of their own for user code and EFLAGS.AC", () => {
    m = new BareMachine().protect();
    const supervisor = m.cpu.low("tlbContext");
    m.user();
    const user = m.cpu.low("tlbContext");
    m.setFlat(0);
    m.cpu.rflags = 0x4_0002;
    recomputeMode(m.cpu);
    expect(new Set([supervisor, user, m.cpu.low("tlbContext")]).size).toBe(3);
  });

  it("lets 64-bit supervisor code have a null SS, user code not", () => {
    m = new BareMachine().long();
    expect(m.call("movToSegment", SEGMENT.ss, 0)).toBe("exit");
    m.user();
    expect(m.faultOf("movToSegment", SEGMENT.ss, 3)).toBe("#GP(0)");
  });

  it("reads 16-byte LDT descriptors in long mode and checks their upper type", () => {
    m = new BareMachine().long();
    m.write32(GDT + SEL.ldt + 8, 0xffff_8000);
    m.write32(GDT + SEL.ldt + 12, 0);
    expect(m.call("lldt", SEL.ldt)).toBe("next");
    expect(m.cpu.get64("segBase", SEGMENT.ldtr)).toBe(0xffff_8000_0000_4000n);
    m.write32(GDT + SEL.ldt + 12, 0x1f00);
    expect(m.faultOf("lldt", SEL.ldt)).toBe("#GP(38)");
  });
});

describe("selector questions", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });
  const zf = (): boolean => (m.cpu.rflags & 0x40) !== 0;

  it("LAR gives access rights, LSL the scaled limit, ZF whether it may be known", () => {
    m.call("lar", SEL.code3, 0, 32);
    expect([zf(), m.cpu.gpr64(0)]).toEqual([true, 0xcf_fa00n & 0xf0_ff00n]);
    m.call("lsl", SEL.data0, 0, 32);
    expect([zf(), m.cpu.gpr64(0)]).toEqual([true, 0xffff_ffffn]);
    m.call("lar", SEL.tss, 0, 16);
    expect([zf(), m.cpu.gpr64(0)]).toEqual([true, 0xffff_8b00n]);
    m.setDescriptor(SEL.spare, 0, 0x8e00);
    m.cpu.setGpr64(0, 7n);
    m.call("lar", SEL.spare, 0, 32);
    expect([zf(), m.cpu.gpr64(0)]).toEqual([false, 7n]);
    m.user();
    m.call("lsl", SEL.data0, 0, 32);
    expect(zf()).toBe(false);
  });

  it("VERR and VERW follow type and privilege and never fault", () => {
    const answers = (selector: number): [boolean, boolean] => {
      m.call("verr", selector);
      const readable = zf();
      m.call("verw", selector);
      return [readable, zf()];
    };
    expect(answers(SEL.data0)).toEqual([true, true]);
    expect(answers(SEL.code0)).toEqual([true, false]);
    expect(answers(0)).toEqual([false, false]);
    expect(answers(0xfff8)).toEqual([false, false]);
    expect(answers(SEL.tss)).toEqual([false, false]);
    m.user();
    expect(answers(SEL.data0)).toEqual([false, false]);
    expect(answers(SEL.conforming)).toEqual([true, false]);
    expect(answers(SEL.data3)).toEqual([true, true]);
  });
});
