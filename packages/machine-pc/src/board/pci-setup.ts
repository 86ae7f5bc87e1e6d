import type { PciFunction } from "@tsvm/devices-pc";
import { PCI_ROUTES } from "./interrupt-lines.ts";
import type { GpaRange } from "./memory-map.ts";

/** PCI Local Bus Specification 3.0, "Configuration Space Header"; type 0. */
const COMMAND = 0x04;
const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const BAR0 = 0x10;
const BARS = 6;
const BAR_IO = 1;
const BAR_64 = 4;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

/** Where a PC's firmware puts ports of PCI devices: above all that ISA decodes with ten bits. */
const IO_FIRST = 0xc000;
const IO_LAST = 0xffff;

/** A function with its place on bus 0. */
export interface PlacedFunction {
  readonly slot: number;
  readonly pci: PciFunction;
}

/** Hands out aligned parts of `range`, from its start up. */
function createWindow({ first, last }: GpaRange): (length: number) => number | undefined {
  let next = first;
  return (length) => {
    const base = Math.ceil(next / length) * length;
    if (base + length - 1 > last) return undefined;
    next = base + length;
    return base;
  };
}

/**
 * What a BIOS has done by the time it hands over: every BAR has a place and is decoded, and the interrupt line register says
 * at which IRQ of the PIC pair the pin arrives. Kernels of our own loaders find it so; Linux keeps it.
 */
export function setUpPci(functions: readonly PlacedFunction[], memory: GpaRange): void {
  const takeIo = createWindow({ first: IO_FIRST, last: IO_LAST });
  const takeMemory = createWindow(memory);
  for (const { slot, pci } of functions) {
    const decoded = placeBars(pci, takeIo, takeMemory);
    pci.writeConfig(COMMAND, 2, pci.readConfig(COMMAND, 2) | decoded);
    const pin = pci.readConfig(INTERRUPT_PIN, 1);
    const route = PCI_ROUTES[(slot + pin - 1) % PCI_ROUTES.length];
    if (pin > 0 && route !== undefined) pci.writeConfig(INTERRUPT_LINE, 1, route.irq);
  }
}

type Take = (length: number) => number | undefined;

/** Answers the bits of the command register for the kinds of BARs that all got a place. */
function placeBars(pci: PciFunction, takeIo: Take, takeMemory: Take): number {
  let wanted = 0;
  let missing = 0;
  for (let index = 0; index < BARS; index++) {
    const offset = BAR0 + 4 * index;
    const { length, isIo, isWide } = probe(pci, offset);
    if (isWide) index++;
    if (length === 0) continue;
    const bit = isIo ? COMMAND_IO : COMMAND_MEMORY;
    const base = isIo ? takeIo(length) : takeMemory(length);
    if (base === undefined) missing |= bit;
    wanted |= bit;
    pci.writeConfig(offset, 4, base ?? 0);
  }
  return wanted & ~missing;
}

/** Sizes the BAR at `offset`; length 0: there is none, or it is larger than 2 GiB. A wide one has zero in its upper half. */
function probe(pci: PciFunction, offset: number): { length: number; isIo: boolean; isWide: boolean } {
  const type = pci.readConfig(offset, 4);
  const isIo = (type & BAR_IO) !== 0;
  const isWide = !isIo && (type & BAR_64) !== 0;
  pci.writeConfig(offset, 4, 0xffff_ffff);
  const answer = pci.readConfig(offset, 4);
  pci.writeConfig(offset, 4, 0);
  const mask = (answer & (isIo ? ~3 : ~15)) >>> 0;
  return { length: mask === 0 ? 0 : 2 ** 32 - mask, isIo, isWide };
}
