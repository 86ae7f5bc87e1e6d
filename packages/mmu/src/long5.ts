import type { AccessBits } from "./access.ts";
import { PF_P, PF_RSVD } from "./fault.ts";
import { PTE_P, PTE_PS } from "./pte.ts";
import { tableGpa, WideWalker } from "./wide-walker.ts";

/** 5-level paging (CR4.LA57): 57-bit addresses, one level above 4-level paging. SDM vol. 3A, "4-Level and 5-Level Paging". */
export class Long5Walker extends WideWalker {
  readonly mode = "long5";

  override walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const gpa = this.root + ((gvaHigh >>> 13) & 0xff8);
    const low = this.memory.load32(gpa);
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    const high = this.memory.load32(gpa + 4);
    if (((high & this.highReserved) | (low & PTE_PS)) !== 0) return this.fault(access, PF_P | PF_RSVD);
    if (!this.walkPml4(tableGpa(low, high), gvaLow, gvaHigh, access, low, high)) return false;
    this.markAccessed(gpa, low, access);
    return true;
  }

  protected override rootOf(cr3: number): number {
    return cr3 - (cr3 & 0xfff);
  }
}
