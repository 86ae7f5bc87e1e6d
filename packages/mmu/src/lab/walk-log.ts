import type { CacheHierarchy } from "../structures/cache-hierarchy.ts";
import type { WalkReference } from "./translator.ts";

/** Whose entry, as a {@link WalkLog} writes it. The last is a guest's entry that the processor has the host address of. */
export const NATIVE_ENTRY = 0;
export const GUEST_ENTRY = 1;
export const HOST_ENTRY = 2;
export const SHADOW_ENTRY = 3;
export const SWITCHED_ENTRY = 4;

const DIMENSIONS = ["native", "guest", "host", "shadow", "guest"] as const;

/** Where an entry was found: in memory, in a data cache, or in a structure that spared the walk all references above. */
export type HitPlace = "memory" | "llc" | "l2" | "l1" | "walk-cache" | "nested-tlb";

const PLACES: readonly HitPlace[] = ["memory", "llc", "l2", "l1", "walk-cache", "nested-tlb"];
export const PLACE_WALK_CACHE = 4;
export const PLACE_NESTED_TLB = 5;

/** Five levels on five take 35, flag updates and second attempts of software-made tables up to four times that. */
const INITIAL_ENTRIES = 160;

/**
 * What one walk did: counted, and written down in arrays only where somebody wants it told.
 */
export class WalkLog {
  /** Whether entries are written down, or only counted. */
  tells = false;
  /** Entries written down of the walk under way. */
  length = 0;
  /** Entries used, without those that a walk cache or the nested TLB had. */
  references = 0;
  /** What the references took, in cycles. */
  cycles = 0;
  /** References since the log was made, by dimension: native, guest, host, shadow, and guest by host address. */
  readonly totals: Float64Array = new Float64Array(DIMENSIONS.length);
  /** Where references are looked for; none: every one goes to memory and takes {@link memoryCycles}. */
  caches: CacheHierarchy | undefined;
  /** Cycles of a reference without caches. */
  memoryCycles = 0;
  #entries = new Uint32Array(INITIAL_ENTRIES);
  #addresses = new Float64Array(INITIAL_ENTRIES);
  #hpas = new Float64Array(INITIAL_ENTRIES);

  /** A walk begins. */
  begin(): void {
    this.length = 0;
    this.references = 0;
    this.cycles = 0;
  }

  /** Whether a walk's references are all alike and only counted, so that {@link count} may stand for them. */
  get isPlain(): boolean {
    return !this.tells && this.caches === undefined;
  }

  /** So many references of a plain walk. */
  count(dimension: number, references: number): void {
    this.references += references;
    (this.totals[dimension] as number) += references;
    this.cycles += references * this.memoryCycles;
  }

  /** An entry is read from memory. @param address where its table's owner sees it. */
  add(dimension: number, level: number, guestLevel: number, address: number, hpa: number): void {
    let place = 0;
    if (this.caches === undefined) this.cycles += this.memoryCycles;
    else {
      place = this.caches.access(hpa);
      this.cycles += this.caches.cycles[place] as number;
    }
    this.references++;
    (this.totals[dimension] as number)++;
    if (this.tells) this.#write(dimension, level, guestLevel, place, address, hpa);
  }

  /** An entry was in a structure instead. @param address what was looked up. @param hpa what the entry refers to. */
  addHit(place: number, dimension: number, level: number, guestLevel: number, address: number, hpa: number): void {
    if (this.tells) this.#write(dimension, level, guestLevel, place, address, hpa);
  }

  /** The walk so far, as objects. */
  told(): readonly WalkReference[] {
    return Array.from({ length: this.length }, (_, at) => this.#tell(at));
  }

  #write(dimension: number, level: number, guestLevel: number, place: number, address: number, hpa: number): void {
    if (this.length === this.#entries.length) this.#grow();
    const at = this.length++;
    this.#entries[at] = dimension | (level << 3) | (guestLevel << 7) | (place << 11);
    this.#addresses[at] = address;
    this.#hpas[at] = hpa;
  }

  #tell(at: number): WalkReference {
    const entry = this.#entries[at] as number;
    const code = entry & 7;
    const reference: WalkReference = {
      dimension: DIMENSIONS[code] as WalkReference["dimension"],
      level: (entry >>> 3) & 15,
      addressKind: code === GUEST_ENTRY ? "gpa" : "hpa",
      address: this.#addresses[at] as number,
      hpa: this.#hpas[at] as number,
      hit: PLACES[entry >>> 11] as HitPlace,
    };
    return code === HOST_ENTRY ? { ...reference, guestLevel: (entry >>> 7) & 15 } : reference;
  }

  #grow(): void {
    const entries = new Uint32Array(this.length * 2);
    const addresses = new Float64Array(this.length * 2);
    const hpas = new Float64Array(this.length * 2);
    entries.set(this.#entries);
    addresses.set(this.#addresses);
    hpas.set(this.#hpas);
    [this.#entries, this.#addresses, this.#hpas] = [entries, addresses, hpas];
  }
}
