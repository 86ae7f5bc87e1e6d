import { createMemoryBlock, createMemoryChardev } from "@tsvm/backends";
import { expect, test } from "vitest";
import type { DeviceOptions } from "../options.ts";
import { type BuiltDevices, buildDevices, type DeviceSources } from "./board-devices.ts";
import { resolveDevices } from "./resolve-device.ts";

const disk = () => ({ backend: createMemoryBlock({ bytes: new Uint8Array(4096) }) });

/** Devices in QEMU's spelling. */
function build(lines: readonly string[], sources: Partial<DeviceSources> = {}, machine = "pc"): BuiltDevices {
  const options = lines.map((line): DeviceOptions => {
    const [driver = "", ...pairs] = line.split(",");
    return { driver, properties: Object.fromEntries(pairs.map((pair) => pair.split("="))) };
  });
  const random = () => 1;
  return buildDevices(resolveDevices(options, machine), { disks: [], drives: {}, chardevs: {}, random, ...sources });
}

const names = ({ board }: BuiltDevices): string[] => board.map(({ virtio }) => virtio.name);

test("disks come first, then the devices in their order, named by their ids or by kind and number", () => {
  const built = build(
    [
      "virtio-rng-pci",
      "virtio-blk,drive=a,id=root,addr=07.1",
      "isa-debug-exit",
      "virtio-rng,addr=0x1f",
      "virtio-serial",
    ],
    { disks: [disk(), disk()], drives: { a: disk() } },
  );
  expect(names(built)).toEqual(["disk0", "disk1", "virtio-rng0", "root", "virtio-rng1", "virtio-serial0"]);
  expect(built.board.map(({ address }) => address)).toEqual([
    undefined,
    undefined,
    undefined,
    { slot: 7, fn: 1 },
    { slot: 0x1f },
    undefined,
  ]);
  expect(built.balloon).toBeUndefined();
  expect(build(["virtio-balloon-pci"]).balloon?.name).toBe("virtio-balloon0");
});

test("a disk has the properties that its device was given", () => {
  const { board } = build(["virtio-blk-pci,drive=a,num-queues=3,queue-size=64,logical_block_size=4096"], {
    drives: { a: disk() },
  });
  expect(board[0]?.virtio.queueSizes).toEqual([64, 64, 64]);
});

test("ports go to the bus they name, or to the first with room, wherever it stands", () => {
  const chardevs = Object.fromEntries(["c0", "c1", "c2", "c3"].map((name) => [name, createMemoryChardev()]));
  const { board } = build(
    [
      "virtconsole,chardev=c0",
      "virtio-serial-pci,id=one,max_ports=1",
      "virtio-serial-pci,id=two",
      "virtserialport,chardev=c1,name=org.one",
      "virtserialport,chardev=c2,nr=5",
      "virtconsole,chardev=c3,bus=two.0",
    ],
    { chardevs },
  );
  // A receive and a transmit queue a port, and for the control port.
  expect(board.map(({ virtio }) => [virtio.name, virtio.queueSizes.length / 2 - 1])).toEqual([
    ["one", 1],
    ["two", 6],
  ]);
});

test("a port whose other end comes and goes tells the guest so", () => {
  const sinks: ((isConnected: boolean) => void)[] = [];
  const chardev = {
    ...createMemoryChardev(),
    isConnected: false,
    onConnection(sink: (isConnected: boolean) => void) {
      sinks.push(sink);
      return { dispose(): void {} };
    },
  };
  const { board } = build(["virtio-serial-pci", "virtserialport,chardev=c,nr=4"], { chardevs: { c: chardev } });
  const told: unknown[] = [];
  Object.assign(board[0]?.virtio ?? {}, { setConnected: (...call: unknown[]) => told.push(call) });
  for (const sink of sinks) sink(true);
  expect(told).toEqual([[4, true]]);
});

test("on a board without PCI they have names and properties of their own", () => {
  const { board } = build(["virtio-rng-device", "virtio-blk,drive=a"], { drives: { a: disk() } }, "microvm");
  expect(board.map(({ virtio, address }) => [virtio.name, address])).toEqual([
    ["virtio-rng0", undefined],
    ["virtio-blk0", undefined],
  ]);
  expect(() => build(["virtio-rng-pci"], {}, "microvm")).toThrow(
    "device virtio-rng-pci: the microvm board has no PCI bus; write virtio-rng-device",
  );
  expect(() => build(["virtio-rng-device"])).toThrow("the pc board has PCI; write virtio-rng-pci");
  expect(() => build(["virtio-rng,addr=5"], {}, "microvm")).toThrow("device virtio-rng-device: no property 'addr'");
});

test.each([
  [["virtio-blk-pci"], "device virtio-blk-pci: needs drive=..."],
  [["virtio-blk-pci,drive=b"], "device virtio-blk-pci: there is no drive 'b'; did you mean 'a'?"],
  [["virtio-blk-pci,drive=toString"], "device virtio-blk-pci: there is no drive 'toString'; known: 'a'"],
  [
    ["virtio-blk-pci,drive=a", "virtio-blk-pci,drive=a"],
    "device virtio-blk-pci: drive 'a' is at another device already",
  ],
  [["virtio-blk-pci,drive=a,serial=123456789012345678901"], "virtio-blk0: serial '123456789012345678901'"],
  [["virtio-blk-pci,drive=a,addr=5.8"], "device virtio-blk-pci: addr '5.8': must be a PCI slot"],
  [["virtio-blk-pci,drive=a,queue-size=3"], "queue-size '3': must be a number from 0x4 to 0x400"],
  [["virtio-rng-pci,id=x", "virtio-balloon-pci,id=x"], "device virtio-balloon-pci: there are two devices with id 'x'"],
  [["virtio-balloon-pci", "virtio-balloon-pci"], "device virtio-balloon-pci: given twice"],
  [["virtconsole,chardev=c"], "device virtconsole: there is no virtio-serial device for it"],
  [["virtio-serial-pci", "virtserialport"], "device virtserialport: needs chardev=..."],
  [
    ["virtio-serial-pci", "virtserialport,chardev=d"],
    "device virtserialport: there is no chardev 'd'; did you mean 'c'?",
  ],
  [["virtio-serial-pci,id=s", "virtconsole,chardev=c,bus=t.0"], "there is no bus 't.0'; did you mean 's.0'?"],
  [["virtio-net-pci"], "device 'virtio-net-pci' is unknown; did you mean 'virtio-"],
])("refuses %s", (lines, message) => {
  const sources = { drives: { a: disk() }, chardevs: { c: createMemoryChardev() } };
  expect(() => build(lines, sources)).toThrow(
    expect.objectContaining({ code: "CONFIG_DEVICE", message: expect.stringContaining(message) }),
  );
});

test("a bus that is full takes no more, and no random numbers make no generator", () => {
  const chardevs = { c: createMemoryChardev(), d: createMemoryChardev() };
  const lines = ["virtio-serial-pci,id=s,max_ports=1", "virtconsole,chardev=c"];
  expect(() => build([...lines, "virtconsole,chardev=d"], { chardevs })).toThrow("no virtio-serial device has room");
  expect(() => build([...lines, "virtconsole,chardev=d,bus=s.0"], { chardevs })).toThrow(
    "bus 's.0' has no room for it",
  );
  expect(() => build(["virtio-rng-pci"], { random: undefined })).toThrow("this host has no random numbers");
});
