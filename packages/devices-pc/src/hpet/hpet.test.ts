import { createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createHpet } from "./hpet.ts";

const GEN_CONF = 0x10;
const STATUS = 0x20;
const COUNTER = 0xf0;
const COUNTER_HIGH = 0xf4;
const T0 = 0x100;
const T1 = 0x120;
const T2 = 0x140;
const CONFIG = 0;
const COMPARATOR = 8;
const COMPARATOR_HIGH = 0xc;
const LEVEL = 0x02;
const ENABLE = 0x04;
const PERIODIC = 0x08;
const SETVAL = 0x40;
const MODE_32 = 0x100;
const ROUTE_20 = 20 << 9;

function setUp() {
  const clock = createFakeClock();
  const timerIrq = createProbeLine();
  const rtcIrq = createProbeLine();
  const gsi20 = createProbeLine();
  const gsi21 = createProbeLine();
  const routes = new Map([
    [20, gsi20],
    [21, gsi21],
  ]);
  const hpet = createHpet({ clock, timerIrq, rtcIrq, routes });
  const region = hpet.regions[0];
  if (region === undefined) throw new Error("no region");
  const read = (offset: number): number => region.read(offset, 4);
  const write = (offset: number, value: number): void => region.write(offset, 4, value);
  return { clock, timerIrq, rtcIrq, gsi20, gsi21, hpet, region, read, write };
}

testDevice("createHpet", () => {
  const { hpet, clock, region, timerIrq, rtcIrq, gsi20, gsi21 } = setUp();
  const disturb = (random: () => number): void => {
    hpet.rtcInput.set(random() % 2 === 0);
    hpet.pitInput.set(random() % 2 === 0);
    region.write(GEN_CONF, 4, random() % 4);
    region.write(0x100 + 0x20 * (random() % 3), 4, random());
    region.write(0x108 + 0x20 * (random() % 3), 4, region.read(COUNTER, 4) + (random() % 1000));
  };
  const releaseInputs = (): void => {
    hpet.rtcInput.set(false);
    hpet.pitInput.set(false);
  };
  return { device: hpet, clock, disturb, releaseInputs, outputs: [timerIrq, rtcIrq, gsi20, gsi21] };
});

describe("main counter", () => {
  it("says what it is", () => {
    const { read } = setUp();
    expect(read(0)).toBe(0x8086_a201);
    expect(read(4)).toBe(10_000_000);
    expect(read(T0) & 0x30).toBe(0x30);
    expect(read(T0 + 4)).toBe(0x0030_0000);
  });

  it("runs at 100 MHz while enabled, and keeps its value when halted", () => {
    const { clock, read, write } = setUp();
    clock.advance(1e9);
    expect(read(COUNTER)).toBe(0);
    write(GEN_CONF, 1);
    clock.advance(12_345);
    expect(read(COUNTER)).toBe(1_234);
    write(GEN_CONF, 0);
    clock.advance(1e9);
    expect(read(COUNTER)).toBe(1_234);
    write(GEN_CONF, 1);
    clock.advance(10);
    expect(read(COUNTER)).toBe(1_235);
  });

  it("has 64 bits", () => {
    const { clock, read, write } = setUp();
    write(COUNTER, 0xffff_ffff);
    write(COUNTER_HIGH, 0x1234_5678);
    write(GEN_CONF, 1);
    clock.advance(20);
    expect([read(COUNTER), read(COUNTER_HIGH)]).toEqual([1, 0x1234_5679]);
    clock.advance(43e9);
    expect([read(COUNTER), read(COUNTER_HIGH)]).toEqual([1 + 4_300_000_000 - 2 ** 32, 0x1234_567a]);
  });
});

describe("comparators", () => {
  it("match once, and interrupt only when enabled", () => {
    const { clock, gsi20, write } = setUp();
    write(T2 + CONFIG, ENABLE | ROUTE_20);
    write(T2 + COMPARATOR, 1000);
    write(T2 + COMPARATOR_HIGH, 0);
    write(GEN_CONF, 1);
    clock.advance(9_999);
    expect(gsi20.rises).toBe(0);
    clock.advance(1);
    expect(gsi20.rises).toBe(1);
    clock.advance(1e9);
    expect(gsi20.rises).toBe(1);
    write(T2 + CONFIG, ROUTE_20);
    write(T2 + COMPARATOR, 200_000_000);
    clock.advance(2e9);
    expect(gsi20.rises).toBe(1);
  });

  it("that are behind the counter do not match", () => {
    const { clock, gsi20, write } = setUp();
    write(GEN_CONF, 1);
    clock.advance(1e6);
    write(T2 + CONFIG, ENABLE | ROUTE_20);
    write(T2 + COMPARATOR, 1000);
    write(T2 + COMPARATOR_HIGH, 0);
    clock.advance(100e9);
    expect(gsi20.rises).toBe(0);
  });

  it("of 32 bits match again when the counter comes round", () => {
    const { clock, gsi20, write } = setUp();
    write(T2 + CONFIG, ENABLE | MODE_32 | ROUTE_20);
    write(T2 + COMPARATOR, 1000);
    write(GEN_CONF, 1);
    clock.advance(10_000);
    expect(gsi20.rises).toBe(1);
    clock.advance(2 ** 32 * 10);
    expect(gsi20.rises).toBe(2);
  });

  it("repeat as Linux programs them, in legacy replacement", () => {
    const { clock, timerIrq, read, write } = setUp();
    write(GEN_CONF, 3);
    clock.advance(5e6);
    write(GEN_CONF, 2);
    write(T0 + CONFIG, ENABLE | PERIODIC | SETVAL | MODE_32);
    write(T0 + COMPARATOR, read(COUNTER) + 400_000);
    write(T0 + COMPARATOR, 400_000);
    write(GEN_CONF, 3);
    clock.advance(1e9);
    expect(timerIrq.rises).toBe(250);
    expect(read(T0 + CONFIG) & SETVAL).toBe(0);
  });

  it("catch up with periods a busy host missed, but not with a long stop", () => {
    const { clock, gsi20, write } = setUp();
    write(T1 + CONFIG, ENABLE | PERIODIC | SETVAL | MODE_32 | ROUTE_20);
    write(T1 + COMPARATOR, 100_000);
    write(T1 + COMPARATOR, 100_000);
    write(GEN_CONF, 1);
    clock.stall(20e6);
    clock.advance(0);
    expect(gsi20.rises).toBe(20);
    clock.stall(10e9);
    clock.advance(0);
    expect(gsi20.rises).toBeLessThan(80);
    const before = gsi20.rises;
    clock.advance(10e6);
    expect(gsi20.rises).toBe(before + 10);
  });

  it("hold a level until their status is cleared, and take it along to another route", () => {
    const { clock, gsi20, gsi21, read, write } = setUp();
    write(T1 + CONFIG, ENABLE | LEVEL | ROUTE_20);
    write(T1 + COMPARATOR, 100);
    write(T1 + COMPARATOR_HIGH, 0);
    write(GEN_CONF, 1);
    clock.advance(1000);
    expect([gsi20.level, read(STATUS)]).toEqual([true, 2]);
    write(T1 + CONFIG, ENABLE | LEVEL | (21 << 9));
    expect([gsi20.level, gsi21.level]).toEqual([false, true]);
    write(STATUS, 2);
    expect([gsi21.level, read(STATUS)]).toEqual([false, 0]);
  });
});

describe("legacy replacement", () => {
  it("passes the PIT and the RTC through until it takes their places", () => {
    const { hpet, timerIrq, rtcIrq, write } = setUp();
    hpet.pitInput.set(true);
    hpet.pitInput.set(false);
    hpet.rtcInput.set(true);
    expect([timerIrq.rises, rtcIrq.level]).toEqual([1, true]);
    write(GEN_CONF, 2);
    expect(rtcIrq.level).toBe(false);
    hpet.pitInput.set(true);
    expect(timerIrq.rises).toBe(1);
    write(GEN_CONF, 0);
    expect(rtcIrq.level).toBe(true);
  });

  it("puts comparator 1 at the RTC's interrupt", () => {
    const { clock, rtcIrq, write } = setUp();
    write(T1 + CONFIG, ENABLE);
    write(T1 + COMPARATOR, 100);
    write(T1 + COMPARATOR_HIGH, 0);
    write(GEN_CONF, 3);
    clock.advance(1000);
    expect(rtcIrq.rises).toBe(1);
  });
});

describe("restore", () => {
  it("goes on counting and matching where it was", () => {
    const before = setUp();
    before.write(T2 + CONFIG, ENABLE | ROUTE_20);
    before.write(T2 + COMPARATOR, 1000);
    before.write(T2 + COMPARATOR_HIGH, 0);
    before.write(GEN_CONF, 1);
    before.clock.advance(4_000);
    const after = setUp();
    after.clock.stall(4_000);
    after.hpet.restore(before.hpet.save());
    expect(after.read(COUNTER)).toBe(400);
    after.clock.advance(6_000);
    expect(after.gsi20.rises).toBe(1);
  });
});
