import { describe, expect, it } from "vitest";
import { byteRegion, mergeIntoDword, partOfDword } from "./register-width.ts";

describe("byteRegion", () => {
  it("splits wide accesses lowest byte first and reads ones past its end", () => {
    const log: string[] = [];
    const region = byteRegion(
      "chip",
      3,
      (offset) => 0xa0 + offset,
      (offset, value) => log.push(`${offset}=${value.toString(16)}`),
    );
    expect(region.read(0, 1)).toBe(0xa0);
    expect(region.read(0, 2)).toBe(0xa1a0);
    expect(region.read(1, 4)).toBe(0xffffa2a1);
    region.write(1, 4, 0xddccbbaa);
    expect(log).toEqual(["1=aa", "2=bb"]);
  });
});

describe("dword registers", () => {
  it("gives narrow reads their bytes, unsigned", () => {
    expect(partOfDword(0xfedcba98, 0, 4)).toBe(0xfedcba98);
    expect(partOfDword(0xfedcba98, 3, 1)).toBe(0xfe);
    expect(partOfDword(0xfedcba98, 2, 2)).toBe(0xfedc);
    expect(partOfDword(0xfedcba98, 1, 2)).toBe(0xdcba);
  });

  it("merges narrow writes and keeps the rest", () => {
    expect(mergeIntoDword(0xfedcba98, 0, 4, 0x1)).toBe(1);
    expect(mergeIntoDword(0xfedcba98, 1, 1, 0x55)).toBe(0xfedc5598);
    expect(mergeIntoDword(0xfedcba98, 2, 2, 0xffff)).toBe(0xffffba98);
  });
});
