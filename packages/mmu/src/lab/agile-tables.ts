import { PTE_P } from "../pte.ts";
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

/** The tables of an agile walk: shadow tables down to an entry with the switching bit, the guest's own below it. */
export class AgileTables extends TracedTables {
  place: AgilePlace = "shadow";
  readonly #host: HostDimension;

  constructor(memory: PteMemory, shape: TableShape, host: HostDimension, log: WalkLog) {
    super(memory, shape, log);
    this.#host = host;
  }

  protected override locate(address: number, level: number): boolean {
    if (this.place === "guest") {
      if (!this.#host.locateTable(address, level, true)) return false;
      this.entryHpa = this.#host.hpa;
      this.log.add(GUEST_ENTRY, level, 0, address, this.entryHpa);
      return true;
    }
    this.entryHpa = address;
    this.log.add(this.place === "shadow" ? SHADOW_ENTRY : SWITCHED_ENTRY, level, 0, address, address);
    if (this.place === "switched") this.place = "guest";
    else if (this.#isSwitch(address)) this.place = "switched";
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
