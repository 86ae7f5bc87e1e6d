import { ACCESS_KINDS, type AccessBits } from "./access.ts";
import { BaseWalker } from "./base-walker.ts";
import { PF_P, PF_RSVD } from "./fault.ts";
import { PTE_A, PTE_HIGH_XD, PTE_P, PTE_PS } from "./pte.ts";
import type { PagingRegisters } from "./walker.ts";

/** Reserved bits 29:13 of a PDPTE that maps a 1-GByte page; bit 12 is PAT. */
const LARGE_1G_RESERVED = 0x3fff_e000;
/** Reserved bits 20:13 of a PDE that maps a 2-MByte page; bit 12 is PAT. */
const LARGE_2M_RESERVED = 0x001f_e000;

/**
 * The levels made of 512 eight-byte entries, which PAE, 4-level and 5-level paging share. Each level is one method that
 * ends in the next lower one, so that a mode starts at its own top level. `allLow` and `anyHigh` gather the rights of
 * the levels above, see {@link BaseWalker.mapPage}.
 *
 * Entries are read as two halves, the high one only after P was seen: an entry that is not present costs one load.
 */
export abstract class WideWalker extends BaseWalker {
  /** Reserved bits in the high half of every entry. */
  protected highReserved = 0;
  /** Reserved bits in the low half of a PDPTE that has PS set. */
  #largePdpteReserved = 0;

  protected walkPml4(
    table: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
    allLow: number,
    anyHigh: number,
  ): boolean {
    const gpa = table + ((gvaHigh >>> 4) & 0xff8);
    const low = this.memory.load32(gpa);
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4);
    if (((high & this.highReserved) | (low & PTE_PS)) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if (!this.#walkPdpt(tableGpa(low, high), gvaLow, gvaHigh, access, allLow & low, anyHigh | high)) return false;
    this.markAccessed(gpa, low, access);
    return true;
  }

  #walkPdpt(
    table: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
    allLow: number,
    anyHigh: number,
  ): boolean {
    const gpa = table + (((gvaLow >>> 27) & 0x18) | ((gvaHigh << 5) & 0xfe0));
    const low = this.memory.load32(gpa);
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4);
    if ((high & this.highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if ((low & PTE_PS) !== 0) {
      if ((low & this.#largePdpteReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
      const gfn = frame(low, high, gvaLow, 0x3_ffff);
      return this.mapPage(gpa, low, allLow & low, anyHigh | high, gfn, 30, access);
    }
    if (!this.walkDirectory(tableGpa(low, high), gvaLow, access, allLow & low, anyHigh | high)) return false;
    this.markAccessed(gpa, low, access);
    return true;
  }

  protected walkDirectory(table: number, gvaLow: number, access: AccessBits, allLow: number, anyHigh: number): boolean {
    const gpa = table + ((gvaLow >>> 18) & 0xff8);
    const low = this.memory.load32(gpa);
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4);
    if ((high & this.highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if ((low & PTE_PS) !== 0) {
      if ((low & LARGE_2M_RESERVED) !== 0) return this.fault(access, PF_P | PF_RSVD);
      const gfn = frame(low, high, gvaLow, 0x1ff);
      return this.mapPage(gpa, low, allLow & low, anyHigh | high, gfn, 21, access);
    }
    if (!this.#walkTable(tableGpa(low, high), gvaLow, access, allLow & low, anyHigh | high)) return false;
    this.markAccessed(gpa, low, access);
    return true;
  }

  #walkTable(table: number, gvaLow: number, access: AccessBits, allLow: number, anyHigh: number): boolean {
    const gpa = table + ((gvaLow >>> 9) & 0xff8);
    const low = this.memory.load32(gpa);
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4);
    if ((high & this.highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    return this.mapPage(gpa, low, allLow & low, anyHigh | high, frame(low, high, 0, 0), 12, access);
  }

  /** Sets A in an entry that refers to a table, after the walk below it has succeeded. */
  protected markAccessed(gpa: number, low: number, access: AccessBits): void {
    if ((low & PTE_A) === 0 && (access & ACCESS_KINDS) !== 0) this.memory.or32(gpa, PTE_A);
  }

  protected override applyRegisters({ nxe, pages1G, maxPhyAddr }: PagingRegisters): void {
    const xd = nxe ? 0 : PTE_HIGH_XD;
    this.highReserved = (this.addressHalf() & (-1 << (maxPhyAddr - 32))) | xd;
    this.#largePdpteReserved = pages1G ? LARGE_1G_RESERVED : PTE_PS;
  }

  /** Bits of the high half that are address bits or always reserved: 51:32, above them software's and PKU's bits. */
  protected addressHalf(): number {
    return 0xf_ffff;
  }
}

/** Physical address of the table that an entry refers to: bits 51:12. */
export function tableGpa(low: number, high: number): number {
  return (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
}

/** Frame of the accessed 4-KByte page; `inPage` are the frame bits that come from the address, in large pages. */
function frame(low: number, high: number, gvaLow: number, inPage: number): number {
  const lowBits = ((low >>> 12) & ~inPage) | ((gvaLow >>> 12) & inPage);
  return (high & 0xf_ffff) * 0x10_0000 + lowBits;
}
