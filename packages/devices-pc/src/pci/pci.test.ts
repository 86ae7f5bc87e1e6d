import { createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createResetControl } from "../reset/reset-control.ts";
import { createI440fxHostBridge, createPiix3IsaBridge, createPiix4PowerManagement } from "./pc-functions.ts";
import { createPciFunction, type PciBar, type PciFunction } from "./pci-function.ts";
import { createPciHost } from "./pci-host.ts";

function setUp() {
  const host = createPciHost();
  host.plug(0, 0, createI440fxHostBridge());
  host.plug(1, 0, createPiix3IsaBridge({ pirqRoutes: [10, 11] }));
  host.plug(1, 3, createPiix4PowerManagement({ pmBase: 0x600 }));
  const port = host.regions[0];
  if (port === undefined) throw new Error("no region");
  const select = (device: number, fn: number, register: number, bus = 0): void =>
    port.write(0, 4, (0x8000_0000 | (bus << 16) | (device << 11) | (fn << 8) | register) >>> 0);
  const read = (device: number, fn: number, register: number): number => {
    select(device, fn, register);
    return port.read(4, 4);
  };
  return { host, port, select, read };
}

const IDENTITY = { vendorId: 0x1af4, deviceId: 0x1042, classCode: 0x01_00_00 };

function setUpFunction(bars: readonly Omit<PciBar, "onMove">[] = []) {
  const line = createProbeLine();
  const moves: string[] = [];
  const pci = createPciFunction({
    name: "fn",
    identity: IDENTITY,
    intx: { pin: 1, line },
    bars: bars.map((bar) => ({ ...bar, onMove: (base) => moves.push(`${bar.index}:${base?.toString(16)}`) })),
  });
  return { pci, line, moves };
}

/** A function has no regions; the contract reaches its registers through this one. */
function withRegion(pci: PciFunction): PciFunction {
  const region = {
    name: pci.name,
    length: 256,
    read: pci.readConfig.bind(pci),
    write: pci.writeConfig.bind(pci),
  };
  return {
    name: pci.name,
    regions: [region],
    interrupt: pci.interrupt,
    isMaster: pci.isMaster,
    readConfig: region.read,
    writeConfig: region.write,
    reset: () => pci.reset(),
    save: () => pci.save(),
    restore: (state) => pci.restore(state),
  };
}

testDevice("createPciHost", () => ({ device: setUp().host }));
testDevice("createPciFunction", () => {
  const { pci } = setUpFunction([
    { index: 0, kind: "memory64", length: 0x4000, prefetchable: true },
    { index: 2, kind: "io", length: 0x20 },
  ]);
  return { device: withRegion(pci), disturb: (random) => pci.interrupt.set(random() % 2 === 0) };
});

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

describe("createPciFunction", () => {
  it("tells the size of a BAR and where it was put, once it decodes", () => {
    const { pci, moves } = setUpFunction([
      { index: 0, kind: "memory", length: 0x1000 },
      { index: 1, kind: "io", length: 0x20 },
    ]);
    pci.writeConfig(0x10, 4, 0xffff_ffff);
    pci.writeConfig(0x14, 4, 0xffff_ffff);
    expect(pci.readConfig(0x10, 4)).toBe(0xffff_f000);
    expect(pci.readConfig(0x14, 4)).toBe(0xffff_ffe1);
    pci.writeConfig(0x10, 4, 0xfebf_0000);
    pci.writeConfig(0x14, 4, 0xc000);
    expect(moves).toEqual([]);
    pci.writeConfig(0x04, 2, 0x0003);
    pci.writeConfig(0x04, 2, 0x0002);
    pci.reset();
    expect(moves).toEqual(["0:febf0000", "1:c000", "1:undefined", "0:undefined"]);
  });

  it("puts a 64-bit BAR above 4 GiB, and nowhere while it is being sized", () => {
    const { pci, moves } = setUpFunction([{ index: 4, kind: "memory64", length: 0x4000, prefetchable: true }]);
    pci.writeConfig(0x20, 4, 0xffff_ffff);
    pci.writeConfig(0x24, 4, 0xffff_ffff);
    expect([pci.readConfig(0x20, 4), pci.readConfig(0x24, 4)]).toEqual([0xffff_c00c, 0xffff_ffff]);
    pci.writeConfig(0x04, 2, 0x0002);
    expect(moves).toEqual([]);
    pci.writeConfig(0x20, 4, 0x8000_0000);
    pci.writeConfig(0x24, 4, 0x38);
    expect(moves).toEqual(["4:3880000000"]);
  });

  it("keeps identity and unused BARs from software", () => {
    const { pci } = setUpFunction();
    pci.writeConfig(0x00, 4, 0xffff_ffff);
    pci.writeConfig(0x10, 4, 0xffff_ffff);
    expect(pci.readConfig(0x00, 4)).toBe(0x1042_1af4);
    expect(pci.readConfig(0x10, 4)).toBe(0);
  });

  it("shows its interrupt in the status register and holds it back by the command register", () => {
    const { pci, line } = setUpFunction();
    expect(pci.readConfig(0x3d, 1)).toBe(1);
    pci.interrupt.set(true);
    expect(line.level).toBe(true);
    expect(pci.readConfig(0x06, 2)).toBe(0x0008);
    pci.writeConfig(0x04, 2, 0x0400);
    expect(line.level).toBe(false);
    pci.writeConfig(0x04, 2, 0x0004);
    expect(line.level).toBe(true);
    expect(pci.isMaster).toBe(true);
  });

  it("does not take what software cannot write from saved state", () => {
    const { pci } = setUpFunction();
    const forged = pci.save();
    forged.config.fill(0x55);
    pci.restore(forged);
    expect(pci.readConfig(0x00, 4)).toBe(0x1042_1af4);
    expect(pci.readConfig(0x3c, 1)).toBe(0x55);
  });
});
