import { describe, expect, it } from "vitest";
import { createPcChips, type PcChips, TSC_HZ } from "./pc-chips.ts";

/** init_8259A: vectors 0x30 and up, everything masked but what `mask` lets through. */
function initialisePic(chips: PcChips, mask: number): void {
  for (const region of [0, 1]) {
    for (const [offset, value] of [
      [0, 0x11],
      [1, 0x30 + 8 * region],
      [1, region === 0 ? 4 : 2],
      [1, 1],
      [1, region === 0 ? mask : 0xff],
    ] as const) {
      chips.write("pic", offset, value, 1, region);
    }
  }
}

/** pit_set_periodic: 250 Hz in mode 2. */
function startPit(chips: PcChips): void {
  chips.write("pit", 3, 0x34, 1);
  chips.write("pit", 0, 4772 & 0xff, 1);
  chips.write("pit", 0, 4772 >> 8, 1);
}

/** hpet_enable_legacy_int with comparator 0 at 250 Hz. */
function startHpet(chips: PcChips): void {
  chips.write("hpet", 0x100, 0x14c);
  chips.write("hpet", 0x108, 400_000);
  chips.write("hpet", 0x108, 400_000);
  chips.write("hpet", 0x10, 3);
}

/** Lets time pass and takes what interrupts; the count of interrupts by vector. */
function run(chips: PcChips, ns: number): Map<number, number> {
  const seen = new Map<number, number>();
  for (let done = 0; done < ns; done += 100_000) {
    chips.clock.advance(100_000);
    while (chips.lapic.pending) {
      const vector = chips.lapic.acknowledge();
      seen.set(vector, (seen.get(vector) ?? 0) + 1);
      if (vector >= 0x30 && vector < 0x40) chips.write("pic", 0, 0x20, 1);
      else chips.write("lapic", 0xb0, 0);
    }
  }
  return seen;
}

describe("the timer interrupt", () => {
  it("comes through the 8259 in virtual wire mode, as firmware leaves it", () => {
    const chips = createPcChips();
    initialisePic(chips, 0xfe);
    startPit(chips);
    expect([...run(chips, 100e6)]).toEqual([[0x30, 25]]);
  });

  it.each([
    ["the PIT", startPit],
    ["the HPET", startHpet],
  ])("of %s comes through pin 2 of the I/O APIC, where check_timer looks first", (_, start) => {
    const chips = createPcChips();
    initialisePic(chips, 0xff);
    chips.write("lapic", 0x350, 0x1_0700);
    chips.write("ioapic", 0x00, 0x14);
    chips.write("ioapic", 0x10, 0x30 + 0x10);
    start(chips);
    expect([...run(chips, 100e6)]).toEqual([[0x40, 25]]);
  });

  it("comes as a fixed vector on LINT0 when the 8259 feeds it, check_timer's next try", () => {
    const chips = createPcChips();
    initialisePic(chips, 0xfe);
    chips.write("lapic", 0x350, 0x41);
    startPit(chips);
    chips.clock.advance(5e6);
    expect(chips.lapic.acknowledge()).toBe(0x41);
  });
});

describe("calibration", () => {
  it("of the TSC by PIT counter 2 and port 0x61 finds its frequency", () => {
    const chips = createPcChips();
    const latch = Math.floor(1_193_182 / 20);
    chips.write("port61", 0, (chips.read("port61", 0, 1) & ~0x02) | 0x01, 1);
    chips.write("pit", 3, 0xb0, 1);
    chips.write("pit", 2, latch & 0xff, 1);
    chips.write("pit", 2, latch >> 8, 1);
    const start = chips.clock.now();
    while ((chips.read("port61", 0, 1) & 0x20) === 0) chips.clock.advance(1_000);
    const hz = ((chips.clock.now() - start) * (TSC_HZ / 1e9) * 1_193_182) / latch;
    expect(Math.abs(hz / TSC_HZ - 1)).toBeLessThan(1e-4);
  });

  it("of the local APIC's timer agrees with the PM timer", () => {
    const chips = createPcChips();
    chips.write("lapic", 0x3e0, 0b0011);
    chips.write("lapic", 0x380, 0xffff_ffff);
    const pmStart = chips.read("pm", 8);
    chips.clock.advance(100e6);
    const apicTicks = 0xffff_ffff - chips.read("lapic", 0x390);
    const pmTicks = chips.read("pm", 8) - pmStart;
    expect((apicTicks * 16) / 0.1).toBeCloseTo(1e9, -3);
    expect(Math.abs(pmTicks - 357_954.5)).toBeLessThan(1);
  });
});

describe("a snapshot of all of them", () => {
  it("goes on with the same interrupts as the original", () => {
    const chips = createPcChips();
    chips.write("lapic", 0x350, 0x1_0700);
    chips.write("ioapic", 0x00, 0x14);
    chips.write("ioapic", 0x10, 0x40);
    startHpet(chips);
    chips.write("lapic", 0x320, 0x2_00ec);
    chips.write("lapic", 0x3e0, 0b1011);
    chips.write("lapic", 0x380, 7_000_000);
    run(chips, 33e6);
    const copy = createPcChips();
    copy.clock.stall(chips.clock.now());
    const names = ["lapic", "pic", "ioapic", "hpet", "pit", "rtc", "pm"] as const;
    for (const name of names) copy[name].restore(structuredClone(chips[name].save()) as never);
    expect([...run(copy, 100e6)]).toEqual([...run(chips, 100e6)]);
    for (const name of names) expect(copy[name].save()).toEqual(chips[name].save());
  });
});
