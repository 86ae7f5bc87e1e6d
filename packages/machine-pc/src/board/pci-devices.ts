import type { GuestMemory } from "@tsvm/contracts";
import { createPciFunction, gateByMaster, type PciDevice, type PciFunction, type PciSlot } from "@tsvm/devices-pc";
import { createVirtioPci, type VirtioPciPort } from "@tsvm/devices-virtio";
import type { VirtioBoardDevice } from "./board-device.ts";
import type { PciBus } from "./pci-bus.ts";
import type { PlacedDevice } from "./place-devices.ts";

/** Puts each device at the place it was given. */
export function plugDevices(bus: PciBus, devices: readonly PlacedDevice[]): void {
  for (const { device, slot, fn } of devices) {
    const create = "virtio" in device ? (to: PciSlot) => createVirtioDevice(to, device) : device.create;
    bus.plug(slot, fn, create(bus.slot(slot)));
  }
}

/** Joins a virtio device, which knows its registers, and a PCI function, which knows where they stand. */
function createVirtioDevice(slot: PciSlot, { virtio, legacy = true }: VirtioBoardDevice): PciDevice {
  const port: VirtioPciPort = {
    interrupt: { set: (level) => pci.interrupt.set(level) },
    get sendsMessages() {
      return pci.sendsMessages;
    },
    signal: (vector) => pci.signal(vector),
  };
  const memory: GuestMemory = gateByMaster(slot.memory, () => pci.isMaster);
  const device = createVirtioPci({ model: virtio, memory, port, legacy });
  const pci: PciFunction = createPciFunction(slot, { ...device.face, name: `${device.name}-pci` });
  return Object.assign(device, { pci });
}
