import { describe, expect, it } from "vitest";
import { BareMachine } from "../../test/bare-machine.ts";
import { readCpuid } from "./leaves.ts";

const leaf = (model: string, eax: number, ecx = 0): readonly number[] =>
  readCpuid(new BareMachine(model).cpu, eax, ecx).map((word) => word >>> 0);
const text = (words: readonly number[]): string =>
  words.map((word) => String.fromCharCode(word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, word >>> 24)).join("");

describe("CPUID leaves", () => {
  it("name vendor, family and brand", () => {
    const [last, ebx, ecx, edx] = leaf("qemu64", 0) as [number, number, number, number];
    expect([last, text([ebx, edx, ecx])]).toEqual([7, "AuthenticAMD"]);
    expect(leaf("qemu64", 1)[0]).toBe(0x60fb1);
    const brand = [2, 3, 4].flatMap((n) => leaf("max", 0x8000_0000 + n));
    expect(text(brand).replaceAll("\0", "")).toBe("TSVM maximal processor");
  });

  it("show features where the manual has them", () => {
    const [, , ecx = 0, edx = 0] = leaf("max", 1);
    // SSE4.2, x2APIC, MOVBE, POPCNT, TSC deadline, hypervisor; SSE2, CLFLUSH with its line.
    for (const bit of [20, 21, 22, 23, 24, 31]) expect((ecx >>> bit) & 1).toBe(1);
    expect((edx >>> 26) & 1).toBe(1);
    expect((leaf("max", 1)[1]! >>> 8) & 0xff).toBe(8);
    // FSGSBASE, SMEP, SMAP; BMI1; AVX2; no MPX.
    const [, ebx7 = 0, ecx7 = 0] = leaf("max", 7);
    expect([0, 7, 20, 3, 5, 14].map((bit) => (ebx7 >>> bit) & 1)).toEqual([1, 1, 1, 1, 1, 0]);
    expect((ecx7 >>> 2) & 1).toBe(1);
    expect([leaf("max", 7)[0], leaf("max", 7, 1)]).toEqual([1, [1 << 26, 0, 0, 0]]);
    expect([leaf("max,-lam", 7)[0], leaf("max,-lam", 7, 1)]).toEqual([0, [0, 0, 0, 0]]);
    const [, , lahf = 0, lm = 0] = leaf("max", 0x8000_0001);
    expect([lahf & 1, (lm >>> 29) & 1, (lm >>> 11) & 1, lm & 1]).toEqual([1, 1, 1, 1]);
    expect(leaf("max", 0x8000_0007)[3]! & 0x100).toBe(0x100);
    expect(leaf("max", 0x8000_0008)[0]).toBe(0x3028);
  });

  it("describe XSAVE areas by what XCR0 has on", () => {
    const { cpu } = new BareMachine("max");
    expect(readCpuid(cpu, 0xd, 0)).toEqual([0x2e7, 576, 2696, 0]);
    cpu.setLow("xcr0", 7);
    expect(readCpuid(cpu, 0xd, 0)).toEqual([0x2e7, 832, 2696, 0]);
    cpu.setLow("xcr0", 0xe7);
    expect(readCpuid(cpu, 0xd, 0)).toEqual([0x2e7, 2688, 2696, 0]);
    expect(readCpuid(cpu, 0xd, 1)).toEqual([15, 832 + 64 + 512 + 1024, 0x1800, 0]);
    expect([5, 6, 7].map((i) => readCpuid(cpu, 0xd, i))).toEqual([
      [64, 1088, 0, 0],
      [512, 1152, 0, 0],
      [1024, 1664, 0, 0],
    ]);
    expect(leaf("max,-avx512f", 0xd)).toEqual([0x207, 576, 2696, 0]);
    cpu.setLow("xcr0", 0x207);
    expect(readCpuid(cpu, 0xd, 1)).toEqual([15, 840, 0x1800, 0]);
    expect(readCpuid(cpu, 0xd, 9)).toEqual([8, 2688, 0, 0]);
    expect(readCpuid(cpu, 0xd, 2)).toEqual([256, 576, 0, 0]);
    expect(readCpuid(cpu, 0xd, 3)).toEqual([0, 0, 0, 0]);
    expect(leaf("max,-avx,-pku", 0xd)).toEqual([3, 576, 576, 0]);
    expect(leaf("qemu64", 0xd)).toEqual([0, 0, 0, 0]);
  });

  it("show KVM only when asked to", () => {
    expect(leaf("max", 0x4000_0000)).toEqual([0, 0, 0, 0]);
    const [last, ...signature] = leaf("max,kvm=on", 0x4000_0000);
    expect([last, text(signature)]).toEqual([0x4000_0010, "KVMKVMKVM\0\0\0"]);
    expect(leaf("max,kvm=on", 0x4000_0001)[0]).toBe(0x0100_0008);
    expect(leaf("max,kvm=on", 0x4000_0010)[0]).toBe(1_000_000);
  });

  it("give the 486 nothing but leaf 1", () => {
    expect(leaf("486", 0)[0]).toBe(1);
    expect(leaf("486", 1)).toEqual([0x480, 0, 0, 1]);
    expect(leaf("486", 0x8000_0000)).toEqual([0, 0, 0, 0]);
  });

  it("hide the APIC once IA32_APIC_BASE disables it", () => {
    const { cpu } = new BareMachine("max");
    const edx = readCpuid(cpu, 1, 0)[3];
    expect((edx >>> 9) & 1).toBe(1);
    cpu.host.readApicMsr = () => 0xfee0_0100n;
    expect((readCpuid(cpu, 1, 0)[3] >>> 9) & 1).toBe(0);
  });
});
