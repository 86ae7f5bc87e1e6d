import type { AccessBits } from "../access.ts";
import { BaseWalker, FAULTED } from "../base-walker.ts";
import { PF_P, PF_RSVD } from "../fault.ts";
import { PTE_HIGH_XD, PTE_P } from "../pte.ts";
import type { PagingRegisters, PteMemory } from "../walker.ts";
import { bucketOf, type HashedTables, TAG_VALID } from "./hashed-tables.ts";

/** Reserved bits of entries that map large pages: address bits below the page, but for PAT. */
const RESERVED = { 12: 0, 21: 0x001f_e000, 30: 0x3fff_e000 } as const;

/**
 * Which buckets a lookup reads: `all` ways of all sizes in use, at once; or only the one that has the page, as
 * processors do whose cuckoo walk caches know it.
 */
export type HashedProbes = "all" | "directed";

/** Looks pages up in hashed tables. Rights, flags and faults are those of 4-level paging with one entry. */
export class HashedWalker extends BaseWalker {
  readonly mode = "long4";
  /** What the next walk looks in. */
  tables: HashedTables;
  readonly #probes: HashedProbes;
  #highReserved = 0;
  /** The entry found. */
  #at = -1;
  #low = 0;
  #high = 0;

  constructor(memory: PteMemory, tables: HashedTables, probes: HashedProbes) {
    super(memory);
    this.tables = tables;
    this.#probes = probes;
  }

  override walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    this.#at = -1;
    let shift: 12 | 21 | 30 = 12;
    for (const { pageShift, ways } of this.tables.roots) {
      const vpnLow = (gvaLow >>> pageShift) | (gvaHigh << (32 - pageShift));
      const vpnHigh = gvaHigh >>> pageShift;
      const known = this.#probes === "all" ? -1 : this.#known(gvaLow, gvaHigh, pageShift);
      for (let n = 0; n < ways.length; n++) {
        const at = bucketOf(ways[n] as (typeof ways)[number], n, vpnLow, vpnHigh);
        if (this.#probes === "directed" && at !== known) continue;
        if (this.#read(at, vpnLow, vpnHigh)) shift = pageShift;
      }
    }
    if (this.#at < 0 || (this.#low & PTE_P) === 0) return this.fault(access, 0);
    if ((this.#high & this.#highReserved) !== 0 || (this.#low & RESERVED[shift]) !== 0) {
      return this.fault(access, PF_P | PF_RSVD);
    }
    const missing = this.mapPage(this.#low, this.#high, -1, this.#high, gvaLow, shift, access);
    if (missing > 0) this.memory.or32(this.#at, missing);
    return missing !== FAULTED;
  }

  /** There are no levels. */
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

  #known(gvaLow: number, gvaHigh: number, pageShift: 12 | 21 | 30): number {
    return this.tables.find((BigInt(gvaHigh >>> 0) << 32n) | BigInt(gvaLow >>> 0), pageShift);
  }

  /** @returns whether the bucket has the page. */
  #read(at: number, vpnLow: number, vpnHigh: number): boolean {
    const low = this.memory.load32(at) | 0;
    const high = this.memory.load32(at + 4) | 0;
    if ((this.memory.load32(at + 8) | 0) !== vpnLow) return false;
    if ((this.memory.load32(at + 12) | 0) !== (vpnHigh | TAG_VALID)) return false;
    this.#at = at;
    this.#low = low;
    this.#high = high;
    return true;
  }

  protected override applyRegisters({ nxe, maxPhyAddr }: PagingRegisters): void {
    this.#highReserved = (0xf_ffff & (-1 << (maxPhyAddr - 32))) | (nxe ? 0 : PTE_HIGH_XD);
  }
}
