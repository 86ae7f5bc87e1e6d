import { ACCESS_KINDS, type AccessBits } from "../access.ts";
import { BaseWalker, FAULTED } from "../base-walker.ts";
import { PF_P, PF_RSVD } from "../fault.ts";
import { PTE_A, PTE_HIGH_XD, PTE_P, PTE_PS } from "../pte.ts";
import type { PagingRegisters } from "../walker.ts";

/** Bits 29:13 of an upper entry that maps a page of 1 GByte; bit 12 is PAT. */
const LARGE_RESERVED = 0x3fff_e000;

/**
 * 4-level paging with its levels merged two by two: an upper table of 2^18 entries for address bits 47:30 and lower ones for
 * bits 29:12, each 2 MByte in one piece. Entries are as in 4-level paging; pages are of 4 KByte and 1 GByte.
 *
 * C. Park et al., "Every Walk's a Hit: Making Page Walks Single-Access Cache Hits", ASPLOS 2022. Theirs may merge some
 * levels and leave others; this is the one with all of them merged, which takes 2 references, and 8 in two dimensions.
 */
export class FlattenedWalker extends BaseWalker {
  readonly mode = "long4";
  #highReserved = 0;
  #pages1G = false;

  override walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const index = (gvaLow >>> 30) | ((gvaHigh & 0xffff) << 2);
    const gpa = tableGpa(this.cr3Low, this.cr3High) + index * 8;
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if ((high & this.#highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if ((low & PTE_PS) !== 0) {
      if (!this.#pages1G || (low & LARGE_RESERVED) !== 0) return this.fault(access, PF_P | PF_RSVD);
      return this.#finish(gpa, this.mapPage(low, high, -1, high, gvaLow, 30, access));
    }
    if (!this.walkBelow(2, low, high, low, high, gvaLow, gvaHigh, access)) return false;
    if ((low & PTE_A) === 0 && (access & ACCESS_KINDS) !== 0) this.memory.or32(gpa, PTE_A);
    return true;
  }

  override walkBelow(
    _level: number,
    tableLow: number,
    tableHigh: number,
    allLow: number,
    anyHigh: number,
    gvaLow: number,
    _gvaHigh: number,
    access: AccessBits,
  ): boolean {
    const gpa = tableGpa(tableLow, tableHigh) + ((gvaLow >>> 12) & 0x3_ffff) * 8;
    const low = this.memory.load32(gpa) | 0;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4) | 0;
    if ((high & this.#highReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    return this.#finish(gpa, this.mapPage(low, high, allLow, anyHigh | high, gvaLow, 12, access));
  }

  #finish(gpa: number, missing: number): boolean {
    if (missing > 0) this.memory.or32(gpa, missing);
    return missing !== FAULTED;
  }

  protected override applyRegisters({ nxe, pages1G, maxPhyAddr }: PagingRegisters): void {
    this.#highReserved = (0xf_ffff & (-1 << (maxPhyAddr - 32))) | (nxe ? 0 : PTE_HIGH_XD);
    this.#pages1G = pages1G;
  }
}

/** Tables are aligned to their 2 MByte; lower bits of the address are ignored. */
function tableGpa(low: number, high: number): number {
  return (high & 0xf_ffff) * 2 ** 32 + ((low & ~0x1f_ffff) >>> 0);
}
