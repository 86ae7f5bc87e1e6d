import type { PciDevice, PciSlot } from "@tsvm/devices-pc";
import type { VirtioModel } from "@tsvm/devices-virtio";

/** Where a function stands on PCI bus 0. */
export interface PciAddress {
  /** Device number, 0 to 31. */
  readonly slot: number;
  /** Function number, 0 to 7; 0 by default. A slot with further functions must have a function 0. */
  readonly fn?: number;
}

/**
 * A virtio device of any kind: what a factory of `@tsvm/devices-virtio` made, or a model of the caller's own. The board
 * gives it the transport: PCI on `pc`, MMIO on `microvm`. What drives the model from the host's side (a balloon's target, a console's
 * size) stays with the caller, who keeps the model.
 *
 * ```ts
 * const balloon = createVirtioBalloon();
 * const devices = [
 *   { virtio: createVirtioBlock({ backend, serial: "S1", name: "disk0" }) },
 *   { virtio: createVirtioRng({ random }), address: { slot: 5 } },
 *   { virtio: balloon },
 * ];
 * ```
 */
export interface VirtioBoardDevice {
  /** One model for each device and machine. Its name must be its own: snapshots go by it. */
  readonly virtio: VirtioModel;
  /** Default: the first free slot. Only boards with PCI take one. */
  readonly address?: PciAddress;
  /** On PCI: also for drivers older than virtio 1.0. Default true, where the kind of device is as old as they are. */
  readonly legacy?: boolean;
}

/**
 * A PCI device of the caller's own making, for boards with PCI: `create` is called once, with everything the bus gives,
 * and makes the device with `createPciFunction` of `@tsvm/devices-pc`. See docs/how-to/add-a-device.md.
 */
export interface PciBoardDevice {
  /** Its own among all devices: `create` makes a device of this name. */
  readonly name: string;
  readonly create: (slot: PciSlot) => PciDevice;
  /** Default: the first free slot. */
  readonly address?: PciAddress;
}

/** A device beyond those that the board always has. The guest finds them in the order given. */
export type BoardDevice = VirtioBoardDevice | PciBoardDevice;
