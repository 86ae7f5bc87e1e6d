import { createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createRtc } from "./rtc.ts";

const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;
const EPOCH = Date.parse("2026-08-15T10:20:30Z") / 1000;

function setUp() {
  const clock = createFakeClock();
  const irq = createProbeLine();
  const nmiMasks: boolean[] = [];
  const rtc = createRtc({ clock, irq, epochSeconds: EPOCH, onNmiMask: (masked) => nmiMasks.push(masked) });
  const port = rtc.regions[0];
  if (port === undefined) throw new Error("no region");
  const read = (index: number): number => {
    port.write(0, 1, index);
    return port.read(1, 1);
  };
  const write = (index: number, value: number): void => {
    port.write(0, 1, index);
    port.write(1, 1, value);
  };
  const time = (): string => [4, 2, 0].map((index) => read(index).toString(16).padStart(2, "0")).join(":");
  return { clock, irq, rtc, port, read, write, time, nmiMasks };
}

testDevice(
  "createRtc",
  () => {
    const { rtc, clock, irq } = setUp();
    return { device: rtc, clock, outputs: [irq] };
  },
  {
    keptOverReset: ["cmos", "baseSeconds", "baseNs"],
    timeFields: ["notedSeconds", "notedTick"],
  },
);

describe("time of day", () => {
  it("starts at the epoch given and goes on with guest time", () => {
    const { clock, time, read } = setUp();
    expect(time()).toBe("10:20:30");
    clock.advance(59 * 60e9 + 31e9);
    expect(time()).toBe("11:20:01");
    expect([read(6), read(7), read(8), read(9), read(0x32)]).toEqual([7, 0x15, 0x08, 0x26, 0x20]);
  });

  it("shows an update coming for its last 244 microseconds only", () => {
    const { clock, read } = setUp();
    clock.advance(999_755_000);
    expect(read(A) & 0x80).toBe(0);
    clock.advance(2_000);
    expect(read(A) & 0x80).toBe(0x80);
    clock.advance(244_000);
    expect(read(A) & 0x80).toBe(0);
  });

  it("is set the way Linux sets it", () => {
    const { clock, read, write, time } = setUp();
    const control = read(B);
    const frequency = read(A);
    write(B, control | 0x80);
    write(A, frequency | 0x70);
    for (const [index, value] of [
      [9, 0x30],
      [8, 0x02],
      [7, 0x28],
      [4, 0x23],
      [2, 0x59],
      [0, 0x59],
    ] as const)
      write(index, value);
    clock.advance(5e9);
    expect(time()).toBe("23:59:59");
    write(B, control);
    write(A, frequency);
    clock.advance(499_999_999);
    expect(time()).toBe("23:59:59");
    clock.advance(1);
    expect(time()).toBe("00:00:00");
    expect([read(7), read(8), read(9)]).toEqual([0x01, 0x03, 0x30]);
  });

  it("keeps the fraction of the second when only SET stops it", () => {
    const { clock, write, read, time } = setUp();
    clock.advance(700e6);
    write(B, read(B) | 0x80);
    write(0, 0x45);
    write(B, read(B) & 0x7f);
    clock.advance(300e6);
    expect(time()).toBe("10:20:46");
  });

  it("changes its notation with register B", () => {
    const { write, read } = setUp();
    write(B, 0x06);
    expect([read(0), read(2), read(4)]).toEqual([30, 20, 10]);
    write(B, 0x00);
    write(4, 0x92);
    write(B, 0x02);
    expect(read(4)).toBe(0x12);
  });
});

describe("interrupts", () => {
  it("come at every update until register C is read", () => {
    const { clock, irq, write, read } = setUp();
    write(B, 0x12);
    clock.advance(999_999_999);
    expect(irq.level).toBe(false);
    clock.advance(1);
    expect(irq.level).toBe(true);
    clock.advance(3e9);
    expect(irq.rises).toBe(1);
    expect(read(C) & 0x90).toBe(0x90);
    expect(irq.level).toBe(false);
    clock.advance(1e9);
    expect(irq.rises).toBe(2);
  });

  it("come periodically at the rate of register A", () => {
    const { clock, irq, write, read } = setUp();
    write(A, 0x26);
    write(B, 0x42);
    let count = 0;
    for (let i = 0; i < 4096; i++) {
      clock.advance(1e9 / 4096);
      if (!irq.level) continue;
      count++;
      expect(read(C) & 0xc0).toBe(0xc0);
    }
    expect(count).toBe(1024);
  });

  it("come at the alarm", () => {
    const { clock, irq, write, read } = setUp();
    write(1, 0x00);
    write(3, 0x21);
    write(5, 0xff);
    write(B, 0x22);
    clock.advance(29e9);
    expect(irq.level).toBe(false);
    clock.advance(1e9);
    expect(irq.level).toBe(true);
    expect(read(C) & 0xa0).toBe(0xa0);
  });

  it("leave the clock alone when nobody wants them, but flags are there to poll", () => {
    const { clock, irq, read } = setUp();
    read(C);
    expect(clock.deadlines).toEqual([]);
    expect(read(C)).toBe(0);
    clock.advance(1e9);
    expect(read(C)).toBe(0x50);
    expect(irq.rises).toBe(0);
  });

  it("that have waited come as soon as they are enabled", () => {
    const { clock, irq, write } = setUp();
    clock.advance(1e9);
    write(B, 0x12);
    expect(irq.level).toBe(true);
  });
});

describe("battery-backed memory", () => {
  it("is the board's to fill and the guest's to write, and outlives reset", () => {
    const { rtc, read, write } = setUp();
    rtc.setCmos(0x34, 0x7f);
    write(0x10, 0x12);
    rtc.setCmos(A, 0xff);
    rtc.reset();
    expect([read(0x34), read(0x10), read(A) & 0x7f, read(D)]).toEqual([0x7f, 0x12, 0x26, 0x80]);
  });
});

describe("NMI mask", () => {
  it("is bit 7 of the index port", () => {
    const { port, nmiMasks, rtc } = setUp();
    port.write(0, 1, 0x8f);
    port.write(0, 1, 0x8d);
    expect(port.read(1, 1)).toBe(0x80);
    port.write(0, 1, 0x0d);
    expect(nmiMasks).toEqual([true, false]);
    port.write(0, 1, 0x80);
    rtc.reset();
    expect(rtc.nmiMasked).toBe(false);
  });
});
