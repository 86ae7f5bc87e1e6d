import { createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createPit } from "./pit.ts";

const TICK_NS = 1e9 / 1_193_182;

function setUp() {
  const clock = createFakeClock();
  const irq = createProbeLine();
  const pit = createPit({ clock, irq });
  const out = (port: number, value: number): void => pit.regions[0]?.write(port, 1, value);
  const inb = (port: number): number => pit.regions[0]?.read(port, 1) ?? -1;
  const word = (port: number): number => inb(port) | (inb(port) << 8);
  const program = (channel: number, mode: number, count: number): void => {
    out(3, (channel << 6) | 0x30 | (mode << 1));
    out(channel, count & 0xff);
    out(channel, count >>> 8);
  };
  const status = (channel: number): number => {
    out(3, 0xe0 | (2 << channel));
    return inb(channel);
  };
  const ticks = (count: number): void => clock.advance(count * TICK_NS);
  return { clock, irq, pit, out, inb, word, program, status, ticks };
}

testDevice("createPit", () => {
  const { pit, clock, irq } = setUp();
  const disturb = (random: () => number): void => {
    pit.speakerGate = random() % 2 === 0;
  };
  return { device: pit, clock, disturb, outputs: [irq] };
});

describe("counter 0", () => {
  it("interrupts at its rate in mode 2, without drift", () => {
    const { program, irq, clock } = setUp();
    program(0, 2, 1193);
    clock.advance(10e9);
    expect(irq.rises).toBe(Math.floor((10 * 1_193_182) / 1193));
  });

  it("interrupts once a period in mode 3", () => {
    const { program, irq, clock } = setUp();
    program(0, 3, 0);
    clock.advance(1e9);
    expect(irq.rises).toBe(18);
  });

  it("interrupts once in mode 0 and in mode 4", () => {
    for (const mode of [0, 4]) {
      const { program, irq, ticks } = setUp();
      program(0, mode, 1000);
      ticks(999);
      expect(irq.rises).toBe(0);
      ticks(3);
      expect(irq.rises).toBe(1);
      ticks(100_000);
      expect(irq.rises).toBe(1);
    }
  });

  it("is silent after a control word until it has a count", () => {
    const { program, out, irq, clock } = setUp();
    program(0, 2, 1193);
    clock.advance(1e6);
    out(3, 0x30);
    const before = irq.rises;
    clock.advance(1e9);
    expect(irq.rises).toBe(before);
    expect(clock.deadlines).toEqual([]);
  });

  it("takes a new count at the end of the running period in mode 2", () => {
    const { program, out, irq, ticks, word } = setUp();
    program(0, 2, 1000);
    ticks(2_500);
    expect(irq.rises).toBe(2);
    out(0, 0xd0);
    out(0, 0x07);
    ticks(501);
    expect(irq.rises).toBe(3);
    ticks(1_900);
    expect(irq.rises).toBe(3);
    out(3, 0x00);
    expect(word(0)).toBeLessThan(2000);
    ticks(101);
    expect(irq.rises).toBe(4);
  });

  it("catches up with ticks a busy host missed, but not with a long stop", () => {
    const { program, irq, clock } = setUp();
    program(0, 2, 1193);
    clock.stall(20e6);
    clock.advance(0);
    expect(irq.rises).toBe(20);
    clock.stall(10e9);
    clock.advance(0);
    expect(irq.rises).toBeLessThan(80);
  });

  it("does not stop the host with a count of one", () => {
    const { program, irq, clock } = setUp();
    program(0, 2, 1);
    clock.advance(1e6);
    expect(irq.rises).toBeLessThan(60);
  });
});

describe("reading", () => {
  it("gives the count, low byte first, as it runs down", () => {
    const { program, word, ticks } = setUp();
    program(0, 2, 10_000);
    ticks(2_500.5);
    expect(word(0)).toBe(7_500);
    ticks(10_000);
    expect(word(0)).toBe(7_500);
  });

  it("counts by two in mode 3", () => {
    const { program, word, ticks } = setUp();
    program(0, 3, 10_000);
    ticks(1_000.5);
    expect(word(0)).toBe(8_000);
  });

  it("wraps past zero in mode 0", () => {
    const { program, word, ticks } = setUp();
    program(0, 0, 100);
    ticks(101.5);
    expect(word(0)).toBe(0xffff);
  });

  it("keeps a latched count while the counter runs on", () => {
    const { program, out, word, ticks } = setUp();
    program(0, 2, 10_000);
    ticks(1_000.5);
    out(3, 0x00);
    ticks(1_000);
    out(3, 0x00);
    expect(word(0)).toBe(9_000);
    expect(word(0)).toBe(8_000);
  });

  it("gives single bytes in the single-byte modes", () => {
    const { out, inb, ticks } = setUp();
    out(3, 0x14);
    out(0, 200);
    ticks(50.5);
    expect([inb(0), inb(0)]).toEqual([150, 150]);
    out(3, 0x24);
    out(0, 0x10);
    ticks(0.5);
    expect(inb(0)).toBe(0x0f);
  });

  it("counts in BCD", () => {
    const { out, word, ticks } = setUp();
    out(3, 0x35);
    out(0, 0x00);
    out(0, 0x10);
    ticks(1.5);
    expect(word(0)).toBe(0x0999);
  });

  it("reads status back: output, null count, access, mode", () => {
    const { out, program, status, ticks } = setUp();
    out(3, 0x30);
    expect(status(0)).toBe(0x70);
    program(0, 0, 100);
    expect(status(0)).toBe(0x30);
    ticks(101);
    expect(status(0)).toBe(0xb0);
    program(0, 2, 100);
    expect(status(0)).toBe(0xb4);
  });

  it("reads status before a count latched with it", () => {
    const { out, inb, word, program, ticks } = setUp();
    program(0, 2, 1000);
    ticks(10.5);
    out(3, 0xc2);
    expect(inb(0)).toBe(0xb4);
    expect(word(0)).toBe(990);
  });
});

describe("counter 2", () => {
  it("measures for Linux: gate open, mode 0, OUT high when the count has run out", () => {
    const { pit, program, ticks } = setUp();
    pit.speakerGate = true;
    program(2, 0, 59_659);
    ticks(59_658);
    expect(pit.speakerOutput).toBe(false);
    ticks(2);
    expect(pit.speakerOutput).toBe(true);
  });

  it("stops while its gate is closed in mode 0 and goes on afterwards", () => {
    const { pit, program, word, ticks } = setUp();
    program(2, 0, 1000);
    ticks(5000);
    expect(word(2)).toBe(1000);
    pit.speakerGate = true;
    ticks(400.5);
    pit.speakerGate = false;
    ticks(5000);
    expect(word(2)).toBe(600);
    expect(pit.speakerOutput).toBe(false);
    pit.speakerGate = true;
    ticks(601);
    expect(pit.speakerOutput).toBe(true);
  });

  it("starts mode 1 by its gate, with the count written last", () => {
    const { pit, program, ticks } = setUp();
    program(2, 1, 100);
    expect(pit.speakerOutput).toBe(true);
    pit.speakerGate = true;
    expect(pit.speakerOutput).toBe(false);
    ticks(101);
    expect(pit.speakerOutput).toBe(true);
    pit.speakerGate = false;
    pit.speakerGate = true;
    expect(pit.speakerOutput).toBe(false);
  });

  it("makes a square wave in mode 3 and rests high with the gate closed", () => {
    const { pit, program, ticks } = setUp();
    pit.speakerGate = true;
    program(2, 3, 100);
    ticks(25.5);
    expect(pit.speakerOutput).toBe(true);
    ticks(50);
    expect(pit.speakerOutput).toBe(false);
    pit.speakerGate = false;
    expect(pit.speakerOutput).toBe(true);
  });

  it("strobes low for one tick in mode 5", () => {
    const { pit, program, ticks } = setUp();
    program(2, 5, 10);
    pit.speakerGate = true;
    ticks(10.5);
    expect(pit.speakerOutput).toBe(false);
    ticks(1);
    expect(pit.speakerOutput).toBe(true);
  });
});

describe("restore", () => {
  it("goes on with the period that was running", () => {
    const before = setUp();
    before.program(0, 2, 1000);
    before.ticks(700);
    const after = setUp();
    after.clock.stall(before.clock.now());
    after.pit.restore(before.pit.save());
    after.ticks(299);
    expect(after.irq.rises).toBe(0);
    after.ticks(2);
    expect(after.irq.rises).toBe(1);
  });
});
