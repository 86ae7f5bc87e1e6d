/**
 * The functions of Intel's 440FX chip set that software looks for on a PC, by identity: what they do is done by the
 * devices they stand for, which have their own registers.
 */
import { createPciFunction, type PciFunction } from "./pci-function.ts";
import type { PciSlot } from "./pci-slot.ts";

const INTEL = 0x8086;
/** PAM0 to PAM6 and SMRAM of the 82441FX: kept for software that expects them to hold what it writes. */
const PAM_REGISTERS: readonly number[] = [0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x72];
/** PIRQRC of the 82371SB: 0x80 for a line that is not routed to an ISA interrupt. */
const PIRQ_REGISTER = 0x60;
const PIRQ_OFF = 0x80;
const PMBA = 0x40;
const PMREGMISC = 0x80;

/** 82441FX, host bridge: 0:0.0. */
export function createI440fxHostBridge(slot: PciSlot, name = "i440fx"): PciFunction {
  return createPciFunction(slot, {
    name,
    identity: { vendorId: INTEL, deviceId: 0x1237, classCode: 0x06_00_00, revision: 2 },
    registers: PAM_REGISTERS.map((offset) => ({ offset, size: 1, value: 0, writable: 0x77 })),
  });
}

export interface Piix3Options {
  /**
   * ISA interrupts that the board has put PCI lines A to D on besides the I/O APIC; undefined for none. Software cannot
   * change them.
   */
  readonly pirqRoutes?: readonly (number | undefined)[];
  /** Default "piix3". */
  readonly name?: string;
}

/** 82371SB, PCI-to-ISA bridge: function 0 of a device with several. */
export function createPiix3IsaBridge(
  slot: PciSlot,
  { pirqRoutes = [], name = "piix3" }: Piix3Options = {},
): PciFunction {
  return createPciFunction(slot, {
    name,
    identity: { vendorId: INTEL, deviceId: 0x7000, classCode: 0x06_01_00 },
    registers: [0, 1, 2, 3].map((pirq) => ({
      offset: PIRQ_REGISTER + pirq,
      size: 1,
      value: pirqRoutes[pirq] ?? PIRQ_OFF,
    })),
  });
}

export interface Piix4PowerManagementOptions {
  /** Port of the ACPI PM block: shown in PMBA, which software cannot change. */
  readonly pmBase: number;
  /** Default "piix4-pm". */
  readonly name?: string;
}

/** 82371AB, power management: function 3 beside the ISA bridge. Its registers are those of `createAcpiPm`. */
export function createPiix4PowerManagement(slot: PciSlot, options: Piix4PowerManagementOptions): PciFunction {
  const { pmBase, name = "piix4-pm" } = options;
  return createPciFunction(slot, {
    name,
    identity: { vendorId: INTEL, deviceId: 0x7113, classCode: 0x06_80_00, revision: 3 },
    registers: [
      { offset: PMBA, size: 4, value: pmBase | 1 },
      { offset: PMREGMISC, size: 1, value: 1 },
    ],
  });
}
