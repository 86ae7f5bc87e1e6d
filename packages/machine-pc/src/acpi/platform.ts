import type { Gpa } from "@tsvm/contracts";

/** What the tables tell the guest about the board: the board fills it in from the same constants it wires by. */
export interface AcpiPlatform {
  /** Interrupt lines that GSI routing changes: ISA IRQ to GSI. */
  readonly interruptOverrides: readonly InterruptOverride[];
  readonly localApicGpa: Gpa;
  readonly ioApicGpa: Gpa;
  readonly ioApicId: number;
  readonly cpuCount: number;
  /** Absent: no HPET. */
  readonly hpetGpa: Gpa | undefined;
  readonly pm: PmBlocks;
  /** Port of the reset control register and the value that resets. */
  readonly reset: { readonly port: number; readonly value: number };
  /** UARTs in order: COM1 first. */
  readonly serialPorts: readonly { readonly port: number; readonly irq: number }[];
  readonly fwCfgPort: number | undefined;
  /** There is an 8042 with keyboard and mouse. */
  readonly keyboardController: boolean;
  /** A VGA can be probed for. */
  readonly vga: boolean;
  /** Absent: no PCI. */
  readonly pci: PciPlatform | undefined;
  /** Virtio devices over memory-mapped registers. */
  readonly virtioWindows: readonly { readonly gpa: Gpa; readonly length: number; readonly gsi: number }[];
}

export interface PciPlatform {
  /** The window of configuration space: 1 MiB for each bus from 0 on. */
  readonly ecam: { readonly gpa: Gpa; readonly length: number };
  /** Memory below 4 GiB that devices may be given: first byte and last of each part. */
  readonly memory: readonly { readonly first: Gpa; readonly last: Gpa }[];
  /** GSI, and IRQ without IOAPIC, of each of the four interrupt lines. */
  readonly interrupts: readonly { readonly gsi: number; readonly irq: number }[];
}

export interface InterruptOverride {
  readonly irq: number;
  readonly gsi: number;
  readonly levelTriggered: boolean;
}

/** Power management registers. ACPI Specification, "ACPI Register Model". */
export interface PmBlocks {
  readonly eventPort: number;
  readonly controlPort: number;
  readonly timerPort: number;
  /** The timer counts 32 bits rather than 24. */
  readonly timer32: boolean;
  readonly sciIrq: number;
  /** SLP_TYP that means S5. */
  readonly s5SleepType: number;
  /** SLP_TYP that means S3; absent: there is no suspend to RAM. */
  readonly s3SleepType?: number;
}
