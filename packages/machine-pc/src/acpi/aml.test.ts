import { describe, expect, it } from "vitest";
import { buffer, device, eisaId, integer, name, packageOf } from "./aml.ts";

describe("AML encoders", () => {
  it("encodes names of one, two and many segments", () => {
    const text = (aml: readonly number[]): string => String.fromCharCode(...aml);
    expect(text(name("PCI0"))).toBe("PCI0");
    expect(text(name("\\_S5"))).toBe("\\_S5_");
    expect(text(name("\\_SB.PCI0"))).toBe("\\._SB_PCI0");
    expect(text(name("_SB.PCI0.ISA"))).toBe("/\x03_SB_PCI0ISA_");
    expect(() => name("lower")).toThrow(/name segment/);
  });

  it("encodes integers in their shortest form", () => {
    expect(integer(0)).toEqual([0]);
    expect(integer(1)).toEqual([1]);
    expect(integer(0xff)).toEqual([0x0a, 0xff]);
    expect(integer(0x100)).toEqual([0x0b, 0, 1]);
    expect(integer(0xffff0000)).toEqual([0x0c, 0, 0, 0xff, 0xff]);
  });

  it("packs EISA ids as the specification's own example", () => {
    // PNP0A03 is 0x030AD041 in a little-endian DWord.
    expect(eisaId("PNP0A03")).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  });

  it("counts the length bytes in the length, in one to three bytes", () => {
    expect(packageOf(integer(1))).toEqual([0x12, 3, 1, 1]);
    const short = device("ABCD", new Array<number>(0x3f - 5).fill(0));
    expect(short.slice(2, 3)).toEqual([0x3f]);
    const medium = device("ABCD", new Array<number>(0x3f - 4).fill(0));
    expect(medium.slice(2, 4)).toEqual([0x41, 0x04]);
    expect(medium.length - 2).toBe(0x41);
    const long = buffer(new Array<number>(0x2000).fill(0));
    expect(long.length - 1).toBe(0x2006);
    expect(long.slice(1, 4)).toEqual([0x86, 0x00, 0x02]);
  });
});
