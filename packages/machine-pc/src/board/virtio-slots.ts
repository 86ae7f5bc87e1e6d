import type { BlockBackend, GuestMemory, Mapping, MsiTarget } from "@tsvm/contracts";
import { createPciFunction, type PciFunction, type PciHost } from "@tsvm/devices-pc";
import { createVirtioBlock, createVirtioPci, type VirtioModel } from "@tsvm/devices-virtio";
import type { BoardBus } from "./board-bus.ts";
import type { InterruptLines } from "./interrupt-lines.ts";

/** A disk of the machine. The board does not close the backend. */
export interface DiskOptions {
  readonly backend: BlockBackend;
  /** What the guest reads as its serial number; at most 20 ASCII characters, none by default. */
  readonly serial?: string;
}

/** Slots of bus 0 that the chip set leaves free. */
const FIRST_FREE_SLOT = 2;
/** The most disks a board takes: one a free slot. */
export const DISKS_MAX: number = 32 - FIRST_FREE_SLOT;

const PCI_LINES = 4;
const PIN_INTA = 1;

export interface PciWiring {
  readonly bus: BoardBus;
  readonly host: PciHost;
  readonly lines: InterruptLines;
  readonly memory: GuestMemory;
  readonly msi: MsiTarget;
}

/** Disks as virtio functions, one a slot, in their order: the guest's vda, vdb and so on. */
export function plugDisks(wiring: PciWiring, disks: readonly DiskOptions[]): void {
  for (const [i, { backend, serial }] of disks.entries()) {
    const model = createVirtioBlock({ backend, name: `disk${i}`, ...(serial !== undefined && { serial }) });
    plugVirtio(wiring, FIRST_FREE_SLOT + i, model);
  }
}

/** Joins a virtio device, which knows its registers, and a PCI function, which knows where they stand. */
function plugVirtio<S>({ bus, host, lines, memory, msi }: PciWiring, slot: number, model: VirtioModel<S>): void {
  const intx = { set: (level: boolean): void => pci.interrupt.set(level) };
  const device = createVirtioPci({ model, memory, intx, msi });
  const { identity, bars, registers, capabilities, msixControl } = device.face;
  const pci: PciFunction = createPciFunction({
    name: `${device.name}-pci`,
    identity,
    bars: bars.map(({ region, ...bar }) => {
      let mapping: Mapping | undefined;
      return {
        ...bar,
        onMove(base: number | undefined): void {
          mapping?.unmap();
          mapping = base === undefined ? undefined : bus.mmio.map(base, region);
        },
      };
    }),
    registers,
    capabilities,
    // As the routing table of the DSDT has it: lines rotate by slot.
    intx: { pin: PIN_INTA, line: lines.pci(slot % PCI_LINES) },
    onWrite: () => device.setMsixControl(pci.readConfig(msixControl, 2)),
  });
  host.plug(slot, 0, bus.plug(pci));
  bus.plug(device);
}
