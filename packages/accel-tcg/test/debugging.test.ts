// Single steps and breakpoints. SDM vol. 3B, "Debug Exceptions".
import { describe, expect, it } from "vitest";
import { type Bits, CODE, DATA, DEVICE, HANDLERS, SEL, STACK, TinyMachine } from "./tiny-machine.ts";

const MODES: readonly Bits[] = [64, 32, 16];
const TF = 0x100n;
const RF = 1 << 16;
const BS = 0x4000n;
const DB = 1;

/** Makes the #DB handler note where it came from on port 0x90 and return. */
function stepping(bits: Bits): { m: TinyMachine; trail: number[] } {
  const m = new TinyMachine(bits);
  // out 0x90, al; iret
  m.code(HANDLERS + DB * 16, bits === 64 ? "e6 90 48 cf" : "e6 90 cf");
  const trail: number[] = [];
  m.onAccess = () => {
    if (!(m.log.at(-1) ?? "").startsWith("out 90")) return;
    const rsp = Number(m.reg("rsp"));
    trail.push((m.read32(rsp) & 0xffff) - CODE);
  };
  return { m, trail };
}

const dr6 = (m: TinyMachine): bigint => m.reg("dr6") & 0xe00fn;

describe.each(MODES)("TF in %i-bit code", (bits) => {
  it("traps behind each instruction, jumps and repetitions included", () => {
    const { m, trail } = stepping(bits);
    // nop; jmp +1; (nop); rep stosb; inc al; hlt
    m.code(CODE, "90 eb 01 90 f3 aa fe c0 f4").set({ rcx: 3n, rflags: TF });
    expect(m.run()).toBe("intr");
    // Three turns of REP STOSB, then past it; the trap behind HLT ends the halt, and what follows is not ours.
    expect(trail.slice(0, 7)).toEqual([1, 4, 4, 4, 6, 8, 9]);
    expect(dr6(m)).toBe(BS);
  });

  it("comes with the flags of the traced code, RF clear", () => {
    const m = new TinyMachine(bits).set({ rflags: TF | 0x1n });
    m.runToHalt("90 90 f4");
    expect(m.event()).toEqual({ vector: DB, error: undefined, rip: CODE + 1, flags: 0x103 });
    expect(m.reg("rflags") & TF).toBe(0n);
  });

  it("does not trap an instruction that faults", () => {
    const m = new TinyMachine(bits).set({ rflags: TF });
    m.runToHalt("0f 0b");
    expect(m.event()).toMatchObject({ vector: 6, rip: CODE });
    expect(m.event().flags & 0x100).toBe(0x100);
    expect(dr6(m)).toBe(0n);
  });

  it("does not trap INT n, whose handler runs untraced", () => {
    const m = new TinyMachine(bits).set({ rflags: TF });
    m.runToHalt("cd 40");
    expect(m.event()).toMatchObject({ vector: 0x40, rip: CODE + 2 });
    expect(dr6(m)).toBe(0n);
  });

  it("does not trap INT3", () => {
    const m = new TinyMachine(bits).set({ rflags: TF });
    m.runToHalt("cc");
    expect(m.event()).toMatchObject({ vector: 3, rip: CODE + 1 });
  });

  it("traps behind POPF that clears it, not behind one that sets it", () => {
    const m = new TinyMachine(bits).set({ rflags: TF });
    m.write32(STACK - 8, 2);
    m.set({ rsp: BigInt(STACK - 8) }).runToHalt("9d 90 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 1 });

    const other = new TinyMachine(bits);
    other.write32(STACK - 8, 0x102);
    other.set({ rsp: BigInt(STACK - 8) }).runToHalt("9d 90 90 f4");
    expect(other.event()).toMatchObject({ vector: DB, rip: CODE + 2 });
  });

  it("does not trap MOV SS but the instruction behind it", () => {
    const m = new TinyMachine(bits).set({ rflags: TF, rax: bits === 16 ? 0n : BigInt(SEL.data) });
    m.runToHalt("8e d0 90 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 3 });
  });

  it("goes before an interrupt that came at the same time", () => {
    const m = new TinyMachine(bits).set({ rflags: TF | 0x200n });
    m.onAccess = () => m.interrupt(0x31);
    m.runToHalt("e6 80 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 2 });
  });
});

describe("TF in 64-bit code", () => {
  it("traps a jump to a page that is not there before the fetch faults", () => {
    const m = new TinyMachine(64).set({ rflags: TF });
    m.mapPage(0x10_0000, 0);
    // jmp rax
    m.set({ rax: 0x10_0000n }).runToHalt("ff e0");
    expect(m.event()).toMatchObject({ vector: DB, rip: 0x10_0000 });
    expect(m.reg("cr2")).toBe(0n);
  });

  it.each([
    ["cleared by IA32_FMASK: no trap", 0x100n, undefined],
    ["kept: a trap at the handler", 0n, DB],
  ])("in SYSCALL, %s", (_, mask, vector) => {
    const m = new TinyMachine(64).set({
      rflags: TF,
      efer: 0xd01n,
      "msr.c0000081": BigInt(SEL.code64) << 32n,
      "msr.c0000082": BigInt(CODE + 0x100),
      "msr.c0000084": mask,
    });
    m.code(CODE + 0x100, "90 f4").runToHalt("0f 05");
    if (vector === undefined) expect(m.rip).toBe(CODE + 0x102);
    else expect(m.event()).toMatchObject({ vector, rip: CODE + 0x100 });
  });

  it("set by SYSRET traps before the first instruction", () => {
    const m = new TinyMachine(64).set({
      efer: 0xd01n,
      // User CS at 10h + 16 + RPL, user SS at 10h + 8 + RPL.
      "msr.c0000081": 0x10n << 48n,
      rcx: BigInt(CODE + 0x100),
      r11: 0x102n,
    });
    m.code(CODE + 0x100, "90 90").runToHalt("48 0f 07");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 0x100 });
    expect(dr6(m)).toBe(BS);
  });
});

const at = (address: number, control: number): Record<string, bigint> => ({
  dr0: BigInt(address),
  dr7: BigInt(0x400 | 1 | (control << 16)),
});

describe.each(MODES)("an instruction breakpoint in %i-bit code", (bits) => {
  it("faults before the instruction, and leaves it to the handler to set RF", () => {
    const m = new TinyMachine(bits).set(at(CODE + 2, 0));
    m.runToHalt("fe c0 fe c0 f4");
    expect(m.event()).toEqual({ vector: DB, error: undefined, rip: CODE + 2, flags: 2 });
    expect(m.al).toBe(1);
    expect(dr6(m)).toBe(1n);
  });

  it("counts for linear addresses, and not inside an instruction", () => {
    const m = new TinyMachine(bits).set(at(CODE + 1, 0));
    m.runToHalt("fe c0 f4");
    expect(m.rip).toBe(CODE + 3);
  });

  it("is held off behind MOV SS by Intel's processors, and not by AMD's", () => {
    const trapped = (cpu: string): boolean => {
      const m = new TinyMachine(bits, { cpu });
      m.set({ ...at(CODE + 2, 0), rax: bits === 16 ? 0n : BigInt(SEL.data) });
      m.runToHalt("8e d0 90 f4");
      return m.rip !== CODE + 4;
    };
    expect([trapped("max,vendor=GenuineIntel"), trapped("max,vendor=AuthenticAMD")]).toEqual([false, true]);
  });

  it("works from the instruction behind the MOV that sets it", () => {
    const m = new TinyMachine(bits).set({ dr0: BigInt(CODE + 3), rax: 0x401n });
    // mov dr7, rax; nop
    m.runToHalt("0f 23 f8 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 3 });
  });
});

describe("RF", () => {
  it.each([64, 32] as const)("lets one instruction pass, once, in %i-bit code", (bits) => {
    const { m, trail } = stepping(bits);
    // The handler sets RF in the image: out 0x90, al; or dword [rsp + 2 slots], 10000h; iret.
    const image = bits === 64 ? "10" : "08";
    m.code(HANDLERS + DB * 16, `e6 90 81 4c 24 ${image} 00 00 01 00 ${bits === 64 ? "48 " : ""}cf`);
    // A loop over the breakpoint: inc al; cmp al, 3; jne; hlt.
    m.code(CODE, "fe c0 3c 03 75 fa f4").set(at(CODE, 0));
    expect(m.run()).toBe("hlt");
    expect([m.rip, m.al]).toEqual([CODE + 7, 3]);
    expect(trail).toEqual([0, 0, 0]);
  });

  it("is set in the image that a fault saves, clear behind INT n and interrupts", () => {
    const m = new TinyMachine(64);
    m.runToHalt("0f 0b");
    expect(m.event().flags & RF).toBe(RF);
    const soft = new TinyMachine(64).set({ rflags: BigInt(RF) });
    soft.runToHalt("cd 40");
    expect(soft.event().flags & RF).toBe(0);
    // UD2, whose handler skips it: its IRET loads RF for an instruction that ends long before the interrupt.
    const hard = new TinyMachine(64).set({ rflags: 0x202n });
    hard.code(HANDLERS + 6 * 16, "48 83 04 24 02 48 cf").code(CODE, "0f 0b eb fe");
    hard.run(100);
    hard.interrupt(0x31);
    expect(hard.run()).toBe("hlt");
    expect(hard.event()).toMatchObject({ vector: 0x31, rip: CODE + 2, flags: 0x202 });
  });
});

const WRITE = 1;
const IO = 2;
const ACCESS = 3;
const LEN4 = 3 << 2;

describe.each(MODES)("a data breakpoint in %i-bit code", (bits) => {
  it("traps behind a store", () => {
    const m = new TinyMachine(bits).set(at(DATA, WRITE));
    // mov al, [data]; mov [data], al; nop
    m.runToHalt("8a 07 88 07 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 4 });
    expect(dr6(m)).toBe(1n);
  });

  it("traps behind a load if asked to, also when the page is known by then", () => {
    const m = new TinyMachine(bits).set(at(DATA, ACCESS));
    m.code(DATA + 1, "33");
    // mov al, [data+1]; mov al, [data]
    m.runToHalt("8a 47 01 8a 07 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 5 });
  });

  it("sees the second of two loads from one page", () => {
    const m = new TinyMachine(bits).set({ ...at(DATA, ACCESS), rsi: BigInt(DATA + 0x10) });
    // cmpsb
    m.runToHalt("a6 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 1 });
  });

  it("covers its length and nothing else", () => {
    const misses = new TinyMachine(bits).set(at(DATA + 4, WRITE | LEN4));
    misses.runToHalt("88 47 03 88 47 08 f4");
    expect(misses.rip).toBe(CODE + 7);
    const hits = new TinyMachine(bits).set(at(DATA + 4, WRITE | LEN4));
    hits.runToHalt("88 47 07 90 f4");
    expect(hits.event()).toMatchObject({ vector: DB, rip: CODE + 3 });
  });

  it("ignores the low bits of its address that its length covers", () => {
    const m = new TinyMachine(bits).set(at(DATA + 7, WRITE | LEN4));
    m.runToHalt("88 47 04 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 3 });
  });

  it("sees a read-modify-write and a push", () => {
    const m = new TinyMachine(bits).set(at(DATA, WRITE));
    m.runToHalt("fe 07 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 2 });
    const stack = new TinyMachine(bits).set(at(STACK - 1, WRITE));
    stack.runToHalt("50 90 f4");
    expect(stack.event()).toMatchObject({ vector: DB, rip: CODE + 1 });
  });

  it("traps in the middle of a repeated store", () => {
    const m = new TinyMachine(bits).set({ ...at(DATA + 2, WRITE), rcx: 10n });
    m.runToHalt("f3 aa f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE });
    expect(m.reg("rcx")).toBe(7n);
  });

  it("that MOV SS holds off is told by the #DB of INT1 behind it, once", () => {
    const { m, trail } = stepping(bits);
    m.set(at(DATA, ACCESS)).code(DATA, bits === 16 ? "00 00" : "10 00");
    // mov ss, [data]; int1; hlt
    m.runToHalt("8e 17 f1 f4");
    expect([trail, dr6(m)]).toEqual([[3], 1n]);
  });

  it("is held off behind MOV SS for one instruction", () => {
    const m = new TinyMachine(bits).set(at(DATA, ACCESS));
    m.code(DATA, bits === 16 ? "00 00" : "10 00");
    // mov ss, [data]; nop
    m.runToHalt("8e 17 90 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 3 });
  });
});

describe("MOV to and from debug registers", () => {
  it("takes registers whatever ModRM.mod says", () => {
    for (const bits of MODES) {
      const m = new TinyMachine(bits).set({ rbx: 0xacedn });
      // mov dr0, ebx; mov eax, dr0, with mod 0; mov ecx, dr0, with mod 2
      m.runToHalt("0f 23 c3 0f 21 00 0f 21 81 f4");
      expect([m.rip, m.reg("rax"), m.reg("rcx")]).toEqual([CODE + 10, 0xacedn, 0xacedn]);
    }
  });
});

describe("an I/O breakpoint", () => {
  it("traps behind the access if CR4.DE is set", () => {
    for (const [cr4, rip] of [
      [0x28n, 2],
      [0x20n, undefined],
    ] as const) {
      const m = new TinyMachine(64).set({ ...at(0x80, IO), cr4 });
      m.runToHalt("e6 80 90 f4");
      if (rip === undefined) expect(m.rip).toBe(CODE + 4);
      else expect(m.event()).toMatchObject({ vector: DB, rip: CODE + rip });
    }
  });
});

describe("breakpoint and single step together", () => {
  it("are one trap with both told", () => {
    const m = new TinyMachine(64).set({ ...at(DATA, WRITE), rflags: TF });
    m.runToHalt("88 07 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 2 });
    expect(dr6(m)).toBe(BS | 1n);
  });

  it("see device memory as well", () => {
    const m = new TinyMachine(64).set({ ...at(DEVICE, ACCESS), rdi: BigInt(DEVICE) });
    m.runToHalt("8a 07 90 f4");
    expect(m.event()).toMatchObject({ vector: DB, rip: CODE + 2 });
    expect(m.al).toBe(0x5a);
  });
});
