import type { DeviceProperty } from "./property.ts";

/** A kind of device that the `devices` option may name. */
export interface DeviceType {
  readonly help: string;
  readonly properties: Readonly<Record<string, DeviceProperty>>;
  /** Properties that must be given. */
  readonly required?: readonly string[];
}

const id: DeviceProperty = { type: "text", help: "name of the device" };
const addr: DeviceProperty = {
  type: "address",
  help: "PCI slot and perhaps function, as 05.0; default: the next free",
};
const port: Readonly<Record<string, DeviceProperty>> = {
  id,
  bus: { type: "text", help: "ID.0 of a virtio-serial-pci device; default: the first that has room" },
  chardev: { type: "chardev", help: "the other end" },
  name: { type: "text", help: "what the guest finds it by, in /dev/virtio-ports" },
};

/** Name of a kind of device. */
export type DriverName =
  | "isa-debug-exit"
  | "virtio-balloon-pci"
  | "virtio-blk-pci"
  | "virtio-rng-pci"
  | "virtio-serial-pci"
  | "virtconsole"
  | "virtserialport";

/** Devices by name. Names, properties and defaults are QEMU's. */
export const DEVICE_TYPES: Readonly<Record<DriverName, DeviceType>> = {
  "isa-debug-exit": {
    help: "ends the machine when written to; exit code (value << 1) | 1",
    properties: {
      iobase: { type: "number", help: "first I/O port", default: 0x501, min: 0, max: 0xffff },
      iosize: { type: "number", help: "number of I/O ports", default: 2, min: 1, max: 0x1000 },
    },
  },
  "virtio-balloon-pci": {
    help: "memory balloon",
    properties: { id, addr },
  },
  "virtio-blk-pci": {
    help: "disk",
    properties: {
      id,
      addr,
      drive: { type: "drive", help: "the disk's contents" },
      serial: { type: "text", help: "serial number, at most 20 characters" },
      logical_block_size: { type: "number", help: "bytes of a block", default: 512, min: 512, max: 32_768 },
      "num-queues": { type: "number", help: "request queues", default: 1, min: 1, max: 64 },
      "queue-size": { type: "number", help: "entries of a queue", default: 256, min: 4, max: 1024 },
    },
    required: ["drive"],
  },
  "virtio-rng-pci": {
    help: "random numbers",
    properties: { id, addr },
  },
  "virtio-serial-pci": {
    help: "consoles and serial ports; takes virtconsole and virtserialport devices",
    properties: {
      id,
      addr,
      max_ports: { type: "number", help: "most ports it takes", default: 31, min: 1, max: 31 },
    },
  },
  virtconsole: {
    help: "console on a virtio-serial-pci device: the guest's hvc0, hvc1...",
    properties: { ...port, nr: { type: "number", help: "port number; default: the next free", min: 0, max: 30 } },
    required: ["chardev"],
  },
  virtserialport: {
    help: "serial port on a virtio-serial-pci device: the guest's /dev/vport0p1...",
    properties: { ...port, nr: { type: "number", help: "port number; default: the next free", min: 1, max: 30 } },
    required: ["chardev"],
  },
};

/** Short names that QEMU has for them, too. */
export const DEVICE_ALIASES: Readonly<Record<string, DriverName>> = {
  "virtio-balloon": "virtio-balloon-pci",
  "virtio-blk": "virtio-blk-pci",
  "virtio-rng": "virtio-rng-pci",
  "virtio-serial": "virtio-serial-pci",
};
