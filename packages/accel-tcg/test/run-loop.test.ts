// Budgets, kicks, halts, and what comes in between instructions.
import { describe, expect, it, test } from "vitest";
import { type Bits, CODE, DATA, HANDLERS, STACK, TinyMachine } from "./tiny-machine.ts";

const MODES: readonly Bits[] = [64, 32, 16];
const IF = 0x202n;

describe.each(MODES)("budget in %i-bit code", (bits) => {
  it("1 is one instruction, whatever it is", () => {
    const m = new TinyMachine(bits);
    // nop; jmp +0; out 0x80, al; inc al
    m.code(CODE, "90 eb 00 e6 80 fe c0 f4");
    const trail: number[] = [];
    for (let i = 0; i < 4; i++) {
      expect(m.run(1)).toBe("intr");
      trail.push(m.rip - CODE);
    }
    expect(trail).toEqual([1, 3, 5, 7]);
    expect(m.vcpu.instructionCount).toBe(4);
    expect(m.run(1)).toBe("hlt");
  });

  it("ends endless loops", () => {
    const m = new TinyMachine(bits);
    m.code(CODE, "fe c0 eb fc");
    expect(m.run(100)).toBe("intr");
    expect(m.vcpu.instructionCount).toBeGreaterThanOrEqual(100);
    expect(m.vcpu.instructionCount).toBeLessThan(200);
  });

  it("ends a run of straight code within a page", () => {
    const m = new TinyMachine(bits);
    m.code(CODE, "90 ".repeat(0x2000));
    expect(m.run(3)).toBe("intr");
    expect(m.rip).toBeLessThanOrEqual(CODE + 0x1000);
  });

  it("ends an endless chain of exceptions", () => {
    const m = new TinyMachine(bits);
    // UD2, whose handler is UD2, whose stack never ends because it is set anew.
    m.code(HANDLERS + 6 * 16, bits === 16 ? "bc 00 b0 0f 0b" : "bc 00 b0 00 00 0f 0b").code(CODE, "0f 0b");
    expect(m.run(1000)).toBe("intr");
    expect(m.vcpu.instructionCount).toBeLessThan(1100);
  });

  it("ends when the handler itself cannot be executed", () => {
    // In real mode the stack wraps, and this one overwrites nothing: only the budget ends this.
    const m = new TinyMachine(16).set({ "ss.base": 0x10_0000n });
    m.setGate(6, CODE);
    m.code(CODE, "0f 0b");
    expect(m.run(50_000)).toBe("intr");
    expect(m.rip).toBe(CODE);
  });

  it("stops in the middle of a repeated instruction, which then goes on", () => {
    const m = new TinyMachine(bits);
    // LODS takes one element at a time.
    m.code(CODE, "f3 ac f4").code(DATA, `${"11 ".repeat(99)}77 99`);
    m.set({ rcx: 100n, rsi: BigInt(DATA) });
    let runs = 0;
    while (m.run(7) !== "hlt") {
      if (runs++ < 3) expect(m.rip).toBe(CODE);
      expect(runs).toBeLessThan(50);
    }
    expect(runs).toBeGreaterThan(10);
    expect([m.reg("rcx"), m.reg("rsi"), m.al]).toEqual([0n, BigInt(DATA + 100), 0x77]);
    expect(m.vcpu.instructionCount).toBe(101);
  });
});

describe("kick", () => {
  it("from inside a port access ends the run behind the block", () => {
    const m = new TinyMachine(64);
    m.code(CODE, "e6 80 fe c0 eb fa");
    m.onAccess = () => m.vcpu.kick();
    expect(m.run(1_000_000)).toBe("intr");
    expect(m.log.length).toBe(1);
    expect(m.vcpu.instructionCount).toBeLessThanOrEqual(3);
    expect(m.run(1_000_000)).toBe("intr");
    expect(m.log.length).toBe(2);
  });

  it("between runs does nothing", () => {
    const m = new TinyMachine(64);
    m.code(CODE, "fe c0 eb fc");
    m.vcpu.kick();
    expect(m.run(50)).toBe("intr");
    expect(m.vcpu.instructionCount).toBeGreaterThanOrEqual(50);
  });

  it("together with an interrupt delivers both", () => {
    const m = new TinyMachine(64).set({ rflags: IF });
    m.code(CODE, "e6 80 fe c0 eb fa");
    m.onAccess = () => {
      m.interrupt(0x40);
      m.vcpu.kick();
    };
    expect(m.run(1_000_000)).toBe("intr");
    m.onAccess = () => {};
    expect(m.run()).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 0x40 });
  });
});

test.each(MODES)("a kick by what an OUT reaches ends the run behind it, in %i-bit code", (bits) => {
  const m = new TinyMachine(bits);
  m.code(CODE, "fe c0 e6 80 fe c0 f4");
  m.onAccess = () => m.vcpu.kick();
  expect(m.run()).toBe("intr");
  expect([m.rip, m.al]).toEqual([CODE + 4, 1]);
  expect(m.vcpu.instructionCount).toBe(2);
});

describe.each(MODES)("interrupts in %i-bit code", (bits) => {
  it("wake a halted processor, which goes on behind the HLT", () => {
    const m = new TinyMachine(bits).set({ rflags: IF });
    m.code(CODE, "f4 90");
    expect(m.run()).toBe("hlt");
    expect(m.run()).toBe("hlt");
    m.interrupt(0x31);
    expect(m.run()).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 1 });
    expect(m.reg("rflags") & 0x200n).toBe(0n);
  });

  it("wait while IF is clear, also in HLT", () => {
    const m = new TinyMachine(bits);
    m.code(CODE, "f4");
    m.interrupt(0x31);
    expect(m.run()).toBe("hlt");
    expect([m.rip, m.pending]).toEqual([CODE + 1, true]);
  });

  it("come in behind the instruction that follows STI", () => {
    const m = new TinyMachine(bits);
    m.interrupt(0x31);
    m.runToHalt("fb fe c0 fe c0 f4");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 3 });
    expect(m.al).toBe(1);
  });

  it("find STI; HLT halted", () => {
    const m = new TinyMachine(bits);
    m.interrupt(0x31);
    m.runToHalt("fb f4 90");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 2 });
  });

  it("come in behind POPF at once", () => {
    const m = new TinyMachine(bits);
    m.write32(STACK - 8, 0x202);
    m.write32(STACK - 4, 0x202);
    m.set({ rsp: BigInt(STACK - 8) });
    m.interrupt(0x31);
    m.runToHalt("9d fe c0 f4");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 1 });
  });

  it("come in behind the WRMSR that raised them at once", () => {
    const tscDeadline = 0x6e0n;
    const m = new TinyMachine(bits).set({ rflags: IF, rcx: tscDeadline });
    m.writeMsr = () => {
      m.interrupt(0x31);
      return true;
    };
    m.runToHalt("0f 30 fe c0 fe c0 f4");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 2 });
  });

  it("come in behind the OUT that raised them at once", () => {
    const m = new TinyMachine(bits).set({ rflags: IF });
    m.onAccess = () => m.interrupt(0x31);
    m.runToHalt("e6 80 fe c0 fe c0 f4");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 2 });
  });

  it("stay away for one instruction behind MOV SS", () => {
    const m = new TinyMachine(bits).set({ rax: bits === 16 ? 0n : 0x10n });
    m.interrupt(0x31);
    // STI, which keeps it away from MOV SS, AX; INC AL; INC AL.
    m.runToHalt("fb 8e d0 fe c0 fe c0 f4");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE + 5 });
  });

  it("break into a loop at once", () => {
    const m = new TinyMachine(bits).set({ rflags: IF });
    m.code(CODE, "e6 80 eb fc");
    m.onAccess = () => {
      if (m.log.length === 3) m.interrupt(0x31);
    };
    expect(m.run(1_000_000)).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 0x31 });
    expect(m.log.length).toBe(3);
  });

  it("break into a repeated instruction, which then goes on", () => {
    const m = new TinyMachine(bits).set({ rflags: IF, rcx: 200n, rsi: BigInt(DATA) });
    // The handler returns.
    m.code(HANDLERS + 0x31 * 16, bits === 64 ? "48 cf" : "cf");
    m.code(CODE, "f3 ac f4");
    m.run(50);
    expect(m.rip).toBe(CODE);
    m.interrupt(0x31);
    expect(m.run()).toBe("hlt");
    expect([m.rip, m.reg("rcx"), m.pending]).toEqual([CODE + 3, 0n, false]);
  });
});

describe("a pin that was raised while nobody listened", () => {
  it("is seen by the next run", () => {
    const m = new TinyMachine(64);
    m.interrupt(0x31);
    m.set({ rflags: IF });
    m.vcpu.restore(m.vcpu.save());
    m.runToHalt("90 90 f4");
    expect(m.event()).toMatchObject({ vector: 0x31, rip: CODE });
  });

  it("survives INIT", () => {
    const m = new TinyMachine(16);
    m.interrupt(0x31);
    const { regs } = m.vcpu.save();
    m.vcpu.reset();
    m.set({ ...regs, rflags: IF });
    m.runToHalt("90 f4");
    expect(m.event().vector).toBe(0x31);
  });
});

describe.each(MODES)("NMI in %i-bit code", (bits) => {
  it("comes in with IF clear, and wakes HLT", () => {
    const m = new TinyMachine(bits);
    m.code(CODE, "f4");
    m.run();
    m.nmi();
    expect(m.run()).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 2, rip: CODE + 1 });
  });

  it("waits for the IRET of the one before", () => {
    const m = new TinyMachine(bits);
    // The handler counts in CL, raises the second NMI by its port access, and returns.
    m.code(HANDLERS + 2 * 16, bits === 64 ? "e6 81 fe c1 90 48 cf" : "e6 81 fe c1 90 cf");
    m.onAccess = () => {
      if (m.log.length === 1) m.nmi();
    };
    m.code(CODE, "90 fe c0 f4");
    m.nmi();
    expect(m.run()).toBe("hlt");
    expect([m.reg("rcx"), m.al, m.rip, m.nmiPending]).toEqual([2n, 1, CODE + 4, false]);
    expect(m.log).toEqual(["out 81 1 0", "out 81 1 0"]);
  });

  it("goes before an interrupt", () => {
    const m = new TinyMachine(bits).set({ rflags: IF });
    m.interrupt(0x31);
    m.nmi();
    m.runToHalt("90 f4");
    expect(m.event()).toMatchObject({ vector: 2, rip: CODE });
    expect(m.pending).toBe(true);
  });
});

test.each(MODES)("a triple fault in %i-bit code shuts down, and again until reset", (bits) => {
  const m = new TinyMachine(bits).set({ "idtr.limit": 0n });
  m.code(CODE, "90 0f 0b");
  expect(m.run()).toBe("shutdown");
  expect(m.rip).toBe(CODE + 1);
  expect(m.run()).toBe("shutdown");
  m.vcpu.reset();
  expect(m.rip).toBe(0xfff0);
});
