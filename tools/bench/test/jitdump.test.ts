import { describe, expect, it } from "vitest";
import { attribute, readJitdump } from "../src/jitdump.ts";

const HEADER = 40;

/** A record of a function that was compiled. */
function load(name: string, address: number, code: readonly number[]): Buffer {
  const record = Buffer.alloc(56 + name.length + 1 + code.length);
  record.writeUInt32LE(record.length, 4);
  for (const [at, value] of [
    [24, address],
    [32, address],
    [40, code.length],
  ] as const)
    record.writeBigUInt64LE(BigInt(value), at);
  record.write(name, 56, "latin1");
  record.set(code, 56 + name.length + 1);
  return record;
}

function dump(...records: readonly Buffer[]): Uint8Array {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(0x4a695444, 0);
  header.writeUInt32LE(HEADER, 8);
  return Buffer.concat([header, ...records]);
}

/** Debug information of a function, which nobody asks for. */
const OTHER = Buffer.from([2, 0, 0, 0, 20, 0, 0, 0, ...new Array(12).fill(7)]);

describe("a jitdump", () => {
  it("has functions with their names, places and bytes, among other records", () => {
    const loads = readJitdump(dump(load("first", 0x1000, [1, 2, 3]), OTHER, load("second", 0x7fff_0000_2000, [4])));
    expect(loads.map(({ name, address, code }) => [name, address, [...code]])).toEqual([
      ["first", 0x1000, [1, 2, 3]],
      ["second", 0x7fff_0000_2000, [4]],
    ]);
  });

  it("is read on behind what is no record, and behind a record that was cut off", () => {
    const cut = load("cut", 0x3000, [1, 2, 3, 4, 5, 6]).subarray(0, 30);
    const loads = readJitdump(dump(Buffer.from("garbage"), cut, load("whole", 0x1000, [1])));
    expect(loads.map(({ name }) => name)).toEqual(["whole"]);
    expect(readJitdump(dump(load("whole", 0x1000, [1]), cut)).map(({ name }) => name)).toEqual(["whole"]);
  });

  it("is told from another file", () => {
    expect(() => readJitdump(Buffer.from("#!/bin/sh\necho no jitdump at all\n"))).toThrow("no jitdump");
    expect(() => readJitdump(new Uint8Array(3))).toThrow("no jitdump");
  });
});

describe("samples", () => {
  const bytes = new Array(16).fill(0x90);
  const [old, other, young] = readJitdump(
    dump(load("old", 0x1000, bytes), load("other", 0x2000, bytes), load("young", 0x1000, bytes)),
  );

  it("are of the newest function at their address, most first", () => {
    const found = attribute([old, other, young] as never, [0x1000, 0x2003, 0x100f, 0x1000]);
    expect(found.map(({ load: { name }, total }) => [name, total])).toEqual([
      ["young", 3],
      ["other", 1],
    ]);
    expect([...(found[0]?.samples ?? [])]).toEqual([
      [0x1000, 2],
      [0x100f, 1],
    ]);
  });

  it("in front of, between and behind functions are nobody's", () => {
    expect(attribute([old, other] as never, [0xfff, 0x1010, 0x2010])).toEqual([]);
  });
});
