import type { Chardev } from "@tsvm/contracts";
import type { VirtioSerialPort } from "@tsvm/devices-virtio";
import { suggest } from "../nearest.ts";
import { invalid, type PropertyValue } from "./property.ts";
import type { ResolvedDevice } from "./resolve-device.ts";

type FindChardev = (driver: string, name: PropertyValue | undefined) => Chardev;

/**
 * Puts every port and console on the virtio-serial device that it names, or on the first one with room.
 * @throws ConfigError `CONFIG_DEVICE` if there is no such device, or no room on it.
 */
export function gatherSerialPorts(
  devices: readonly ResolvedDevice[],
  findChardev: FindChardev,
): (device: ResolvedDevice) => readonly VirtioSerialPort[] {
  const ports = new Map<ResolvedDevice, VirtioSerialPort[]>();
  for (const device of devices) if (device.kind === "virtio-serial") ports.set(device, []);
  for (const device of devices) {
    const { driver, kind, properties } = device;
    if (kind !== "virtconsole" && kind !== "virtserialport") continue;
    const { name, nr } = properties;
    findBus(device, ports).push({
      chardev: findChardev(driver, properties["chardev"]),
      kind: kind === "virtconsole" ? "console" : "port",
      ...(name !== undefined && { name: name as string }),
      ...(nr !== undefined && { number: nr as number }),
    });
  }
  return (device) => ports.get(device) ?? [];
}

function findBus(
  { driver, properties }: ResolvedDevice,
  ports: ReadonlyMap<ResolvedDevice, VirtioSerialPort[]>,
): VirtioSerialPort[] {
  const bus = properties["bus"] as string | undefined;
  for (const [device, taken] of ports) {
    const isMeant = bus === undefined || bus === `${device.properties["id"]}.0`;
    if (isMeant && taken.length < (device.properties["max_ports"] as number)) return taken;
  }
  if (ports.size === 0) throw invalid(`device ${driver}: there is no virtio-serial device for it`);
  if (bus === undefined) throw invalid(`device ${driver}: no virtio-serial device has room for it`);
  const buses = Array.from(ports.keys(), (device) => `${device.properties["id"]}.0`);
  if (buses.includes(bus)) throw invalid(`device ${driver}: bus '${bus}' has no room for it`);
  throw invalid(`device ${driver}: there is no bus '${bus}'${suggest(bus, buses)}`);
}
