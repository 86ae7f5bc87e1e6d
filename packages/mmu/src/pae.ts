import type { AccessBits } from "./access.ts";
import { PTE_P } from "./pte.ts";
import type { PagingRegisters } from "./walker.ts";
import { WideWalker } from "./wide-walker.ts";

/** Reserved bits 2:1 and 8:5 of a PDPTE. */
const PDPTE_RESERVED_LOW = 0x1e6;

/**
 * PAE paging: 32-bit addresses; four PDPTEs held in registers, then page directories and page tables; 4-KByte and
 * 2-MByte pages. PDPTEs carry no rights and no accessed flag. SDM vol. 3A, "PAE Paging".
 *
 * The registers are loaded by `loadPdptes` and never by a walk, as on Intel processors: a change of the
 * PDPTEs in memory goes unseen until the next load. (AMD processors may read them during walks.)
 */
export class PaeWalker extends WideWalker {
  readonly mode = "pae";
  override readonly pdptes: Uint32Array = new Uint32Array(8);
  #pdpteReservedHigh = 0;

  override walk(gvaLow: number, _gvaHigh: number, access: AccessBits): boolean {
    const index = (gvaLow >>> 29) & 6;
    const low = this.pdptes[index] as number;
    if ((low & PTE_P) === 0) return this.fault(access, 0);
    return this.walkDirectory(low, this.pdptes[index + 1] as number, gvaLow, access, -1, 0);
  }

  override loadPdptes(): boolean {
    const table = (this.cr3Low & ~0x1f) >>> 0;
    const loaded = new Uint32Array(8);
    for (let index = 0; index < 8; index += 2) {
      const low = this.memory.load32(table + index * 4);
      const high = this.memory.load32(table + index * 4 + 4);
      const reserved = (low & PDPTE_RESERVED_LOW) | (high & this.#pdpteReservedHigh);
      if ((low & PTE_P) !== 0 && reserved !== 0) return false;
      loaded[index] = low;
      loaded[index + 1] = high;
    }
    this.pdptes.set(loaded);
    return true;
  }

  protected override applyRegisters(registers: PagingRegisters): void {
    super.applyRegisters(registers);
    // Bit 63 too, whatever EFER.NXE says.
    this.#pdpteReservedHigh = -1 << (registers.maxPhyAddr - 32);
  }

  /** Unlike the long modes, PAE reserves bits 62:52. */
  protected override addressHalf(): number {
    return 0x7fff_ffff;
  }
}
