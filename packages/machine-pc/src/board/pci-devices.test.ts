import { createPciHost } from "@tsvm/devices-pc";
import { createVirtioBlock } from "@tsvm/devices-virtio";
import { createFakeMemory, createProbeLine } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { createBoardBus } from "./board-bus.ts";
import { createInterruptLines } from "./interrupt-lines.ts";
import { plugDevices } from "./pci-devices.ts";
import { placeDevices } from "./place-devices.ts";

const STRUCTURES = 0xc000_0000;
const MSIX = 0xc000_4000;

function setUp() {
  const bus = createBoardBus();
  const host = createPciHost();
  const pic = Array.from({ length: 16 }, createProbeLine);
  const ioApic = Array.from({ length: 24 }, createProbeLine);
  const messages: string[] = [];
  const disk = { sectorCount: 8, readOnly: false, read: done, write: done, flush: done };
  const model = (name: string, serial = "") => ({ virtio: createVirtioBlock({ backend: disk, name, serial }) });
  plugDevices(
    {
      bus,
      host,
      lines: createInterruptLines({ pic, ioApic }),
      memory: createFakeMemory(0x1_0000),
      msi: { signal: (address, data) => messages.push(`${address.toString(16)}=${data}`) },
    },
    placeDevices([model("disk0"), model("disk1", "two")]),
  );
  const access = (slot: number, register: number): void =>
    host.regions[0]?.write(0, 4, (0x8000_0000 | (slot << 11) | register) >>> 0);
  return {
    bus,
    pic,
    ioApic,
    messages,
    read(slot: number, register: number): number {
      access(slot, register);
      return host.regions[0]?.read(4, 4) as number;
    },
    write(slot: number, register: number, value: number): void {
      access(slot, register);
      host.regions[0]?.write(4, 4, value);
    },
  };
}

const done = async (): Promise<void> => {};

function mmio({ bus }: ReturnType<typeof setUp>) {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  return {
    read(gpa: number): number {
      bus.mmio.read(gpa, bytes);
      return view.getUint32(0, true);
    },
    write(gpa: number, value: number): void {
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
  const windows = mmio(board);
  const byte = (at: number, value: number): void => board.bus.mmio.write(STRUCTURES + at, Uint8Array.of(value));
  const start = (): void => {
    byte(20, 3);
    windows.write(STRUCTURES + 8, 1);
    windows.write(STRUCTURES + 12, 1);
    byte(20, 11);
    windows.write(STRUCTURES + 40, 0x7fff_0000);
    board.bus.mmio.write(STRUCTURES + 28, Uint8Array.of(1, 0));
    byte(20, 15);
  };
  return { windows, start };
}

it("shows each disk as a virtio function in a slot of its own", () => {
  const { read, bus } = setUp();
  expect([2, 3, 4].map((slot) => read(slot, 0))).toEqual([0x1042_1af4, 0x1042_1af4, 0xffff_ffff]);
  expect(bus.devices.map(({ name }) => name)).toEqual(["disk0-pci", "disk0", "disk1-pci", "disk1"]);
});

it("maps registers where the BARs say, and nowhere while memory decoding is off", () => {
  const board = setUp();
  const { windows } = startBroken(board);
  expect(windows.read(STRUCTURES + 0x2000)).toBe(8);
  board.write(2, 0x20, STRUCTURES + 0x10_0000);
  expect([windows.read(STRUCTURES + 0x2000), windows.read(STRUCTURES + 0x10_2000)]).toEqual([0xffff_ffff, 8]);
  board.write(2, 0x04, 0);
  expect(windows.read(STRUCTURES + 0x10_2000)).toBe(0xffff_ffff);
});

it("interrupts by the slot's line, or by message once MSI-X is on", () => {
  const board = setUp();
  const { windows, start } = startBroken(board);
  start();
  expect([board.pic[10]?.level, board.ioApic[18]?.level]).toEqual([true, true]);
  board.bus.mmio.write(STRUCTURES + 20, Uint8Array.of(0));
  expect(board.ioApic[18]?.level).toBe(false);
  board.write(2, 0x40, 0x8000_0000);
  windows.write(MSIX, 0xfee0_0000);
  windows.write(MSIX + 8, 0x33);
  windows.write(MSIX + 12, 0);
  board.bus.mmio.write(STRUCTURES + 16, Uint8Array.of(0, 0));
  start();
  expect([board.messages, board.ioApic[18]?.level]).toEqual([["fee00000=51"], false]);
});
