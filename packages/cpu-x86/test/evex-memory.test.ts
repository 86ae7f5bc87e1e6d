// Memory operands, roundings and exceptions of EVEX instructions.
import { beforeEach, describe, expect, it } from "vitest";
import { evexRows } from "../src/instructions/evex.ts";
import type { Row } from "../src/instructions/row.ts";
import { recomputeMode, setSegmentCache } from "../src/segments/cache.ts";
import { CR0, CR4 } from "../src/state/bits.ts";
import { AT, SEGMENT } from "../src/state/layout.ts";
import { DATA, type EvexOperands, encodeEvex, PagedEvexMachine, UNMAPPED } from "./evex-machine.ts";
import { InsnMachine } from "./insn-machine.ts";

let m: PagedEvexMachine;
beforeEach(() => {
  m = new PagedEvexMachine();
  m.set({ rax: DATA });
});

const find = (name: string, length: number, ...operands: readonly string[]): Row => {
  const row = evexRows.find(
    (one) =>
      one.mnemonic === name &&
      one.evex?.length === length &&
      operands.every((code, i) => one.operands[i]?.startsWith(code)),
  );
  if (row === undefined) throw new Error(`no ${name} of ${length} bits`);
  return row;
};
const run = (row: Row, operands: EvexOperands): void => void m.run(encodeEvex(row, operands));
const dwords = (register: number): number[] => [...new Uint32Array(m.zmm(register).slice().buffer)];
const numbers = Array.from({ length: 16 }, (_, i) => i + 1);
const asBytes = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const floats = (register: number): number[] => [...new Float32Array(m.zmm(register).slice().buffer)];
const setFloats = (register: number, values: readonly number[]): void =>
  m
    .zmm(register)
    .set(new Uint8Array(Float32Array.from({ length: 16 }, (_, i) => values[i % values.length] as number).buffer));

describe("memory operands", () => {
  it("are as long as the vector, or an element for all", () => {
    m.write(DATA, asBytes(numbers));
    m.zmm(1).set(asBytes(numbers));
    run(find("VPADDD", 512, "V"), { reg: 2, vvvv: 1 });
    expect(dwords(2)).toEqual(numbers.map((n) => 2 * n));
    run(find("VPADDD", 512, "V"), { reg: 2, vvvv: 1, b: true });
    expect(dwords(2)).toEqual(numbers.map((n) => n + 1));
    run(find("VPADDD", 256, "V"), { reg: 2, vvvv: 1, b: true });
    expect(dwords(2)).toEqual([...numbers.slice(0, 8).map((n) => n + 1), ...new Array(8).fill(0)]);
  });

  it("count disp8 in what is accessed", () => {
    m.write(DATA, asBytes(numbers));
    m.write(DATA + 64, asBytes(numbers.map((n) => n * 10)));
    m.run("62f17c481048ff"); // VMOVUPS zmm1, [rax-64]: from DATA + 64
    m.set({ rax: DATA + 64 });
    m.run("62f17c481048ff");
    expect(dwords(1)).toEqual(numbers);
    m.set({ rax: DATA });
    m.zmm(2).fill(0);
    m.run("62f16d58fe4802"); // VPADDD zmm1, zmm2, [rax+8]{1to16}
    expect(dwords(1)).toEqual(new Array(16).fill(3));
  });

  it("do not fault where the mask is clear", () => {
    const end = UNMAPPED;
    m.write(end - 8, asBytes([7, 8]));
    m.set({ rax: end - 8 });
    m.zmm(1).set(asBytes(numbers));
    m.setMask(1, 0b11n);
    run(find("VMOVDQU32", 512, "V"), { reg: 1, mask: 1 });
    expect([m.fault, dwords(1)]).toEqual(["none", [7, 8, ...numbers.slice(2)]]);
    run(find("VPADDD", 512, "V"), { reg: 1, vvvv: 1, mask: 1, zeroes: true });
    expect([m.fault, dwords(1)]).toEqual(["none", [14, 16, ...new Array(14).fill(0)]]);
    m.setMask(1, 0b111n);
    run(find("VMOVDQU32", 512, "V"), { reg: 1, mask: 1 });
    expect(m.fault).toMatch(/^#PF/);
    m.setMask(1, 0n);
    m.set({ rax: end });
    run(find("VADDPS", 512, "V"), { reg: 1, vvvv: 1, mask: 1, b: true });
    expect(m.fault).toBe("none");
  });

  it("fault all the same where the manual has no suppression", () => {
    m.setMask(1, 0n);
    m.set({ rax: UNMAPPED });
    for (const name of ["VPMADDWD", "VPMADDUBSW", "VPSHUFB"]) {
      run(find(name, 512, "V"), { reg: 1, vvvv: 1, mask: 1 });
      expect(m.fault, name).toMatch(/^#PF/);
    }
    for (const [name, bytes] of [
      ["VEXTRACTF32X4", 16],
      ["VEXTRACTI64X4", 32],
    ] as const) {
      m.set({ rax: UNMAPPED - bytes });
      run(find(name, 512, "W"), { reg: 1, mask: 1, immediate: 0 });
      expect(m.fault, name).toBe("none");
      m.set({ rax: UNMAPPED - bytes + 4 });
      run(find(name, 512, "W"), { reg: 1, mask: 1, immediate: 0 });
      expect(m.fault, name).toMatch(/^#PF/);
    }
  });

  it("are stored under a mask, whole or not at all", () => {
    const end = UNMAPPED;
    m.zmm(1).set(asBytes(numbers));
    m.write(end - 12, asBytes([100, 101, 102]));
    m.set({ rax: end - 12 });
    m.setMask(1, 0b101n);
    run(find("VMOVDQU32", 512, "W"), { reg: 1, mask: 1 });
    expect([m.fault, [...new Uint32Array(m.read(end - 12, 12).slice().buffer)]]).toEqual(["none", [1, 101, 3]]);
    m.setMask(1, 0b1010n);
    run(find("VMOVDQU32", 512, "W"), { reg: 1, mask: 1 });
    expect(m.fault).toMatch(/^#PF/);
    expect([...new Uint32Array(m.read(end - 12, 12).slice().buffer)]).toEqual([1, 101, 3]);
  });

  it("of aligned moves must be aligned to all of the vector", () => {
    m.set({ rax: DATA + 32 });
    run(find("VMOVDQA32", 512, "V"), { reg: 1 });
    expect(m.fault).toBe("#GP(0)");
    run(find("VMOVDQA32", 256, "V"), { reg: 1 });
    expect(m.fault).toBe("none");
  });

  it("of aligned moves need not be where nothing is accessed", () => {
    m.set({ rax: DATA + 8 });
    const load = find("VMOVDQA32", 256, "V");
    const store = find("VMOVDQA32", 256, "W");
    const under = (mask: bigint, row: Row): string => {
      m.setMask(1, mask);
      run(row, { reg: 1, mask: 1 });
      return m.fault;
    };
    for (const row of [load, store])
      expect([0n, 0x100n, 1n, 0x80n].map((mask) => under(mask, row))).toEqual(["none", "none", "#GP(0)", "#GP(0)"]);
  });

  it("of aligned moves are aligned by their linear address", () => {
    const legacy = new InsnMachine(32);
    legacy.cpu.setLow("cr4", CR4.OSFXSR | CR4.OSXSAVE);
    legacy.cpu.setLow("xcr0", 0xe7);
    legacy.cpu.set64("opmask", 1n, 1);
    setSegmentCache(legacy.cpu, SEGMENT.ds, 8, 8, 0xffff, 0x4093);
    recomputeMode(legacy.cpu);
    const at = (rax: number, mask: number): string => {
      legacy.set({ rax }).run(encodeEvex(find("VMOVDQA32", 512, "V"), { reg: 1, mask }));
      return legacy.fault;
    };
    expect([0, 1].map((mask) => [at(DATA, mask), at(DATA + 0x38, mask)])).toEqual([
      ["#GP(0)", "none"],
      ["#GP(0)", "none"],
    ]);
  });

  it.each([
    ["VMOVUPS zmm1, [rsp]", "62f17c48100c24"],
    ["VMOVUPS zmm1{k1}, [rsp]", "62f17c49100c24"],
    ["VMOVUPS [rsp]{k1}, zmm1", "62f17c49110c24"],
    ["VPADDD zmm1, zmm2, [rsp]{1to16}", "62f16d58fe0c24"],
  ])("are #SS at no canonical address of the stack: %s", (_, hex) => {
    m.set({ rsp: 1n << 60n });
    m.setMask(1, 1n);
    m.run(hex);
    expect(m.fault).toBe("#SS(0)");
  });

  it("are looked at one by one in segments with limits", () => {
    const legacy = new InsnMachine(32);
    legacy.cpu.setLow("cr4", CR4.OSFXSR | CR4.OSXSAVE);
    legacy.cpu.setLow("xcr0", 0xe7);
    legacy.limit("ds", DATA + 7).set({ rax: DATA });
    legacy.ram.set(asBytes([7, 8, 9]), DATA);
    const move = encodeEvex(find("VMOVDQU32", 512, "V"), { reg: 1, mask: 1 });
    const store = encodeEvex(find("VMOVDQU32", 512, "W"), { reg: 1, mask: 1 });
    const under = (mask: bigint, hex: string): string => {
      legacy.cpu.set64("opmask", mask, 1);
      legacy.run(hex);
      return legacy.fault;
    };
    expect([under(3n, move), legacy.cpu.view.getBigUint64(AT.zmm + 64, true)]).toEqual(["none", 0x8_0000_0007n]);
    expect([under(7n, move), under(2n, store), under(4n, store)]).toEqual(["#GP(0)", "none", "#GP(0)"]);
    expect(under(3n, encodeEvex(find("VPADDD", 512, "V"), { reg: 1, vvvv: 1 }))).toBe("#GP(0)");
  });

  it("of broadcasts fill the vector and no more", () => {
    m.write(DATA, asBytes(numbers));
    for (const length of [512, 256, 128]) {
      m.zmm(1).fill(0xee);
      run(find("VPBROADCASTD", length, "V", "W"), { reg: 1 });
      expect(dwords(1)).toEqual(numbers.map((_, i) => (i < length / 32 ? 1 : 0)));
      if (length === 128) continue;
      m.zmm(1).fill(0xee);
      run(find("VBROADCASTF32X4", length), { reg: 1 });
      expect(dwords(1)).toEqual(numbers.map((_, i) => (i < length / 32 ? (i & 3) + 1 : 0)));
      m.setMask(1, 0x0ff0n);
      run(find("VBROADCASTF32X4", length), { reg: 1, mask: 1, zeroes: true });
      expect(dwords(1)).toEqual(numbers.map((_, i) => (i < length / 32 && i >= 4 && i < 12 ? (i & 3) + 1 : 0)));
    }
  });

  it("are compressed and expanded", () => {
    m.zmm(1).set(asBytes(numbers));
    m.write(DATA, asBytes(new Array(16).fill(99)));
    m.setMask(1, 0b1000_0000_0000_0110n);
    run(find("VPCOMPRESSD", 512), { reg: 1, mask: 1 });
    expect([...new Uint32Array(m.read(DATA, 64).slice().buffer)]).toEqual([2, 3, 16, ...new Array(13).fill(99)]);
    run(find("VPEXPANDD", 512), { reg: 2, mask: 1, zeroes: true });
    expect(dwords(2)).toEqual([0, 2, 3, ...new Array(12).fill(0), 16]);
  });

  it("are gathered and scattered, and the mask tells what is done", () => {
    m.write(DATA, asBytes(numbers));
    m.zmm(2).set(asBytes(numbers.map((_, i) => 15 - i)));
    m.zmm(1).fill(0xff);
    m.setMask(1, 0x7fffn);
    m.run("62f27d49900c90"); // VPGATHERDD zmm1{k1}, [rax+zmm2*4]
    expect([m.fault, dwords(1), m.mask(1)]).toEqual(["none", [...numbers.toReversed().slice(0, 15), 0xffff_ffff], 0n]);
    m.setMask(1, 3n);
    m.run("62f27d49a00c90"); // VPSCATTERDD [rax+zmm2*4]{k1}, zmm1
    expect([m.read32(DATA + 60), m.read32(DATA + 56), m.mask(1)]).toEqual([16, 15, 0n]);
    m.setMask(1, 3n);
    m.run("62f27d49a00490"); // with zmm0
    expect([m.read32(DATA + 60), m.read32(DATA + 56), m.read32(DATA + 52)]).toEqual([0, 0, 14]);
  });
});

describe("rounding", () => {
  const ADD = "VADDPS";
  it("of the instruction's own takes the place of MXCSR's, and no flags are set", () => {
    setFloats(1, [1]);
    setFloats(2, [2 ** -30]);
    const up = 1 + 2 ** -23;
    const results = [0, 1, 2, 3].map((rounding) => {
      run(find(ADD, 512), { reg: 3, vvvv: 1, rm: 2, b: true, rounding });
      return floats(3)[15];
    });
    expect([results, m.mxcsr]).toEqual([[1, 1, up, 1], 0x1f80]);
    // Division by zero, with all exceptions unmasked.
    m.mxcsr = 0;
    setFloats(2, [0]);
    run(find("VDIVPS", 512), { reg: 3, vvvv: 1, rm: 2, b: true, rounding: 0 });
    expect([m.fault, floats(3)[0], m.mxcsr]).toEqual(["none", Number.POSITIVE_INFINITY, 0]);
    run(find("VDIVPS", 512), { reg: 3, vvvv: 1, rm: 2 });
    expect([m.fault, m.mxcsr]).toEqual(["#19", 4]);
  });

  it("is left to MXCSR where exceptions are suppressed only", () => {
    setFloats(1, [Number.NaN, 1]);
    setFloats(2, [3]);
    m.mxcsr = 0;
    run(find("VMAXPS", 512), { reg: 3, vvvv: 1, rm: 2, b: true, rounding: 0 });
    expect([m.fault, floats(3).slice(0, 2), m.mxcsr]).toEqual(["none", [3, 3], 0]);
  });

  it("of scalars", () => {
    setFloats(1, [1, 7]);
    setFloats(2, [2 ** -30, 9]);
    run(find("VADDSS", 128), { reg: 3, vvvv: 1, rm: 2, b: true, rounding: 2 });
    expect(floats(3).slice(0, 5)).toEqual([1 + 2 ** -23, 7, 1, 7, 0]);
    m.set({ rcx: 0x7fff_ffff });
    run(find("VCVTSI2SS", 128, "V", "H", "E"), { reg: 3, vvvv: 1, rm: 1, b: true, rounding: 3 });
    expect(floats(3)[0]).toBe(2147483520);
  });
});

describe("floating-point exceptions", () => {
  it("of elements that are masked off are none", () => {
    setFloats(1, [1, 1]);
    setFloats(2, [0, 2]);
    m.mxcsr = 0x1d80;
    m.setMask(1, 0xaaaan);
    run(find("VDIVPS", 512), { reg: 3, vvvv: 1, rm: 2, mask: 1, zeroes: true });
    expect([m.fault, floats(3).slice(0, 4), m.mxcsr]).toEqual(["none", [0, 0.5, 0, 0.5], 0x1d80]);
    m.setMask(1, 0x8001n);
    m.zmm(3).fill(0x11);
    const before = [...m.zmm(3)];
    run(find("VDIVPS", 512), { reg: 3, vvvv: 1, rm: 2, mask: 1 });
    expect([m.fault, [...m.zmm(3)], m.mxcsr]).toEqual(["#19", before, 0x1d84]);
  });

  it("of all parts are seen together", () => {
    setFloats(1, [1]);
    m.zmm(2).set(asBytes([0x3f80_0000, 0, ...new Array(13).fill(0x3f80_0000), 0x7f80_0001]));
    m.mxcsr = 0;
    run(find("VDIVPS", 512), { reg: 3, vvvv: 1, rm: 2 });
    expect([m.fault, m.mxcsr]).toEqual(["#19", 5]);
    expect([m.cpu.get32("evexControl"), m.cpu.get32("evexExceptions")]).toEqual([0, 0]);
  });
});

describe("AVX-512", () => {
  it("is #UD where it is not enabled, and #NM where the state is another task's", () => {
    const add = encodeEvex(find("VPADDD", 512), { reg: 1, vvvv: 2, rm: 3 });
    const faultOf = (hex: string): string => {
      m.run(hex);
      return m.fault;
    };
    const both = (): string[] => ["c5f892c1", add].map(faultOf); // KMOVW k0, ecx
    expect(both()).toEqual(["none", "none"]);
    m.cpu.setLow("cr0", m.cpu.low("cr0") | CR0.TS);
    expect(both()).toEqual(["#NM", "#NM"]);
    m.cpu.setLow("cr0", m.cpu.low("cr0") & ~CR0.TS);
    m.cpu.setLow("xcr0", 7);
    expect(both()).toEqual(["#UD", "#UD"]);
  });

  it("lets VEX clear all of a register, and only where it is enabled", () => {
    for (const [xcr0, kept] of [
      [0xe7, 0],
      [7, 0x55],
    ] as const) {
      m.cpu.setLow("xcr0", xcr0);
      m.zmm(1).fill(0x55);
      m.run("c5f1fecb"); // VPADDD xmm1, xmm1, xmm3
      expect([m.zmm(1)[16], m.zmm(1)[32], m.zmm(1)[63]]).toEqual([0, kept, kept]);
      m.zmm(1).fill(0x55);
      m.run("c5f877"); // VZEROUPPER
      expect([m.zmm(1)[0], m.zmm(1)[16], m.zmm(1)[63]]).toEqual([0x55, 0, kept]);
      m.zmm(1).fill(0x55);
      m.run("c4e27917c9"); // VPTEST xmm1, xmm1
      expect(m.zmm(1)[63]).toBe(0x55);
      m.zmm(0).fill(0x55);
      m.run("c4e37962ca00"); // VPCMPISTRM xmm1, xmm2, 0: into XMM0
      expect([m.zmm(1)[63], m.zmm(0)[63]]).toEqual([0x55, kept]);
      m.run("660ffecb"); // PADDD xmm1, xmm3
      expect(m.zmm(1)[63]).toBe(0x55);
    }
  });
});
