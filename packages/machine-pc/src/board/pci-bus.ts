import type { Clock, Gpa, GuestMemory, MsiTarget } from "@tsvm/contracts";
import { BusError, type IoRegion } from "@tsvm/contracts";
import { createPciHost, type PciDevice, type PciFunction, type PciSlot } from "@tsvm/devices-pc";
import type { BoardBus } from "./board-bus.ts";
import type { InterruptLines } from "./interrupt-lines.ts";
import { GPA } from "./memory-map.ts";
import type { PlacedFunction } from "./pci-setup.ts";
import { PORT } from "./port-map.ts";

const PCI_LINES = 4;
/** Messages to this MiB are interrupts; to others they are what they look like, writes to memory. */
const MSI_WINDOW_MIB = 0xfee;

export interface PciBusWiring {
  readonly bus: BoardBus;
  readonly lines: InterruptLines;
  readonly memory: GuestMemory;
  readonly msi: MsiTarget;
  readonly clock: Clock;
  /** The byte between the bytes of the configuration address register. */
  readonly resetControl: IoRegion | undefined;
}

/** PCI bus 0 of a board, with its host bridge's registers mapped. */
export interface PciBus {
  /** What slot `number` (0 to 31) gives to its functions. */
  slot(number: number): PciSlot;
  /** Puts a function, or a device with its function, at `number`.`fn`. */
  plug(number: number, fn: number, device: PciFunction | PciDevice): void;
  /** All that was plugged in, in its order. */
  readonly functions: readonly PlacedFunction[];
}

export function createPciBus(wiring: PciBusWiring): PciBus {
  const { bus, lines, memory, clock, resetControl } = wiring;
  const host = createPciHost(resetControl === undefined ? {} : { resetControl });
  bus.plug(host, PORT.PCI_CONFIG, { gpa: GPA.ECAM });
  const msi = messageRouter(memory, wiring.msi);
  const functions: PlacedFunction[] = [];
  return {
    functions,
    slot: (number) => ({
      memory,
      msi,
      clock,
      io: bus.pio,
      mmio: bus.mmio,
      // As the routing table of the DSDT has it: lines rotate by slot.
      intx: (pin) => lines.pci((number + pin - 1) % PCI_LINES),
    }),
    plug(number, fn, device): void {
      const target = "pci" in device ? device.pci : device;
      // The function first: a device that is restored drives its function's interrupts.
      host.plug(number, fn, bus.plug(target));
      functions.push({ slot: number, pci: target });
      if ("pci" in device) bus.plug(device);
    },
  };
}

/** A message is a write of 32 bits. SDM vol. 3A, "Message Address Register Format". */
function messageRouter(memory: GuestMemory, apics: MsiTarget): MsiTarget {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  return {
    signal(address: Gpa, data: number): void {
      if (Math.floor(address / 0x10_0000) === MSI_WINDOW_MIB) return apics.signal(address, data);
      view.setUint32(0, data, true);
      try {
        memory.write(address, bytes);
      } catch (error) {
        // A guest may send messages to nowhere.
        if (!(error instanceof BusError)) throw error;
      }
    },
  };
}
