import { describe, expect, it } from "vitest";
import { createRealTimeClock } from "./real-time-clock.ts";
import { createVirtualClock } from "./virtual-clock.ts";

describe("createRealTimeClock", () => {
  function build() {
    const host = { ns: 5_000, monotonicNs: () => host.ns };
    return { host, clock: createRealTimeClock(host) };
  }

  it("starts paused at 0 and stands still whenever paused", () => {
    const { host, clock } = build();
    host.ns += 100;
    expect(clock.now()).toBe(0);
    clock.resume();
    host.ns += 100;
    expect(clock.now()).toBe(100);
    clock.pause();
    host.ns += 1_000;
    expect(clock.now()).toBe(100);
    clock.resume();
    host.ns += 1;
    expect(clock.now()).toBe(101);
  });

  it("never goes back with the host", () => {
    const { host, clock } = build();
    clock.resume();
    host.ns += 100;
    expect(clock.now()).toBe(100);
    host.ns -= 50;
    expect(clock.now()).toBe(100);
    host.ns += 60;
    expect(clock.now()).toBe(110);
  });

  it("fires timers by guest time, never inside arm", () => {
    const { host, clock } = build();
    clock.resume();
    const fired: number[] = [];
    clock.arm(-1, () => fired.push(-1));
    clock.arm(50, () => fired.push(50));
    expect(fired).toEqual([]);
    clock.fireDue();
    host.ns += 50;
    clock.fireDue();
    expect(fired).toEqual([-1, 50]);
    expect(clock.skipIdle()).toBe(false);
  });
});

describe("createVirtualClock", () => {
  it("counts instructions from where it began to follow", () => {
    let retired = 1_000;
    const clock = createVirtualClock({ shift: 3 });
    clock.follow(() => retired);
    expect(clock.now()).toBe(0);
    retired += 5;
    expect(clock.now()).toBe(40);
    expect(clock.instructionsPerNs).toBe(1 / 8);
  });

  it("jumps to the next timer when idle, and no further back or ahead", () => {
    let retired = 0;
    const clock = createVirtualClock();
    clock.follow(() => retired);
    expect(clock.skipIdle()).toBe(false);
    let fired = 0;
    clock.arm(1_000_000, () => fired++);
    retired = 10;
    expect(clock.skipIdle()).toBe(true);
    expect(clock.now()).toBe(1_000_000);
    retired = 20;
    expect(clock.skipIdle()).toBe(true);
    expect(clock.now()).toBe(1_000_010);
    clock.fireDue();
    expect(fired).toBe(1);
  });

  it("refuses a shift that is no small integer", () => {
    for (const shift of [-1, 11, 0.5, Number.NaN]) {
      expect(() => createVirtualClock({ shift })).toThrow(expect.objectContaining({ code: "CONFIG_CLOCK" }));
    }
  });
});
