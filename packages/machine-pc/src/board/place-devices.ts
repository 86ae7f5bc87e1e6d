import { ConfigError } from "@tsvm/contracts";
import type { BoardDevice, PciAddress } from "./board-device.ts";
import { MICROVM_DEVICES_MAX } from "./microvm-map.ts";

const SLOTS = 32;
const FUNCTIONS = 8;
/** Slots below are the chip set's. */
const FIRST_FREE_SLOT = 2;

/** A device with its place on bus 0, or among the others. */
export interface PlacedDevice extends Required<PciAddress> {
  readonly device: BoardDevice;
}

/**
 * A place for each of `devices`, in their order. Those that ask for one come first, so that no other gets in their way;
 * the others get function 0 of the first free slot.
 * @throws ConfigError `CONFIG_OPTION` if a slot does not exist, is taken, lacks function 0, or none is left; or if two
 * devices have one name.
 */
export function placeDevices(devices: readonly BoardDevice[]): readonly PlacedDevice[] {
  const owners = new Map<number, string>();
  const claim = (device: BoardDevice, { slot, fn = 0 }: PciAddress): PlacedDevice => {
    const owner = owners.get(slot * FUNCTIONS + fn);
    if (owner !== undefined) throw refusal(device, `PCI slot ${slot}.${fn} is taken by ${owner}`);
    owners.set(slot * FUNCTIONS + fn, nameOf(device));
    return { device, slot, fn };
  };
  checkNames(devices);
  const asked = devices.map((device) => device.address && claim(device, checked(device, device.address)));
  const placed = devices.map((device, i) => asked[i] ?? claim(device, { slot: freeSlot(device, owners) }));
  for (const { device, slot } of placed) {
    if (owners.has(slot * FUNCTIONS)) continue;
    throw refusal(device, `PCI slot ${slot} has no function 0, without which guests look no further`);
  }
  return placed;
}

/**
 * The same for a board without PCI, `board`, where the place is the order.
 * @throws ConfigError `CONFIG_OPTION` for PCI devices and addresses, too many devices, or two of one name.
 */
export function listDevices(devices: readonly BoardDevice[], board: string): readonly PlacedDevice[] {
  checkNames(devices);
  for (const device of devices) {
    if (!("virtio" in device)) throw refusal(device, `the ${board} board has no PCI bus`);
    if (device.address !== undefined) throw refusal(device, `the ${board} board has no PCI addresses`);
  }
  const last = devices[MICROVM_DEVICES_MAX];
  if (last !== undefined) throw refusal(last, `the ${board} board takes ${MICROVM_DEVICES_MAX} devices`);
  return devices.map((device, slot) => ({ device, slot, fn: 0 }));
}

const nameOf = (device: BoardDevice): string => ("virtio" in device ? device.virtio.name : device.name);

/** Snapshots go by names. */
function checkNames(devices: readonly BoardDevice[]): void {
  const names = new Set<string>();
  for (const device of devices) {
    if (names.has(nameOf(device))) throw refusal(device, "there are two of this name");
    names.add(nameOf(device));
  }
}

function checked(device: BoardDevice, address: PciAddress): PciAddress {
  const { slot, fn = 0 } = address;
  const isIn = (value: number, min: number, end: number): boolean =>
    Number.isInteger(value) && value >= min && value < end;
  if (isIn(slot, FIRST_FREE_SLOT, SLOTS) && isIn(fn, 0, FUNCTIONS)) return address;
  const range = `slots ${FIRST_FREE_SLOT} to ${SLOTS - 1}, functions 0 to ${FUNCTIONS - 1}`;
  throw refusal(device, `no PCI address ${slot}.${fn}: there are ${range}`);
}

function freeSlot(device: BoardDevice, owners: ReadonlyMap<number, string>): number {
  const taken = new Set(Array.from(owners.keys(), (address) => Math.floor(address / FUNCTIONS)));
  for (let slot = FIRST_FREE_SLOT; slot < SLOTS; slot++) if (!taken.has(slot)) return slot;
  throw refusal(device, `all ${SLOTS - FIRST_FREE_SLOT} free PCI slots are taken`);
}

const refusal = (device: BoardDevice, why: string): ConfigError =>
  new ConfigError("CONFIG_OPTION", `device ${nameOf(device)}: ${why}`);
