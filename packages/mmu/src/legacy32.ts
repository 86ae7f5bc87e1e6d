import { ACCESS_KINDS, type AccessBits } from "./access.ts";
import { BaseWalker, FAULTED } from "./base-walker.ts";
import { PF_P, PF_RSVD } from "./fault.ts";
import { PTE_A, PTE_P, PTE_PS } from "./pte.ts";
import type { PagingRegisters } from "./walker.ts";

/**
 * 32-bit paging (CR4.PAE = 0): two levels of 1024 four-byte entries, 4-KByte pages, and 4-MByte pages with CR4.PSE.
 * No XD; reserved bits exist only in PDEs of 4-MByte pages. SDM vol. 3A, "32-Bit Paging".
 */
export class Legacy32Walker extends BaseWalker {
  readonly mode = "legacy32";
  /** PS if CR4.PSE is set: otherwise the bit is ignored. */
  #pageSize = 0;
  /** Of a PDE that maps a page: bits 21:13 as far as they are not PSE-36 address bits. Bit 12 is PAT. */
  #largeReserved = 0;

  override walk(gvaLow: number, _gvaHigh: number, access: AccessBits): boolean {
    const pdeGpa = ((this.cr3Low & ~0xfff) >>> 0) + ((gvaLow >>> 20) & 0xffc);
    const pde = this.memory.load32(pdeGpa) | 0;
    if ((pde & PTE_P) === 0) return this.fault(access, 0);
    if ((pde & this.#pageSize) !== 0) return this.#mapLarge(pdeGpa, pde, gvaLow, access);

    if (!this.#walkTable(pde, pde, gvaLow, access)) return false;
    if ((pde & PTE_A) === 0 && (access & ACCESS_KINDS) !== 0) this.memory.or32(pdeGpa, PTE_A);
    return true;
  }

  override walkBelow(
    _level: number,
    low: number,
    _high: number,
    allLow: number,
    _anyHigh: number,
    gvaLow: number,
    _gvaHigh: number,
    access: AccessBits,
  ): boolean {
    return this.#walkTable(low, allLow, gvaLow, access);
  }

  #walkTable(pde: number, allLow: number, gvaLow: number, access: AccessBits): boolean {
    const pteGpa = ((pde & ~0xfff) >>> 0) + ((gvaLow >>> 10) & 0xffc);
    const pte = this.memory.load32(pteGpa) | 0;
    if ((pte & PTE_P) === 0) return this.fault(access, 0);
    const missing = this.mapPage(pte, 0, allLow, 0, gvaLow, 12, access);
    if (missing > 0) this.memory.or32(pteGpa, missing);
    return missing !== FAULTED;
  }

  #mapLarge(pdeGpa: number, pde: number, gvaLow: number, access: AccessBits): boolean {
    if ((pde & this.#largeReserved) !== 0) return this.fault(access, PF_P | PF_RSVD);
    // PSE-36: PDE bits 20:13 are address bits 39:32.
    const missing = this.mapPage(pde, (pde >>> 13) & 0xff, -1, 0, gvaLow, 22, access);
    if (missing > 0) this.memory.or32(pdeGpa, missing);
    return missing !== FAULTED;
  }

  protected override applyRegisters({ pse, pse36, maxPhyAddr }: PagingRegisters): void {
    this.#pageSize = pse ? PTE_PS : 0;
    const addressBits = pse36 ? Math.min(maxPhyAddr, 40) - 32 : 0;
    this.#largeReserved = 0x3f_e000 & (-1 << (13 + addressBits));
  }

  /** There is no XD without PAE, whatever EFER.NXE says. */
  protected override reportsFetches({ smep }: PagingRegisters): boolean {
    return smep;
  }
}
