import type { PteMemory } from "../walker.ts";
import type { HostDimension } from "./host-dimension.ts";
import { type TableShape, TracedTables } from "./traced-tables.ts";
import { GUEST_ENTRY, type WalkLog } from "./walk-log.ts";

/** A guest's tables, at guest physical addresses: every entry is looked for through the host's tables first. */
export class GuestTables extends TracedTables {
  /** False while PDPTEs are loaded: there is no linear address then. */
  linear = true;
  readonly #host: HostDimension;

  constructor(memory: PteMemory, shape: TableShape, host: HostDimension, log: WalkLog) {
    super(memory, shape, log);
    this.#host = host;
  }

  protected override locate(address: number, level: number): boolean {
    if (!this.#host.locateTable(address, level, this.linear)) return false;
    this.entryHpa = this.#host.hpa;
    this.log.add(GUEST_ENTRY, level, 0, address, this.entryHpa);
    return true;
  }

  protected override prepareUpdate(address: number, _hpa: number, level: number): boolean {
    return this.#host.prepareUpdate(address, level);
  }
}
