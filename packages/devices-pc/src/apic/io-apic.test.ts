import { createFakeClock, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createApicBus } from "./apic-bus.ts";
import { createIoApic } from "./io-apic.ts";
import { createLocalApic } from "./local-apic.ts";

const MASKED = 0x1_0000;
const LEVEL = 0x8000;
const REMOTE_IRR = 0x4000;

function setUp() {
  const bus = createApicBus();
  const lapic = createLocalApic({ id: 0, bus, clock: createFakeClock() });
  lapic.regions[0]?.write(0xf0, 4, 0x1ff);
  const ioapic = createIoApic({ bus });
  const region = ioapic.regions[0];
  if (region === undefined) throw new Error("no region");
  const read = (index: number): number => {
    region.write(0, 4, index);
    return region.read(0x10, 4);
  };
  const write = (index: number, value: number): void => {
    region.write(0, 4, index);
    region.write(0x10, 4, value);
  };
  return {
    bus,
    lapic,
    ioapic,
    read,
    write,
    route: (pin: number, low: number): void => write(0x10 + 2 * pin, low),
    entry: (pin: number): number => read(0x10 + 2 * pin),
    set: (pin: number, level: boolean): void => ioapic.inputs[pin]?.set(level),
    eoi: (): void => lapic.regions[0]?.write(0xb0, 4, 0),
    region,
  };
}

testDevice("createIoApic", () => {
  const { ioapic, lapic, set, eoi } = setUp();
  const disturb = (random: () => number): void => {
    set(random() % 24, random() % 2 === 0);
    if (lapic.pending) lapic.acknowledge();
    eoi();
  };
  return { device: ioapic, disturb };
});

describe("createIoApic", () => {
  it("identifies itself, and starts with everything masked", () => {
    const { read, write, entry } = setUp();
    expect(read(1)).toBe(0x0017_0020);
    write(0, 0x0500_0000);
    expect(read(0)).toBe(0x0500_0000);
    expect(entry(23)).toBe(MASKED);
    expect(read(0x40)).toBe(0);
  });

  it("delivers an edge once", () => {
    const { lapic, route, set, eoi } = setUp();
    route(2, 0x30);
    set(2, true);
    expect(lapic.acknowledge()).toBe(0x30);
    eoi();
    set(2, true);
    expect(lapic.pending).toBe(false);
    set(2, false);
    set(2, true);
    expect(lapic.pending).toBe(true);
  });

  it("loses an edge while masked", () => {
    const { lapic, route, set } = setUp();
    set(2, true);
    set(2, false);
    route(2, 0x30);
    expect(lapic.pending).toBe(false);
  });

  it("holds a level until EOI, and delivers again while it stands", () => {
    const { lapic, route, set, entry, eoi } = setUp();
    route(9, LEVEL | 0x49);
    set(9, true);
    expect(entry(9)).toBe(LEVEL | REMOTE_IRR | 0x49);
    lapic.acknowledge();
    eoi();
    expect(lapic.acknowledge()).toBe(0x49);
    set(9, false);
    eoi();
    expect(entry(9)).toBe(LEVEL | 0x49);
    expect(lapic.pending).toBe(false);
  });

  it("delivers a level that stood while masked as soon as it is unmasked", () => {
    const { lapic, route, set } = setUp();
    route(9, MASKED | LEVEL | 0x49);
    set(9, true);
    expect(lapic.pending).toBe(false);
    route(9, LEVEL | 0x49);
    expect(lapic.pending).toBe(true);
  });

  it("does not set remote IRR when nobody takes the message", () => {
    const { lapic, route, set, entry } = setUp();
    lapic.regions[0]?.write(0xf0, 4, 0xff);
    route(9, LEVEL | 0x49);
    set(9, true);
    expect(entry(9)).toBe(LEVEL | 0x49);
  });

  it("frees a stuck entry by its EOI register and by a moment of edge mode", () => {
    const { route, set, entry, region } = setUp();
    route(9, LEVEL | 0x49);
    set(9, true);
    set(9, false);
    region.write(0x40, 4, 0x49);
    expect(entry(9) & REMOTE_IRR).toBe(0);
    set(9, true);
    set(9, false);
    expect(entry(9) & REMOTE_IRR).toBe(REMOTE_IRR);
    route(9, MASKED | 0x49);
    route(9, MASKED | LEVEL | 0x49);
    expect(entry(9) & REMOTE_IRR).toBe(0);
  });

  it("keeps read-only bits out of what software writes, and keeps polarity", () => {
    const { route, entry, read, write } = setUp();
    route(4, 0xffff_ffff);
    expect(entry(4)).toBe(0x1_ffff & ~0x5000);
    write(0x19, 0x1234_5678);
    expect(read(0x19)).toBe(0x1200_0000);
  });

  it("carries NMI without waiting for an EOI", () => {
    const { lapic, route, set, entry } = setUp();
    route(3, LEVEL | 0x400);
    set(3, true);
    expect(lapic.nmiPending).toBe(true);
    expect(entry(3) & REMOTE_IRR).toBe(0);
  });
});
