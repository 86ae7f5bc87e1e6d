import { beforeEach, expect, it } from "vitest";
import { RESERVED_BYTES, TLB_READ, TLB_WRITE } from "../state/memory-map.ts";
import { SoftTlb } from "./soft-tlb.ts";

const CONTEXT = 0x1000_0000 | 0;
const FRAME = RESERVED_BYTES + 0x5000;
let tlb: SoftTlb;

beforeEach(() => {
  const buffer = new ArrayBuffer(RESERVED_BYTES + 0x10_0000);
  tlb = new SoftTlb({ i32: new Int32Array(buffer), u8: new Uint8Array(buffer) });
});

const writes = (low: number): number => tlb.lookup(TLB_WRITE, low, 0, CONTEXT);

it("lets a frame be written no more at whatever addresses it was", () => {
  const places = [0x40_0000, 0x7f_3000, 0x12_3000];
  for (const count of [0, 1, 3]) {
    for (const low of places.slice(0, count)) tlb.fill(TLB_WRITE, low, 0, FRAME, CONTEXT);
    for (const low of places.slice(0, count)) expect(writes(low + 8)).toBe(FRAME + 8);
    tlb.dropWritesTo(FRAME);
    for (const low of places) expect(writes(low + 8)).toBe(0);
  }
});

it("leaves reads of the frame alone, and writes to another one that has taken its entry", () => {
  const other = FRAME + 0x1000;
  tlb.fill(TLB_READ, 0x40_0000, 0, FRAME, CONTEXT);
  tlb.fill(TLB_WRITE, 0x40_0000, 0, FRAME, CONTEXT);
  tlb.fill(TLB_WRITE, 0x40_0000, 0, other, CONTEXT);
  tlb.dropWritesTo(FRAME);
  expect(writes(0x40_0000)).toBe(other);
  expect(tlb.lookup(TLB_READ, 0x40_0000, 0, CONTEXT)).toBe(FRAME);
  tlb.dropWritesTo(other);
  expect(writes(0x40_0000)).toBe(0);
});
