import type { Gpa } from "@tsvm/contracts";
import { buildAcpi } from "../acpi/build-acpi.ts";
import type { AcpiPlatform } from "../acpi/platform.ts";
import { type BootSegment, segment } from "../boot/boot-image.ts";
import { u16 } from "../bytes/fields.ts";
import { buildMpTable } from "../mp/mp-table.ts";
import { buildSmbios, type SmbiosIdentity } from "../smbios/smbios.ts";
import { GPA } from "./memory-map.ts";

/** What a BIOS would have left in memory when it hands over to a boot loader. */
export interface FirmwareImage {
  readonly segments: readonly BootSegment[];
  readonly rsdpGpa: Gpa;
  readonly facsGpa: Gpa;
}

/** What the maker is called in the guest's log. */
const IDENTITY = { manufacturer: "tsvm", version: "1", date: "01/01/2026" } as const;

/** Offsets in the BIOS data area. IBM PS/2 BIOS Interface Technical Reference, "BIOS Data Area". */
const BDA_COM_PORTS = 0x00;
const BDA_EBDA_SEGMENT = 0x0e;
const BDA_BASE_MEMORY_KIB = 0x13;

export function buildFirmware(
  platform: AcpiPlatform,
  machine: Pick<SmbiosIdentity, "product" | "memoryBytes" | "uuid">,
): FirmwareImage {
  const acpi = buildAcpi(platform, GPA.FIRMWARE_TABLES);
  const smbios = buildSmbios({ ...IDENTITY, ...machine }, nextParagraph(acpi.end));
  const smbiosEnd = Math.max(...smbios.map(({ gpa, length }) => gpa + length));
  const mpTable = buildMpTable(platform, nextParagraph(smbiosEnd));
  const ports = platform.serialPorts.map(({ port }) => port);
  const { rsdpGpa, facsGpa } = acpi;
  return { segments: [biosDataArea(ports), ...acpi.segments, ...smbios, ...mpTable], rsdpGpa, facsGpa };
}

const nextParagraph = (gpa: Gpa): Gpa => Math.ceil(gpa / 16) * 16;

/** The few fields kernels still look at: where low memory ends, and the serial ports for early consoles. */
function biosDataArea(serialPorts: readonly number[]): BootSegment {
  const bytes = new Uint8Array(0x100);
  bytes.set(serialPorts.flatMap(u16), BDA_COM_PORTS);
  bytes.set(u16(GPA.EBDA >> 4), BDA_EBDA_SEGMENT);
  bytes.set(u16(GPA.EBDA / 1024), BDA_BASE_MEMORY_KIB);
  return segment(GPA.BDA, bytes);
}
