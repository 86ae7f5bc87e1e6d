import { createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createPicPair } from "../pic/pic-pair.ts";
import { createApicBus } from "./apic-bus.ts";
import { createLocalApic } from "./local-apic.ts";
import type { LocalApicOptions } from "./local-apic-state.ts";
import { createTscWire } from "./tsc-wire.ts";

const ID = 0x20;
const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ISR = 0x100;
const TMR = 0x180;
const IRR = 0x200;
const ESR = 0x280;
const ICR = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_LINT0 = 0x350;
const LVT_LINT1 = 0x360;
const LVT_ERROR = 0x370;
const TMICT = 0x380;
const TMCCT = 0x390;
const TDCR = 0x3e0;
const FIXED = 0;
const TSC_HZ = 2_000_000_000;

function setUp(options: Partial<LocalApicOptions> = {}) {
  const clock = options.clock ?? createFakeClock();
  const bus = options.bus ?? createApicBus();
  const tsc = createTscWire(clock, TSC_HZ);
  const apic = createLocalApic({ id: 0, clock, bus, tsc, ...options });
  let raises = 0;
  apic.onRaise(() => raises++);
  const region = apic.regions[0];
  if (region === undefined) throw new Error("no region");
  return {
    apic,
    bus,
    clock: clock as ReturnType<typeof createFakeClock>,
    read: (offset: number): number => region.read(offset, 4),
    write: (offset: number, value: number): void => region.write(offset, 4, value),
    raises: () => raises,
  };
}

function setUpEnabled(options: Partial<LocalApicOptions> = {}) {
  const guest = setUp(options);
  guest.write(SVR, 0x1ff);
  const send = (vector: number, level = false): boolean =>
    guest.bus.deliver(options.id ?? 0, false, FIXED, vector, level);
  return { ...guest, send };
}

function setUpX2apic(id = 0) {
  const guest = setUp({ id });
  guest.apic.writeMsr(0x1b, 0xfee00d00n);
  guest.apic.writeMsr(0x80f, 0x1ffn);
  return guest;
}

testDevice("createLocalApic", () => {
  const { apic, bus, clock, raises } = setUp({ virtualWire: true, id: 1 });
  const disturb = (random: () => number): void => {
    bus.deliver(random() % 2, random() % 2 === 0, random() % 8, random() % 256, random() % 2 === 0);
    apic.lint0.set(random() % 2 === 0);
    apic.lint1.set(random() % 2 === 0);
    apic.writeMsr(0x800 + (random() % 0x40), BigInt(random()));
    if (apic.pending) apic.acknowledge();
    if (random() % 64 === 0) apic.writeMsr(0x1b, 0xfee00000n | BigInt((random() % 4) << 10));
  };
  const intr = {
    set(): void {},
    get level() {
      return apic.pending;
    },
    get rises() {
      return raises();
    },
  };
  return { device: apic, clock, disturb, outputs: [intr] };
});

describe("registers", () => {
  it("starts as the SDM has it after reset", () => {
    const { apic, read } = setUp({ id: 3 });
    expect(read(ID)).toBe(0x0300_0000);
    expect(read(0x30)).toBe(0x0005_0014);
    expect(read(SVR)).toBe(0xff);
    expect(read(DFR)).toBe(0xffff_ffff);
    expect(read(LVT_LINT0)).toBe(0x1_0000);
    expect(apic.readMsr(0x1b)).toBe(0xfee00900n);
  });

  it("keeps LVT entries masked while software-disabled", () => {
    const { read, write } = setUp();
    write(LVT_TIMER, 0x30);
    expect(read(LVT_TIMER)).toBe(0x1_0030);
    write(SVR, 0x1ff);
    write(LVT_TIMER, 0x30);
    expect(read(LVT_TIMER)).toBe(0x30);
    write(SVR, 0xff);
    expect(read(LVT_TIMER)).toBe(0x1_0030);
  });

  it("reports an illegal register in ESR, shown by a write to it", () => {
    const { read, write } = setUpEnabled();
    write(LVT_ERROR, 0xfe);
    write(0x40, 1);
    expect(read(ESR)).toBe(0);
    expect(read(IRR + 0x70)).toBe(0x4000_0000);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x80);
    write(ESR, 0);
    expect(read(ESR)).toBe(0);
  });

  it("reads single bytes and ignores writes that are not whole registers", () => {
    const { apic, read, write } = setUp({ id: 5 });
    expect(apic.regions[0]?.read(ID + 3, 1)).toBe(5);
    write(TPR, 0x40);
    apic.regions[0]?.write(TPR, 1, 0x70);
    expect(read(TPR)).toBe(0x40);
  });
});

describe("fixed interrupts", () => {
  it("go from IRR to ISR and out by EOI", () => {
    const { apic, bus, read, write, send } = setUpEnabled();
    const ended: number[] = [];
    bus.onEndOfInterrupt((vector) => ended.push(vector));
    expect(send(0x41)).toBe(true);
    expect(read(IRR + 0x20)).toBe(0b10);
    expect(apic.pending).toBe(true);
    expect(apic.acknowledge()).toBe(0x41);
    expect(read(ISR + 0x20)).toBe(0b10);
    expect(read(PPR)).toBe(0x40);
    expect(apic.pending).toBe(false);
    write(EOI, 0);
    expect(read(ISR + 0x20)).toBe(0);
    expect(ended).toEqual([]);
  });

  it("are refused while software-disabled, and kept when disabled later", () => {
    const { apic, write, bus } = setUp();
    expect(bus.deliver(0, false, FIXED, 0x41, false)).toBe(false);
    write(SVR, 0x1ff);
    bus.deliver(0, false, FIXED, 0x41, false);
    write(SVR, 0xff);
    expect(apic.pending).toBe(true);
  });

  it("nest by priority class", () => {
    const { apic, write, send } = setUpEnabled();
    send(0x50);
    apic.acknowledge();
    send(0x5f);
    expect(apic.pending).toBe(false);
    send(0x60);
    expect(apic.acknowledge()).toBe(0x60);
    write(EOI, 0);
    write(EOI, 0);
    expect(apic.acknowledge()).toBe(0x5f);
  });

  it("wait for the task priority, which CR8 and TPR share", () => {
    const { apic, read, write, send } = setUpEnabled();
    apic.tpr = 8;
    expect(read(TPR)).toBe(0x80);
    send(0x8f);
    expect(apic.pending).toBe(false);
    write(TPR, 0x70);
    expect(apic.tpr).toBe(7);
    expect(apic.pending).toBe(true);
  });

  it("broadcast EOI of a level-triggered vector", () => {
    const { apic, bus, read, write, send } = setUpEnabled();
    const ended: number[] = [];
    bus.onEndOfInterrupt((vector) => ended.push(vector));
    send(0x33, true);
    expect(read(TMR + 0x10)).toBe(1 << 19);
    apic.acknowledge();
    write(EOI, 0);
    expect(ended).toEqual([0x33]);
  });

  it("with an illegal vector are an error", () => {
    const { apic, read, write, send } = setUpEnabled();
    expect(send(0x0f)).toBe(false);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x40);
    expect(apic.pending).toBe(false);
  });

  it("tell the vCPU when INTR rises, once", () => {
    const { raises, send } = setUpEnabled();
    send(0x40);
    send(0x41);
    expect(raises()).toBe(1);
  });

  it("answer with the spurious vector when nothing is deliverable", () => {
    const { apic, read, send } = setUpEnabled();
    send(0x40);
    apic.tpr = 15;
    expect(apic.acknowledge()).toBe(0xff);
    expect(read(ISR + 0x20)).toBe(0);
  });
});

describe("LINT pins", () => {
  function setUpWithPic(options: Partial<LocalApicOptions>) {
    const wire = createProbeLine();
    let pic = createPicPair({ intr: wire });
    const guest = setUp({ ...options, acknowledgeExternal: () => pic.acknowledge() });
    pic = createPicPair({ intr: guest.apic.lint0 });
    for (const value of [0x30, 4, 1, 0]) {
      if (value === 0x30) pic.regions[0]?.write(0, 1, 0x11);
      pic.regions[0]?.write(1, 1, value);
    }
    return { ...guest, pic };
  }

  it("pass the 8259 through in virtual wire mode, whatever the priority", () => {
    const { apic, pic } = setUpWithPic({ virtualWire: true });
    apic.tpr = 15;
    pic.inputs[0]?.set(true);
    expect(apic.pending).toBe(true);
    expect(apic.acknowledge()).toBe(0x30);
    expect(apic.pending).toBe(false);
  });

  it("hold the 8259 back when LINT0 is masked, until it is unmasked", () => {
    const { apic, pic, write } = setUpWithPic({});
    pic.inputs[0]?.set(true);
    expect(apic.pending).toBe(false);
    write(SVR, 0x1ff);
    write(LVT_LINT0, 0x700);
    expect(apic.pending).toBe(true);
  });

  it("are INTR and NMI while the APIC is disabled globally", () => {
    const { apic, pic } = setUpWithPic({});
    apic.writeMsr(0x1b, 0xfee00100n);
    pic.inputs[0]?.set(true);
    expect(apic.acknowledge()).toBe(0x30);
    apic.lint1.set(true);
    expect(apic.nmiPending).toBe(true);
  });

  it("deliver an NMI on the edge of LINT1", () => {
    const { apic, raises } = setUp({ virtualWire: true });
    apic.lint1.set(true);
    expect(apic.nmiPending).toBe(true);
    expect(raises()).toBe(1);
    apic.acknowledgeNmi();
    apic.lint1.set(true);
    expect(apic.nmiPending).toBe(false);
  });

  it("deliver a fixed vector on the edge of LINT0", () => {
    const { apic, write } = setUpEnabled();
    write(LVT_LINT0, 0x31);
    apic.lint0.set(true);
    expect(apic.acknowledge()).toBe(0x31);
    write(EOI, 0);
    expect(apic.pending).toBe(false);
  });

  it("deliver a level-triggered vector again after EOI while LINT1 stays high", () => {
    const { apic, read, write } = setUpEnabled();
    write(LVT_LINT1, 0x8045);
    apic.lint1.set(true);
    expect(read(LVT_LINT1)).toBe(0xc045);
    expect(apic.acknowledge()).toBe(0x45);
    write(EOI, 0);
    expect(apic.pending).toBe(true);
    apic.acknowledge();
    apic.lint1.set(false);
    write(EOI, 0);
    expect(apic.pending).toBe(false);
  });

  it("take an ExtINT that came over the bus", () => {
    const { apic, bus } = setUpEnabled({ acknowledgeExternal: () => 0x30 });
    bus.deliver(0, false, 7, 0, false);
    expect(apic.acknowledge()).toBe(0x30);
    expect(apic.pending).toBe(false);
  });
});

describe("timer", () => {
  it("counts down once, divided", () => {
    const { apic, clock, read, write } = setUpEnabled();
    write(TDCR, 0b0011);
    write(LVT_TIMER, 0xec);
    write(TMICT, 1000);
    clock.advance(4000);
    expect(read(TMCCT)).toBe(750);
    clock.advance(11_999);
    expect(apic.pending).toBe(false);
    clock.advance(1);
    expect(read(TMCCT)).toBe(0);
    expect(apic.acknowledge()).toBe(0xec);
    write(EOI, 0);
    clock.advance(1e9);
    expect(apic.pending).toBe(false);
  });

  it.each([
    [0b0000, 2],
    [0b0001, 4],
    [0b0010, 8],
    [0b0011, 16],
    [0b1000, 32],
    [0b1001, 64],
    [0b1010, 128],
    [0b1011, 1],
  ])("divides by its configuration %i: %i", (configuration, divisor) => {
    const { clock, read, write } = setUpEnabled();
    write(TDCR, configuration);
    write(TMICT, 1_000_000);
    clock.advance(12_800);
    expect(read(TMCCT)).toBe(1_000_000 - 12_800 / divisor);
  });

  it("repeats in periodic mode without drift", () => {
    const { apic, clock, read, write } = setUpEnabled();
    write(TDCR, 0b1011);
    write(LVT_TIMER, 0x2_00ec);
    write(TMICT, 100_000);
    let interrupts = 0;
    for (let i = 0; i < 100; i++) {
      clock.advance(10_000);
      while (apic.pending) {
        expect(apic.acknowledge()).toBe(0xec);
        interrupts++;
        write(EOI, 0);
      }
    }
    expect(interrupts).toBe(10);
    clock.advance(30_000);
    expect(read(TMCCT)).toBe(70_000);
  });

  it("is over when its count is, though nobody has looked, also if it is to repeat from then on", () => {
    const { apic, clock, read, write } = setUpEnabled();
    write(TDCR, 0b1011);
    write(LVT_TIMER, 0xec);
    write(TMICT, 1000);
    clock.stall(1500);
    expect(read(TMCCT)).toBe(0);
    write(LVT_TIMER, 0x2_00ec);
    expect([read(TMCCT), apic.pending]).toEqual([0, true]);
    apic.acknowledge();
    write(EOI, 0);
    clock.advance(10_000);
    expect([read(TMCCT), apic.pending]).toEqual([0, false]);
  });

  it("counts its last round to the end when it is to repeat no more", () => {
    const { apic, clock, read, write } = setUpEnabled();
    write(TDCR, 0b1011);
    write(LVT_TIMER, 0x2_00ec);
    write(TMICT, 1000);
    clock.advance(2300);
    clock.stall(1000);
    write(LVT_TIMER, 0xec);
    expect(read(TMCCT)).toBe(700);
    apic.acknowledge();
    write(EOI, 0);
    clock.advance(699);
    expect([read(TMCCT), apic.pending]).toEqual([1, false]);
    clock.advance(1);
    expect([read(TMCCT), apic.pending]).toEqual([0, true]);
  });

  it("stops at a zero count and delivers nothing while masked", () => {
    const { apic, clock, write } = setUpEnabled();
    write(LVT_TIMER, 0x3_00ec);
    write(TMICT, 1000);
    clock.advance(10_000);
    expect(apic.pending).toBe(false);
    write(TMICT, 0);
    expect(clock.deadlines).toEqual([]);
  });

  it("goes on from where it is when the divisor changes", () => {
    const { clock, read, write } = setUpEnabled();
    write(TDCR, 0b1011);
    write(TMICT, 1000);
    clock.advance(400);
    write(TDCR, 0b0000);
    expect(read(TMCCT)).toBe(600);
    clock.advance(200);
    expect(read(TMCCT)).toBe(500);
  });

  it("fires at its TSC deadline and then reads zero", () => {
    const { apic, clock, write } = setUpEnabled();
    write(LVT_TIMER, 0x4_00ef);
    expect(apic.writeMsr(0x6e0, 2_000_000n)).toBe(true);
    expect(apic.readMsr(0x6e0)).toBe(2_000_000n);
    clock.advance(999_999);
    expect(apic.pending).toBe(false);
    clock.advance(1);
    expect(apic.acknowledge()).toBe(0xef);
    expect(apic.readMsr(0x6e0)).toBe(0n);
  });

  it("fires at once for a deadline in the past, and never for a disarmed one", () => {
    const { apic, clock, write } = setUpEnabled();
    clock.advance(1e6);
    write(LVT_TIMER, 0x4_00ef);
    apic.writeMsr(0x6e0, 5_000_000n);
    apic.writeMsr(0x6e0, 0n);
    clock.advance(1e7);
    expect(apic.pending).toBe(false);
    apic.writeMsr(0x6e0, 1n);
    expect(apic.pending).toBe(true);
  });

  it("moves its deadline when the TSC is written", () => {
    let offset = 0;
    const clock = createFakeClock();
    const { apic, write } = setUpEnabled({ clock, tsc: createTscWire(clock, TSC_HZ, () => offset) });
    write(LVT_TIMER, 0x4_00ef);
    apic.writeMsr(0x6e0, 2_000_000n);
    offset = -2_000_000;
    apic.tscChanged();
    clock.advance(1_500_000);
    expect(apic.pending).toBe(false);
    offset = 0;
    apic.tscChanged();
    expect(apic.pending).toBe(true);
  });

  it("ignores the other mode's register and is disarmed by a change of mode", () => {
    const { apic, clock, read, write } = setUpEnabled();
    apic.writeMsr(0x6e0, 1_000n);
    expect(apic.readMsr(0x6e0)).toBe(0n);
    write(TMICT, 1000);
    write(LVT_TIMER, 0x4_00ef);
    write(TMICT, 500);
    expect(read(TMICT)).toBe(0);
    clock.advance(1e6);
    expect(apic.pending).toBe(false);
  });

  it("has no deadline mode without a TSC", () => {
    const clock = createFakeClock();
    const apic = createLocalApic({ id: 0, clock, bus: createApicBus() });
    expect(apic.readMsr(0x6e0)).toBeUndefined();
    expect(apic.writeMsr(0x6e0, 1n)).toBe(false);
  });

  it("goes on in another instance after restore", () => {
    const before = setUpEnabled();
    before.write(TDCR, 0b1011);
    before.write(LVT_TIMER, 0x2_00ec);
    before.write(TMICT, 1000);
    before.clock.advance(300);
    const after = setUp();
    after.clock.stall(300);
    after.apic.restore(before.apic.save());
    after.clock.advance(699);
    expect(after.apic.pending).toBe(false);
    after.clock.advance(1);
    expect(after.apic.pending).toBe(true);
  });
});

describe("inter-processor interrupts", () => {
  function setUpTwo() {
    const clock = createFakeClock();
    const bus = createApicBus();
    const events: string[] = [];
    const first = setUpEnabled({ clock, bus, id: 0 });
    const second = setUpEnabled({
      clock,
      bus,
      id: 1,
      bootstrap: false,
      onInit: () => events.push("init"),
      onStartup: (vector) => events.push(`startup ${vector}`),
    });
    return { first, second, events };
  }

  it("reach one by its ID", () => {
    const { first, second } = setUpTwo();
    first.write(ICR_HIGH, 0x0100_0000);
    first.write(ICR, 0x4041);
    expect([first.apic.pending, second.apic.pending]).toEqual([false, true]);
    expect(second.apic.acknowledge()).toBe(0x41);
  });

  it.each([
    ["self", 1, [true, false]],
    ["all", 2, [true, true]],
    ["the others", 3, [false, true]],
  ])("reach %s by shorthand", (_, shorthand, expected) => {
    const { first, second } = setUpTwo();
    first.write(ICR, 0x41 | (shorthand << 18));
    expect([first.apic.pending, second.apic.pending]).toEqual(expected);
  });

  it("broadcast to 0xff", () => {
    const { first, second } = setUpTwo();
    first.write(ICR_HIGH, 0xff00_0000);
    first.write(ICR, 0x41);
    expect([first.apic.pending, second.apic.pending]).toEqual([true, true]);
  });

  it("carry NMI, INIT and start-up", () => {
    const { first, second, events } = setUpTwo();
    first.write(ICR_HIGH, 0x0100_0000);
    first.write(ICR, 0x400);
    expect(second.apic.nmiPending).toBe(true);
    first.write(ICR, 0xc500);
    first.write(ICR, 0x8500);
    first.write(ICR, 0x0699);
    expect(events).toEqual(["init", "startup 153"]);
    expect(second.read(SVR)).toBe(0xff);
    expect(second.read(ID)).toBe(0x0100_0000);
  });

  it("match logical destinations, flat and by cluster", () => {
    const { first, second } = setUpTwo();
    first.write(LDR, 0x0100_0000);
    second.write(LDR, 0x0200_0000);
    expect(first.bus.deliver(0x02, true, FIXED, 0x41, false)).toBe(true);
    expect([first.apic.pending, second.apic.pending]).toEqual([false, true]);
    second.write(DFR, 0);
    second.write(LDR, 0x1200_0000);
    expect(second.bus.deliver(0x12, true, FIXED, 0x42, false)).toBe(true);
    expect(second.bus.deliver(0x22, true, FIXED, 0x43, false)).toBe(false);
  });

  it("go to whoever does the least urgent work in lowest priority mode", () => {
    const { first, second } = setUpTwo();
    first.write(TPR, 0x20);
    first.bus.deliver(0xffff_ffff, false, 1, 0x61, false);
    expect([first.apic.pending, second.apic.pending]).toEqual([false, true]);
  });

  it("with an illegal vector are not sent but reported", () => {
    const { first, second } = setUpTwo();
    first.write(ICR, 0xc_0005);
    first.write(ESR, 0);
    expect(first.read(ESR)).toBe(0x20);
    expect(second.apic.pending).toBe(false);
  });

  it("arrive by MSI", () => {
    const { first, second } = setUpTwo();
    first.bus.signal(0xfee0_1000, 0x0041);
    expect([first.apic.pending, second.apic.pending]).toEqual([false, true]);
    first.bus.signal(0xfee0_0000, 0x8042);
    expect(first.apic.pending).toBe(false);
    first.bus.signal(0xfee0_0000, 0xc042);
    expect(first.read(TMR + 0x20)).toBe(0b100);
  });
});

describe("x2APIC mode", () => {
  it("is entered from xAPIC mode and left only by disabling", () => {
    const { apic } = setUp();
    expect(apic.writeMsr(0x1b, 0xfee00500n)).toBe(false);
    expect(apic.writeMsr(0x1b, 0xfee00d00n)).toBe(true);
    expect(apic.writeMsr(0x1b, 0xfee00900n)).toBe(false);
    expect(apic.writeMsr(0x1b, 0xfee00100n)).toBe(true);
    expect(apic.writeMsr(0x1b, 0xfee00d00n)).toBe(false);
    expect(apic.writeMsr(0x1b, 0xfee00900n)).toBe(true);
  });

  it("does not exist where the board leaves it out", () => {
    const { apic } = setUp({ x2apic: false });
    expect(apic.writeMsr(0x1b, 0xfee00d00n)).toBe(false);
  });

  it("refuses reserved bits and addresses beyond the CPU's", () => {
    const { apic } = setUp({ physicalAddressBits: 40 });
    expect(apic.writeMsr(0x1b, 0xfee00901n)).toBe(false);
    expect(apic.writeMsr(0x1b, 0x100_fee00900n)).toBe(false);
    expect(apic.writeMsr(0x1b, 0xff_fee00900n)).toBe(true);
  });

  it("tells the board where its window is", () => {
    const bases: (number | undefined)[] = [];
    const { apic } = setUp({ onRelocate: (base) => bases.push(base) });
    apic.writeMsr(0x1b, 0xfec80900n);
    apic.writeMsr(0x1b, 0xfec80d00n);
    apic.reset();
    expect(bases).toEqual([0xfee00000, 0xfec80000, undefined, 0xfee00000]);
  });

  it("closes the window and opens the MSRs", () => {
    const { apic, read } = setUpX2apic(0x23);
    expect(read(ID)).toBe(0xffff_ffff);
    expect(apic.readMsr(0x802)).toBe(0x23n);
    expect(apic.readMsr(0x80d)).toBe(0x2_0008n);
    expect(setUp().apic.readMsr(0x802)).toBeUndefined();
  });

  it("sends by one 64-bit write and by the self-IPI register", () => {
    const { apic } = setUpX2apic(2);
    expect(apic.writeMsr(0x830, (2n << 32n) | 0x51n)).toBe(true);
    expect(apic.readMsr(0x830)).toBe((2n << 32n) | 0x51n);
    expect(apic.acknowledge()).toBe(0x51);
    expect(apic.writeMsr(0x83f, 0x61n)).toBe(true);
    expect(apic.acknowledge()).toBe(0x61);
    expect(apic.writeMsr(0x80b, 0n)).toBe(true);
    expect(apic.readMsr(0x813)).toBe(0n);
    expect(apic.readMsr(0x812)).toBe(1n << 17n);
  });

  it.each([
    ["EOI other than zero", 0x80b, 1n],
    ["ESR other than zero", 0x828, 1n],
    ["a reserved bit of SVR", 0x80f, 0x1_01ffn],
    ["a high half", 0x80f, 1n << 32n],
    ["the ID", 0x802, 0n],
    ["LDR", 0x80d, 0n],
    ["DFR", 0x80e, 0n],
    ["the current count", 0x839, 0n],
    ["a reserved bit of ICR", 0x830, 0x1000n],
    ["a register that is none", 0x831, 0n],
    ["a reserved bit of an LVT entry", 0x832, 0x800n],
    ["the divide configuration's bit 2", 0x83e, 4n],
  ])("refuses a write of %s", (_, index, value) => {
    expect(setUpX2apic().apic.writeMsr(index, value)).toBe(false);
  });

  it.each([0x80b, 0x80e, 0x831, 0x83f, 0x8ff, 0x803 + 1])("refuses a read of MSR %i", (index) => {
    expect(setUpX2apic().apic.readMsr(index)).toBeUndefined();
  });
});
