import { ACCESS_KINDS, ACCESS_WRITE, type AccessBits } from "../access.ts";
import { EPT_A, EPT_D, type EPT_PS, EPT_R, EPT_W, EPT_WB, EPT_X, EPTP_AD } from "../ept.ts";
import { PTE_A, PTE_D, PTE_G, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../pte.ts";
import { fillRights, RIGHTS_ENTRIES, rightsIndex } from "../rights.ts";
import { DEFAULT_PAGING_REGISTERS, type PteMemory } from "../walker.ts";
import type { HostPaging } from "./host-dimension.ts";
import { isWordMemory, type WordMemory } from "./lab-memory.ts";
import type { FoundPage, GuestPaging } from "./translator.ts";

/** Bits of a low half that must read so for an entry to be plain; address bits are asked apart. */
interface PlainEntry {
  readonly tableMask: number;
  readonly table: number;
  readonly pageMask: number;
  readonly page: number;
  /** Of a page: a write has nothing to mark in it. 0: there are no dirty flags. */
  readonly dirty: number;
}

const ALL_EPT = EPT_R | EPT_W | EPT_X;
const ALL_PTE = PTE_P | PTE_RW | PTE_US | PTE_A;
const NPT: PlainEntry = {
  tableMask: ALL_PTE | PTE_PS,
  table: ALL_PTE,
  pageMask: ALL_PTE,
  page: ALL_PTE,
  dirty: PTE_D,
};

function plainEpt(accessedDirty: boolean): PlainEntry {
  const flag = accessedDirty ? EPT_A : 0;
  return {
    // Memory type, IPAT and PS are of pages only.
    tableMask: ALL_EPT | flag | 0xf8,
    table: ALL_EPT | flag,
    // Memory type in bits 5:3.
    pageMask: ALL_EPT | flag | 0x38,
    page: ALL_EPT | flag | EPT_WB,
    dirty: accessedDirty ? EPT_D : 0,
  };
}

/** EPT and ordinary tables alike. */
const PS = PTE_PS satisfies typeof EPT_PS;
/** Where the second GByte begins, and where it ends. */
const SECOND = 2 ** 30;
const END = 2 ** 31;
/** In the place of a table's address: the entry maps a page, or is none of those known here. */
const PAGE = -1;
const OTHER = -2;

/**
 * Two-dimensional walks in which nothing happens: all entries are there, have their flags, refer plainly and grant
 * everything, but for the rights of the guest's, which are judged; tables lie below 2 GByte. A system that has run for a
 * while makes hardly any others, so these are made here several times as fast, and are counted, not told.
 *
 * Whatever is not so is for the walkers: {@link walk} then answers false and has changed nothing. So nothing is said here
 * of faults, exits and flags, and all that is said must be what the walkers say.
 */
export class SteadyWalk {
  /** After success: entries read. */
  guestReferences = 0;
  hostReferences = 0;
  readonly #memory: WordMemory;
  readonly #host: PlainEntry;
  readonly #hostLevels: 4 | 5;
  readonly #hostRoot: number;
  readonly #hostPages1G: boolean;
  readonly #hostReserved: number;
  readonly #guestLevels: 4 | 5;
  readonly #guestPages1G: boolean;
  readonly #guestReserved: number;
  readonly #leafAttributes: number;
  readonly #granted = new Uint8Array(RIGHTS_ENTRIES);
  #guestRoot = 0;
  /** The guest's entry last read. */
  #entryLow = 0;
  #entryHigh = 0;
  /** The host's entry that maps the page last found, and the page's size. */
  #low = 0;
  #high = 0;
  #shift: 12 | 21 | 30 = 12;

  private constructor(memory: WordMemory, guest: GuestPaging, host: HostPaging) {
    const registers = { ...DEFAULT_PAGING_REGISTERS, ...guest.registers };
    this.#memory = memory;
    this.#guestLevels = guest.mode === "long4" ? 4 : 5;
    this.#guestPages1G = registers.pages1G;
    this.#guestReserved = -1 << (registers.maxPhyAddr - 32);
    this.#leafAttributes = PTE_D | (registers.pge ? PTE_G : 0);
    fillRights(this.#granted, registers);
    if (host.kind === "ept") {
      const { eptp, maxPhyAddr = 40, pages1G = true } = host;
      this.#host = plainEpt((eptp & EPTP_AD) !== 0);
      this.#hostLevels = (eptp & 0x38) === 0x20 ? 5 : 4;
      this.#hostRoot = eptp - (eptp % 0x1000);
      this.#hostPages1G = pages1G;
      this.#hostReserved = -1 << (maxPhyAddr - 32);
    } else {
      const { cr3, maxPhyAddr, pages1G } = { ...DEFAULT_PAGING_REGISTERS, ...host.registers };
      this.#host = NPT;
      this.#hostLevels = host.mode === "long5" ? 5 : 4;
      this.#hostRoot = cr3 - (cr3 % 0x1000);
      this.#hostPages1G = pages1G;
      this.#hostReserved = -1 << (maxPhyAddr - 32);
    }
  }

  /** Undefined where tables are of another shape, or software walks them, or memory cannot be read in place. */
  static create(memory: PteMemory, guest: GuestPaging, host: HostPaging): SteadyWalk | undefined {
    const isLong = (mode: string): boolean => mode === "long4" || mode === "long5";
    const isHost = host.kind === "ept" || (host.kind === "npt" && isLong(host.mode));
    if (!isHost || !isLong(guest.mode) || !isWordMemory(memory)) return undefined;
    const walk = new SteadyWalk(memory, guest, host);
    return walk.#hostRoot < END ? walk : undefined;
  }

  setCr3(cr3: number): void {
    const root = cr3 - (cr3 % 0x1000);
    this.#guestRoot = root < END ? root : OTHER;
  }

  /** @returns whether the walk was one of these; then `found` and the counts of references are as after any walk. */
  walk(gvaLow: number, gvaHigh: number, access: AccessBits, found: FoundPage): boolean {
    if ((access & ACCESS_KINDS) === 0 || this.#guestRoot === OTHER) return false;
    this.guestReferences = 0;
    this.hostReferences = 0;
    let table = this.#guestRoot;
    let all = -1;
    if (this.#guestLevels === 5) {
      table = this.#guestTable(table + ((gvaHigh >>> 13) & 0xff8));
      if (table < 0) return false;
      all = this.#entryLow;
    }
    table = this.#guestTable(table + ((gvaHigh >>> 4) & 0xff8));
    if (table < 0) return false;
    all &= this.#entryLow;
    table = this.#guestTable(table + (((gvaLow >>> 27) & 0x18) | ((gvaHigh << 5) & 0xfe0)));
    if (table === PAGE) return this.#guestPages1G && this.#finish(all, 30, gvaLow, access, found);
    if (table < 0) return false;
    all &= this.#entryLow;
    table = this.#guestTable(table + ((gvaLow >>> 18) & 0xff8));
    if (table === PAGE) return this.#finish(all, 21, gvaLow, access, found);
    if (table < 0) return false;
    all &= this.#entryLow;
    return this.#loadEntry(table + ((gvaLow >>> 9) & 0xff8)) && this.#finish(all, 12, gvaLow, access, found);
  }

  /** The table that the guest's entry at `gpa` refers to, {@link PAGE} or {@link OTHER}. */
  #guestTable(gpa: number): number {
    if (!this.#loadEntry(gpa)) return OTHER;
    const low = this.#entryLow;
    if ((low & PS) !== 0) return PAGE;
    // The sign: the table is not below 2 GByte.
    return this.#entryHigh === 0 && low >= 0 ? low & ~0xfff : OTHER;
  }

  /** Reads the guest's entry at `gpa`, which must be there and have been used before. */
  #loadEntry(gpa: number): boolean {
    // Accesses to the guest's tables count as writes, where there are flags to mark; so they do under NPT.
    if (!this.#place(gpa, 0, true)) return false;
    const frame = this.#hostFrameLow(gpa);
    if (this.#high !== 0 || frame >= 2 ** 19) return false;
    const hpa = (frame << 12) | (gpa & 0xfff);
    const words = hpa < SECOND ? this.#memory.first : this.#memory.second;
    const word = (hpa & (SECOND - 1)) >>> 2;
    if (word >= words.length) return false;
    this.#entryLow = words[word] as number;
    this.#entryHigh = words[word + 1] as number;
    this.guestReferences++;
    return (this.#entryLow & (PTE_P | PTE_A)) === (PTE_P | PTE_A);
  }

  /** The guest's page is in the entry last read. */
  #finish(above: number, pageShift: 12 | 21 | 30, gvaLow: number, access: AccessBits, found: FoundPage): boolean {
    const low = this.#entryLow;
    const high = this.#entryHigh;
    const isWrite = (access & ACCESS_WRITE) !== 0;
    const inPage = (1 << (pageShift - 12)) - 1;
    if ((high & this.#guestReserved) !== 0 || ((low >>> 12) & inPage) !== 0) return false;
    if (isWrite && (low & PTE_D) === 0) return false;
    const rights = above & low & (PTE_RW | PTE_US);
    const permits = this.#granted[rightsIndex(access, rights)] as number;
    if ((access & ACCESS_KINDS & ~permits) !== 0) return false;
    const frameLow = (low >>> 12) | ((gvaLow >>> 12) & inPage);
    if (!this.#place(frameLow << 12, high, isWrite)) return false;
    found.hfn = this.#high * 2 ** 20 + this.#hostFrameLow(frameLow << 12);
    found.gfn = high * 2 ** 20 + frameLow;
    found.pageShift = Math.min(pageShift, this.#shift);
    found.wholeShift = pageShift;
    found.permits = permits;
    found.attributes = rights | (low & this.#leafAttributes);
    found.hostPermits = ACCESS_KINDS;
    found.dirty = (low & PTE_D) !== 0 && (this.#low & this.#host.dirty) === this.#host.dirty;
    return true;
  }

  /** Looks a guest physical address up in the host's tables. */
  #place(gpaLow: number, gpaHigh: number, isWrite: boolean): boolean {
    // The host's own tables lie in the first GByte, or are not for this walk.
    const words = this.#memory.first;
    const { tableMask, table: plain } = this.#host;
    let table = this.#hostRoot;
    if (this.#hostLevels === 5) {
      const word = (table >>> 2) + ((gpaHigh >>> 15) & 0x3fe);
      const low = word < words.length ? (words[word] as number) : 0;
      if ((low & tableMask) !== plain || low < 0 || words[word + 1] !== 0) return false;
      table = low & ~0xfff;
    } else if (gpaHigh >= 2 ** 16) return false;
    let word = (table >>> 2) + ((gpaHigh >>> 6) & 0x3fe);
    let low = word < words.length ? (words[word] as number) : 0;
    if ((low & tableMask) !== plain || low < 0 || words[word + 1] !== 0) return false;
    word = ((low & ~0xfff) >>> 2) + (((gpaLow >>> 29) & 6) | ((gpaHigh << 3) & 0x3f8));
    low = word < words.length ? (words[word] as number) : 0;
    if ((low & tableMask) !== plain) return this.#hostPages1G && this.#isLarge(low, words, word, 30, isWrite);
    if (low < 0 || words[word + 1] !== 0) return false;
    word = ((low & ~0xfff) >>> 2) + ((gpaLow >>> 20) & 0x3fe);
    low = word < words.length ? (words[word] as number) : 0;
    if ((low & tableMask) !== plain) return this.#isLarge(low, words, word, 21, isWrite);
    if (low < 0 || words[word + 1] !== 0) return false;
    word = ((low & ~0xfff) >>> 2) + ((gpaLow >>> 11) & 0x3fe);
    return word < words.length && this.#isPage(words[word] as number, words[word + 1] as number, 12, isWrite);
  }

  /** Bits 31:12 of the frame that the page last found has for an address in it. */
  #hostFrameLow(gpaLow: number): number {
    return (this.#low >>> 12) | ((gpaLow >>> 12) & ((1 << (this.#shift - 12)) - 1));
  }

  #isLarge(low: number, words: Int32Array, word: number, shift: 21 | 30, isWrite: boolean): boolean {
    if ((low & PS) === 0 || ((low >>> 12) & ((1 << (shift - 12)) - 1)) !== 0) return false;
    return this.#isPage(low, words[word + 1] as number, shift, isWrite);
  }

  /** Whether an entry of these halves maps a page; then it is the page found. */
  #isPage(low: number, high: number, shift: 12 | 21 | 30, isWrite: boolean): boolean {
    const { pageMask, page, dirty } = this.#host;
    if ((low & pageMask) !== page || (isWrite && (low & dirty) !== dirty)) return false;
    if ((high & this.#hostReserved) !== 0) return false;
    this.#low = low;
    this.#high = high;
    this.#shift = shift;
    this.hostReferences += this.#hostLevels - (shift - 12) / 9;
    return true;
  }
}
