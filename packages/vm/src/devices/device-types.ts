import type { DeviceProperty } from "./property.ts";

/** What makes a device, whatever bus it is on. */
export type DeviceKind =
  | "isa-debug-exit"
  | "isa-vga"
  | "pc-testdev"
  | "virtio-balloon"
  | "virtio-blk"
  | "virtio-rng"
  | "virtio-serial"
  | "virtconsole"
  | "virtserialport";

/** A device that the `devices` option may name. */
export interface DeviceType {
  readonly kind: DeviceKind;
  readonly help: string;
  readonly properties: Readonly<Record<string, DeviceProperty>>;
  /** Properties that must be given. */
  readonly required?: readonly string[];
  /** What the board must have for it; undefined: nothing. */
  readonly bus?: "pci" | "virtio-mmio";
}

const id: DeviceProperty = { type: "text", help: "name of the device" };
const addr: DeviceProperty = {
  type: "address",
  help: "PCI slot and perhaps function, as 05.0; default: the next free",
};
const disableLegacy: DeviceProperty = {
  type: "switch",
  help: "hide the device from drivers older than virtio 1.0",
  default: false,
};
const port: Readonly<Record<string, DeviceProperty>> = {
  id,
  bus: { type: "text", help: "ID.0 of a virtio-serial device; default: the first that has room" },
  chardev: { type: "chardev", help: "the other end" },
  name: { type: "text", help: "what the guest finds it by, in /dev/virtio-ports" },
};

/** A virtio device under its two names: on PCI, and on a board that has none. */
function virtio(
  kind: DeviceKind,
  { properties, ...type }: Omit<DeviceType, "kind">,
): Readonly<Record<string, DeviceType>> {
  const onMmio = `${type.help}, on a board without PCI`;
  return {
    [`${kind}-pci`]: {
      ...type,
      kind,
      bus: "pci",
      properties: { id, addr, "disable-legacy": disableLegacy, ...properties },
    },
    [`${kind}-device`]: { ...type, kind, bus: "virtio-mmio", help: onMmio, properties: { id, ...properties } },
  };
}

/** Devices by name. Names, properties and defaults are QEMU's. */
export const DEVICE_TYPES: Readonly<Record<string, DeviceType>> = {
  "isa-debug-exit": {
    kind: "isa-debug-exit",
    help: "ends the machine when written to; exit code (value << 1) | 1",
    properties: {
      iobase: { type: "number", help: "first I/O port", default: 0x501, min: 0, max: 0xffff },
      iosize: { type: "number", help: "number of I/O ports", default: 2, min: 1, max: 0x1000 },
    },
  },
  "isa-vga": {
    kind: "isa-vga",
    help: "registers and text memory of a VGA, for guests that insist on one; nothing shows its picture",
    properties: {},
  },
  "pc-testdev": {
    kind: "pc-testdev",
    help: "what test programs of processors look for: ports 0xe0 to 0xeb, interrupts at 0x2000, memory at 0xff000000",
    properties: {},
  },
  ...virtio("virtio-balloon", {
    help: "memory balloon",
    properties: {
      "deflate-on-oom": { type: "switch", help: "the guest may take pages back when it runs short", default: false },
      "free-page-reporting": { type: "switch", help: "the guest tells which of its pages are free", default: false },
    },
  }),
  ...virtio("virtio-blk", {
    help: "disk",
    properties: {
      drive: { type: "drive", help: "the disk's contents" },
      serial: { type: "text", help: "serial number, at most 20 characters" },
      logical_block_size: { type: "number", help: "bytes of a block", default: 512, min: 512, max: 32_768 },
      "num-queues": { type: "number", help: "request queues", default: 1, min: 1, max: 64 },
      "queue-size": { type: "number", help: "entries of a queue", default: 256, min: 4, max: 1024 },
    },
    required: ["drive"],
  }),
  ...virtio("virtio-rng", { help: "random numbers", properties: {} }),
  ...virtio("virtio-serial", {
    help: "consoles and serial ports: takes virtconsole and virtserialport devices",
    properties: {
      max_ports: { type: "number", help: "most ports it takes", default: 31, min: 1, max: 31 },
    },
  }),
  virtconsole: {
    kind: "virtconsole",
    help: "console on a virtio-serial device: the guest's hvc0, hvc1...",
    properties: { ...port, nr: { type: "number", help: "port number; default: the next free", min: 0, max: 30 } },
    required: ["chardev"],
  },
  virtserialport: {
    kind: "virtserialport",
    help: "serial port on a virtio-serial device: the guest's /dev/vport0p1...",
    properties: { ...port, nr: { type: "number", help: "port number; default: the next free", min: 1, max: 30 } },
    required: ["chardev"],
  },
};

/** What `virtio-blk` is short for on a board with that bus. */
export function virtioSuffix(bus: DeviceType["bus"]): string {
  return bus === "pci" ? "-pci" : "-device";
}
