import { describe, expect, it } from "vitest";
import { ascii, checksumOf, cString, u16, u32, u64 } from "./fields.ts";

describe("fields", () => {
  it("writes little-endian, up to 53 bits", () => {
    expect(u16(0x1234)).toEqual([0x34, 0x12]);
    expect(u32(0xfedcba98)).toEqual([0x98, 0xba, 0xdc, 0xfe]);
    expect(u64(0x1f_ffff_8000_0001)).toEqual([1, 0, 0, 0x80, 0xff, 0xff, 0x1f, 0]);
  });

  it("pads and cuts text", () => {
    expect(ascii("AB", 4, 0x20)).toEqual([0x41, 0x42, 0x20, 0x20]);
    expect(ascii("ABC", 2)).toEqual([0x41, 0x42]);
  });

  it("makes the sum of a table 0", () => {
    expect(checksumOf([0xff, 2])).toBe(0xff);
    expect(checksumOf([])).toBe(0);
  });

  it("encodes strings in UTF-8 with a zero, whatever they contain", () => {
    expect([...cString("a%é\u{1f600}")]).toEqual([0x61, 0x25, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0]);
    expect([...cString("\ud800")]).toEqual([0xef, 0xbf, 0xbd, 0]);
    expect([...cString("")]).toEqual([0]);
  });
});
