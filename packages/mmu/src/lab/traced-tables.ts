import type { PteMemory } from "../walker.ts";
import type { WalkReference } from "./translator.ts";

/** An entry that the walk under way has used. */
export interface UsedEntry {
  readonly level: number;
  /** As the walker asked for it. */
  readonly address: number;
  readonly hpa: number;
  /** Low half as it was read. */
  readonly low: number;
}

/** Levels of the tables of one mode, and their entries' bytes. */
export interface TableShape {
  readonly levels: number;
  readonly entryBytes: 4 | 8;
}

/** Per paging mode; the PDPTEs of PAE paging are registers, so its walks read two levels. */
export const TABLE_SHAPES = {
  bare: { levels: 0, entryBytes: 4 },
  legacy32: { levels: 2, entryBytes: 4 },
  pae: { levels: 2, entryBytes: 8 },
  long4: { levels: 4, entryBytes: 8 },
  long5: { levels: 5, entryBytes: 8 },
} as const satisfies Record<string, TableShape>;

/**
 * The memory a `Walker` or `EptWalker` is given in the laboratory: it tells which entries a walk reads, and may send
 * each of them through another dimension.
 *
 * Invariants:
 * 1. Walkers read entries top level first and the low half first: a low half begins a new reference, one level down.
 *    Addresses cannot tell, because self-referring tables read the same entry at two levels.
 * 2. Once a lookup has failed (`stopped`), loads give 0, an entry that is not present, and stores vanish: the walker
 *    ends by itself, and its answer does not count.
 */
export abstract class TracedTables implements PteMemory {
  stopped = false;
  /** Host address of the entry that {@link locate} has found. */
  protected entryHpa = 0;
  protected readonly memory: PteMemory;
  readonly #shape: TableShape;
  readonly #used: UsedEntry[] = [];
  #level = 0;
  #levelStep = 1;

  constructor(memory: PteMemory, shape: TableShape) {
    this.memory = memory;
    this.#shape = shape;
  }

  /** Entries read since {@link begin}, top level first. */
  get used(): readonly UsedEntry[] {
    return this.#used;
  }

  /** A walk begins. */
  begin(): void {
    this.stopped = false;
    this.#used.length = 0;
    this.#level = this.#shape.levels + 1;
    this.#levelStep = 1;
  }

  /** The PDPTEs are about to be loaded: four entries of level 3, one after another. */
  beginPdptes(): void {
    this.begin();
    this.#level = 3;
    this.#levelStep = 0;
  }

  load32(address: number): number {
    if (this.stopped) return 0;
    if (this.#shape.entryBytes === 8 && (address & 4) !== 0) return this.memory.load32(this.entryHpa + 4);
    this.#level -= this.#levelStep;
    if (!this.locate(address, this.#level)) {
      this.stopped = true;
      return 0;
    }
    const low = this.memory.load32(this.entryHpa);
    this.#used.push({ level: this.#level, address, hpa: this.entryHpa, low });
    return low;
  }

  or32(address: number, bits: number): void {
    if (this.stopped) return;
    // Walkers store only what is missing, lower levels first; where two levels share an entry, the lower one takes it.
    const entry = this.#used.findLast((used) => used.address === address && (used.low & bits) !== bits);
    if (entry === undefined) return;
    if (this.prepareUpdate(entry)) this.memory.or32(entry.hpa, bits);
    else this.stopped = true;
  }

  /** Finds the entry at `address`, sets `entryHpa` and logs the reference. @returns false: another dimension faulted. */
  protected abstract locate(address: number, level: number): boolean;

  /** An accessed or dirty flag is about to be set. @returns false: another dimension refuses. */
  protected prepareUpdate(_entry: UsedEntry): boolean {
    return true;
  }
}

/** Tables whose addresses are host physical. */
export class DirectTables extends TracedTables {
  readonly #log: WalkReference[];
  readonly #dimension: "native" | "shadow" | "host";
  /** {@link WalkReference.guestLevel} of the references to come. */
  guestLevel = 0;

  constructor(memory: PteMemory, shape: TableShape, dimension: "native" | "shadow" | "host", log: WalkReference[]) {
    super(memory, shape);
    this.#dimension = dimension;
    this.#log = log;
  }

  protected override locate(address: number, level: number): boolean {
    this.entryHpa = address;
    const reference = { dimension: this.#dimension, level, addressKind: "hpa", address, hpa: address } as const;
    this.#log.push(this.#dimension === "host" ? { ...reference, guestLevel: this.guestLevel } : reference);
    return true;
  }
}
