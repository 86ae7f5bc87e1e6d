import { createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createI8042 } from "./i8042.ts";

const OBF = 0x01;
const AUX = 0x20;

function setUp() {
  const keyboardIrq = createProbeLine();
  const auxIrq = createProbeLine();
  const a20 = createProbeLine();
  let resets = 0;
  const controller = createI8042({ keyboardIrq, auxIrq, a20, onReset: () => resets++ });
  const [data, command] = controller.regions;
  if (data === undefined || command === undefined) throw new Error("regions");
  const ask = (value: number): number => {
    command.write(0, 1, value);
    return data.read(0, 1);
  };
  const tell = (value: number, parameter: number): void => {
    command.write(0, 1, value);
    data.write(0, 1, parameter);
  };
  const drain = (): number[] => {
    const bytes: number[] = [];
    while ((command.read(0, 1) & OBF) !== 0) bytes.push(data.read(0, 1));
    return bytes;
  };
  return {
    controller,
    keyboardIrq,
    auxIrq,
    a20,
    ask,
    tell,
    drain,
    status: () => command.read(0, 1),
    send: (byte: number) => data.write(0, 1, byte),
    order: (byte: number) => command.write(0, 1, byte),
    resets: () => resets,
  };
}

testDevice("createI8042", () => {
  const { controller, keyboardIrq, auxIrq, a20 } = setUp();
  return { device: controller, outputs: [keyboardIrq, auxIrq, a20] };
});

describe("controller", () => {
  it("passes its tests and keeps its command byte", () => {
    const { ask, tell } = setUp();
    expect(ask(0xaa)).toBe(0x55);
    expect(ask(0xab)).toBe(0x00);
    expect(ask(0xa9)).toBe(0x00);
    tell(0x60, 0x47);
    expect(ask(0x20)).toBe(0x47);
  });

  it("shows in the command byte which interfaces are off", () => {
    const { ask, order } = setUp();
    order(0xa7);
    expect(ask(0x20) & 0x20).toBe(0x20);
    order(0xa8);
    expect(ask(0x20) & 0x20).toBe(0);
    order(0xad);
    expect(ask(0x20) & 0x10).toBe(0x10);
    order(0xae);
    expect(ask(0x20) & 0x10).toBe(0);
  });

  it("loops a byte through the aux buffer with its interrupt, as Linux probes it", () => {
    const { tell, status, auxIrq, keyboardIrq, drain } = setUp();
    tell(0x60, 0x03);
    tell(0xd3, 0x5a);
    expect(status() & (OBF | AUX)).toBe(OBF | AUX);
    expect([auxIrq.level, keyboardIrq.level]).toEqual([true, false]);
    expect(drain()).toEqual([0x5a]);
    expect(auxIrq.level).toBe(false);
  });

  it("moves A20 and resets by its output port", () => {
    const { tell, order, ask, a20, resets } = setUp();
    expect(a20.level).toBe(true);
    tell(0xd1, 0xdd);
    expect(a20.level).toBe(false);
    tell(0xd1, 0xdf);
    expect(a20.level).toBe(true);
    expect(ask(0xd0) & 0x03).toBe(0x03);
    expect(resets()).toBe(0);
    order(0xfe);
    expect(resets()).toBe(1);
    order(0xff);
    expect(resets()).toBe(1);
    tell(0xd1, 0x02);
    expect(resets()).toBe(2);
  });
});

describe("keyboard", () => {
  it("identifies itself, translated or not, one interrupt a byte", () => {
    const { send, tell, drain, keyboardIrq } = setUp();
    send(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x41]);
    expect(keyboardIrq.rises).toBe(3);
    tell(0x60, 0x01);
    send(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x83]);
  });

  it("resets, echoes, takes parameters and resends", () => {
    const { send, drain } = setUp();
    send(0xff);
    expect(drain()).toEqual([0xfa, 0xaa]);
    send(0xee);
    expect(drain()).toEqual([0xee]);
    send(0xed);
    send(0x02);
    expect(drain()).toEqual([0xfa, 0xfa]);
    send(0xf0);
    send(0x00);
    expect(drain()).toEqual([0xfa, 0xfa, 0x02]);
    send(0xfe);
    expect(drain()).toEqual([0x02]);
    send(0x01);
    expect(drain()).toEqual([0xfe]);
  });

  it("waits while its interface is off, and a byte to it turns it on", () => {
    const { send, order, status, ask, drain } = setUp();
    order(0xad);
    expect(status() & OBF).toBe(0);
    send(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x41]);
    expect(ask(0x20) & 0x10).toBe(0);
  });
});

describe("mouse", () => {
  it("answers behind command 0xd4 with the aux flag", () => {
    const { tell, status, drain, ask } = setUp();
    tell(0xd4, 0xff);
    expect(status() & AUX).toBe(AUX);
    expect(drain()).toEqual([0xfa, 0xaa, 0x00]);
    tell(0xd4, 0xe9);
    expect(drain()).toEqual([0xfa, 0x00, 0x02, 0x64]);
    tell(0xd4, 0xf3);
    tell(0xd4, 0x50);
    expect(drain()).toEqual([0xfa, 0xfa]);
    expect(ask(0x20) & 0x20).toBe(0);
  });

  it("does not hold up the controller's own answers", () => {
    const { tell, order, drain } = setUp();
    tell(0xd4, 0xf2);
    order(0x20);
    expect(drain()).toEqual([0xfa, 0x45, 0x00]);
  });
});
