import { beforeEach, describe, expect, it } from "vitest";
import { describe as describeCpu } from "../src/state/describe.ts";
import { GPR, SEGMENT } from "../src/state/layout.ts";
import { MODE } from "../src/state/mode.ts";
import { restoreRegisters, saveRegisters } from "../src/state/save.ts";
import { BareMachine, PAGE_TABLES, SEL } from "./bare-machine.ts";

let m: BareMachine;

describe("saved registers", () => {
  beforeEach(() => {
    m = new BareMachine().long();
    m.user();
  });

  it("go to another machine with the same memory and mean the same there", () => {
    m.cpu.setGpr64(GPR.r15, 0xffff_eeee_dddd_ccccn);
    m.cpu.rflags = 0xad7;
    m.cpu.view.setBigUint64(0, 0n);
    const saved = saveRegisters(m.cpu);
    const other = new BareMachine();
    other.mapIdentity();
    restoreRegisters(other.cpu, saved);
    expect(saveRegisters(other.cpu)).toEqual(saved);
    expect([other.cpu.cpl, other.cpu.get32("mode"), other.cpu.walker.mode]).toEqual([3, MODE.code64, "long4"]);
    expect(other.cpu.get64("segReadLast", SEGMENT.ds)).toBe(0xffff_ffffn);
    expect(other.cpu.linear.read(0x1234n, 4, 0)).toBe(other.read32(0x1234));
    expect(other.cpu.faulted).toBe(false);
  });

  it("have the names that contracts give them", () => {
    const names = Object.keys(saveRegisters(m.cpu));
    for (const name of [
      "rax",
      "r15",
      "rip",
      "rflags",
      "cr8",
      "efer",
      "xcr0",
      "dr7",
      "cs.selector",
      "tr.base",
      "gdtr.limit",
      "xmm15",
      "st7",
      "msr.277",
      "msr.c0000102",
      "mxcsr",
    ])
      expect(names).toContain(name);
  });

  it("leave no trace of the address spaces before: translations come to lie in the same places", () => {
    const saved = saveRegisters(m.cpu);
    const restoredContexts = (): bigint[] => {
      restoreRegisters(m.cpu, saved);
      return [0, 1, 2].map((privilege) => m.cpu.get64("tlbContexts", privilege));
    };
    const first = restoredContexts();
    m.cpu.linear.pagingChanged(false);
    expect(restoredContexts()).toEqual(first);
  });

  it("missing names keep their values", () => {
    const before = saveRegisters(m.cpu);
    restoreRegisters(m.cpu, { rax: 7n });
    expect(saveRegisters(m.cpu)).toEqual({ ...before, rax: 7n });
  });

  it.each([
    ["unknown names", { rqx: 1n }, /no register "rqx"/],
    ["values too wide", { "cs.selector": 0x1_0000n }, /cs\.selector/],
    ["negative values", { rax: -1n }, /rax/],
    ["things that are no numbers", { rax: 1 as unknown as bigint }, /rax/],
    ["PG without PE", { cr0: 0x8000_0010n }, /PG without PE/],
    ["LMA without paging", { cr0: 0x11n }, /LMA/],
    ["CR3 beyond the address width", { cr3: 1n << 41n }, /cr3/],
    ["CR4 bits that do not exist", { cr4: 0x20n | (1n << 14n) }, /cr4/],
    ["MXCSR bits that do not exist", { mxcsr: 1n << 20n }, /mxcsr/],
  ])("refuse %s and change nothing", (_, regs, message) => {
    const before = saveRegisters(m.cpu);
    expect(() => restoreRegisters(m.cpu, { rbx: 99n, ...regs } as Record<string, bigint>)).toThrow(message);
    expect(saveRegisters(m.cpu)).toEqual(before);
  });

  it("describe themselves as QEMU does", () => {
    const text = describeCpu(m.cpu);
    expect(text).toMatch(/^RAX=0{16} RBX=/);
    expect(text).toContain("CPL=3");
    expect(text).toMatch(new RegExp(`CS =00${SEL.code64User.toString(16)} `));
    expect(text).toContain(`CR3=${PAGE_TABLES.toString(16).padStart(16, "0")}`);
  });
});

describe("reset", () => {
  it("is the manual's table", () => {
    m = new BareMachine();
    expect([m.cpu.rip, m.selector("cs"), m.cpu.get64("segBase", SEGMENT.cs)]).toEqual([0xfff0n, 0xf000, 0xffff_0000n]);
    expect([m.cpu.get64("cr0"), m.cpu.rflags, m.cpu.get32("idtrLimit"), m.cpu.get64("xcr0")]).toEqual([
      0x6000_0010n,
      2,
      0xffff,
      1n,
    ]);
    expect([m.cpu.get32("fpuControl"), m.cpu.get32("mxcsr"), m.cpu.low("dr", 6), m.cpu.low("dr", 7)]).toEqual([
      0x40, 0x1f80, 0xffff_0ff0, 0x400,
    ]);
  });
});
