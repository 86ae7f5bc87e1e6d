import { createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createPit } from "./pit.ts";
import { createSystemControlPortB } from "./system-control-port-b.ts";

function setUp() {
  const clock = createFakeClock();
  const pit = createPit({ clock, irq: createProbeLine() });
  const port = createSystemControlPortB({ clock, counter: pit });
  const inb = (): number => port.regions[0]?.read(0, 1) ?? -1;
  const outb = (value: number): void => port.regions[0]?.write(0, 1, value);
  return { clock, pit, port, inb, outb };
}

testDevice("createSystemControlPortB", () => {
  const clock = createFakeClock();
  // The gate's level is the counter's state, not the port's.
  const counter = {
    speakerOutput: false,
    get speakerGate() {
      return true;
    },
    set speakerGate(_: boolean) {},
  };
  return { device: createSystemControlPortB({ clock, counter }), clock };
});

describe("createSystemControlPortB", () => {
  it("opens counter 2's gate and shows its output", () => {
    const { clock, pit, inb, outb } = setUp();
    outb(0x01);
    expect(pit.speakerGate).toBe(true);
    pit.regions[0]?.write(3, 1, 0xb0);
    pit.regions[0]?.write(2, 1, 0xff);
    pit.regions[0]?.write(2, 1, 0x00);
    expect(inb() & 0x21).toBe(0x01);
    clock.advance(1e6);
    expect(inb() & 0x21).toBe(0x21);
  });

  it("toggles bit 4 every refresh and keeps four bits", () => {
    const { clock, inb, outb } = setUp();
    outb(0xff);
    expect(inb() & 0xdf).toBe(0x0f);
    clock.advance(15_085);
    expect(inb() & 0x10).toBe(0x10);
    clock.advance(15_085);
    expect(inb() & 0x10).toBe(0);
  });
});
