import { PTE_P } from "../pte.ts";
import type { WalkCache } from "../structures/walk-cache.ts";
import type { PteMemory } from "../walker.ts";
import type { HostDimension } from "./host-dimension.ts";
import { SHADOW_SWITCH } from "./shadow-tables.ts";
import { type TableShape, TracedTables } from "./traced-tables.ts";
import { GUEST_ENTRY, SHADOW_ENTRY, SWITCHED_ENTRY, type WalkLog } from "./walk-log.ts";

/**
 * Where the next entry of an agile walk is: in a shadow table; in the guest's table that a switching entry refers to by
 * its host address; or in a guest's table at a guest physical address.
 */
export type AgilePlace = "shadow" | "switched" | "guest";

const MARK_OF = { shadow: 0, switched: SHADOW_SWITCH, guest: 0x400 } as const satisfies Record<AgilePlace, number>;
const MARKS = 0xe00;
const MOST_LEVELS = 5;

/** The tables of an agile walk: shadow tables down to an entry with the switching bit, the guest's own below it. */
export class AgileTables extends TracedTables {
  place: AgilePlace = "shadow";
  readonly #host: HostDimension;
  /** Walk caches must know what kind of table an entry leads to: they hold it in bits that software has in tables. */
  readonly #marks = new Int32Array(MOST_LEVELS);

  constructor(memory: PteMemory, shape: TableShape, host: HostDimension, log: WalkLog) {
    super(memory, shape, log);
    this.#host = host;
  }

  protected override cachedLow(at: number, low: number): number {
    return (low & ~MARKS) | (this.#marks[at] as number);
  }

  override beginFromCache(
    cache: WalkCache,
    dimension: number,
    level: number,
    guestLevel: number,
    address: number,
  ): void {
    const mark = cache.low & MARKS;
    this.place = mark === MARK_OF.guest ? "guest" : mark === MARK_OF.switched ? "switched" : "shadow";
    super.beginFromCache(cache, mark === MARK_OF.guest ? GUEST_ENTRY : dimension, level, guestLevel, address);
  }

  protected override locate(address: number, level: number): boolean {
    if (this.place === "guest") {
      if (!this.#host.locateTable(address, level, true)) return false;
      this.entryHpa = this.#host.hpa;
      this.log.add(GUEST_ENTRY, level, 0, address, this.entryHpa);
      this.#marks[this.usedCount] = MARK_OF.guest;
      return true;
    }
    this.entryHpa = address;
    this.log.add(this.place === "shadow" ? SHADOW_ENTRY : SWITCHED_ENTRY, level, 0, address, address);
    if (this.place === "switched") this.place = "guest";
    else if (this.#isSwitch(address)) this.place = "switched";
    this.#marks[this.usedCount] = MARK_OF[this.place];
    return true;
  }

  #isSwitch(slot: number): boolean {
    return (this.memory.load32(slot) & (PTE_P | SHADOW_SWITCH)) === (PTE_P | SHADOW_SWITCH);
  }

  /** Entries found by host addresses were admitted by the hypervisor when it made the one that refers to them. */
  protected override prepareUpdate(address: number, hpa: number, level: number): boolean {
    return address === hpa || this.#host.prepareUpdate(address, level);
  }
}
