import type { IrqLine } from "@tsvm/contracts";

/** Several wires into one: high while any of them is. */
export interface OrGate {
  /** A new input, low at first. */
  input(): IrqLine;
}

export function createOrGate(output: IrqLine): OrGate {
  let high = 0;
  return {
    input(): IrqLine {
      let mine = false;
      return {
        set(level: boolean): void {
          if (level === mine) return;
          mine = level;
          high += level ? 1 : -1;
          if (high === (level ? 1 : 0)) output.set(level);
        },
      };
    },
  };
}

/** The interrupt inputs a board has, by what is connected to them. */
export interface InterruptLines {
  /** A wire to ISA interrupt `irq`, 0-15; several may share one. */
  isa(irq: number): IrqLine;
  /** A wire to interrupt `gsi`, 0-23, as QEMU numbers them: 0-15 are the ISA interrupts, the others the IOAPIC's alone. */
  gsi(gsi: number): IrqLine;
  /** A wire to PCI interrupt line `line`, 0-3. */
  pci(line: number): IrqLine;
  /** A wire to IOAPIC input `pin`, 0-23, alone. */
  ioApic(pin: number): IrqLine;
}

export interface InterruptLinesOptions {
  /** Sixteen inputs of the PIC pair. */
  readonly pic: readonly IrqLine[];
  /** Twenty-four inputs of the IOAPIC. */
  readonly ioApic: readonly IrqLine[];
}

/** Inputs of an IOAPIC. */
export const GSI_COUNT = 24;

/** ISA IRQ 0, the timer, comes in at IOAPIC input 2: on a PC input 0 belongs to the PIC. */
export const ISA_TIMER_GSI = 2;
/** IOAPIC inputs of the four PCI lines; with the PIC they share IRQ 10 and 11. */
export const PCI_ROUTES: readonly { readonly gsi: number; readonly irq: number }[] = [
  { gsi: 16, irq: 10 },
  { gsi: 17, irq: 11 },
  { gsi: 18, irq: 10 },
  { gsi: 19, irq: 11 },
];

/** IOAPIC inputs the HPET's comparators may be put on: the timer's own, and four that nobody else uses. */
export const HPET_ROUTES: readonly number[] = [ISA_TIMER_GSI, 20, 21, 22, 23];

/**
 * Every wire goes to both controllers; the guest masks the one it does not use. QEMU's gsi_handler does the same.
 */
export function createInterruptLines({ pic, ioApic }: InterruptLinesOptions): InterruptLines {
  const picGates = pic.map(createOrGate);
  const ioApicGates = ioApic.map(createOrGate);
  const wire = (irq: number, gsi: number): IrqLine => {
    const toPic = (picGates[irq] as OrGate).input();
    const toIoApic = (ioApicGates[gsi] as OrGate).input();
    return {
      set(level: boolean): void {
        toPic.set(level);
        toIoApic.set(level);
      },
    };
  };
  const isa = (irq: number): IrqLine => wire(irq, irq === 0 ? ISA_TIMER_GSI : irq);
  const ioApicAlone = (pin: number): IrqLine => (ioApicGates[pin] as OrGate).input();
  return {
    isa,
    gsi: (gsi) => (gsi < pic.length ? isa(gsi) : ioApicAlone(gsi)),
    pci(line) {
      const { irq, gsi } = PCI_ROUTES[line] as { readonly gsi: number; readonly irq: number };
      return wire(irq, gsi);
    },
    ioApic: ioApicAlone,
  };
}
