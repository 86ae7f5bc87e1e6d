import { isConnectableChardev } from "@tsvm/backends";
import type { Chardev } from "@tsvm/contracts";
import {
  createVirtioBalloon,
  createVirtioBlock,
  createVirtioRng,
  createVirtioSerial,
  type VirtioBalloon,
  type VirtioModel,
  type VirtioSerial,
  type VirtioSerialPort,
} from "@tsvm/devices-virtio";
import type { PciAddress, VirtioBoardDevice } from "@tsvm/machine-pc";
import { suggest } from "../nearest.ts";
import type { DiskOptions } from "../options.ts";
import { invalid, type PropertyValue } from "./property.ts";
import type { ResolvedDevice } from "./resolve-device.ts";
import { gatherSerialPorts } from "./serial-ports.ts";

/** What devices are made of. */
export interface DeviceSources {
  /** Disks that come first, each a device of its own. */
  readonly disks: readonly DiskOptions[];
  readonly drives: Readonly<Record<string, DiskOptions>>;
  readonly chardevs: Readonly<Record<string, Chardev>>;
  /** 32 random bits a call; undefined: the host has none. */
  readonly random: (() => number) | undefined;
}

/** The board's devices beyond those it always has. */
export interface BuiltDevices {
  readonly board: readonly VirtioBoardDevice[];
  readonly balloon: VirtioBalloon | undefined;
}

/**
 * Makes the virtio devices among `devices`, in their order.
 * @throws ConfigError `CONFIG_DEVICE` if one names what there is not, or what another has.
 */
export function buildDevices(devices: readonly ResolvedDevice[], sources: DeviceSources): BuiltDevices {
  const drives = takeOnce("drive", sources.drives);
  const chardevs = takeOnce("chardev", sources.chardevs);
  const portsOf = gatherSerialPorts(devices, chardevs);
  const names = nameCounter();
  let balloon: VirtioBalloon | undefined;

  const createModel = (device: ResolvedDevice): VirtioModel | undefined => {
    const { driver, kind, properties } = device;
    const name = (): string => (properties["id"] as string | undefined) ?? names(kind);
    switch (kind) {
      case "virtio-blk":
        return createVirtioBlock({
          ...drives(driver, properties["drive"]),
          ...(properties["serial"] !== undefined && { serial: properties["serial"] as string }),
          logicalBlockSize: properties["logical_block_size"] as number,
          queues: properties["num-queues"] as number,
          queueSize: properties["queue-size"] as number,
          name: name(),
        });
      case "virtio-rng":
        if (sources.random === undefined) throw invalid(`device ${driver}: this host has no random numbers`);
        return createVirtioRng({ random: sources.random, name: name() });
      case "virtio-serial":
        return createSerial(portsOf(device), name());
      case "virtio-balloon":
        if (balloon !== undefined) throw invalid(`device ${driver}: given twice`);
        balloon = createVirtioBalloon({
          deflateOnOom: properties["deflate-on-oom"] as boolean,
          freePageReporting: properties["free-page-reporting"] as boolean,
          name: name(),
        });
        return balloon;
      default:
        return undefined;
    }
  };

  const board: VirtioBoardDevice[] = sources.disks.map((disk, i) => ({
    virtio: createVirtioBlock({ ...disk, name: `disk${i}` }),
  }));
  for (const device of devices) {
    const virtio = createModel(device);
    const address = device.properties["addr"] as PciAddress | undefined;
    if (virtio !== undefined)
      board.push({ virtio, legacy: device.properties["disable-legacy"] !== true, ...(address && { address }) });
  }
  return { board, balloon };
}

/** Ports whose other end comes and goes tell the guest of it. */
function createSerial(ports: readonly VirtioSerialPort[], name: string): VirtioSerial {
  const serial = createVirtioSerial({ ports, name });
  for (const [i, { chardev }] of ports.entries()) {
    if (!isConnectableChardev(chardev)) continue;
    const number = serial.portNumbers[i] as number;
    serial.setConnected(number, chardev.isConnected);
    chardev.onConnection((isConnected) => serial.setConnected(number, isConnected));
  }
  return serial;
}

/** Looks up what a property names; nothing can be at two devices. */
function takeOnce<T>(
  what: string,
  entries: Readonly<Record<string, T>>,
): (driver: string, name: PropertyValue | undefined) => T {
  const taken = new Set<string>();
  return (driver, name) => {
    const key = String(name);
    const entry = Object.hasOwn(entries, key) ? entries[key] : undefined;
    if (entry === undefined) {
      throw invalid(`device ${driver}: there is no ${what} '${key}'${suggest(key, Object.keys(entries))}`);
    }
    if (taken.has(key)) throw invalid(`device ${driver}: ${what} '${key}' is at another device already`);
    taken.add(key);
    return entry;
  };
}

/** virtio-rng0, virtio-rng1...: snapshots go by them. */
function nameCounter(): (kind: string) => string {
  const counts = new Map<string, number>();
  return (kind) => {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return `${kind}${count}`;
  };
}
