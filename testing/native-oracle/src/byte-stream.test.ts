import { expect, test } from "vitest";
import { createByteReader, createByteWriter } from "./byte-stream.ts";

test("numbers come back at every length", () => {
  const values = [0n, 1n, 127n, 128n, 16383n, 16384n, 0xffff_ffffn, 0x7fff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn];
  const writer = createByteWriter();
  for (const value of values) writer.uint(value);
  for (const value of values) writer.int(-(value >> 1n));
  const reader = createByteReader(writer.finish());
  for (const value of values) expect(reader.bigUint()).toBe(value);
  for (const value of values) expect(reader.int()).toBe(-(value >> 1n));
  expect(reader.atEnd).toBe(true);
});

test("small numbers are read without bigints, larger ones the same", () => {
  const writer = createByteWriter();
  for (const value of [5, 200, 16383, 16384, 2 ** 40]) writer.uint(value);
  const reader = createByteReader(writer.finish());
  expect([reader.uint(), reader.uint(), reader.uint(), reader.uint(), reader.uint()]).toEqual([
    5,
    200,
    16383,
    16384,
    2 ** 40,
  ]);
});

test("texts and bytes longer than the writer's buffer survive", () => {
  const long = new Uint8Array(200_000).map((_, i) => i);
  const writer = createByteWriter();
  writer.text("ADD Ev,Gv");
  writer.bytes(long);
  const reader = createByteReader(writer.finish());
  expect(reader.text()).toBe("ADD Ev,Gv");
  expect(reader.bytes(long.length)).toEqual(long);
});

test("a source that ends early or a number without end is refused", () => {
  expect(() => createByteReader(Uint8Array.of(0x80)).uint()).toThrow(RangeError);
  expect(() => createByteReader(Uint8Array.of(1, 2)).bytes(3)).toThrow(RangeError);
  expect(() => createByteReader(new Uint8Array(20).fill(0x80)).bigUint()).toThrow(RangeError);
});
