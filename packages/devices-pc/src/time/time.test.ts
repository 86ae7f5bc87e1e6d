import { createFakeClock } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createAlarm, nextDue } from "./alarm.ts";
import { createTickRate } from "./tick-rate.ts";

describe("createAlarm", () => {
  it("rings once, at the deadline set last", () => {
    const clock = createFakeClock();
    let rings = 0;
    const alarm = createAlarm(clock, () => rings++);
    alarm.set(100);
    alarm.set(200);
    clock.advance(150);
    expect(rings).toBe(0);
    clock.advance(50);
    expect(rings).toBe(1);
    clock.advance(1000);
    expect(rings).toBe(1);
  });

  it("does not ring when cancelled or beyond all time", () => {
    const clock = createFakeClock();
    const alarm = createAlarm(clock, () => expect.unreachable());
    alarm.set(10);
    alarm.cancel();
    alarm.set(Number.POSITIVE_INFINITY);
    alarm.set(2 ** 60);
    expect(clock.deadlines).toEqual([]);
    clock.advance(1e12);
  });
});

describe("nextDue", () => {
  it("keeps the beat, catches up a little and drops a lot", () => {
    expect(nextDue(1000, 100_000, 1000)).toBe(101_000);
    expect(nextDue(1000, 1_000_000, 20_000_000)).toBe(1_001_000);
    expect(nextDue(1000, 1_000_000, 100_000_500)).toBe(100_001_000);
  });

  it("lumps periods together that no host could follow", () => {
    expect(nextDue(0, 1, 0)).toBe(20_000);
    expect(nextDue(0, 15_000, 0)).toBe(30_000);
    expect(nextDue(10, 3, 10, 1_000_000)).toBe(31);
  });
});

describe("createTickRate", () => {
  it.each([1_193_182, 3_579_545, 32_768, 100_000_000, 1_000_000_000])("agrees with itself at %i Hz", (hz) => {
    const rate = createTickRate(hz);
    for (let ticks = 1; ticks < 2 ** 50; ticks = ticks * 3 + 1) {
      const ns = rate.nsOf(ticks);
      expect(rate.ticksAt(ns)).toBeGreaterThanOrEqual(ticks);
      expect(rate.ticksAt(ns - 2)).toBeLessThan(ticks + 1);
    }
    expect(rate.ticksAt(1e9)).toBe(hz);
  });
});
