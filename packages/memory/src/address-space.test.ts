import type { IoRegion } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import { createAddressSpace } from "./address-space.ts";

/** Answers every read with its own offset in each byte, and writes down every access. */
function recorder(name: string, length: number): IoRegion & { readonly log: string[] } {
  const log: string[] = [];
  return {
    name,
    length,
    log,
    read(offset, size) {
      log.push(`r${size}@${offset}`);
      let value = 0;
      for (let i = 0; i < size; i++) value += (offset + i) * 2 ** (8 * i);
      return value;
    },
    write(offset, size, value) {
      log.push(`w${size}@${offset}=${value.toString(16)}`);
    },
  };
}

describe("createAddressSpace", () => {
  it("splits a wide read into naturally aligned parts and puts them together little-endian", () => {
    const space = createAddressSpace("mmio");
    const region = recorder("a", 0x100);
    space.map(0x1000, region);
    const dst = new Uint8Array(8);
    space.read(0x1001, dst);
    expect(region.log).toEqual(["r1@1", "r2@2", "r4@4", "r1@8"]);
    expect([...dst]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("splits a wide write the same way, with unsigned values", () => {
    const space = createAddressSpace("mmio");
    const region = recorder("a", 0x100);
    space.map(0x1000, region);
    space.write(0x1002, Uint8Array.of(1, 2, 3, 4, 5, 0xff));
    expect(region.log).toEqual(["w2@2=201", "w4@4=ff050403"]);
  });

  it("passes an aligned register access through whole and splits the others", () => {
    const space = createAddressSpace("pio");
    const region = recorder("a", 8);
    space.map(0x60, region);
    expect(space.load(0x64, 4)).toBe(0x07060504);
    expect(space.load(0x61, 2)).toBe(0x0201);
    space.store(0x63, 4, 0xddccbbaa);
    expect(region.log).toEqual(["r4@4", "r1@1", "r1@2", "w1@3=aa", "w2@4=ccbb", "w1@6=dd"]);
  });

  it("answers all ones where nothing is mapped, byte by byte at an edge", () => {
    const space = createAddressSpace("pio");
    const region = recorder("a", 2);
    space.map(0x70, region);
    expect(space.load(0x80, 4)).toBe(0xffffffff);
    expect(space.load(0x80, 1)).toBe(0xff);
    expect(space.load(0x70, 4)).toBe(0xffff0100);
    space.store(0x6e, 4, 0x11223344);
    expect(region.log).toEqual(["r2@0", "w2@0=1122"]);
    const dst = new Uint8Array(2);
    space.read(0x4000, dst);
    expect([...dst]).toEqual([0xff, 0xff]);
  });

  it("shows later mappings above earlier ones, and the earlier again after unmap", () => {
    const space = createAddressSpace("mmio");
    const low = recorder("low", 0x1000);
    const high = recorder("high", 4);
    space.map(0, low);
    const mapping = space.map(0x100, high);
    space.load(0x0fc, 4);
    space.load(0x100, 4);
    space.load(0x104, 4);
    expect(high.log).toEqual(["r4@0"]);
    expect(low.log).toEqual(["r4@252", "r4@260"]);
    mapping.move(0x200);
    expect(mapping.base).toBe(0x200);
    space.load(0x100, 1);
    space.load(0x202, 1);
    mapping.unmap();
    space.load(0x202, 1);
    expect(high.log).toEqual(["r4@0", "r1@2"]);
    expect(low.log.slice(2)).toEqual(["r1@256", "r1@514"]);
  });

  it("reaches regions above 4 GiB", () => {
    const space = createAddressSpace("mmio");
    const region = recorder("a", 0x10);
    space.map(0x38_0000_0000, region);
    space.load(0x38_0000_0004, 4);
    expect(region.log).toEqual(["r4@4"]);
    expect(space.load(0x4, 4)).toBe(0xffffffff);
  });
});
