import { TLB_CONTEXT_LIMIT, TLB_ENTRIES, tlbContextOf } from "@tsvm/tcg";
import { beforeEach, expect, it } from "vitest";
import { RESERVED_BYTES, TLB_READ, TLB_WRITE } from "../state/memory-map.ts";
import { offsetOf, SoftTlb } from "./soft-tlb.ts";

const CONTEXT = tlbContextOf(1);
const FRAME = RESERVED_BYTES + 0x5000;
let tlb: SoftTlb;

beforeEach(() => {
  const buffer = new ArrayBuffer(RESERVED_BYTES + 0x10_0000);
  tlb = new SoftTlb({ i32: new Int32Array(buffer), u8: new Uint8Array(buffer) });
});

const writes = (low: number): number => tlb.lookup(TLB_WRITE, low, 0, CONTEXT);

it("lets a frame be written no more at whatever addresses it was", () => {
  const places = [0x40_0000, 0x7f_3000, 0x12_3000];
  for (const count of [0, 1, 2, 3]) {
    for (const low of places.slice(0, count)) tlb.fill(TLB_WRITE, low, 0, FRAME, CONTEXT);
    for (const low of places.slice(0, count)) expect(writes(low + 8)).toBe(FRAME + 8);
    tlb.dropWritesTo(FRAME);
    for (const low of places) expect(writes(low + 8)).toBe(0);
  }
});

it("lets a frame be written no more where it went on to when others had taken its entries", () => {
  const places = [0x40_0000, 0x7f_3000, 0x12_3000, 0x55_1000, 0x66_2000];
  for (const [i, low] of places.entries()) {
    tlb.fill(TLB_WRITE, low, 0, FRAME, CONTEXT);
    if (i < 3) tlb.fill(TLB_WRITE, low, 0, FRAME + 0x1000, CONTEXT);
  }
  tlb.dropWritesTo(FRAME);
  expect(places.map(writes)).toEqual([FRAME + 0x1000, FRAME + 0x1000, FRAME + 0x1000, 0, 0]);
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

it("has nothing in the beginning, and nothing for another context of what one has", () => {
  const contexts = Array.from({ length: TLB_CONTEXT_LIMIT - 1 }, (_, i) => tlbContextOf(i + 1));
  expect(new Set(contexts).size).toBe(TLB_CONTEXT_LIMIT - 1);
  // Page 0, and a page whose index some of the contexts make 0.
  for (const low of [0, tlbContextOf(77)]) {
    for (const context of contexts) expect(tlb.lookup(TLB_READ, low, 0, context)).toBe(0);
    tlb.fill(TLB_READ, low, 0, FRAME, CONTEXT);
    for (const context of contexts) expect(tlb.lookup(TLB_READ, low, 0, context)).toBe(context === CONTEXT ? FRAME : 0);
  }
});

it("is empty where an entry was dropped, for every context", () => {
  const [low, high] = [0x7f3_2000, 0x7fff];
  tlb.fill(TLB_WRITE, low, high, FRAME, CONTEXT);
  tlb.dropAt(offsetOf(low, CONTEXT));
  for (let i = 0; i < TLB_ENTRIES; i++) {
    const page = i * 4096;
    expect(tlb.lookup(TLB_WRITE, page, high, CONTEXT) + tlb.lookup(TLB_WRITE, page, 0, CONTEXT)).toBe(0);
  }
});
