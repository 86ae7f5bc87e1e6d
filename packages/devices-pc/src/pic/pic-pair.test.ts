import { createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createPicPair } from "./pic-pair.ts";

const ELCR = 2;

function setUp() {
  const intr = createProbeLine();
  const pic = createPicPair({ intr });
  const out = (chip: number, offset: number, value: number): void => pic.regions[chip]?.write(offset, 1, value);
  const read = (chip: number, offset: number): number => pic.regions[chip]?.read(offset, 1) ?? -1;
  const set = (irq: number, level: boolean): void => pic.inputs[irq]?.set(level);
  const pulse = (irq: number): void => {
    set(irq, true);
    set(irq, false);
  };
  return { intr, pic, out, read, set, pulse };
}

/** Both chips as Linux sets them up: vectors 0x30 and 0x38, everything unmasked. */
function setUpLinux(icw4 = 0x01) {
  const guest = setUp();
  for (const chip of [0, 1]) {
    guest.out(chip, 0, 0x11);
    guest.out(chip, 1, 0x30 + 8 * chip);
    guest.out(chip, 1, chip === 0 ? 0x04 : 0x02);
    guest.out(chip, 1, icw4);
    guest.out(chip, 1, 0);
  }
  return guest;
}

testDevice("createPicPair", () => {
  const { pic, set, intr } = setUp();
  return { device: pic, disturb: (random) => set(random() % 16, random() % 2 === 0), outputs: [intr] };
});

describe("createPicPair", () => {
  it("takes a request through INTR, acknowledge and EOI", () => {
    const { intr, pic, out, read, pulse } = setUpLinux();
    pulse(4);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x34);
    expect(intr.level).toBe(false);
    out(0, 0, 0x0b);
    expect(read(0, 0)).toBe(0x10);
    out(0, 0, 0x20);
    expect(read(0, 0)).toBe(0);
  });

  it("nests: only a higher priority interrupts what is in service", () => {
    const { intr, pic, out, pulse } = setUpLinux();
    pulse(4);
    pic.acknowledge();
    pulse(5);
    expect(intr.level).toBe(false);
    pulse(1);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x31);
    out(0, 0, 0x20);
    expect(intr.level).toBe(false);
    out(0, 0, 0x20);
    expect(pic.acknowledge()).toBe(0x35);
  });

  it("passes the second chip's requests through the cascade, ended on both", () => {
    const { intr, pic, out, pulse } = setUpLinux();
    pulse(12);
    expect(pic.acknowledge()).toBe(0x3c);
    pulse(14);
    expect(intr.level).toBe(false);
    out(1, 0, 0x60 | 4);
    expect(intr.level).toBe(false);
    out(0, 0, 0x60 | 2);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x3e);
  });

  it("answers with IRQ 7 when the request has gone, and serves nothing", () => {
    const { intr, pic, out, read, set } = setUpLinux();
    out(ELCR, 1, 0x02);
    set(9, true);
    expect(intr.level).toBe(true);
    out(1, 1, 0xff);
    expect(intr.level).toBe(false);
    expect(pic.acknowledge()).toBe(0x37);
    for (const chip of [0, 1]) {
      out(chip, 0, 0x0b);
      expect(read(chip, 0)).toBe(0);
    }
  });

  it("keeps a masked request for later", () => {
    const { intr, out, read, pulse } = setUpLinux();
    out(0, 1, 0xff);
    pulse(3);
    expect(intr.level).toBe(false);
    expect(read(0, 0)).toBe(0x08);
    out(0, 1, 0xf7);
    expect(intr.level).toBe(true);
  });

  it("follows the level of an input made level-triggered by ELCR", () => {
    const { intr, pic, out, read, set } = setUpLinux();
    out(ELCR, 0, 0xff);
    expect(read(ELCR, 0)).toBe(0xf8);
    set(5, true);
    expect(pic.acknowledge()).toBe(0x35);
    out(0, 0, 0x20);
    expect(intr.level).toBe(true);
    set(5, false);
    expect(intr.level).toBe(false);
  });

  it("does not repeat an edge-triggered request while the line stays high", () => {
    const { intr, pic, out, set } = setUpLinux();
    set(3, true);
    pic.acknowledge();
    out(0, 0, 0x20);
    expect(intr.level).toBe(false);
    set(3, false);
    set(3, true);
    expect(intr.level).toBe(true);
  });

  it("ends by itself in automatic EOI mode", () => {
    const { intr, pic, pulse } = setUpLinux(0x03);
    pulse(0);
    expect(pic.acknowledge()).toBe(0x30);
    pulse(7);
    expect(intr.level).toBe(true);
  });

  it("rotates priorities on EOI and by command", () => {
    const { pic, out, pulse } = setUpLinux();
    pulse(3);
    pic.acknowledge();
    out(0, 0, 0xa0);
    pulse(3);
    pulse(4);
    expect(pic.acknowledge()).toBe(0x34);
    out(0, 0, 0x20);
    expect(pic.acknowledge()).toBe(0x33);
    out(0, 0, 0x20);
    out(0, 0, 0xc0 | 5);
    pulse(5);
    pulse(6);
    expect(pic.acknowledge()).toBe(0x36);
  });

  it("lets lower priorities through in special mask mode once the one in service is masked", () => {
    const { intr, pic, out, pulse } = setUpLinux();
    pulse(1);
    pic.acknowledge();
    pulse(6);
    out(0, 1, 0x02);
    expect(intr.level).toBe(false);
    out(0, 0, 0x68);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x36);
  });

  it("lets the second chip nest within itself in special fully nested mode", () => {
    const { intr, pic, pulse } = setUpLinux(0x11);
    pulse(12);
    pic.acknowledge();
    pulse(9);
    expect(intr.level).toBe(true);
    expect(pic.acknowledge()).toBe(0x39);
  });

  it("acknowledges by polling", () => {
    const { out, read, pulse, intr } = setUpLinux();
    out(0, 0, 0x0c);
    expect(read(0, 0)).toBe(0);
    pulse(6);
    out(0, 0, 0x0c);
    expect(read(0, 0)).toBe(0x86);
    expect(intr.level).toBe(false);
  });

  it("forgets latched requests and the mask at ICW1", () => {
    const { intr, out, read, set } = setUpLinux();
    out(0, 1, 0xff);
    set(3, true);
    out(0, 0, 0x11);
    expect(intr.level).toBe(false);
    expect(read(0, 0)).toBe(0);
    expect(read(0, 1)).toBe(0);
  });

  it("ignores the cascade input from outside", () => {
    const { intr, set } = setUpLinux();
    set(2, true);
    expect(intr.level).toBe(false);
  });
});
