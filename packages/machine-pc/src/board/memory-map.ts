import type { Gpa, MemorySlot } from "@tsvm/contracts";
import { ECAM_LENGTH } from "@tsvm/devices-pc";
import { E820_RAM, E820_RESERVED, type E820Entry } from "../boot/e820.ts";
import { romSlots } from "./firmware-rom.ts";

/** Fixed places in guest physical memory. QEMU hw/i386/pc.c has the same, so that guests find nothing new. */
export const GPA = {
  /** BIOS data area, and what is in it of ours. */
  BDA: 0x400,
  EBDA: 0x9fc00,
  VGA: 0xa0000,
  VGA_TEXT: 0xb8000,
  /** Option ROM and BIOS area: RAM on this board, and the place of the firmware tables. */
  ROM: 0xc0000,
  FIRMWARE_TABLES: 0xf0000,
  HIGH_MEMORY: 0x100000,
  /** Configuration space of PCI, memory-mapped; 256 MiB. */
  ECAM: 0xe0000000,
  IOAPIC: 0xfec00000,
  HPET: 0xfed00000,
  LAPIC: 0xfee00000,
  TEST_DEVICE: 0xff000000,
  ABOVE_4G: 0x1_0000_0000,
} as const;

/** Low RAM ends here at the latest... */
const LOW_RAM_MAX: number = GPA.ECAM;
/** ...and here, on a GiB boundary, as soon as there is more of it. */
const LOW_RAM_SPLIT = 0xc0000000;

/** From the first byte to the last. */
export interface GpaRange {
  readonly first: Gpa;
  readonly last: Gpa;
}

export interface MemoryMap {
  readonly slots: readonly MemorySlot[];
  /** As the guest is told it. */
  readonly e820: readonly E820Entry[];
  /** Free for PCI devices: between RAM and the ECAM window, and between that and the APICs. Ascending. */
  readonly pciHoles: readonly GpaRange[];
}

/**
 * Where `memoryBytes` of RAM, at `ramHva` of host memory, appear: from 0 up to the PCI hole, the rest above 4 GiB. hva is
 * gpa plus a constant in each part; with `bus` "pci", the ECAM window is reserved. Behind the VGA window lies RAM nobody sees but the
 * ROM of a firmware of `firmwareBytes`, whose upper copy is kept there.
 */
export function planMemory(memoryBytes: number, ramHva: number, bus: "pci" | "none", firmwareBytes = 0): MemoryMap {
  const lowBytes = memoryBytes >= LOW_RAM_MAX ? LOW_RAM_SPLIT : memoryBytes;
  const highBytes = memoryBytes - lowBytes;
  const slot = (gpa: Gpa, length: number, offset: number): MemorySlot => ({
    gpa,
    length,
    hva: ramHva + offset,
    readOnly: false,
  });
  const entry = (gpa: Gpa, end: Gpa, type: E820Entry["type"]): E820Entry => ({ gpa, length: end - gpa, type });
  return {
    slots: [
      slot(0, GPA.VGA, 0),
      ...(firmwareBytes === 0
        ? [slot(GPA.ROM, lowBytes - GPA.ROM, GPA.ROM)]
        : [
            slot(GPA.ROM, GPA.HIGH_MEMORY - firmwareBytes - GPA.ROM, GPA.ROM),
            slot(GPA.HIGH_MEMORY, lowBytes - GPA.HIGH_MEMORY, GPA.HIGH_MEMORY),
            ...romSlots(firmwareBytes, ramHva, ramHva + GPA.VGA),
          ]),
      ...(highBytes > 0 ? [slot(GPA.ABOVE_4G, highBytes, lowBytes)] : []),
    ],
    e820: [
      entry(0, GPA.EBDA, E820_RAM),
      entry(GPA.EBDA, GPA.VGA, E820_RESERVED),
      entry(GPA.FIRMWARE_TABLES, GPA.HIGH_MEMORY, E820_RESERVED),
      entry(GPA.HIGH_MEMORY, lowBytes, E820_RAM),
      ...(bus === "pci" ? [entry(GPA.ECAM, GPA.ECAM + ECAM_LENGTH, E820_RESERVED)] : []),
      ...(highBytes > 0 ? [entry(GPA.ABOVE_4G, GPA.ABOVE_4G + highBytes, E820_RAM)] : []),
    ],
    pciHoles: [
      { first: Math.max(lowBytes, LOW_RAM_SPLIT), last: GPA.ECAM - 1 },
      { first: GPA.ECAM + ECAM_LENGTH, last: GPA.IOAPIC - 1 },
    ],
  };
}
