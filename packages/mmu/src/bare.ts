import { ACCESS_KINDS, type AccessBits } from "./access.ts";
import { BaseWalker } from "./base-walker.ts";
import { PAGE_D, PAGE_RW, PAGE_US } from "./walker.ts";

/** Paging off (CR0.PG = 0): linear addresses are 32 bits wide and are physical addresses. Nothing faults. */
export class BareWalker extends BaseWalker {
  readonly mode = "bare";

  override walk(gvaLow: number, _gvaHigh: number, _access: AccessBits): boolean {
    this.gfn = gvaLow >>> 12;
    this.pageShift = 12;
    this.permits = ACCESS_KINDS;
    this.attributes = PAGE_RW | PAGE_US | PAGE_D;
    return true;
  }

  /** There are no tables. */
  override walkBelow(
    _level: number,
    _low: number,
    _high: number,
    _allLow: number,
    _anyHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
  ): boolean {
    return this.walk(gvaLow, gvaHigh, access);
  }
}
