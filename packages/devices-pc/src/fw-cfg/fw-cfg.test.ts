import { createFakeMemory, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createFwCfg } from "./fw-cfg.ts";
import { KEY_CPU_COUNT } from "./fw-cfg-items.ts";

function setUp() {
  const memory = createFakeMemory(0x4_0000);
  const device = createFwCfg({ memory });
  const region = device.regions[0];
  if (region === undefined) throw new Error("no region");
  const select = (key: number): void => region.write(0, 2, key);
  const bytes = (count: number): number[] => Array.from({ length: count }, () => region.read(1, 1));
  const view = new DataView(memory.bytes.buffer);
  /** Runs the DMA structure put at 0x1000 and answers its control word afterwards. */
  const dma = (control: number, length: number, gpa: number): number => {
    view.setUint32(0x1000, control);
    view.setUint32(0x1004, length);
    view.setBigUint64(0x1008, BigInt(gpa));
    region.write(4, 4, 0);
    region.write(8, 4, 0x0010_0000);
    return view.getUint32(0x1000);
  };
  return { memory, device, region, select, bytes, dma };
}

const text = (bytes: Iterable<number>): string => String.fromCharCode(...bytes);

testDevice("createFwCfg", () => {
  const { device } = setUp();
  device.items.setFile("etc/one", Uint8Array.of(1, 2, 3));
  return { device };
});

describe("createFwCfg", () => {
  it("identifies itself, by port and by the DMA register", () => {
    const { select, bytes, region } = setUp();
    select(0);
    expect(text(bytes(4))).toBe("QEMU");
    select(1);
    expect(bytes(5)).toEqual([3, 0, 0, 0, 0]);
    expect([region.read(4, 4), region.read(8, 4)]).toEqual([0x554d_4551, 0x4746_4320]);
  });

  it("serves items in any width, and zeros past their end", () => {
    const { device, select, region } = setUp();
    device.items.set(KEY_CPU_COUNT, Uint8Array.of(1, 2, 3));
    select(KEY_CPU_COUNT);
    expect(region.read(1, 2)).toBe(0x0201);
    expect(region.read(1, 4)).toBe(0x03);
    expect(region.read(1, 1)).toBe(0);
  });

  it("lists files by name, big-endian", () => {
    const { device, select, bytes } = setUp();
    device.items.setFile("etc/z", Uint8Array.of(9, 9));
    device.items.setFile("etc/a", Uint8Array.of(7));
    select(0x19);
    const directory = Uint8Array.from(bytes(4 + 2 * 64));
    const view = new DataView(directory.buffer);
    expect(view.getUint32(0)).toBe(2);
    expect([view.getUint32(4), view.getUint16(8)]).toEqual([1, 0x21]);
    expect(text(directory.subarray(12, 18))).toBe("etc/a\0");
    expect([view.getUint32(68), view.getUint16(72)]).toEqual([2, 0x20]);
    select(view.getUint16(8));
    expect(bytes(1)).toEqual([7]);
  });

  it("replaces a file under its old key", () => {
    const { device, select, bytes } = setUp();
    device.items.setFile("etc/z", Uint8Array.of(1));
    device.items.setFile("etc/z", Uint8Array.of(5, 6));
    select(0x20);
    expect(bytes(2)).toEqual([5, 6]);
  });

  it("selects, skips and copies by DMA, zeros after the end", () => {
    const { device, memory, dma } = setUp();
    device.items.setFile("etc/data", Uint8Array.of(1, 2, 3, 4, 5));
    memory.bytes.fill(0xee, 0x2000, 0x2010);
    expect(dma(0x0020_0000 | 0x0c, 2, 0)).toBe(0);
    expect(dma(0x02, 6, 0x2000)).toBe(0);
    expect([...memory.bytes.subarray(0x2000, 0x2007)]).toEqual([3, 4, 5, 0, 0, 0, 0xee]);
  });

  it("reports writes and addresses outside of RAM as errors", () => {
    const { dma } = setUp();
    expect(dma(0x10, 4, 0x2000)).toBe(1);
    expect(dma(0x02, 4, 0x1_0000_0000)).toBe(1);
    expect(dma(0x02, 0xffff_ffff, 0x2000)).toBe(1);
  });

  it("leaves a structure outside of RAM alone", () => {
    const { region, memory } = setUp();
    const before = memory.bytes.slice();
    region.write(4, 4, 0xffff_ffff);
    region.write(8, 4, 0);
    expect(memory.bytes).toEqual(before);
  });
});
