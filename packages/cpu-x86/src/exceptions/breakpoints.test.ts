import { beforeEach, describe, expect, it } from "vitest";
import { BareMachine } from "../../test/bare-machine.ts";
import { raiseAtBreakpoint } from "./breakpoints.ts";

let m: BareMachine;

describe("instruction breakpoints", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
    m.call("movToDr", 2, 0x1_0000);
  });

  it("fault at their address, unless RF lets the instruction through", () => {
    m.call("movToDr", 7, 0x10);
    expect(raiseAtBreakpoint(m.cpu)).toBe(true);
    m.take();
    expect([m.cpu.rip, m.cpu.low("dr", 6) & 0xf]).toEqual([0x8010n, 4]);
    expect(m.read32(Number(m.cpu.rsp))).toBe(0x1_0000);
    m.cpu.rip = 0x1_0000n;
    m.cpu.rflags = 0x1_0002;
    expect(raiseAtBreakpoint(m.cpu)).toBe(false);
  });

  it("do nothing while disabled, for data, or elsewhere", () => {
    m.call("movToDr", 7, 0);
    expect(raiseAtBreakpoint(m.cpu)).toBe(false);
    m.call("movToDr", 7, 0x0300_0010);
    expect(raiseAtBreakpoint(m.cpu)).toBe(false);
    m.call("movToDr", 7, 0x10);
    m.cpu.rip = 0x1_0001n;
    expect(raiseAtBreakpoint(m.cpu)).toBe(false);
  });
});
