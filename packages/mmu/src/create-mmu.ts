import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_KINDS,
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  type AccessBits,
} from "./access.ts";
import { createWalker } from "./create-walker.ts";
import type { Access, InvalidateScope, Mmu, PageFault, Translation } from "./mmu.ts";
import { grantedKinds } from "./rights.ts";
import { Tlb, type TlbEntry } from "./tlb.ts";
import {
  PAGE_D,
  PAGE_G,
  PAGE_US,
  type PagingMode,
  type PagingRegisters,
  type PteMemory,
  type Walker,
} from "./walker.ts";

/** What {@link createMmu} needs. */
export interface MmuOptions {
  readonly mode: PagingMode;
  /** Where the page tables are. */
  readonly memory: PteMemory;
  /** What differs from `DEFAULT_PAGING_REGISTERS`. */
  readonly registers?: Partial<PagingRegisters>;
  /** Translations the TLB holds, default 64; 0: every translation is a walk. */
  readonly tlbEntries?: number;
}

/** A walker behind a TLB, which is as stale as a processor's until told. SDM vol. 3A, "Caching Translation Information". */
export interface TlbMmu extends Mmu {
  readonly registers: PagingRegisters;
  /**
   * MOV to CR3. Drops the local translations of the address space switched to, of all while CR4.PCIDE is clear.
   * @param noFlush bit 63 of the source operand with CR4.PCIDE set: drops nothing.
   * @returns false if PAE paging found reserved bits in a PDPTE: #GP(0), and nothing has changed.
   */
  writeCr3(cr3: number, noFlush?: boolean): boolean;
  /**
   * Changes other registers. CR0.WP and CR4.SMAP act on cached translations at once; any other change drops them all.
   * @throws RangeError (code `MMU_REGISTERS`)
   */
  configure(changes: Partial<Omit<PagingRegisters, "cr3">>): void;
}

/**
 * Makes an Mmu for tools and teaching: it takes a page and an access, and answers with an object.
 * @throws RangeError (code `MMU_REGISTERS`) if a register value is out of range. In `pae` mode, PDPTEs with reserved
 * bits set at the initial CR3 leave all four not present.
 */
export function createMmu(options: MmuOptions): TlbMmu {
  const walker = createWalker(options.mode, options.memory, options.registers);
  walker.loadPdptes();
  // Without paging there is nothing to cache, and the rights that hits are judged by do not apply.
  const tlbEntries = options.mode === "bare" ? 0 : (options.tlbEntries ?? 64);
  return new CachingMmu(walker, new Tlb(tlbEntries));
}

class CachingMmu implements TlbMmu {
  readonly #walker: Walker;
  readonly #tlb: Tlb;
  #registers: PagingRegisters;

  constructor(walker: Walker, tlb: Tlb) {
    this.#walker = walker;
    this.#tlb = tlb;
    this.#registers = walker.registers;
  }

  get registers(): PagingRegisters {
    return this.#registers;
  }

  translate(vpn: number, access: Access): Translation | PageFault {
    const bits = accessBits(access);
    const cached = this.#tlb.lookup(vpn, this.#asid);
    if (cached !== undefined) {
      const granted = grantedKinds(this.#registers, bits, cached.attributes);
      if (isUsable(cached, bits, granted)) return translationOf(cached, vpn, granted);
    }
    // Also after a refusal by a cached entry, and for the first write, which sets D. Processors may fault on the stale
    // entry instead, and then drop it (SDM vol. 3A, "Invalidation of TLBs and Paging-Structure Caches").
    if (!this.#walker.walkPage(vpn, bits)) {
      this.#tlb.dropPage(vpn, this.#asid);
      return { ok: false, errorCode: this.#walker.errorCode };
    }
    const entry = this.#entryOf(vpn);
    this.#tlb.insert(entry);
    return translationOf(entry, vpn, this.#walker.permits);
  }

  invalidate(scope: InvalidateScope): void {
    if (scope === "all") this.#tlb.dropAll();
    else if (scope === "non-global") this.#tlb.dropLocal();
    else if (!("vpn" in scope)) this.#tlb.dropAsid(scope.asid);
    else if (scope.asid === undefined) this.#tlb.dropPage(scope.vpn, this.#asid);
    else this.#tlb.dropLocalPage(scope.vpn, scope.asid);
  }

  writeCr3(cr3: number, noFlush = false): boolean {
    const before = this.#registers.cr3;
    this.#walker.configure({ cr3 });
    if (!this.#walker.loadPdptes()) {
      this.#walker.setCr3(before);
      return false;
    }
    this.#registers = this.#walker.registers;
    if (!this.#registers.pcide) this.#tlb.dropLocal();
    else if (!noFlush) this.#tlb.dropAsid(this.#asid);
    return true;
  }

  configure(changes: Partial<Omit<PagingRegisters, "cr3">>): void {
    this.#walker.configure(changes);
    this.#registers = this.#walker.registers;
    const { wp: _wp, smap: _smap, ...flushing } = changes;
    if (Object.keys(flushing).length > 0) this.#tlb.dropAll();
  }

  /** PCID: 0 while CR4.PCIDE is clear. */
  get #asid(): number {
    return this.#registers.pcide ? this.#registers.cr3 & 0xfff : 0;
  }

  #entryOf(vpn: number): TlbEntry {
    const { gfn, pageShift, attributes } = this.#walker;
    const inPage = vpn % 2 ** (pageShift - 12);
    return { asid: this.#asid, firstVpn: vpn - inPage, firstGfn: gfn - inPage, pageShift, attributes };
  }
}

const KIND_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, fetch: ACCESS_FETCH } as const;

function accessBits({ kind, user, ac }: Access): AccessBits {
  return KIND_BITS[kind] | (user ? ACCESS_USER : 0) | (ac === true ? ACCESS_AC : 0);
}

function isUsable(entry: TlbEntry, access: AccessBits, granted: number): boolean {
  const cleanWrite = (access & ACCESS_WRITE) !== 0 && (entry.attributes & PAGE_D) === 0;
  return !cleanWrite && (access & ACCESS_KINDS & ~granted) === 0;
}

function translationOf(entry: TlbEntry, vpn: number, granted: number): Translation {
  const { attributes, pageShift } = entry;
  return {
    ok: true,
    gfn: entry.firstGfn + (vpn - entry.firstVpn),
    pageShift,
    writable: (granted & ACCESS_WRITE) !== 0,
    executable: (granted & ACCESS_FETCH) !== 0,
    user: (attributes & PAGE_US) !== 0,
    global: (attributes & PAGE_G) !== 0,
    dirty: (attributes & PAGE_D) !== 0,
  };
}
