// What the accelerator is told, and what it tells.
import { ConfigError } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import { CPU_FEATURE_NAMES, CPU_MODEL_HELP, createTcgAccelerator, TCG_LOG_CATEGORIES } from "../src/index.ts";
import { CODE, HANDLERS, TinyMachine } from "./tiny-machine.ts";

describe("the CPU model", () => {
  it("is told to the board", () => {
    const traits = (cpu: string) => createTcgAccelerator({ cpu }).cpu;
    expect(traits("max")).toEqual({ longMode: true, tscHz: 1e9, x2apic: true, physicalAddressBits: 40 });
    expect(traits("486")).toMatchObject({ longMode: false, x2apic: false, physicalAddressBits: 32 });
    expect(traits("max,-x2apic")).toMatchObject({ longMode: true, x2apic: false });
    expect(traits("qemu64,-lm")).toMatchObject({ longMode: false });
  });

  it("is one of those listed, with the features listed", () => {
    for (const name of Object.keys(CPU_MODEL_HELP)) expect(createTcgAccelerator({ cpu: name }).name).toBe("tcg");
    for (const name of CPU_FEATURE_NAMES) createTcgAccelerator({ cpu: `max,+${name}` });
  });

  it.each(["pentium9", "max,+avx1024", "max;lm"])("%s is refused", (cpu) => {
    expect(() => createTcgAccelerator({ cpu })).toThrow(ConfigError);
  });
});

describe("random numbers", () => {
  it("come from the host, two words for 64 bits", () => {
    let next = 1;
    const m = new TinyMachine(64, { random: () => next++ });
    // rdrand rax
    m.runToHalt("48 0f c7 f0 f4");
    expect([m.reg("rax"), m.reg("rflags") & 0x8d5n]).toEqual([0x2_0000_0001n, 1n]);
  });

  it("are none without a source: CF is clear", () => {
    const m = new TinyMachine(64).runToHalt("48 0f c7 f0 f4");
    expect([m.reg("rax"), m.reg("rflags") & 1n]).toEqual([0n, 0n]);
  });
});

describe("time", () => {
  it("of power-on reaches KVM's wall clock", () => {
    const m = new TinyMachine(64, { cpu: "max,kvm=on", powerOnTime: 1_700_000_000 });
    // MSR_KVM_WALL_CLOCK_NEW: version, seconds, nanoseconds at 9000h
    m.set({ rcx: 0x4b56_4d00n, rax: 0x9000n }).runToHalt("0f 30 f4");
    expect(m.read32(0x9004)).toBe(1_700_000_000);
  });

  it.each([
    ["IA32_TIME_STAMP_COUNTER", 0x10n, 5000 - 2000],
    ["IA32_TSC_ADJUST", 0x3bn, 5000],
  ])("moved by %s is told to the board", (_, rcx, lead) => {
    const m = new TinyMachine(64);
    m.nowNs = 2000;
    m.set({ rcx, rax: 5000n }).runToHalt("0f 30 f4");
    expect(m.tscLead).toBe(lead);
  });

  it("moved backwards is a negative lead", () => {
    const m = new TinyMachine(64);
    m.set({ rcx: 0x3bn, rax: 0xffff_ff00n, rdx: 0xffff_ffffn }).runToHalt("0f 30 f4");
    expect(m.tscLead).toBe(-256);
  });
});

describe("the log", () => {
  function logging(...categories: string[]): { m: TinyMachine; lines: string[] } {
    const lines: string[] = [];
    const log = { has: (name: string) => categories.includes(name), write: (line: string) => void lines.push(line) };
    return { m: new TinyMachine(64, { log, heatLimit: 3 }), lines };
  }

  it("of int has a line for each event", () => {
    const { m, lines } = logging("int");
    m.mapPage(0x10_0000, 0);
    m.code(HANDLERS + 14 * 16, "cd 40");
    m.set({ rdi: 0x10_0000n }).runToHalt("90 88 07");
    expect(lines).toEqual([
      "     0: v=0e e=0002 i=0 cpl=0 IP=0008:000000000000c001 SP=0010:000000000000b000 CR2=0000000000100000",
      "     1: v=40 e=0000 i=1 cpl=0 IP=0008:00000000000080e2 SP=0010:000000000000afd0",
    ]);
  });

  it("of int tells interrupts from outside, and double faults", () => {
    const { m, lines } = logging("int");
    m.set({ rflags: 0x202n }).interrupt(0x31);
    m.runToHalt("f4");
    expect(lines[0]).toMatch(/v=31 e=0000 i=0 .* external$/);
    m.write32(0x2000 + 14 * 16, 0xfff0_0000);
    m.mapPage(0x10_0000, 0);
    m.set({ rdi: 0x10_0000n }).runToHalt("88 07");
    expect(lines.slice(1).map((line) => line.slice(8, 12))).toEqual(["v=0e", "v=08"]);
  });

  it("of unimp has the bytes of opcodes without meaning", () => {
    const { m, lines } = logging("unimp");
    m.runToHalt("90 0f 0b");
    // UD2 is meant to be undefined.
    expect(lines).toEqual([]);
    m.runToHalt("90 0f 04 aa");
    expect(lines).toEqual([expect.stringMatching(/^ILLOPC: 000000000000c001: 0f 04 aa( 00){12}$/)]);
  });

  it("of exec has every instruction", () => {
    const { m, lines } = logging("exec");
    m.runToHalt("90 eb 01 90 f4");
    expect(lines).toEqual([0, 1, 4].map((offset) => `Trace: 0008:${(CODE + offset).toString(16).padStart(16, "0")}`));
  });

  it("of cpu has the registers in front of every instruction", () => {
    const { m, lines } = logging("cpu");
    m.set({ rax: 0x1234n }).runToHalt("90 f4");
    expect(lines.filter((line) => line.includes("0000000000001234"))).toHaveLength(2);
    expect(lines.some((line) => line.startsWith("Trace:"))).toBe(false);
  });

  it("of mmu has what the soft TLB does not answer", () => {
    const { m, lines } = logging("mmu");
    // Twice; into the next page; where nothing is mapped.
    m.mapPage(0x10_0000, 0);
    m.mapPage(0x9000, 0x3_5007);
    m.set({ rsi: 0x10_0000n }).runToHalt("8b 47 08 8b 47 08 8b 87 fe 0f 00 00 89 06");
    expect(lines).toEqual([
      "MMU: read 0000000000009008 4: gpa 0000000000035008",
      "MMU: read 0000000000009ffe 4: two pages",
      "MMU: write 0000000000100000 4: fault",
    ]);
  });

  it("of cpu_reset has triple faults", () => {
    const { m, lines } = logging("cpu_reset");
    m.code(CODE, "0f 0b").set({ "idtr.limit": 0n });
    expect(m.run()).toBe("shutdown");
    expect(lines).toEqual(["Triple fault"]);
  });

  // mov ecx, 10; (5) sub ecx, 1; jnz 5; mov eax, [rdi]; an opcode without meaning
  const LOOP = "b9 0a 00 00 00 83 e9 01 75 fb 8b 07 0f 04";

  it("has the categories that are listed, and is silent in others", () => {
    for (const name of Object.keys(TCG_LOG_CATEGORIES)) {
      const { m, lines } = logging(name);
      m.runToHalt(LOOP);
      expect(lines.length).toBeGreaterThan(0);
    }
    const { m, lines } = logging("cpu_reset");
    m.runToHalt(LOOP);
    expect(lines).toEqual([]);
  });
});
