import { expect, test } from "vitest";
import { ByteBuffer } from "./byte-buffer.ts";

const bytes = (write: (b: ByteBuffer) => void): number[] => {
  const buffer = new ByteBuffer(1);
  write(buffer);
  return [...buffer.toBytes()];
};

/** Reads signed LEB128 as the specification defines it. */
function decodeSigned(encoded: readonly number[]): bigint {
  let value = 0n;
  encoded.forEach((byte, i) => {
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
  });
  const last = encoded[encoded.length - 1] as number;
  const bits = BigInt(7 * encoded.length);
  return (last & 0x40) !== 0 ? value - (1n << bits) : value;
}

test("unsigned numbers are as short as they can be", () => {
  expect(bytes((b) => b.u32(0))).toEqual([0]);
  expect(bytes((b) => b.u32(127))).toEqual([127]);
  expect(bytes((b) => b.u32(128))).toEqual([0x80, 1]);
  expect(bytes((b) => b.u32(624485))).toEqual([0xe5, 0x8e, 0x26]);
  expect(bytes((b) => b.u32(0xffff_ffff))).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
});

test("signed numbers read back", () => {
  const edges = [0n, 1n, -1n, 63n, 64n, -64n, -65n, 0x7fff_ffffn, -0x8000_0000n, 0x8000_0000n];
  const wide = [...edges, 2n ** 63n - 1n, -(2n ** 63n), 0x1234_5678_9abc_def0n];
  for (const value of wide) expect(decodeSigned(bytes((b) => b.s64(value)))).toBe(value);
  for (const value of edges.slice(0, 9)) expect(decodeSigned(bytes((b) => b.s32(Number(value))))).toBe(value);
});

test("a 64-bit pattern above the signed range is its two's complement", () => {
  expect(bytes((b) => b.s64(0xffff_ffff_ffff_ffffn))).toEqual([0x7f]);
});
