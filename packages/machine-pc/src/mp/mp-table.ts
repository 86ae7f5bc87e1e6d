import type { Gpa } from "@tsvm/contracts";
import type { AcpiPlatform, PciPlatform } from "../acpi/platform.ts";
import { createArena } from "../boot/arena.ts";
import type { BootSegment } from "../boot/boot-image.ts";
import { ascii, type Bytes, checksumOf, u8, u16, u32, zeros } from "../bytes/fields.ts";

/** What of the board the table tells. */
export type MpPlatform = Pick<
  AcpiPlatform,
  "cpuCount" | "localApicGpa" | "ioApicGpa" | "ioApicId" | "interruptOverrides" | "pci"
>;

/** Entry types. */
const PROCESSOR = 0;
const BUS = 1;
const IO_APIC = 2;
const IO_INTERRUPT = 3;
const LOCAL_INTERRUPT = 4;

const SPECIFICATION_1_4 = 4;
/** The pointer structure is one of them long, and says so. */
const PARAGRAPH = 16;
const CONFIGURATION_HEADER_BYTES = 44;
const CHECKSUM_AT = 7;
const POINTER_CHECKSUM_AT = 10;

const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x20;
const ENABLED = 1;
const BOOT_PROCESSOR = 2;
/** Family 6, with FPU and APIC: a processor like this tells everything else by CPUID. */
const SIGNATURE = 0x600;
const FEATURES = 0x201;

/** Kinds of interrupts. */
const INT = 0;
const NMI = 1;
const EXT_INT = 3;
/** Polarity and trigger mode: as usual on the bus; active high and level; active low and level. */
const CONFORMS = 0;
const HIGH_LEVEL = 0xd;
const LOW_LEVEL = 0xf;
const ALL_LOCAL_APICS = 0xff;

const ISA_IRQS = 16;
/** Taken by the second PIC. */
const CASCADE_IRQ = 2;
const PCI_SLOTS = 32;
const PCI_PINS = 4;

/**
 * The tables for systems that know multiprocessor PCs but no ACPI, at `gpa`, a multiple of 16 in the BIOS area: the floating
 * pointer structure, then the configuration table. MultiProcessor Specification 1.4, "MP Floating Pointer Structure", "MP
 * Configuration Table". Interrupts come by the PIC until the system turns to the APICs ("Virtual Wire Mode").
 */
export function buildMpTable(platform: MpPlatform, gpa: Gpa): readonly BootSegment[] {
  const arena = createArena(gpa);
  arena.place(floatingPointer(gpa + PARAGRAPH));
  arena.place(configurationTable(platform));
  return arena.segments;
}

function floatingPointer(tableGpa: Gpa): Uint8Array {
  const head = [...ascii("_MP_"), ...u32(tableGpa), 1, SPECIFICATION_1_4];
  // Checksum, filled in below; feature bytes: there is a table, and no IMCR.
  const bytes = Uint8Array.from([...head, ...u8(0), ...zeros(5)]);
  bytes[POINTER_CHECKSUM_AT] = checksumOf(bytes);
  return bytes;
}

function configurationTable(platform: MpPlatform): Uint8Array {
  const { pci } = platform;
  const isaBus = pci === undefined ? 0 : 1;
  const entries = [
    ...processors(platform),
    ...(pci === undefined ? [] : [bus(0, "PCI")]),
    bus(isaBus, "ISA"),
    [IO_APIC, platform.ioApicId, IO_APIC_VERSION, ENABLED, ...u32(platform.ioApicGpa)],
    ...(pci === undefined ? [] : pciInterrupts(pci, platform.ioApicId)),
    ...isaInterrupts(platform, isaBus),
    [LOCAL_INTERRUPT, EXT_INT, ...u16(CONFORMS), isaBus, 0, 0, 0],
    [LOCAL_INTERRUPT, NMI, ...u16(CONFORMS), isaBus, 0, ALL_LOCAL_APICS, 1],
  ];
  const body = entries.flat();
  const bytes = Uint8Array.from([
    ...ascii("PCMP"),
    ...u16(CONFIGURATION_HEADER_BYTES + body.length),
    ...u8(SPECIFICATION_1_4),
    ...u8(0), // checksum, filled in below
    ...ascii("TSVM", 8, 0x20),
    ...ascii("TSVMPC", 12, 0x20),
    ...zeros(6), // no table of the maker's
    ...u16(entries.length),
    ...u32(platform.localApicGpa),
    ...zeros(4), // no extended entries
    ...body,
  ]);
  bytes[CHECKSUM_AT] = checksumOf(bytes);
  return bytes;
}

function processors({ cpuCount }: MpPlatform): readonly Bytes[] {
  return Array.from({ length: cpuCount }, (_, id) => {
    const flags = id === 0 ? ENABLED | BOOT_PROCESSOR : ENABLED;
    return [PROCESSOR, id, LOCAL_APIC_VERSION, flags, ...u32(SIGNATURE), ...u32(FEATURES), ...zeros(8)];
  });
}

const bus = (id: number, type: string): Bytes => [BUS, id, ...ascii(type, 6, 0x20)];

/** The board's lines rotate by slot, as its _PRT has it. */
function pciInterrupts({ interrupts }: PciPlatform, ioApicId: number): readonly Bytes[] {
  return Array.from({ length: PCI_SLOTS * PCI_PINS }, (_, source) => {
    const [slot, pin] = [source >> 2, source & 3];
    const gsi = interrupts[(slot + pin) % PCI_PINS]?.gsi as number;
    return [IO_INTERRUPT, INT, ...u16(LOW_LEVEL), 0, source, ioApicId, gsi];
  });
}

function isaInterrupts({ interruptOverrides, ioApicId }: MpPlatform, isaBus: number): readonly Bytes[] {
  const irqs = Array.from({ length: ISA_IRQS }, (_, irq) => irq).filter((irq) => irq !== CASCADE_IRQ);
  return irqs.map((irq) => {
    const override = interruptOverrides.find((one) => one.irq === irq);
    const mode = override?.levelTriggered === true ? HIGH_LEVEL : CONFORMS;
    return [IO_INTERRUPT, INT, ...u16(mode), isaBus, irq, ioApicId, override?.gsi ?? irq];
  });
}
