import { type Gpa, invariant } from "@tsvm/contracts";
import { createArena } from "../boot/arena.ts";
import type { BootSegment } from "../boot/boot-image.ts";
import { dsdtBody } from "./dsdt.ts";
import { fadt } from "./fadt.ts";
import type { AcpiPlatform } from "./platform.ts";
import { facs, hpetTable, madt, mcfg, rsdp, rsdt, table, xsdt } from "./tables.ts";

/** The tables, ready to be put into memory. */
export interface AcpiTables {
  readonly rsdpGpa: Gpa;
  /** Where the guest leaves its waking vector. */
  readonly facsGpa: Gpa;
  readonly segments: readonly BootSegment[];
  /** First byte behind the tables. */
  readonly end: Gpa;
}

/** Builds all ACPI tables at `gpa`, a multiple of 64 between 0xe0000 and 0x100000, where an OS without further hints looks for the RSDP. */
export function buildAcpi(platform: AcpiPlatform, gpa: Gpa): AcpiTables {
  invariant(gpa >= 0xe0000 && gpa < 0x100000 && gpa % 64 === 0, "the RSDP lies in the BIOS area");
  const arena = createArena(gpa + 64);
  const facsGpa = arena.place(facs(), 64);
  // Revision 2 and later: integers of 64 bits.
  const dsdtGpa = arena.place(table("DSDT", 2, dsdtBody(platform)));
  const tables = [arena.place(fadt(platform, facsGpa, dsdtGpa)), arena.place(madt(platform))];
  if (platform.hpetGpa !== undefined) tables.push(arena.place(hpetTable(platform.hpetGpa)));
  if (platform.pci !== undefined) tables.push(arena.place(mcfg(platform.pci)));
  const rsdtGpa = arena.place(rsdt(tables));
  const xsdtGpa = arena.place(xsdt(tables));
  const root = createArena(gpa);
  const rsdpGpa = root.place(rsdp(rsdtGpa, xsdtGpa));
  return { rsdpGpa, facsGpa, segments: [...root.segments, ...arena.segments], end: arena.end };
}
