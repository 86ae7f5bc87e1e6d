import type { PageShift } from "./walker.ts";
import { PAGE_G } from "./walker.ts";

/** One cached translation: of a page of any size, for one address space or, with PAGE_G, for all. */
export interface TlbEntry {
  readonly asid: number;
  readonly firstVpn: number;
  readonly firstGfn: number;
  readonly pageShift: PageShift;
  /** `PAGE_*` as the walk found them. Rights are judged at every hit, by the registers of that moment. */
  readonly attributes: number;
}

/**
 * A small fully associative TLB with first-in, first-out replacement: as stale as a processor's may be, and no more
 * than that. Plain on purpose; the hot path of an emulator has its own.
 */
export class Tlb {
  readonly #size: number;
  #entries: TlbEntry[] = [];

  /** @param size most entries held; 0 caches nothing. */
  constructor(size: number) {
    this.#size = size;
  }

  lookup(vpn: number, asid: number): TlbEntry | undefined {
    return this.#entries.find((entry) => covers(entry, vpn) && reaches(entry, asid));
  }

  /** Adds a translation in the place of what was held for the same page. */
  insert(entry: TlbEntry): void {
    if (this.#size === 0) return;
    this.dropPage(entry.firstVpn, entry.asid);
    if (this.#entries.length === this.#size) this.#entries.shift();
    this.#entries.push(entry);
  }

  /** INVLPG: what translates `vpn` in this address space, global or not. */
  dropPage(vpn: number, asid: number): void {
    this.#keep((entry) => !(covers(entry, vpn) && reaches(entry, asid)));
  }

  /** INVPCID type 0: as `dropPage`, but global translations stay. */
  dropLocalPage(vpn: number, asid: number): void {
    this.#keep((entry) => !(covers(entry, vpn) && entry.asid === asid) || isGlobal(entry));
  }

  /** INVPCID type 1 and MOV to CR3: what belongs to one address space; global translations stay. */
  dropAsid(asid: number): void {
    this.#keep((entry) => entry.asid !== asid || isGlobal(entry));
  }

  /** INVPCID type 3: all but global translations. */
  dropLocal(): void {
    this.#keep(isGlobal);
  }

  dropAll(): void {
    this.#entries = [];
  }

  #keep(isKept: (entry: TlbEntry) => boolean): void {
    this.#entries = this.#entries.filter(isKept);
  }
}

function isGlobal(entry: TlbEntry): boolean {
  return (entry.attributes & PAGE_G) !== 0;
}

function reaches(entry: TlbEntry, asid: number): boolean {
  return entry.asid === asid || isGlobal(entry);
}

function covers(entry: TlbEntry, vpn: number): boolean {
  return vpn >= entry.firstVpn && vpn < entry.firstVpn + 2 ** (entry.pageShift - 12);
}
