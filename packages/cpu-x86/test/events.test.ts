import { beforeEach, describe, expect, it } from "vitest";
import { raiseDebug } from "../src/exceptions/debug.ts";
import { deliver } from "../src/exceptions/deliver.ts";
import { combineExceptions } from "../src/exceptions/double-fault.ts";
import { VECTOR } from "../src/exceptions/vectors.ts";
import { deliverInterrupt, deliverNmi, interruptDeliverable, nmiDeliverable } from "../src/interrupts/interrupts.ts";
import { SEGMENT } from "../src/state/layout.ts";
import { BareMachine, DATA32, FLAT_LOW, SEL, TSS } from "./bare-machine.ts";

let m: BareMachine;
const stack32 = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => m.read32(Number(m.cpu.rsp) + i * 4));
const stack64 = (count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => m.read64(Number(m.cpu.rsp) + i * 8));

describe("the table of double faults", () => {
  const { DE, DB, PF, GP, NP, DF, UD, AC } = VECTOR;
  it.each([
    [UD, GP, "serial"],
    [GP, UD, "serial"],
    [GP, NP, "double"],
    [DE, GP, "double"],
    [GP, PF, "serial"],
    [PF, GP, "double"],
    [PF, PF, "double"],
    [PF, DB, "serial"],
    [DF, GP, "shutdown"],
    [DF, PF, "shutdown"],
    [DF, AC, "serial"],
    [-1, PF, "serial"],
  ] as const)("%i then %i: %s", (first, second, outcome) => {
    expect(combineExceptions(first, second)).toBe(outcome);
  });
});

describe("events in real mode", () => {
  beforeEach(() => {
    m = new BareMachine();
    m.cpu.rsp = 0x7000n;
    m.call("jumpFar", 0x200, 0x10, 16);
  });

  it("pushes FLAGS, CS and IP and clears IF and TF", () => {
    m.write32(0x30 * 4, 0x1234_5678);
    m.cpu.rflags = 0x346;
    expect(m.call("softwareInterrupt", 0x30)).toBe("jump");
    expect([m.selector("cs"), m.cpu.rip, m.cpu.rflags]).toEqual([0x1234, 0x5678n, 0x46]);
    expect([m.cpu.rsp, m.read16(0x6ffa), m.read16(0x6ffc), m.read16(0x6ffe)]).toEqual([0x6ffan, 0x10, 0x200, 0x346]);
  });

  it("pushes no error codes", () => {
    m.cpu.raise("GP", 0);
    expect(m.take()).toBe("delivered");
    expect(m.cpu.rsp).toBe(0x6ffan);
  });

  it("shuts down if the table has no room for the double fault either", () => {
    m.cpu.set32("idtrLimit", 3);
    expect(m.faultOf("softwareInterrupt", 0x30)).toBe("#GP(182)");
    m.cpu.raise("GP", 0);
    expect(m.take()).toBe("shutdown");
  });
});

describe("events in protected mode", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it("pushes EFLAGS with RF for faults, and the error code", () => {
    m.cpu.rflags = 0x246;
    m.cpu.raise("GP", 0x68);
    expect(m.take()).toBe("delivered");
    expect([m.cpu.rip, m.cpu.rflags]).toEqual([0x80d0n, 0x46]);
    expect(stack32(4)).toEqual([0x68, 0x1_0000, SEL.code0, 0x1_0246]);
  });

  it("pushes RF as it is for traps, and trap gates leave IF alone", () => {
    m.cpu.rflags = 0x202;
    m.setGate(3, SEL.code0, 0x8030, 0x8f);
    expect(m.call("breakpoint")).toBe("jump");
    expect([m.cpu.rflags, stack32(3)[2]]).toEqual([0x202, 0x202]);
  });

  it("16-bit gates push words and cut the offset", () => {
    m.setGate(0x40, SEL.code0, 0xffff_1234, 0x86);
    m.call("softwareInterrupt", 0x40);
    expect([m.cpu.rip, m.cpu.rsp, m.read16(0x6ffa)]).toEqual([0x1234n, 0x6ffan, 0]);
  });

  it("switches to the stack of the TSS from user code", () => {
    m.user();
    m.cpu.rsp = 0x5000n;
    m.cpu.raisePageFault(0xdead_b000 | 0, 0, 7);
    expect(m.take()).toBe("delivered");
    expect([m.cpu.cpl, m.selector("cs"), m.selector("ss"), m.cpu.low("cr2")]).toEqual([
      0,
      SEL.code0,
      SEL.data0,
      0xdead_b000,
    ]);
    expect(stack32(6)).toEqual([7, 0x1_0000, SEL.code3, 0x1_0002, 0x5000, SEL.data3]);
  });

  it("INT n needs the gate's DPL, exceptions and INT1 do not", () => {
    m.user();
    expect(m.faultOf("softwareInterrupt", 0x80)).toBe("#GP(402)");
    expect(m.faultOf("breakpoint")).toBe("#GP(1a)");
    expect(m.call("debugTrap")).toBe("jump");
    m.user();
    m.setGate(0x80, SEL.code0, 0x9999, 0xee);
    expect(m.call("softwareInterrupt", 0x80)).toBe("jump");
  });

  it("INTO asks OF", () => {
    expect(m.call("overflow")).toBe("next");
    m.cpu.rflags = 0x802;
    expect(m.call("overflow")).toBe("jump");
    expect(m.cpu.rip).toBe(0x8040n);
  });

  it("error codes of failed delivery name the IDT entry, with EXT unless software asked", () => {
    m.setGate(0x50, SEL.code0, 0, 0x0e);
    expect(m.faultOf("softwareInterrupt", 0x50)).toBe("#NP(282)");
    expect(deliver(m.cpu, 0x50, "external")).toBe(false);
    expect(m.fault()).toBe("#NP(283)");
    m.setGate(0x50, SEL.data0, 0, 0x8e);
    deliver(m.cpu, 0x50, "external");
    expect(m.fault()).toBe("#GP(11)");
    m.setGate(0x50, SEL.code0, 0, 0x89);
    deliver(m.cpu, 0x50, "external");
    expect(m.fault()).toBe("#GP(283)");
  });

  it("a handler that is missing makes a double fault, without that a shutdown", () => {
    m.setGate(14, SEL.code0, 0, 0x0e);
    m.cpu.raisePageFault(0x5000, 0, 0);
    expect(m.take()).toBe("delivered");
    expect([m.cpu.rip, stack32(1)[0]]).toEqual([0x8080n, 0]);
    m.setGate(8, SEL.code0, 0, 0x0e);
    m.cpu.raisePageFault(0x6000, 0, 0);
    expect(m.take()).toBe("shutdown");
    expect([m.cpu.faulted, m.cpu.low("cr2")]).toEqual([false, 0x6000]);
  });

  it("no exception, nothing to deliver", () => {
    expect(m.take()).toBe("delivered");
    expect(m.cpu.rip).toBe(0x1_0000n);
  });

  it("debug exceptions set DR6 and clear GD", () => {
    m.cpu.setLow("dr", 0x2400, 7);
    m.cpu.setLow("dr", 0xffff_0ff5, 6);
    raiseDebug(m.cpu, 0x4002);
    m.take();
    expect([m.cpu.low("dr", 6), m.cpu.low("dr", 7)]).toEqual([0xffff_4ff2, 0x400]);
  });

  it("NMIs block themselves until IRET and end HLT", () => {
    m.call("hlt");
    expect([m.cpu.get32("halted"), nmiDeliverable(m.cpu)]).toEqual([1, true]);
    deliverNmi(m.cpu);
    expect([m.cpu.get32("halted"), m.cpu.rip, nmiDeliverable(m.cpu)]).toEqual([0, 0x8020n, false]);
    m.call("returnFromInterrupt", 32);
    expect(nmiDeliverable(m.cpu)).toBe(true);
  });

  it("interrupts wait for IF and the end of shadows", () => {
    expect(interruptDeliverable(m.cpu)).toBe(false);
    expect(m.call("sti")).toBe("exit");
    expect(interruptDeliverable(m.cpu)).toBe(false);
    m.cpu.set32("interruptShadow", 0);
    expect(interruptDeliverable(m.cpu)).toBe(true);
    deliverInterrupt(m.cpu, 0x20);
    expect([m.cpu.rip, interruptDeliverable(m.cpu)]).toEqual([0x8200n, false]);
  });

  it("a conforming handler runs at the interrupted privilege", () => {
    m.setGate(0x60, SEL.conforming, 0x100, 0xee);
    m.user();
    m.cpu.rsp = 0x5000n;
    m.call("softwareInterrupt", 0x60);
    expect([m.cpu.cpl, m.selector("cs"), m.cpu.rsp]).toEqual([3, SEL.conforming | 3, 0x4ff4n]);
  });

  it("a stack without room is #SS with the new selector when switching, 0 otherwise", () => {
    m.setDescriptor(SEL.spare, 0x8ff0, 0x0040_9200);
    m.write16(TSS + 8, SEL.spare);
    m.user();
    deliver(m.cpu, 0x20, "external");
    expect(m.fault()).toBe("#SS(69)");
    expect([m.cpu.cpl, m.selector("ss")]).toEqual([3, SEL.data3]);
    m.setFlat(0);
    m.cpu.set32("segLimit", 0x10, SEGMENT.ss);
    expect(m.faultOf("softwareInterrupt", 0x20)).toBe("#SS(0)");
    m.setDescriptor(SEL.spare, FLAT_LOW, DATA32);
  });
});

describe("events in long mode", () => {
  beforeEach(() => {
    m = new BareMachine().long();
  });

  it("pushes five words on an aligned stack even without a change of privilege", () => {
    m.cpu.rsp = 0x7008n;
    m.cpu.rflags = 0x246;
    deliverInterrupt(m.cpu, 0x21);
    expect([m.cpu.rip, m.cpu.rsp, m.cpu.rflags, m.selector("ss")]).toEqual([0x8210n, 0x7000n - 40n, 0x46, SEL.data0]);
    expect(stack64(5)).toEqual([0x1_0000n, BigInt(SEL.code64), 0x246n, 0x7008n, BigInt(SEL.data0)]);
  });

  it("switches to RSP0 with a null SS from user code, and IRETQ returns", () => {
    m.user();
    m.cpu.rsp = 0x5000n;
    m.cpu.raise("GP", 0);
    m.take();
    expect([m.cpu.cpl, m.cpu.rsp, m.selector("ss")]).toEqual([0, 0x9000n - 48n, 0]);
    expect(stack64(2)).toEqual([0n, 0x1_0000n]);
    m.cpu.rsp += 8n;
    m.call("returnFromInterrupt", 64);
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.rsp, m.selector("ss")]).toEqual([3, 0x1_0000n, 0x5000n, SEL.data3]);
  });

  it("interrupts 32-bit user code into 64-bit handlers", () => {
    m.setFlat(3, SEL.code3);
    m.cpu.rsp = 0x5000n;
    deliverInterrupt(m.cpu, 0x30);
    expect([m.cpu.code64, stack64(4)[1]]).toEqual([true, BigInt(SEL.code3)]);
  });

  it("IST entries switch stacks at any privilege", () => {
    m.setGate64(2, SEL.code64, 0x8020n, 0x8e, 1);
    deliverNmi(m.cpu);
    expect([m.cpu.rsp, m.selector("ss")]).toEqual([0xa000n - 40n, SEL.data0]);
  });

  it.each([
    ["16-bit gate", () => m.setGate64(0x70, SEL.code64, 0n, 0x86), "#GP(382)"],
    ["task gate", () => m.setGate64(0x70, SEL.code64, 0n, 0x85), "#GP(382)"],
    ["32-bit handler", () => m.setGate64(0x70, SEL.code0, 0n, 0x8e), "#GP(8)"],
    ["non-canonical handler", () => m.setGate64(0x70, SEL.code64, 0x8000_0000_0000n, 0x8e), "#GP(0)"],
    ["null selector", () => m.setGate64(0x70, 0, 0n, 0x8e), "#GP(0)"],
    ["entry beyond the limit", () => m.cpu.set32("idtrLimit", 0x70e), "#GP(382)"],
    [
      "IST pointer not canonical",
      () => {
        m.write64(TSS + 36, 0x8000_0000_0000n);
        m.setGate64(0x70, SEL.code64, 0n, 0x8e, 1);
      },
      "#SS(0)",
    ],
  ])("refuses a %s", (_, spoil, fault) => {
    m.long();
    spoil();
    expect(m.faultOf("softwareInterrupt", 0x70)).toBe(fault);
    expect([m.cpu.rip, m.cpu.rsp]).toEqual([0x1_0000n, 0x7000n]);
  });

  it("a page fault on the handler's stack becomes a double fault on its IST", () => {
    m.setGate64(8, SEL.code64, 0x8080n, 0x8e, 1);
    m.cpu.rsp = 0x7fff_0000_0000n;
    m.cpu.raisePageFault(0x1234, 0x7ff0, 2);
    expect(m.take()).toBe("delivered");
    expect([m.cpu.rip, m.cpu.rsp, m.cpu.get64("cr2")]).toEqual([0x8080n, 0xa000n - 48n, 0x7fff_0000_0000n - 48n]);
  });
});
