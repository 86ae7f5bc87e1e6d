import type { IoPort } from "@tsvm/contracts";
import { expect, test } from "vitest";
import { GuestFrames } from "./guest-frames.ts";

const HVA = 0x1_0000;

function build(): { frames: GuestFrames; bytes: Uint8Array; stores: number[][]; written: number[][] } {
  const buffer = new ArrayBuffer(0x4_0000);
  const frames = new GuestFrames(buffer);
  const stores: number[][] = [];
  const written: number[][] = [];
  frames.setSlot(0, { gpa: 0, length: 0x4000, hva: HVA, readOnly: false });
  frames.setSlot(1, { gpa: 0xf000, length: 0x1000, hva: HVA + 0x8000, readOnly: true });
  frames.io = {
    load: (gpa: number, dst: Uint8Array) => dst.fill(gpa & 0xff),
    store: (gpa: number, src: Uint8Array) => void stores.push([gpa, ...src]),
  } as unknown as IoPort;
  frames.onCodeWrite = (gfn, first, length) => void written.push([gfn, first, length]);
  return { frames, bytes: new Uint8Array(buffer), stores, written };
}

test("slots give host addresses, ROM is not writable, holes go to the board", () => {
  const { frames, bytes, stores } = build();
  expect(frames.readableFrame(1)).toBe(HVA + 0x1000);
  expect(frames.writableFrame(1)).toBe(HVA + 0x1000);
  expect(frames.readableFrame(15)).toBe(HVA + 0x8000);
  expect(frames.writableFrame(15)).toBe(-1);
  expect(frames.readableFrame(9)).toBe(-1);
  frames.load(0x9042, 4, 0);
  expect([...bytes.subarray(0, 4)]).toEqual([0x42, 0x42, 0x42, 0x42]);
  frames.store(0x9010, 2, 0);
  expect(stores).toEqual([[0x9010, 0x42, 0x42]]);
  frames.store(0xf000, 4, 0);
  expect(bytes[HVA + 0x8000]).toBe(0);
});

test("a frame with code is not handed out for writing, and stores to it are told", () => {
  const { frames, bytes, written } = build();
  frames.setCode(2, true);
  expect(frames.writableFrame(2)).toBe(-1);
  bytes[0] = 0x90;
  frames.store(0x2ff0, 1, 0);
  expect(bytes[HVA + 0x2ff0]).toBe(0x90);
  frames.noteHostWrite(0x1ffe, 0x1004);
  expect(written).toEqual([
    [2, 0xff0, 1],
    [2, 0, 0x1000],
  ]);
  frames.setCode(2, false);
  expect(frames.writableFrame(2)).toBe(HVA + 0x2000);
});

test("the dirty log has a bit for each frame written or handed out for writing, and is cleared by reading", () => {
  const { frames } = build();
  frames.takeDirtyLog(0);
  frames.writableFrame(0);
  frames.noteHostWrite(0x3000, 1);
  expect([...frames.takeDirtyLog(0)]).toEqual([0b1001]);
  expect([...frames.takeDirtyLog(0)]).toEqual([0]);
});
