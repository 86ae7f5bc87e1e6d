import type { IoRegion } from "@tsvm/contracts";
import { createPciFunction, type PciDevice, type PciSlot } from "@tsvm/devices-pc";
import { createVirtioBlock } from "@tsvm/devices-virtio";
import { createFakeClock, createFakeMemory, createProbeLine } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { createBoardBus } from "./board-bus.ts";
import type { BoardDevice } from "./board-device.ts";
import { createInterruptLines } from "./interrupt-lines.ts";
import { createPciBus } from "./pci-bus.ts";
import { plugDevices } from "./pci-devices.ts";
import { placeDevices } from "./place-devices.ts";

const STRUCTURES = 0xc000_0000;
const MSIX = 0xc000_4000;
const ECAM = 0xe000_0000;

const done = async (): Promise<void> => {};
const backend = { sectorCount: 8, readOnly: false, read: done, write: done, flush: done };

function disk(name: string, more: Partial<BoardDevice> = {}): BoardDevice {
  return { virtio: createVirtioBlock({ backend, name }), ...more } as BoardDevice;
}

function setUp(devices: readonly BoardDevice[] = [disk("disk0"), disk("disk1", { legacy: false })]) {
  const bus = createBoardBus();
  const pic = Array.from({ length: 16 }, createProbeLine);
  const ioApic = Array.from({ length: 24 }, createProbeLine);
  const messages: string[] = [];
  const memory = createFakeMemory(0x1_0000);
  const pci = createPciBus({
    bus,
    lines: createInterruptLines({ pic, ioApic }),
    memory,
    msi: { signal: (address, data) => messages.push(`${address.toString(16)}=${data}`) },
    clock: createFakeClock(),
    resetControl: undefined,
  });
  plugDevices(pci, placeDevices(devices));
  const access = (slot: number, register: number): void =>
    bus.pio.store(0xcf8, 4, (0x8000_0000 | (slot << 11) | register) >>> 0);
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  return {
    bus,
    pic,
    ioApic,
    messages,
    memory,
    read(slot: number, register: number): number {
      access(slot, register);
      return bus.pio.load(0xcfc, 4);
    },
    write(slot: number, register: number, value: number): void {
      access(slot, register);
      bus.pio.store(0xcfc, 4, value);
    },
    load(gpa: number): number {
      bus.mmio.read(gpa, bytes);
      return view.getUint32(0, true);
    },
    store(gpa: number, value: number): void {
      view.setUint32(0, value, true);
      bus.mmio.write(gpa, bytes);
    },
  };
}

/** Puts the windows of slot 2 somewhere and starts a driver whose queue lies across the end of RAM. */
function startBroken(board: ReturnType<typeof setUp>) {
  board.write(2, 0x14, MSIX);
  board.write(2, 0x20, STRUCTURES);
  board.write(2, 0x04, 0x0006);
  const byte = (at: number, value: number): void => board.bus.mmio.write(STRUCTURES + at, Uint8Array.of(value));
  return (): void => {
    byte(20, 3);
    board.store(STRUCTURES + 8, 1);
    board.store(STRUCTURES + 12, 1);
    byte(20, 11);
    board.store(STRUCTURES + 40, 0x7fff_0000);
    board.bus.mmio.write(STRUCTURES + 28, Uint8Array.of(1, 0));
    byte(20, 15);
  };
}

it("shows each disk as a virtio function in a slot of its own, to old drivers too unless told otherwise", () => {
  const { read, bus } = setUp();
  expect([2, 3, 4].map((slot) => read(slot, 0))).toEqual([0x1001_1af4, 0x1042_1af4, 0xffff_ffff]);
  expect([2, 3].map((slot) => read(slot, 0x2c) >>> 16)).toEqual([2, 0x1042]);
  expect(bus.devices.map(({ name }) => name)).toEqual(["pci-host", "disk0-pci", "disk0", "disk1-pci", "disk1"]);
});

it("shows configuration space in memory too", () => {
  const { load } = setUp();
  expect([load(ECAM + (2 << 15)), load(ECAM + (9 << 15))]).toEqual([0x1001_1af4, 0xffff_ffff]);
});

it("maps registers where the BARs say, and nowhere while memory decoding is off", () => {
  const board = setUp();
  startBroken(board);
  expect(board.load(STRUCTURES + 0x2000)).toBe(8);
  board.write(2, 0x20, STRUCTURES + 0x10_0000);
  expect([board.load(STRUCTURES + 0x2000), board.load(STRUCTURES + 0x10_2000)]).toEqual([0xffff_ffff, 8]);
  board.write(2, 0x10, 0xc001);
  board.write(2, 0x04, 1);
  expect([board.load(STRUCTURES + 0x10_2000), board.bus.pio.load(0xc014, 4)]).toEqual([0xffff_ffff, 8]);
});

it("interrupts by the slot's line, or by message once MSI-X is on", () => {
  const board = setUp();
  const start = startBroken(board);
  start();
  expect([board.pic[10]?.level, board.ioApic[18]?.level]).toEqual([true, true]);
  board.bus.mmio.write(STRUCTURES + 20, Uint8Array.of(0));
  expect(board.ioApic[18]?.level).toBe(false);
  board.write(2, 0x40, 0x8000_0000);
  board.store(MSIX, 0xfee0_0000);
  board.store(MSIX + 8, 0x33);
  board.store(MSIX + 12, 0);
  board.bus.mmio.write(STRUCTURES + 16, Uint8Array.of(0, 0));
  start();
  expect([board.messages, board.ioApic[18]?.level]).toEqual([["fee00000=51"], false]);
});

/** A counter in a BAR that interrupts and copies itself to RAM: what a third party might plug in. */
function createCounter(slot: PciSlot): PciDevice<{ count: number }> {
  let count = 0;
  const region: IoRegion = {
    name: "counter",
    length: 4,
    read: () => count,
    write(_offset, _size, value) {
      count = value;
      pci.memory.write(0x100, Uint8Array.of(count));
      pci.signal(0);
      pci.interrupt.set(true);
    },
  };
  const pci = createPciFunction(slot, {
    name: "counter-pci",
    identity: { vendorId: 0x1234, deviceId: 0x11e8, classCode: 0xff_00_00 },
    bars: [{ index: 0, kind: "memory", region }],
    pin: 3,
    msi: { vectors: 1 },
  });
  return {
    name: "counter",
    pci,
    regions: [region],
    reset(): void {
      count = 0;
    },
    save: () => ({ count }),
    restore(state): void {
      count = state.count;
    },
  };
}

it("takes devices that it has never heard of", () => {
  const board = setUp([{ name: "counter", create: createCounter, address: { slot: 6 } }]);
  expect([board.read(6, 0), board.read(6, 0x3c)]).toEqual([0x11e8_1234, 0x0300]);
  board.write(6, 0x10, STRUCTURES);
  board.write(6, 0x04, 6);
  board.store(STRUCTURES, 5);
  // Pin C of slot 6 is line (6 + 2) % 4.
  expect([board.load(STRUCTURES), board.memory.bytes[0x100], board.ioApic[16]?.level]).toEqual([5, 5, true]);
});

it("delivers messages to interrupt controllers, to RAM, or nowhere", () => {
  const board = setUp([{ name: "counter", create: createCounter }]);
  board.write(2, 0x10, STRUCTURES);
  board.write(2, 0x04, 6);
  for (const [low, high] of [
    [0xfee0_0000, 0],
    [0x200, 0],
    [0x7fff_0000, 0],
    [0xfee0_0000, 1],
  ] as const) {
    board.write(2, 0x44, low);
    board.write(2, 0x48, high);
    board.write(2, 0x4c, 0x4055);
    board.write(2, 0x40, 0x0001_0000);
    board.store(STRUCTURES, 1);
  }
  expect(board.messages).toEqual([`fee00000=${0x4055}`]);
  expect([...board.memory.bytes.subarray(0x200, 0x204)]).toEqual([0x55, 0x40, 0, 0]);
});
