import { testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createFakeSlot } from "../../test/fake-slot.ts";
import { createResetControl } from "../reset/reset-control.ts";
import { createI440fxHostBridge, createPiix3IsaBridge, createPiix4PowerManagement } from "./pc-functions.ts";
import { createPciHost } from "./pci-host.ts";

function setUp() {
  const host = createPciHost();
  const slot = createFakeSlot();
  host.plug(0, 0, createI440fxHostBridge(slot));
  host.plug(1, 0, createPiix3IsaBridge(slot, { pirqRoutes: [10, 11] }));
  host.plug(1, 3, createPiix4PowerManagement(slot, { pmBase: 0x600 }));
  const [port, ecam] = host.regions;
  if (port === undefined || ecam === undefined) throw new Error("no region");
  const select = (device: number, fn: number, register: number, bus = 0): void =>
    port.write(0, 4, (0x8000_0000 | (bus << 16) | (device << 11) | (fn << 8) | register) >>> 0);
  const read = (device: number, fn: number, register: number): number => {
    select(device, fn, register);
    return port.read(4, 4);
  };
  return { host, port, ecam, select, read };
}

// Without functions, whose registers are no state of the host.
testDevice("createPciHost", () => ({ device: createPciHost() }));

describe("createPciHost", () => {
  it("is recognised as mechanism 1", () => {
    const { port } = setUp();
    port.write(3, 1, 1);
    port.write(0, 4, 0x8000_0000);
    expect(port.read(0, 4)).toBe(0x8000_0000);
  });

  it("shows the chip set, and ones where there is nothing", () => {
    const { read, port, select } = setUp();
    expect(read(0, 0, 0)).toBe(0x1237_8086);
    expect(read(0, 0, 8)).toBe(0x0600_0002);
    expect(read(0, 0, 0x0c)).toBe(0);
    expect(read(1, 0, 0)).toBe(0x7000_8086);
    expect(read(1, 0, 0x0c)).toBe(0x0080_0000);
    expect(read(1, 0, 0x60)).toBe(0x8080_0b0a);
    expect(read(1, 3, 0x40)).toBe(0x601);
    expect(read(1, 1, 0)).toBe(0xffff_ffff);
    expect(read(31, 7, 0)).toBe(0xffff_ffff);
    select(0, 0, 0, 1);
    expect(port.read(4, 2)).toBe(0xffff);
    port.write(0, 4, 0);
    expect(port.read(4, 4)).toBe(0xffff_ffff);
  });

  it("reads and writes parts of registers", () => {
    const { port, select } = setUp();
    select(0, 0, 0);
    expect(port.read(6, 2)).toBe(0x1237);
    expect(port.read(5, 1)).toBe(0x80);
    select(0, 0, 0x58);
    port.write(5, 1, 0xff);
    expect(port.read(4, 4)).toBe(0x0000_7700);
  });

  it("shows the same registers through memory, a page a function", () => {
    const { ecam, read } = setUp();
    const at = (device: number, fn: number, register: number): number => (device << 15) | (fn << 12) | register;
    expect(ecam.read(at(1, 3, 0), 4)).toBe(0x7113_8086);
    expect(ecam.read(at(1, 0, 2), 2)).toBe(0x7000);
    ecam.write(at(0, 0, 0x59), 1, 0xff);
    expect(read(0, 0, 0x58)).toBe(0x0000_7700);
    const beyond = [at(0, 0, 0x100), at(5, 0, 0), (1 << 20) | at(0, 0, 0), 0x0fff_fffc];
    expect(beyond.map((offset) => ecam.read(offset, 4))).toEqual(beyond.map(() => 0xffff_ffff));
  });

  it("lets the reset register stand between the bytes of the address", () => {
    let resets = 0;
    const resetControl = createResetControl({ onReset: () => resets++ }).regions[0];
    if (resetControl === undefined) throw new Error("no region");
    const port = createPciHost({ resetControl }).regions[0];
    port?.write(0, 4, 0x8000_0604);
    expect(resets).toBe(0);
    port?.write(1, 1, 0x06);
    expect(resets).toBe(1);
    expect(port?.read(1, 1)).toBe(0x06);
    expect(port?.read(0, 4)).toBe(0x8000_0604);
  });
});
