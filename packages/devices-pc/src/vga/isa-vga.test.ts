import { createFakeClock, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createIsaVga } from "./isa-vga.ts";

const fixture = () => {
  const clock = createFakeClock();
  const device = createIsaVga({ clock });
  const [registers, monochrome, colour, text] = device.regions;
  return { clock, device, registers: registers!, monochrome: monochrome!, colour: colour!, text: text! };
};

testDevice("createIsaVga", () => {
  const { device, clock } = fixture();
  return { device, clock, outputs: [] };
});

describe("createIsaVga", () => {
  it("keeps the cursor's place in the CRT controller, by bytes and by words", () => {
    const { colour } = fixture();
    colour.write(4, 1, 14);
    colour.write(5, 1, 0x07);
    colour.write(4, 2, 0xcf0f);
    const read = (index: number): number => {
      colour.write(4, 1, index);
      return colour.read(5, 1);
    };
    expect([read(14), read(15), colour.read(4, 1)]).toEqual([0x07, 0xcf, 15]);
    // Behind the last register there is none.
    colour.write(4, 2, 0x5519);
    expect(read(0x19)).toBe(0);
  });

  it("protects the first registers as register 11h says", () => {
    const { colour } = fixture();
    const set = (index: number, value: number): number => {
      colour.write(4, 2, index | (value << 8));
      return colour.read(5, 1);
    };
    expect([set(0, 0x11), set(7, 0x00), set(8, 0x12)]).toEqual([0x5f, 0x0f, 0x12]);
    expect(set(0x11, 0x0e)).toBe(0x0e);
    expect([set(0, 0x11), set(7, 0x00)]).toEqual([0x11, 0x00]);
  });

  it("is where colour adapters are, or monochrome ones, as the miscellaneous output register says", () => {
    const { registers, colour, monochrome } = fixture();
    colour.write(4, 1, 9);
    expect([colour.read(4, 1), monochrome.read(4, 1)]).toEqual([9, 0xff]);
    registers.write(2, 1, 0x66);
    monochrome.write(4, 1, 10);
    colour.write(4, 1, 11);
    expect([colour.read(4, 1), monochrome.read(4, 1), registers.read(0xc, 1)]).toEqual([0xff, 10, 0x66]);
  });

  it("takes index and data in turn at the attribute controller, from the start again after status was read", () => {
    const { registers, colour } = fixture();
    registers.write(0, 1, 0x11);
    colour.read(0xa, 1);
    registers.write(0, 1, 0x12);
    registers.write(0, 1, 0x05);
    registers.write(0, 1, 0x32);
    expect([registers.read(0, 1), registers.read(1, 1)]).toEqual([0x32, 0x05]);
  });

  it("has a palette that counts on by itself", () => {
    const { registers } = fixture();
    registers.write(8, 1, 0xff);
    for (const part of [0x7f, 2, 3, 4]) registers.write(9, 1, part);
    registers.write(7, 1, 0xff);
    expect([1, 2, 3, 4].map(() => registers.read(9, 1))).toEqual([0x3f, 2, 3, 4]);
    expect(registers.read(7, 1)).toBe(3);
    // Brown's other name is 14h.
    registers.write(7, 1, 0x14);
    expect([0, 1, 2].map(() => registers.read(9, 1))).toEqual([0x2a, 0x15, 0]);
  });

  it("keeps sequencer and graphics controller registers", () => {
    const { registers } = fixture();
    registers.write(4, 2, 0x0f02);
    registers.write(0xe, 2, 0x0406);
    registers.write(0xe, 2, 0x0809);
    expect([registers.read(5, 1), registers.read(0xf, 1)]).toEqual([0x0f, 0]);
    registers.write(0xe, 1, 6);
    expect(registers.read(0xf, 1)).toBe(4);
  });

  it("shows the beam's returns", () => {
    const { clock, colour } = fixture();
    const status = (ns: number): number => {
      clock.advance(ns - clock.now());
      return colour.read(0xa, 1);
    };
    const line = 31_778;
    expect([status(0), status(26_000), status(line), status(405 * line), status(412 * line)]).toEqual([0, 1, 0, 1, 9]);
    expect([status(414 * line), status(449 * line)]).toEqual([1, 0]);
  });

  it("has text memory, blank after a reset", () => {
    const { device, text } = fixture();
    text.write(0, 4, 0x0742_0741);
    expect([text.read(2, 2), text.read(4, 2), text.length]).toEqual([0x0742, 0x0720, 0x8000]);
    device.reset();
    expect(text.read(0, 4)).toBe(0x0720_0720);
  });
});
