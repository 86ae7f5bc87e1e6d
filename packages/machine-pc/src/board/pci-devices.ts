import type { GuestMemory, Mapping, MsiTarget } from "@tsvm/contracts";
import { createPciFunction, type PciFunction, type PciHost } from "@tsvm/devices-pc";
import { createVirtioPci, type VirtioModel } from "@tsvm/devices-virtio";
import type { BoardBus } from "./board-bus.ts";
import type { InterruptLines } from "./interrupt-lines.ts";
import type { PlacedDevice } from "./place-devices.ts";

const PCI_LINES = 4;
const PIN_INTA = 1;

export interface PciWiring {
  readonly bus: BoardBus;
  readonly host: PciHost;
  readonly lines: InterruptLines;
  readonly memory: GuestMemory;
  readonly msi: MsiTarget;
}

/** Puts each device at the place it was given. */
export function plugDevices(wiring: PciWiring, devices: readonly PlacedDevice[]): void {
  for (const { device, slot, fn } of devices) plugVirtio(wiring, slot, fn, device.virtio);
}

/** Joins a virtio device, which knows its registers, and a PCI function, which knows where they stand. */
function plugVirtio<S>(
  { bus, host, lines, memory, msi }: PciWiring,
  slot: number,
  fn: number,
  model: VirtioModel<S>,
): void {
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
  host.plug(slot, fn, bus.plug(pci));
  bus.plug(device);
}
