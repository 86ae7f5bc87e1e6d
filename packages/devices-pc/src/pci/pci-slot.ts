import type { AddressSpace, Clock, GuestMemory, IrqLine, MsiTarget } from "@tsvm/contracts";

/** Interrupt pins of a function: INTA to INTD. */
export type PciPin = 1 | 2 | 3 | 4;

/** Everything the bus gives to what is plugged into one of its slots. */
export interface PciSlot {
  /** Guest RAM. A function uses it through `PciFunction.memory`, which heeds its bus master bit. */
  readonly memory: GuestMemory;
  /** Where message-signalled interrupts go. */
  readonly msi: MsiTarget;
  readonly clock: Clock;
  /** Ports and memory, where BARs put their windows. */
  readonly io: Pick<AddressSpace, "map">;
  readonly mmio: Pick<AddressSpace, "map">;
  /** A new wire from `pin` of this slot; several may share what is at its end. */
  intx(pin: PciPin): IrqLine;
}
