import { ACCESS_KINDS, type AccessBits } from "./access.ts";
import { BaseWalker, FAULTED } from "./base-walker.ts";
import { PF_P, PF_RSVD } from "./fault.ts";
import { PTE_A, PTE_HIGH_XD, PTE_P, PTE_PS } from "./pte.ts";
import type { PagingRegisters } from "./walker.ts";

/** Reserved bits 29:13 of a PDPTE that maps a 1-GByte page; bit 12 is PAT. */
const LARGE_1G_RESERVED = 0x3fff_e000;
/** Reserved bits 20:13 of a PDE that maps a 2-MByte page; bit 12 is PAT. */
const LARGE_2M_RESERVED = 0x001f_e000;

/**
 * The levels made of 512 eight-byte entries, which PAE, 4-level and 5-level paging share. Each level is one method that
 * ends in the next lower one, so that a mode starts at its own top level.
 *
 * A level's first two parameters are the entry (or CR3) that refers to its table; `allLow` and `anyHigh` gather the
 * rights of the levels above, see {@link BaseWalker.mapPage}. All of them are 32-bit integers, because a physical
 * address, passed as the double it is, would be boxed at every call that the engine does not inline.
 *
 * Entries are read as two halves, the high one only after P was seen: an entry that is not present costs one load.
 */
export abstract class WideWalker extends BaseWalker {
  /** Reserved bits in the high half of every entry. */
  #highReserved = 0;
  /** Reserved bits in the low half of a PDPTE that has PS set. */
  #largePdpteReserved = 0;

  override walkBelow(
    level: number,
    low: number,
    high: number,
    allLow: number,
    anyHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
  ): boolean {
    if (level === 2) return this.#walkTable(low, high, gvaLow, access, allLow, anyHigh);
    if (level === 3) return this.walkDirectory(low, high, gvaLow, access, allLow, anyHigh);
    if (level === 4) return this.#walkPdpt(low, high, gvaLow, gvaHigh, access, allLow, anyHigh);
    return this.walkPml4(low, high, gvaLow, gvaHigh, access, allLow, anyHigh);
  }

  protected walkPml5(
    tableLow: number,
    tableHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
  ): boolean {
    const gpa = tableGpa(tableLow, tableHigh) + ((gvaHigh >>> 13) & 0xff8);
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if (((high & this.#highReserved) | (low & PTE_PS)) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if (!this.walkPml4(low, high, gvaLow, gvaHigh, access, low, high)) return false;
    this.#markAccessed(gpa, low, access);
    return true;
  }

  protected walkPml4(
    tableLow: number,
    tableHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
    allLow: number,
    anyHigh: number,
  ): boolean {
    const gpa = tableGpa(tableLow, tableHigh) + ((gvaHigh >>> 4) & 0xff8);
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if (((high & this.#highReserved) | (low & PTE_PS)) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if (!this.#walkPdpt(low, high, gvaLow, gvaHigh, access, allLow & low, anyHigh | high)) return false;
    this.#markAccessed(gpa, low, access);
    return true;
  }

  #walkPdpt(
    tableLow: number,
    tableHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
    allLow: number,
    anyHigh: number,
  ): boolean {
    const gpa = tableGpa(tableLow, tableHigh) + (((gvaLow >>> 27) & 0x18) | ((gvaHigh << 5) & 0xfe0));
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if ((high & this.#highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if ((low & PTE_PS) !== 0) {
      if ((low & this.#largePdpteReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
      return this.#finish(gpa, this.mapPage(low, high, allLow, anyHigh | high, gvaLow, 30, access));
    }
    if (!this.walkDirectory(low, high, gvaLow, access, allLow & low, anyHigh | high)) return false;
    this.#markAccessed(gpa, low, access);
    return true;
  }

  protected walkDirectory(
    tableLow: number,
    tableHigh: number,
    gvaLow: number,
    access: AccessBits,
    allLow: number,
    anyHigh: number,
  ): boolean {
    const gpa = tableGpa(tableLow, tableHigh) + ((gvaLow >>> 18) & 0xff8);
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if ((high & this.#highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if ((low & PTE_PS) !== 0) {
      if ((low & LARGE_2M_RESERVED) !== 0) return this.fault(access, PF_P | PF_RSVD);
      return this.#finish(gpa, this.mapPage(low, high, allLow, anyHigh | high, gvaLow, 21, access));
    }
    if (!this.#walkTable(low, high, gvaLow, access, allLow & low, anyHigh | high)) return false;
    this.#markAccessed(gpa, low, access);
    return true;
  }

  #walkTable(
    tableLow: number,
    tableHigh: number,
    gvaLow: number,
    access: AccessBits,
    allLow: number,
    anyHigh: number,
  ): boolean {
    const gpa = tableGpa(tableLow, tableHigh) + ((gvaLow >>> 9) & 0xff8);
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if ((high & this.#highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    return this.#finish(gpa, this.mapPage(low, high, allLow, anyHigh | high, gvaLow, 12, access));
  }

  /** Sets what {@link BaseWalker.mapPage} asked for in the entry that maps the page. */
  #finish(gpa: number, missing: number): boolean {
    if (missing > 0) this.memory.or32(gpa, missing);
    return missing !== FAULTED;
  }

  /** Sets A in an entry that refers to a table, after the walk below it has succeeded. */
  #markAccessed(gpa: number, low: number, access: AccessBits): void {
    if ((low & PTE_A) === 0 && (access & ACCESS_KINDS) !== 0) this.memory.or32(gpa, PTE_A);
  }

  protected override applyRegisters({ nxe, pages1G, maxPhyAddr }: PagingRegisters): void {
    const xd = nxe ? 0 : PTE_HIGH_XD;
    this.#highReserved = (this.addressHalf() & (-1 << (maxPhyAddr - 32))) | xd;
    this.#largePdpteReserved = pages1G ? LARGE_1G_RESERVED : PTE_PS;
  }

  /** Bits of a high half that are address or else reserved: 51:32. Above them are software's and PKU's bits. */
  protected addressHalf(): number {
    return 0xf_ffff;
  }
}

/** Physical address of the table that an entry refers to: bits 51:12. */
function tableGpa(low: number, high: number): number {
  return (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
}
