import { createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createDebugExit } from "./debug-exit.ts";
import { createResetControl, RESET_VALUE } from "./reset-control.ts";
import { createSystemControlPortA } from "./system-control-port-a.ts";

testDevice("createResetControl", () => ({ device: createResetControl({ onReset: () => {} }) }));
testDevice("createSystemControlPortA", () => {
  const a20 = createProbeLine();
  return { device: createSystemControlPortA({ a20, onReset: () => {} }), outputs: [a20] };
});
testDevice("createDebugExit", () => ({ device: createDebugExit({ onExit: () => {} }) }));

describe("createResetControl", () => {
  it("resets when bit 2 rises, as Linux and FADT write it", () => {
    let resets = 0;
    const port = createResetControl({ onReset: () => resets++ }).regions[0];
    port?.write(0, 1, 0x02);
    expect(resets).toBe(0);
    port?.write(0, 1, RESET_VALUE);
    expect(resets).toBe(1);
    port?.write(0, 1, 0x0e);
    expect(resets).toBe(1);
    expect(port?.read(0, 1)).toBe(0x0e);
  });
});

describe("createSystemControlPortA", () => {
  it("lets A20 through and resets when bit 0 rises", () => {
    let resets = 0;
    const a20 = createProbeLine();
    const port = createSystemControlPortA({ a20, onReset: () => resets++ }).regions[0];
    port?.write(0, 1, 0x02);
    expect(a20.level).toBe(true);
    expect(resets).toBe(0);
    port?.write(0, 1, 0xff);
    port?.write(0, 1, 0x03);
    expect(resets).toBe(1);
    expect(port?.read(0, 1)).toBe(0x03);
  });
});

describe("createDebugExit", () => {
  it("hands over what was written, in any width", () => {
    const values: number[] = [];
    const exit = createDebugExit({ onExit: (value) => values.push(value), length: 2 }).regions[0];
    exit?.write(0, 1, 0x10);
    exit?.write(0, 4, 0xdead_beef);
    expect(values).toEqual([0x10, 0xdead_beef]);
    expect(exit?.length).toBe(2);
  });
});
