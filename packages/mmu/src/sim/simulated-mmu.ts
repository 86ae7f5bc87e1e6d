import { ACCESS_KINDS, ACCESS_USER, ACCESS_WRITE, type AccessBits } from "../access.ts";
import { accessBits } from "../lab/guest-address.ts";
import { isWideMode } from "../lab/table-mode.ts";
import type { GuestFault, HypervisorExit, Mapping, Translator, Walk } from "../lab/translator.ts";
import type { Access } from "../mmu.ts";
import { fillRights, RIGHTS_ENTRIES, rightsIndex } from "../rights.ts";
import { geometryError } from "../structures/geometry.ts";
import { MOST_HOSTS, TAG_HOST, TAG_PCID, TAG_VPID, type TagScope, tagOf } from "../structures/tags.ts";
import { type TlbGeometry, TlbHierarchy } from "../structures/tlb-hierarchy.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import { TRACE_SWITCH, type TraceBatch } from "../trace/batch.ts";
import { PAGE_D, PAGE_G } from "../walker.ts";

/** What {@link createSimulatedMmu} needs. */
export interface SimulatedMmuOptions {
  /** The scheme, with the walk caches it goes through. */
  readonly translator: Translator;
  /** Default: none, so that every access is a walk. */
  readonly tlb?: TlbGeometry;
  /** CR4.PCIDE: CR3[11:0] tags translations. Default false: a CR3 load drops all that are not global. */
  readonly pcide?: boolean;
  /** Whose translations these are at the beginning; see {@link SimulatedMmu.enter}. */
  readonly context?: MmuContext;
}

/** Who runs on the processor, beside CR3. */
export interface MmuContext {
  /** VPID or ASID, 16 bits; default 0. */
  readonly vpid?: number;
  /** A number for the host's tables, as EP4TA is one: 1 to 15; default 1 under EPT, NPT and the like, otherwise 0. */
  readonly host?: number;
}

/** Sums since the MMU was made. */
export interface MmuCounters {
  accesses: number;
  l1Hits: number;
  l2Hits: number;
  /** Walks begun, those that failed too. */
  walks: number;
  /** Page-table entries that walks read from memory or data caches. */
  references: number;
  /** Cycles of these references. */
  walkCycles: number;
  /** Walks that ended in a fault of the guest's. */
  guestFaults: number;
  /** Walks that ended with the hypervisor or host kernel, but for hidden faults. */
  exits: number;
  /** Hidden faults of software-made tables. */
  hiddenFaults: number;
}

/** A {@link Walk}, or none because a TLB had the page. */
export interface MmuWalk extends Walk {
  /** The TLB level that had the translation; `none`: it was walked for. */
  readonly tlb: "l1" | "l2" | "none";
}

/**
 * A processor's MMU of given size: TLBs in front of a scheme's walks, as stale as the architecture lets them be.
 *
 * INVLPG, INVPCID, INVVPID and INVEPT drop exactly what they must: SDM vol. 3A, "Operations that Invalidate TLBs and
 * Paging-Structure Caches"; vol. 3C, "Operations that Invalidate Cached Mappings".
 */
export interface SimulatedMmu {
  readonly counters: Readonly<MmuCounters>;
  readonly translator: Translator;
  /**
   * One access, in counts only: nothing is allocated unless it fails.
   * @returns false: {@link failure} says who hears of it, and nothing of the page is cached any more.
   */
  access(gvaLow: number, gvaHigh: number, access: AccessBits): boolean;
  /**
   * User accesses of a batch from record `from` on, as {@link access} makes them, for as long as the first-level TLB has
   * their pages: several times as fast, because nothing else can happen.
   * @returns the first record that is not such an access; `batch.length` if all are.
   */
  passHits(batch: TraceBatch, from: number): number;
  /** The access that has just failed, again, after somebody has seen to it: counts as the same access. */
  retry(gvaLow: number, gvaHigh: number, access: AccessBits): boolean;
  /** Of the last access that failed. */
  readonly failure: GuestFault | HypervisorExit | undefined;
  /** One access, told. Counts as {@link access} does. */
  translate(gva: bigint, access: Access): MmuWalk;
  /** The hypervisor has acted outside an access: the processor forgets what it was told to forget. */
  settle(): void;
  /**
   * MOV to CR3: drops what is not global of the PCID switched to, of all while PCIDs are off.
   * @param noFlush bit 63 of the operand with PCIDs on: drops nothing.
   */
  writeCr3(cr3: number, noFlush?: boolean): GuestFault | HypervisorExit | undefined;
  /** The page at an address in the current PCID, and global; and all of the PCID's walk cache. */
  invlpg(gvaLow: number, gvaHigh: number): void;
  /** Type 0: one page, not global; 1: one PCID, not global; 2: all; 3: all but global. Of the current VPID. */
  invpcid(type: 0 | 1 | 2 | 3, pcid: number, gvaLow: number, gvaHigh: number): void;
  /** Type 0: one page of a VPID; 1: a VPID; 2: all VPIDs but 0; 3: a VPID but for global pages. */
  invvpid(type: 0 | 1 | 2 | 3, vpid: number, gvaLow: number, gvaHigh: number): void;
  /** Type 1: all that the given host's tables had a part in; 2: the same of all hosts. */
  invept(type: 1 | 2, host: number): void;
  /**
   * Another guest, or another vCPU, on the same processor: its walks go on through the same structures.
   * @throws RangeError (code `MMU_GEOMETRY`) for a tag out of range.
   */
  enter(translator: Translator, context: MmuContext, cr3: number): void;
}

/**
 * @throws RangeError (code `MMU_GEOMETRY`) for TLBs that cannot be built.
 */
export function createSimulatedMmu(options: SimulatedMmuOptions): SimulatedMmu {
  return new Processor(options);
}

/** Rights word of a TLB entry: `PAGE_*` below, host's `ACCESS_*` kinds from here up. */
const HOST_PERMITS = 16;
/** And from here up what users may do at once, because nobody but they are asked about in bulk. */
const USER_KINDS = 24;
/** Address bits a level resolves, where they are not 9. */
const INDEX_BITS: Readonly<Record<string, number>> = { legacy32: 10, flattened: 18 };
const NESTED_SCHEMES: readonly string[] = ["ept", "npt", "naive", "agile"];

const isUpTo = (n: number, most: number): boolean => Number.isInteger(n) && n >= 0 && n <= most;

class Processor implements SimulatedMmu {
  readonly counters: MmuCounters = {
    accesses: 0,
    l1Hits: 0,
    l2Hits: 0,
    walks: 0,
    references: 0,
    walkCycles: 0,
    guestFaults: 0,
    exits: 0,
    hiddenFaults: 0,
  };
  failure: GuestFault | HypervisorExit | undefined;
  translator: Translator;
  readonly #tlb: TlbHierarchy | undefined;
  readonly #structures: WalkStructures;
  readonly #pcide: boolean;
  readonly #granted = new Uint8Array(RIGHTS_ENTRIES);
  #vpid = 0;
  #host = 0;
  #isWide = true;
  /** Level that the last access was found at. */
  #level = 0;

  constructor({ translator, tlb, pcide = false, context = {} }: SimulatedMmuOptions) {
    this.translator = translator;
    this.#structures = translator.structures;
    this.#pcide = pcide;
    this.#tlb = tlb && new TlbHierarchy(tlb);
    this.enter(translator, context, 0);
  }

  enter(translator: Translator, { vpid = 0, host }: MmuContext, cr3: number): void {
    if (translator.structures !== this.#structures) throw new Error("a translator of another processor");
    if (!isUpTo(vpid, 0xffff)) throw geometryError(`vpid must be an integer from 0 to 65535, not ${vpid}`);
    if (host !== undefined && !isUpTo(host, MOST_HOSTS)) {
      throw geometryError(`host must be an integer from 0 to ${MOST_HOSTS}, not ${host}`);
    }
    this.translator = translator;
    this.#vpid = vpid;
    this.#host = host ?? (NESTED_SCHEMES.includes(translator.scheme) ? 1 : 0);
    this.#isWide = isWideMode(translator.mode);
    // Without paging there are no rights to judge by.
    const off = { wp: false, smep: false, smap: false };
    fillRights(this.#granted, translator.mode === "bare" ? off : translator.controls);
    this.#structures.linearTag = tagOf(this.#pcide ? cr3 % 0x1000 : 0, this.#vpid, this.#host);
    this.#structures.physicalTag = tagOf(0, 0, this.#host);
  }

  access(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const high = this.#isWide ? gvaHigh : 0;
    const { counters } = this;
    counters.accesses++;
    const tlb = this.#tlb;
    if (tlb !== undefined) {
      const { linearTag } = this.#structures;
      const level = tlb.find(gvaLow, high, linearTag, access);
      if (level !== 0) {
        if (this.#isUsable(tlb.rights, access)) {
          this.#level = level;
          if (level === 1) counters.l1Hits++;
          else counters.l2Hits++;
          return true;
        }
        // Processors may fault at once on a stale entry, and must then drop it; we drop it and look at the tables.
        this.#dropFaulting(gvaLow, high);
      }
    }
    this.#level = 0;
    return this.#walk(gvaLow, high, access);
  }

  passHits(batch: TraceBatch, from: number): number {
    const tlb = this.#tlb;
    if (tlb === undefined) return from;
    const { ops, low, high, length } = batch;
    const { linearTag } = this.#structures;
    const wide = this.#isWide ? -1 : 0;
    let at = from;
    for (; at < length; at++) {
      const op = ops[at] as number;
      if (op >= TRACE_SWITCH) break;
      const rights = tlb.rightsAgain(low[at] as number, (high[at] as number) & wide, linearTag, op);
      if ((op & ~(rights >>> USER_KINDS)) !== 0) break;
    }
    this.counters.accesses += at - from;
    this.counters.l1Hits += at - from;
    return at;
  }

  retry(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    this.#level = 0;
    return this.#walk(gvaLow, this.#isWide ? gvaHigh : 0, access);
  }

  translate(gva: bigint, access: Access): MmuWalk {
    const low = Number(BigInt.asIntN(32, gva));
    const told = this.translator.log;
    told.tells = true;
    const isMapped = this.access(low, Number(BigInt.asIntN(32, gva >> 32n)), accessBits(access));
    told.tells = false;
    if (this.#level === 0) {
      const { log, hiddenFaults, found } = this.translator;
      const outcome = isMapped ? this.translator.mapping(low) : (found.failure as GuestFault | HypervisorExit);
      return { references: log.told(), outcome, hiddenFaults, cycles: log.cycles, tlb: "none" };
    }
    const tlb = this.#level === 1 ? "l1" : "l2";
    const cycles = tlb === "l2" ? (this.#tlb?.l2Cycles ?? 0) : 0;
    return { references: [], outcome: this.#cached(low, accessBits(access)), hiddenFaults: 0, cycles, tlb };
  }

  writeCr3(cr3: number, noFlush = false): GuestFault | HypervisorExit | undefined {
    const refusal = this.translator.writeCr3(cr3);
    if (refusal !== undefined) return refusal;
    this.#structures.linearTag = tagOf(this.#pcide ? cr3 % 0x1000 : 0, this.#vpid, this.#host);
    if (!(this.#pcide && noFlush)) this.#dropAll(this.#pcide ? TAG_VPID | TAG_PCID : TAG_VPID, true);
    this.settle();
    return undefined;
  }

  invlpg(gvaLow: number, gvaHigh: number): void {
    const { linearTag } = this.#structures;
    const scope = { tag: linearTag, mask: TAG_VPID | TAG_PCID };
    this.#tlb?.dropPage(gvaLow, this.#isWide ? gvaHigh : 0, scope);
    this.#structures.walkCache?.dropAll(scope);
    this.translator.invalidate?.(gvaLow, gvaHigh);
    this.settle();
  }

  invpcid(type: 0 | 1 | 2 | 3, pcid: number, gvaLow: number, gvaHigh: number): void {
    const tag = tagOf(pcid, this.#vpid, 0);
    const mask = type < 2 ? TAG_VPID | TAG_PCID : TAG_VPID;
    const scope = { tag, mask, keepsGlobal: type !== 2 };
    if (type === 0) this.#tlb?.dropPage(gvaLow, this.#isWide ? gvaHigh : 0, scope);
    else this.#tlb?.dropAll(scope);
    this.#structures.walkCache?.dropAll(scope);
  }

  invvpid(type: 0 | 1 | 2 | 3, vpid: number, gvaLow: number, gvaHigh: number): void {
    const tag = tagOf(0, vpid, 0);
    const scope: TagScope =
      type === 2 ? { tag, mask: 0, nonZero: TAG_VPID } : { tag, mask: TAG_VPID, keepsGlobal: type === 3 };
    if (type === 0) this.#tlb?.dropPage(gvaLow, this.#isWide ? gvaHigh : 0, scope);
    else this.#tlb?.dropAll(scope);
    this.#structures.walkCache?.dropAll(scope);
  }

  invept(type: 1 | 2, host: number): void {
    const tag = tagOf(0, 0, host);
    const scope: TagScope = type === 1 ? { tag, mask: TAG_HOST } : { tag, mask: 0, nonZero: TAG_HOST };
    this.#tlb?.dropAll(scope);
    this.#structures.walkCache?.dropAll(scope);
    this.#structures.hostWalkCache?.dropAll(scope);
    this.#structures.nestedTlb?.dropAll(scope);
  }

  #walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const { counters, translator } = this;
    const isMapped = translator.walk(gvaLow, gvaHigh, access);
    counters.walks++;
    counters.references += translator.log.references;
    counters.walkCycles += translator.log.cycles;
    counters.hiddenFaults += translator.hiddenFaults;
    this.settle();
    if (!isMapped) return this.#fail(gvaLow, gvaHigh);
    const { found } = translator;
    if (this.#tlb === undefined || found.isMomentary || (access & ACCESS_KINDS) === 0) return true;
    const page = (found.attributes & ~PAGE_D) | (found.dirty ? PAGE_D : 0) | (found.hostPermits << HOST_PERMITS);
    const rights = page | (this.#usableKinds(page, ACCESS_USER) << USER_KINDS);
    const mask = (found.attributes & PAGE_G) !== 0 ? ~TAG_PCID : -1;
    const { linearTag } = this.#structures;
    const { pageShift, wholeShift, hfn } = found;
    this.#tlb.fill(gvaLow, gvaHigh, linearTag, mask, pageShift, wholeShift, hfn, rights, access);
    return true;
  }

  #fail(gvaLow: number, gvaHigh: number): false {
    const { counters, translator } = this;
    this.failure = translator.found.failure;
    if (this.failure?.receiver === "guest") counters.guestFaults++;
    else counters.exits++;
    this.#dropFaulting(gvaLow, gvaHigh);
    return false;
  }

  #isUsable(rights: number, access: AccessBits): boolean {
    return (access & ACCESS_KINDS & ~this.#usableKinds(rights, access)) === 0;
  }

  /** What an access of the given privilege may do without a look at the tables: no write before there is a dirty flag. */
  #usableKinds(rights: number, access: AccessBits): number {
    const unlessClean = (rights & PAGE_D) !== 0 ? ACCESS_KINDS : ~ACCESS_WRITE;
    return (
      (this.#granted[rightsIndex(access, rights)] as number) & (rights >>> HOST_PERMITS) & unlessClean & ACCESS_KINDS
    );
  }

  /** The page of the TLB entry last found. */
  #cached(gvaLow: number, access: AccessBits): Mapping {
    const tlb = this.#tlb as TlbHierarchy;
    const permits = (this.#granted[rightsIndex(access, tlb.rights)] as number) & (tlb.rights >>> HOST_PERMITS);
    const hpa = tlb.pfnOf(gvaLow) * 0x1000 + (gvaLow & 0xfff);
    return { receiver: "none", hpa, pageShift: tlb.pageShift, permits };
  }

  /** A fault drops what it came from. SDM vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches". */
  #dropFaulting(gvaLow: number, gvaHigh: number): void {
    const scope = { tag: this.#structures.linearTag, mask: TAG_VPID | TAG_PCID };
    this.#tlb?.dropPage(gvaLow, gvaHigh, scope);
    this.#structures.walkCache?.dropWay(gvaLow, gvaHigh, scope, INDEX_BITS[this.translator.mode] ?? 9);
  }

  #dropAll(mask: number, keepsGlobal: boolean): void {
    const scope = { tag: this.#structures.linearTag, mask, keepsGlobal };
    this.#tlb?.dropAll(scope);
    this.#structures.walkCache?.dropAll(scope);
  }

  /** A hypervisor that has dropped entries of tables it made flushes what the processor may have of them. */
  settle(): void {
    if (this.translator.takeFlush()) this.#dropAll(TAG_VPID, false);
  }
}
