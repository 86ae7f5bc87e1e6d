import type { PteMemory } from "../walker.ts";
import type { HostDimension } from "./host-dimension.ts";
import { type TableShape, TracedTables, type UsedEntry } from "./traced-tables.ts";
import type { WalkReference } from "./translator.ts";

/** A guest's tables, at guest physical addresses: every entry is looked for through the host's tables first. */
export class GuestTables extends TracedTables {
  /** False while PDPTEs are loaded: there is no linear address then. */
  linear = true;
  readonly #host: HostDimension;
  readonly #log: WalkReference[];

  constructor(memory: PteMemory, shape: TableShape, host: HostDimension, log: WalkReference[]) {
    super(memory, shape);
    this.#host = host;
    this.#log = log;
  }

  protected override locate(address: number, level: number): boolean {
    if (!this.#host.locateTable(address, level, this.linear)) return false;
    this.entryHpa = this.#host.hpa;
    this.#log.push({ dimension: "guest", level, addressKind: "gpa", address, hpa: this.entryHpa });
    return true;
  }

  protected override prepareUpdate({ address, level }: UsedEntry): boolean {
    return this.#host.prepareUpdate(address, level);
  }
}
