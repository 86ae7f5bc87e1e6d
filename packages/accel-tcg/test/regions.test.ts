// Translated regions in a machine: that they are made, entered, left and dropped when they should be. That they compute what
// the interpreter computes: step-by-step.test.ts under TSVM_HEAT, `verify`, and the tests below on both engines.
import { describe, expect, it } from "vitest";
import type { TranslationProfile, VcpuCounters } from "../src/index.ts";
import { CODE, DATA, DEVICE, TinyMachine } from "./tiny-machine.ts";

const HOT = { heatLimit: 3, verify: true } as const;
const COLD = { heatLimit: 0 } as const;
const counters = (m: TinyMachine): VcpuCounters => (m.vcpu as unknown as { counters: VcpuCounters }).counters;

/** The same program interpreted and in regions, each compared with the interpreter as it runs. */
function both(bits: 64 | 32, hex: string, regs: Readonly<Record<string, bigint>> = {}) {
  const run = (options: typeof HOT | typeof COLD): TinyMachine => {
    const m = new TinyMachine(bits, options).set(regs);
    m.runToHalt(hex);
    return m;
  };
  const [hot, cold] = [run(HOT), run(COLD)];
  expect(counters(cold).regionsMade).toBe(0);
  expect(hot.vcpu.save()).toEqual(cold.vcpu.save());
  expect(hot.vcpu.instructionCount).toBe(cold.vcpu.instructionCount);
  return hot;
}

describe.each([64, 32] as const)("a region of %i-bit code", (bits) => {
  it("is a loop with a loop in it", () => {
    // mov ecx, 40; (5) mov edx, 9; (10) add eax, edx; dec edx -> sub edx, 1; jnz 10; sub ecx, 1; jnz 5; hlt
    const m = both(bits, "b9 28 00 00 00 ba 09 00 00 00 01 d0 83 ea 01 75 f9 83 e9 01 75 ef f4");
    expect(m.reg("rax") & 0xffff_ffffn).toBe(1800n);
    expect(counters(m).regionsMade).toBeGreaterThan(0);
  });

  it("calls a function and is returned to", () => {
    // mov ecx, 50; (5) call 16; sub ecx, 1; jnz 5; hlt; nop; (17) lea eax, [rax+3]; ret
    const m = both(bits, "b9 32 00 00 00 e8 07 00 00 00 83 e9 01 75 f6 f4 90 8d 40 03 c3");
    expect(m.reg("rax") & 0xffff_ffffn).toBe(150n);
  });

  it("returns to whoever called, from the loop or from another function", () => {
    // mov ecx, 50; (5) call 22; call 26; sub ecx, 1; jnz 5; hlt; nop; (22) lea eax, [rax+3]; ret;
    // (26) call 22; lea eax, [rax+5]; ret
    const main = "b9 32 00 00 00 e8 0c 00 00 00 e8 0b 00 00 00 83 e9 01 75 f1 f4 90";
    const m = both(bits, `${main} 8d 40 03 c3 e8 f7 ff ff ff 8d 40 05 c3`);
    expect(m.reg("rax") & 0xffff_ffffn).toBe(50n * 11n);
  });

  it("returns to where the stack says, if that is not behind the call", () => {
    // mov ecx, 50; (5) call 23; add eax, 100; add eax, 1; sub ecx, 1; jnz 5; hlt; nop;
    // (23) cmp ecx, 25; jg 32; add dword [rsp], 3; (32) ret
    const main = "b9 32 00 00 00 e8 0d 00 00 00 83 c0 64 83 c0 01 83 e9 01 75 f0 f4 90";
    const m = both(bits, `${main} 83 f9 19 7f 04 83 04 24 03 c3`);
    expect(m.reg("rax") & 0xffff_ffffn).toBe(25n * 101n + 25n);
  });

  const TABLE = [
    // mov ecx, 200; (5) mov eax, ecx; and eax, 3; lea eax, [rbx+rax*8]; jmp rax; nop
    "b9 c8 00 00 00 89 c8 83 e0 03 8d 04 c3 ff e0 90",
    // (16) add esi, 1; jmp 48; (24) add esi, 3; jmp 48; (32) add esi, 5; jmp 48; (40) add esi, 7; jmp 48
    "83 c6 01 eb 1b 90 90 90 83 c6 03 eb 13 90 90 90 83 c6 05 eb 0b 90 90 90 83 c6 07 eb 03 90 90 90",
    // (48) sub ecx, 1; jnz 5; hlt
    "83 e9 01 75 d0 f4",
  ].join(" ");

  it("jumps by a table", () => {
    const m = both(bits, TABLE, { rbx: BigInt(CODE + 16), rsi: 0n });
    expect(m.reg("rsi") & 0xffff_ffffn).toBe(50n * 16n);
  });

  it("is not left by a jump that goes here and there", () => {
    const m = new TinyMachine(bits, { heatLimit: 16, profile: true }).set({ rbx: BigInt(CODE + 16), rsi: 0n });
    m.runToHalt(TABLE);
    const { profile } = m.vcpu as unknown as { profile: TranslationProfile };
    const runs = profile.regions.reduce((sum, region) => sum + region.runs, 0);
    expect(m.reg("rsi") & 0xffff_ffffn).toBe(50n * 16n);
    expect(runs).toBeGreaterThan(0);
    expect(runs).toBeLessThan(20);
  });

  it("calls through a register what it mostly called, and what it calls now and then", () => {
    // mov ecx, 200; (5) call rbx; sub ecx, 1; jnz 5; hlt; nop; (14) lea eax, [rax+3]; cmp ecx, 100; jnz 25;
    // add ebx, 12; (25) ret; (26) lea eax, [rax+5]; ret -- whose start is rbx from the middle on
    const main = "b9 c8 00 00 00 ff d3 83 e9 01 75 f9 f4 90";
    const m = both(bits, `${main} 8d 40 03 83 f9 64 75 03 83 c3 0c c3 8d 40 05 c3`, { rbx: BigInt(CODE + 14) });
    expect(m.reg("rax") & 0xffff_ffffn).toBe(101n * 3n + 99n * 5n);
  });

  it("goes back to the caller of the function it begins with, and to another one", () => {
    // mov ecx, 100; (5) mov edx, 9; (10) call 37; sub edx, 1; jnz 10; call 37; sub ecx, 1; jnz 5; add eax, 1000; hlt;
    // nop x 5; (37) lea eax, [rax+3]; ret
    const loops = "b9 64 00 00 00 ba 09 00 00 00 e8 16 00 00 00 83 ea 01 75 f6 e8 0c 00 00 00 83 e9 01 75 e7";
    const m = both(bits, `${loops} 05 e8 03 00 00 f4 90 8d 40 03 c3`);
    expect(m.reg("rax") & 0xffff_ffffn).toBe(100n * 10n * 3n + 1000n);
  });

  it("leaves where a branch was never passed before, and goes on there", () => {
    // mov ecx, 100; (5) cmp ecx, 50; jnz 16; add eax, 1000; (15) nop; (16) add eax, 1; sub ecx, 1; jnz 5; hlt
    const m = both(bits, "b9 64 00 00 00 83 f9 32 75 06 05 e8 03 00 00 90 83 c0 01 83 e9 01 75 ed f4");
    expect(m.reg("rax") & 0xffff_ffffn).toBe(1100n);
  });

  it("leaves for a device in the middle and goes on behind it", () => {
    // mov ecx, 30; (5) inc byte [rdi]; out 80h, al; add eax, 1; sub ecx, 1; jnz 5; hlt
    const m = both(bits, "b9 1e 00 00 00 fe 07 e6 80 83 c0 01 83 e9 01 75 f4 f4", { rdi: BigInt(DATA) });
    expect([m.read8(DATA), m.log.length]).toEqual([30, 30]);
  });

  it("reaches what lies beside an address, in its page and in the next", () => {
    // mov ecx, 40; (5) mov [rdi], ecx; mov eax, [rdi+16]; add eax, [rdi-8]; add [rdi+6], eax; mov [rdi+32], eax;
    // add edi, 8; sub ecx, 1; jnz 5; hlt
    const hex = "b9 28 00 00 00 89 0f 8b 47 10 03 47 f8 01 47 06 89 47 20 83 c7 08 83 e9 01 75 ea f4";
    const m = both(bits, hex, { rdi: BigInt(DATA + 0xf00) });
    expect(m.read8(DATA + 0xf00)).toBe(40);
    expect(m.read8(DATA + 0xf00 + 39 * 8)).toBe(1);
    expect(counters(m).regionsMade).toBeGreaterThan(0);
  });

  it("goes over pages, up and down, in loops of which several turns are emitted at a time", () => {
    // mov ecx, 700; (5) mov [rdi], ecx; add edi, 4; sub ecx, 1; jnz 5
    // mov ecx, 700; (20) mov eax, [rdi-4]; sub edi, 4; add ebx, eax; add [rsi], ebx; add esi, 4; sub ecx, 1; jnz 20; hlt
    const up = "b9 bc 02 00 00 89 0f 83 c7 04 83 e9 01 75 f6";
    const down = "b9 bc 02 00 00 8b 47 fc 83 ef 04 01 c3 01 1e 83 c6 04 83 e9 01 75 ee";
    const regs = { rdi: BigInt(DATA + 0xb23), rsi: BigInt(DATA + 0x4b00), rbx: 0n };
    const m = both(bits, `${up} ${down} f4`, regs);
    expect([m.reg("rbx"), m.reg("rdi")]).toEqual([(700n * 701n) / 2n, regs.rdi]);
    const unwatched = new TinyMachine(bits, { heatLimit: 3 }).set(regs);
    unwatched.runToHalt(`${up} ${down} f4`);
    expect(unwatched.vcpu.save()).toEqual(m.vcpu.save());
    for (let at = 0; at < 2800; at += 4)
      expect(unwatched.read32(DATA + 0x4b00 + at)).toBe(m.read32(DATA + 0x4b00 + at));
  });

  it("repeats string instructions", () => {
    const regs = { rsi: BigInt(DATA), rdi: BigInt(DATA + 0x800) };
    // mov edx, 12; (5) mov ecx, 9; rep movsb; sub edx, 1; jnz 5; hlt
    both(bits, "ba 0c 00 00 00 b9 09 00 00 00 f3 a4 83 ea 01 75 f4 f4", regs);
  });

  it("keeps flags over branches that do not set them", () => {
    // mov ecx, 60; (5) cmp ecx, 20; mov eax, [rdi]; adc ebx, 0; setl dl; add esi, edx; sub ecx, 1; jnz 5; hlt
    both(bits, "b9 3c 00 00 00 83 f9 14 8b 07 83 d3 00 0f 9c c2 01 d6 83 e9 01 75 ee f4", { rdi: BigInt(DATA) });
  });

  it("is dropped when its code changes, and the new code is executed", () => {
    const m = new TinyMachine(bits, HOT).set({ rdi: BigInt(CODE + 6) });
    // mov ecx, 20; (5) mov al, 1; add bl, al; sub ecx, 1; jnz 5; inc byte [rdi]; cmp byte [rdi], 4; jb 0; hlt
    m.runToHalt("b9 14 00 00 00 b0 01 00 c3 83 e9 01 75 f7 fe 07 80 3f 04 72 eb f4");
    expect(m.reg("rbx") & 0xffn).toBe(20n * (1n + 2n + 3n));
    expect(counters(m).regionsDropped).toBeGreaterThan(0);
  });

  it("is not made again of a block in it that was about to get hot, too", () => {
    const m = new TinyMachine(bits, { heatLimit: 20 }).set({ rsi: BigInt(DEVICE) });
    // mov ecx, 30; (5) inc byte [rsi], which the interpreter does; cmp ecx, 29; jb 12; (12) add eax, 1; sub ecx, 1; jnz 5; hlt
    m.runToHalt("b9 1e 00 00 00 fe 06 83 f9 1d 72 00 83 c0 01 83 e9 01 75 f1 f4");
    expect([m.al, counters(m).regionsMade]).toEqual([30, 1]);
  });

  it("ends within its budget, whatever it loops over", () => {
    const m = new TinyMachine(bits, HOT);
    m.code(CODE, "90 90 eb fc");
    for (let i = 0; i < 5; i++) expect(m.run(1000)).toBe("intr");
    expect(m.vcpu.instructionCount).toBeGreaterThanOrEqual(5000);
    expect(m.vcpu.instructionCount).toBeLessThan(5100);
    expect(counters(m).regionsMade).toBe(1);
  });

  it("is left for an interrupt, and gone on with behind it", () => {
    const m = new TinyMachine(bits, HOT);
    // inc eax; jmp back: for ever
    m.code(CODE, "83 c0 01 eb fb");
    m.run(1000);
    const state = m.vcpu.save();
    m.vcpu.restore(state);
    m.run(1000);
    expect(m.vcpu.instructionCount).toBeGreaterThanOrEqual(2000);
  });
});

describe("a region at the end of 4 GiB", () => {
  // The first and the last 4 MiB of linear addresses are those of RAM.
  const [directory, lastPage, largePage] = [0x2_0000, 0x3f_f000, "83 00 00 00"];
  const run = (options: typeof HOT | typeof COLD): TinyMachine => {
    const m = new TinyMachine(32, options).code(directory, largePage).code(directory + 0xffc, largePage);
    // mov ecx, 100; (5) add eax, 3; sub ecx, 1; jnz 5; jmp 1010h -- and there hlt
    m.code(lastPage + 0xfd0, "b9 64 00 00 00 83 c0 03 83 e9 01 75 f8 eb 31").code(0x10, "f4");
    m.set({ cr3: BigInt(directory), cr4: 0x10n, cr0: 0x8000_0011n, rip: 0xffff_ffd0n });
    expect(m.run()).toBe("hlt");
    return m;
  };

  it("leaves to the beginning", () => {
    const [hot, cold] = [run(HOT), run(COLD)];
    expect(counters(hot).regionsMade).toBeGreaterThan(0);
    expect([hot.rip, hot.reg("rax") & 0xffff_ffffn]).toEqual([0x11, 300n]);
    expect(hot.vcpu.save()).toEqual(cold.vcpu.save());
  });
});

describe("a region of straight-line code in two pages", () => {
  /** Loops 200 times over a function whose last instructions (mov dl, imm8; add esi, edx; ret) lie in another page. */
  function loopOver(change: string): TinyMachine {
    const second = CODE + 0x2000;
    const m = new TinyMachine(64, HOT).set({ rcx: 200n, rbx: BigInt(second + 1) });
    m.onAccess = () => m.mapPage(second, 0x10_0000 | 7);
    m.code(second - 8, "83 c0 01 90 90 90 90 90 b2 05 01 d6 c3").code(0x10_0000, "b2 06 01 d6 c3");
    // (0) call second - 8; sub ecx, 1; jz 22; cmp ecx, 100; jnz 0; the change in five bytes; jmp 0; (22) hlt
    m.runToHalt(`e8 f3 1f 00 00 83 e9 01 74 0c 83 f9 64 75 f1 ${change} eb ea f4`);
    expect(counters(m).regionsMade).toBeGreaterThan(0);
    return m;
  }

  it.each([
    // inc byte [rbx]
    ["changed", "fe 03 90 90 90"],
    // out 80h, al, which maps another page; invlpg [rbx]
    ["mapped elsewhere", "e6 80 0f 01 3b"],
  ])("is executed no more when the second one is %s", (_, change) => {
    expect(loopOver(change).reg("rsi") & 0xffffn).toBe(100n * 5n + 100n * 6n);
  });
});

describe("a region with EVEX instructions", () => {
  const code =
    "b9 2c 01 00 00 62 f1 75 48 fe ca 62 f1 75 59 fe 1b 62 f1 7e 49 7f 5b 01 62 e1 f5 c9 d4 4b 01 62 f1 7c 48 5b e1 62 f1 5c " +
    "48 59 e4 62 e1 dd 29 58 23 62 f3 75 48 1e d3 01 c5 ec 47 d9 62 b3 75 48 25 f1 96 62 f2 75 48 36 ec c5 cd fe f9 62 f1 3d " +
    "48 72 f1 03 62 72 7d 48 31 ce 83 e9 01 75 a6 f4";
  const vectors = Object.fromEntries(
    [1, 2, 3, 6].flatMap((i) => [
      [`xmm${i}`, 0x1111_2222_3333_4444_5555_6666_7777_8888n * BigInt(i)],
      [`zmm${i}.upper`, (1n << 250n) | BigInt(i * 0x1234_5678)],
    ]),
  );

  it("does what the interpreter does", () => {
    const run = (options: typeof HOT | typeof COLD): TinyMachine => {
      const m = new TinyMachine(64, options);
      m.set({ ...vectors, xcr0: 0xe7n, cr4: m.reg("cr4") | 0x4_0600n, k1: 0xa5a5n, rbx: BigInt(DATA), mxcsr: 0x1fa0n });
      // mov ecx, 300; (5) vpaddd zmm1, zmm1, zmm2; vpaddd zmm3{k1}, zmm1, [rbx]{1to16}; vmovdqu32 [rbx+64]{k1}, zmm3;
      // vpaddq zmm17{k1}{z}, zmm1, [rbx+64]; vcvtdq2ps zmm4, zmm1; vmulps zmm4, zmm4, zmm4; vaddpd ymm20{k1}, ymm4, [rbx];
      // vpcmpud k2, zmm1, zmm3, 1; kxorw k3, k2, k1; vpternlogd zmm6, zmm1, zmm17, 96h; vpermd zmm5, zmm1, zmm4;
      // vpaddd ymm7, ymm6, ymm1; vpslld zmm8, zmm1, 3; vpmovzxbd zmm9, xmm6; sub ecx, 1; jnz 5; hlt
      m.runToHalt(code);
      return m;
    };
    const [hot, cold] = [run(HOT), run(COLD)];
    expect(counters(hot).regionsMade).toBeGreaterThan(0);
    expect(hot.vcpu.save()).toEqual(cold.vcpu.save());
    expect([0, 4, 8, 60].map((i) => hot.read32(DATA + 64 + i))).toEqual(
      [0, 4, 8, 60].map((i) => cold.read32(DATA + 64 + i)),
    );
    expect(hot.reg("zmm1.upper" as "rax")).not.toBe(vectors["zmm1.upper"]);
  });
});

describe("verification", () => {
  it("counts nothing twice: fuel, instructions and stores are those of one run", () => {
    const m = new TinyMachine(64, HOT).set({ rdi: BigInt(DATA) });
    // mov ecx, 100; (5) add dword [rdi], 1; sub ecx, 1; jnz 5; hlt
    m.runToHalt("b9 64 00 00 00 83 07 01 83 e9 01 75 f8 f4");
    expect(m.read32(DATA)).toBe(100);
    expect(m.vcpu.instructionCount).toBe(302);
  });
});
