import { createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { ACPI_DISABLE, ACPI_ENABLE, type AcpiPmOptions, createAcpiPm } from "./acpi-pm.ts";

const STATUS = 0;
const ENABLE = 2;
const CONTROL = 4;
const TIMER = 8;

function setUp(options: Partial<AcpiPmOptions> = {}) {
  const clock = createFakeClock();
  const sci = createProbeLine();
  const events: string[] = [];
  const pm = createAcpiPm({
    clock,
    sci,
    onPowerOff: () => events.push("off"),
    onSuspend: () => events.push("suspend"),
    onWakeEvent: () => events.push("event"),
    ...options,
  });
  const [block, gpe, smi] = pm.regions;
  if (block === undefined || gpe === undefined || smi === undefined) throw new Error("regions");
  return { clock, sci, pm, block, gpe, smi, events };
}

testDevice(
  "createAcpiPm",
  () => {
    const { pm, clock, sci } = setUp({ timerBits: 24 });
    const disturb = (random: () => number): void => {
      if (random() % 8 === 0) pm.pressPowerButton();
      if (random() % 8 === 0) pm.rtcAlarm.set(random() % 2 === 0);
      if (random() % 8 === 0) pm.requestWake();
      if (pm.wakeDue) pm.wake();
      pm.raiseGpe(random() % 16);
      clock.advance(random());
    };
    return { device: pm, clock, disturb, outputs: [sci] };
  },
  { timeFields: ["notedCarries"] },
);

describe("timer", () => {
  it("counts 3.579545 MHz in 32 or 24 bits", () => {
    const wide = setUp();
    wide.clock.advance(10e9);
    expect(wide.block.read(TIMER, 4)).toBe(35_795_450);
    const narrow = setUp({ timerBits: 24 });
    narrow.clock.advance(10e9);
    expect(narrow.block.read(TIMER, 4)).toBe(35_795_450 % 2 ** 24);
  });

  it("sets TMR_STS whenever its high bit changes, found by polling", () => {
    const { clock, block } = setUp({ timerBits: 24 });
    clock.advance(2.3e9);
    expect(block.read(STATUS, 2)).toBe(0);
    clock.advance(0.1e9);
    expect(block.read(STATUS, 2)).toBe(1);
    block.write(STATUS, 2, 1);
    expect(block.read(STATUS, 2)).toBe(0);
    expect(clock.deadlines).toEqual([]);
  });

  it("interrupts for it when enabled", () => {
    const { clock, block, sci } = setUp({ timerBits: 24, acpiMode: true });
    block.write(ENABLE, 2, 1);
    clock.advance(2.4e9);
    expect(sci.level).toBe(true);
    block.write(STATUS, 2, 1);
    expect(sci.level).toBe(false);
    clock.advance(2.4e9);
    expect(sci.rises).toBe(2);
  });
});

describe("power", () => {
  it("goes off by SLP_TYP 5 with SLP_EN, in one write or two, and for no other type", () => {
    const { block, events } = setUp();
    block.write(CONTROL, 2, 5 << 10);
    expect(events).toEqual([]);
    block.write(CONTROL, 2, (5 << 10) | 0x2000);
    block.write(CONTROL, 2, (2 << 10) | 0x2000);
    block.write(CONTROL + 1, 1, 0x34);
    expect(events).toEqual(["off", "off"]);
    expect(block.read(CONTROL, 2) & 0x2000).toBe(0);
  });

  it("reports the power button as an event", () => {
    const { pm, block, sci } = setUp({ acpiMode: true });
    pm.pressPowerButton();
    expect(sci.level).toBe(false);
    block.write(ENABLE, 2, 0x100);
    expect(sci.level).toBe(true);
    expect(block.read(STATUS, 4)).toBe(0x0100_0100);
    block.write(STATUS + 1, 1, 0x01);
    expect(sci.level).toBe(false);
  });
});

describe("S3", () => {
  const SUSPEND = (1 << 10) | 0x2000;

  it("lasts from SLP_TYP 1 to an enabled event, and says that it is over", () => {
    const { pm, block, events } = setUp();
    block.write(ENABLE, 2, 0x0400);
    block.write(CONTROL, 2, SUSPEND);
    pm.pressPowerButton();
    expect([pm.asleep, pm.wakeDue]).toEqual([true, false]);
    pm.rtcAlarm.set(true);
    expect([pm.asleep, pm.wakeDue]).toEqual([true, true]);
    pm.wake();
    expect([pm.asleep, pm.wakeDue]).toEqual([false, false]);
    expect(events).toEqual(["suspend", "event"]);
    expect(block.read(STATUS, 4)).toBe(0x0400_8500);
    block.write(STATUS, 2, 0x8000);
    expect(block.read(STATUS, 2)).toBe(0x0500);
  });

  it("is over as soon as it begins where an enabled event waits already", () => {
    const { pm, block, events } = setUp();
    block.write(ENABLE, 2, 0x0100);
    pm.pressPowerButton();
    block.write(CONTROL, 2, SUSPEND);
    expect(pm.wakeDue).toBe(true);
    expect(events).toEqual(["suspend", "event"]);
  });

  it("is over when somebody outside wants that, whatever is enabled", () => {
    const { pm, block, events } = setUp();
    expect(pm.requestWake()).toBe(false);
    block.write(CONTROL, 2, SUSPEND);
    expect([pm.wakeDue, pm.requestWake(), pm.wakeDue]).toEqual([false, true, true]);
    pm.wake();
    expect(block.read(STATUS, 2)).toBe(0x8000);
    block.write(CONTROL, 2, SUSPEND);
    expect(pm.wakeDue).toBe(false);
    expect(events).toEqual(["suspend", "event", "suspend"]);
  });

  it("is over with a reset, without a trace", () => {
    const { pm, block } = setUp();
    block.write(CONTROL, 2, SUSPEND);
    pm.reset();
    expect([pm.asleep, block.read(STATUS, 2)]).toEqual([false, 0]);
  });

  it("is not there unless somebody stops the processor", () => {
    const clock = createFakeClock();
    const pm = createAcpiPm({ clock, sci: createProbeLine(), onPowerOff: () => {} });
    pm.regions[0]?.write(CONTROL, 2, SUSPEND);
    expect(pm.asleep).toBe(false);
  });
});

describe("the RTC's alarm", () => {
  it("sets its status once for each time the line rises", () => {
    const { pm, block, sci } = setUp({ acpiMode: true });
    block.write(ENABLE, 2, 0x0400);
    pm.rtcAlarm.set(true);
    expect(sci.level).toBe(true);
    block.write(STATUS, 2, 0x0400);
    pm.rtcAlarm.set(true);
    expect([sci.level, block.read(STATUS, 2)]).toEqual([false, 0]);
    pm.rtcAlarm.set(false);
    pm.rtcAlarm.set(true);
    expect([sci.level, block.read(STATUS, 2)]).toEqual([true, 0x0400]);
  });
});

describe("SMI command port", () => {
  it("turns SCI on and off", () => {
    const { smi, block } = setUp();
    expect(block.read(CONTROL, 2)).toBe(0);
    smi.write(0, 1, ACPI_ENABLE);
    expect(block.read(CONTROL, 2)).toBe(1);
    smi.write(0, 1, ACPI_DISABLE);
    expect(block.read(CONTROL, 2)).toBe(0);
  });
});

describe("GPE0", () => {
  it("keeps status until cleared and interrupts while enabled", () => {
    const { pm, gpe, sci } = setUp({ acpiMode: true });
    pm.raiseGpe(9);
    expect(gpe.read(1, 1)).toBe(2);
    gpe.write(3, 1, 2);
    expect(sci.level).toBe(true);
    gpe.write(0, 2, 0x0200);
    expect(sci.level).toBe(false);
    expect(gpe.read(0, 4)).toBe(0x0200_0000);
  });
});
