// Code under CET on both engines: interpreted, and in regions that the interpreter repeats.
import { describe, expect, it } from "vitest";
import type { VcpuCounters } from "../src/index.ts";
import { CODE, HANDLERS, TinyMachine } from "./tiny-machine.ts";

const HOT = { heatLimit: 3, verify: true } as const;
const COLD = { heatLimit: 0 } as const;
const SHADOW = 0xd000;
const SSP = BigInt(SHADOW + 0x800);
const HANDLER = HANDLERS + 21 * 16;
const ENDBR = { 64: "f3 0f 1e fa", 32: "f3 0f 1e fb" } as const;
const CONTROLS = { shadowStack: 1, branches: 4, both: 5 } as const;

const counters = (m: TinyMachine): VcpuCounters => (m.vcpu as unknown as { counters: VcpuCounters }).counters;

/** Supervisor code with a shadow stack at {@link SSP}. */
function enforced(bits: 64 | 32, options: typeof HOT | typeof COLD, controls: number): TinyMachine {
  const m = new TinyMachine(bits, options);
  if (bits === 64) m.mapPage(SHADOW, SHADOW | 0x41);
  const [cr0, cr4] = [m.reg("cr0") | 0x1_0000n, m.reg("cr4") | 0x80_0000n];
  m.code(HANDLER, `${ENDBR[bits]} f4`);
  return m.set({ cr0, cr4, "msr.6a2": BigInt(controls), ssp: SSP });
}

/** Error code and rip of the #CP whose handler has halted: it begins with ENDBRANCH. */
function controlProtection(m: TinyMachine): readonly [error: number, rip: number] {
  expect(m.rip).toBe(HANDLER + 5);
  const stack = Number(m.reg("rsp"));
  return [m.read32(stack), m.read32(stack + m.bits / 8)];
}

/** Runs the same program on both engines. */
function both(bits: 64 | 32, controls: number, hex: string, regs: Readonly<Record<string, bigint>> = {}): TinyMachine {
  const [hot, cold] = [HOT, COLD].map((options) => enforced(bits, options, controls).set(regs).runToHalt(hex));
  expect(counters(cold!).regionsMade).toBe(0);
  expect(hot!.vcpu.save()).toEqual(cold!.vcpu.save());
  expect(hot!.vcpu.instructionCount).toBe(cold!.vcpu.instructionCount);
  return hot!;
}

describe.each([64, 32] as const)("%i-bit code", (bits) => {
  it("with a shadow stack calls and returns", () => {
    // mov ecx, 50; (5) call 17; sub ecx, 1; jnz 5; hlt; nop; (17) lea eax, [rax+3]; ret
    const program = "b9 32 00 00 00 e8 07 00 00 00 83 e9 01 75 f6 f4 90 8d 40 03 c3";
    const m = both(bits, CONTROLS.shadowStack, program);
    expect([m.reg("rax") & 0xffff_ffffn, m.reg("ssp")]).toEqual([150n, SSP]);
    expect(counters(m).regionsMade).toBeGreaterThan(0);
  });

  it("that is tracked calls directly what needs no ENDBRANCH, and indirectly what has it", () => {
    // mov ecx, 50; (5) call rbx; call 21; sub ecx, 1; jnz 5; hlt; nop x 2; (20) ENDBR; (24) lea eax, [rax+3]; ret
    const program = `b9 32 00 00 00 ff d3 e8 0c 00 00 00 83 e9 01 75 f4 f4 90 90 ${ENDBR[bits]} 8d 40 03 c3`;
    const m = both(bits, CONTROLS.both, program, { rbx: BigInt(CODE + 20) });
    expect([m.reg("rax") & 0xffff_ffffn, m.reg("ssp"), m.reg("msr.6a2")]).toEqual([300n, SSP, 5n]);
    expect(counters(m).regionsMade).toBeGreaterThan(0);
  });

  it("that is tracked jumps through a table, whose entries have ENDBRANCH", () => {
    // mov ecx, 60; (5) jmp rbx; (7) sub ecx, 1; jnz 5; hlt; nop x 3; (16) ENDBR; (20) add eax, 2; jmp 7
    const program = `b9 3c 00 00 00 ff e3 83 e9 01 75 f9 f4 90 90 90 ${ENDBR[bits]} 83 c0 02 eb ee`;
    const m = both(bits, CONTROLS.branches, program, { rbx: BigInt(CODE + 16) });
    expect(m.reg("rax") & 0xffff_ffffn).toBe(120n);
  });

  it("is stopped where an indirect branch that was good so often is none", () => {
    // mov ecx, 50; (5) call rbx; sub ecx, 1; cmp ecx, 9; jnz 17; add ebx, 4; (18) jmp 5; nops; (24) ENDBR; (28) nop; ret
    const program = `b9 32 00 00 00 ff d3 83 e9 01 83 f9 09 75 03 83 c3 04 eb f1 90 90 90 90 ${ENDBR[bits]} 90 c3`;
    const m = both(bits, CONTROLS.branches, program, { rbx: BigInt(CODE + 24) });
    expect(controlProtection(m)).toEqual([3, CODE + 28]);
  });

  it("is stopped where a return that was good so often is none", () => {
    // mov ecx, 50; (5) call 17; sub ecx, 1; jmp 5; nops; (17) cmp ecx, 9; jnz 26; add dword [rsp], 1; (26) ret
    const program = "b9 32 00 00 00 e8 07 00 00 00 83 e9 01 eb f6 90 90 83 f9 09 75 04 83 04 24 01 c3";
    const m = both(bits, CONTROLS.shadowStack, program);
    expect(controlProtection(m)).toEqual([1, CODE + 26]);
  });
});

it("code is decoded anew when WRMSR turns tracking on and off", () => {
  // mov ecx, 6a2h; xor edx, edx; mov eax, 4; wrmsr; jmp rbx; (16) hlt; (17) ENDBR64; xor eax, eax; wrmsr; jmp rsi; (27) hlt
  const program = "b9 a2 06 00 00 31 d2 b8 04 00 00 00 0f 30 ff e3 f4 f3 0f 1e fa 31 c0 0f 30 ff e6 f4";
  const m = both(64, 0, program, { rbx: BigInt(CODE + 17), rsi: BigInt(CODE + 27) });
  expect([m.rip, m.reg("msr.6a2")]).toEqual([CODE + 28, 0n]);
});

it("an interrupt between a branch and its ENDBRANCH is answered, and the state of waiting can be saved", () => {
  // jmp rbx; nop x 2; (4) ENDBR64; hlt
  const m = enforced(64, COLD, CONTROLS.branches).set({ rbx: BigInt(CODE + 4) });
  m.code(CODE, "ff e3 90 90 f3 0f 1e fa f4").set({ rip: BigInt(CODE) });
  expect(m.run(1)).toBe("intr");
  const waiting = m.vcpu.save();
  expect([m.rip, m.reg("msr.6a2")]).toEqual([CODE + 4, 0x804n]);
  const other = enforced(64, COLD, 0);
  other.copyRamFrom(m);
  other.vcpu.restore(waiting);
  expect([other.run(), other.rip, other.reg("msr.6a2")]).toEqual(["hlt", CODE + 9, 4n]);
});
