import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  createWalker,
  type PagingMode,
  type PteMemory,
  pagingControlsOf,
  pagingModeOf,
  type Walker,
} from "@tsvm/mmu";
import { TLB_ADDEND, TLB_CONTEXT_LIMIT, TLB_INDEX_MASK, TLB_INDEX_SHIFT, TLB_TABLE_BYTES } from "@tsvm/tcg";
import { RECORD } from "../decode/decoded-insn.ts";
import { CR3_LAM_U48, CR3_LAM_U57, CR4, FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { JUMP_CACHE, SCRATCH_RECORDS, TLB_READ, TLB_WRITE } from "../state/memory-map.ts";

/** Privileges that have TLB contexts of their own: supervisor, supervisor with EFLAGS.AC, user. */
const CONTEXTS_PER_SPACE = 4;
const BOUNCE = AT.bounce;
/** The jump key: TLB context in bits 11:0, mode in 16:12, number of the code segment's base in 31:17. */
const MODE_SHIFT = 12;
const CODE_BASE_SHIFT = 17;
const CODE_BASES = 2 ** 15 - 1;
/** Beside what a store has left in the bounce buffer before its walk. */
const PTE_BOUNCE = AT.bounce + 64;
const PAGE = 4096;

/** CR3.LAM_U57 and CR3.LAM_U48 in the high half. */
const LAM_U57_HIGH = Number(CR3_LAM_U57 >> 32n);
const LAM_U48_HIGH = Number(CR3_LAM_U48 >> 32n);
/** The bit that masked ones are copies of, in the high half of an address. */
const LAM57_BIT = 56 - 32;
const LAM48_BIT = 47 - 32;

/**
 * Guest memory by linear address: what happens on a soft-TLB miss, and how helpers reach memory. Linear addresses are
 * two 32-bit halves, because a BigInt a miss is too dear.
 *
 * Invariants:
 * 1. Both pages of a crossing access are translated before a byte is moved.
 * 2. After a fault is pending, reads give 0 and writes do nothing.
 */
export class LinearMemory {
  walker: Walker;
  readonly #cpu: Cpu;
  readonly #walkers: Readonly<Record<PagingMode, Walker>>;
  /** First TLB context of the current address space. */
  #contextBase = 0;
  /** First TLB context that no address space has had since the tables were last cleared; context 0 is never used. */
  #nextContext = CONTEXTS_PER_SPACE;
  /** First TLB context of each address space kept under a PCID; 0: none. */
  readonly #contextOfPcid = new Uint16Array(4096);
  /** Changes when translations were dropped other than by a new context; for caches of fetch translations. */
  mappingGeneration = 0;
  /** Counts soft-TLB fills, for the counters of the facade. */
  fills = 0;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    const memory: PteMemory = {
      load32: (gpa) => this.#loadPte(gpa),
      or32: (gpa, bits) => this.#orPte(gpa, bits),
    };
    const modes = ["bare", "legacy32", "pae", "long4", "long5"] as const;
    this.#walkers = Object.fromEntries(modes.map((mode) => [mode, createWalker(mode, memory)])) as Record<
      PagingMode,
      Walker
    >;
    this.walker = this.#walkers.bare;
  }

  /** Takes over MAXPHYADDR and page-size support from the CPU model; once. */
  configureWidths(maxPhyAddr: number, pages1G: boolean): void {
    for (const walker of Object.values(this.#walkers)) walker.configure({ maxPhyAddr, pages1G });
  }

  /**
   * Adopts CR0, CR3, CR4 and EFER after one of them changed, and drops all translations.
   * @returns false if a PAE page-directory-pointer entry is malformed (#GP); nothing is changed then.
   */
  pagingChanged(loadPdptes: boolean): boolean {
    const cpu = this.#cpu;
    const [cr0, cr4, efer] = [cpu.low("cr0"), cpu.low("cr4"), cpu.low("efer")];
    const walker = this.#walkers[pagingModeOf(cr0, cr4, efer)];
    walker.configure({ ...pagingControlsOf(cr0, cr4, efer), cr3: this.#cr3() });
    if (loadPdptes && !walker.loadPdptes()) return false;
    this.walker = walker;
    this.#adoptMasking();
    this.#adoptProtectionKeys();
    this.flushAll();
    return true;
  }

  /** After a write of PKRU or IA32_PKRS. */
  protectionKeysChanged(): void {
    if (this.#adoptProtectionKeys()) this.flushAll();
  }

  #userKeys = 0;
  #supervisorKeys = 0;

  /** @returns whether other rights than before are taken away. */
  #adoptProtectionKeys(): boolean {
    const cpu = this.#cpu;
    const [user, supervisor] = [this.#userKeys, this.#supervisorKeys];
    const cr4 = cpu.low("cr4");
    this.#userKeys = (cr4 & CR4.PKE) !== 0 ? cpu.get32("pkru") : 0;
    this.#supervisorKeys = (cr4 & CR4.PKS) !== 0 ? cpu.low("pkrs") : 0;
    for (const mode of ["long4", "long5"] as const) {
      this.#walkers[mode].setProtectionKeys(this.#userKeys, this.#supervisorKeys);
    }
    return user !== this.#userKeys || supervisor !== this.#supervisorKeys;
  }

  /**
   * MOV to CR3 without a change of paging mode. @param keep bit 63 of the source: translations of the PCID stay valid.
   * @returns false as `pagingChanged` does.
   */
  cr3Changed(keep: boolean): boolean {
    const walker = this.walker;
    walker.setCr3(this.#cr3());
    if (walker.mode === "pae" && !walker.loadPdptes()) return false;
    const cpu = this.#cpu;
    if (this.#adoptMasking() || (cpu.low("cr4") & CR4.PCIDE) === 0) {
      this.flushAll();
      return true;
    }
    const pcid = cpu.low("cr3") & 0xfff;
    const known = this.#contextOfPcid[pcid] as number;
    if (keep && known !== 0) {
      this.#contextBase = known;
      this.contextChanged();
    } else this.#newSpace(pcid);
    return true;
  }

  /** Drops every translation of every address space. */
  flushAll(): void {
    this.#largeFirst = Number.POSITIVE_INFINITY;
    this.#largeLast = -1;
    this.#contextOfPcid.fill(0);
    this.#newSpace(this.#cpu.low("cr4") & CR4.PCIDE ? this.#cpu.low("cr3") & 0xfff : 0);
  }

  /** INVLPG: drops the page (whatever its size) of the address in every address space. */
  flushPage(low: number, high: number): void {
    const offset = (low >>> TLB_INDEX_SHIFT) & TLB_INDEX_MASK;
    // Entries are of 4 KiB each; one that came from a large page has neighbours elsewhere in the table.
    const page = (high >>> 0) * 0x10_0000 + (low >>> 12);
    if (page >= this.#largeFirst && page <= this.#largeLast) this.flushAll();
    else {
      this.#cpu.u64[(TLB_READ + offset) >> 3] = 0n;
      this.#cpu.u64[(TLB_WRITE + offset) >> 3] = 0n;
      this.#dropJumpCache();
    }
  }

  /** Recomputes the TLB context and jump key after CPL, EFLAGS.AC, mode or address space changed. */
  contextChanged(): void {
    const cpu = this.#cpu;
    const privilege = cpu.cpl === 3 ? 2 : (cpu.get32("rflags") & FLAG.AC) !== 0 ? 1 : 0;
    const context = this.#contextBase | privilege;
    cpu.setLow("tlbContext", context);
    cpu.set32("jumpKey", context | (cpu.get32("mode") << MODE_SHIFT) | (this.#codeBaseNumber() << CODE_BASE_SHIFT));
  }

  /**
   * Numbers of the bases that code segments have had, other than 0: decoded code is found by rip, which in segments with
   * different bases means different places.
   */
  readonly #codeBases = new Map<number, number>();

  #codeBaseNumber(): number {
    const cpu = this.#cpu;
    const base = cpu.low("segBase", SEGMENT.cs);
    if (base === 0 || cpu.code64) return 0;
    const known = this.#codeBases.get(base);
    if (known !== undefined) return known;
    if (this.#codeBases.size === CODE_BASES) {
      this.#codeBases.clear();
      this.#dropJumpCache();
    }
    const number = this.#codeBases.size + 1;
    this.#codeBases.set(base, number);
    return number;
  }

  /** The frame changed from plain RAM to decoded code: stores to it must miss from now on. */
  dropWriteEntries(frameHva: number): void {
    const { i32, u64 } = this.#cpu;
    for (let at = TLB_WRITE; at < TLB_WRITE + TLB_TABLE_BYTES; at += 16) {
      const page = (i32[at >> 2] as number) & ~0xfff;
      if (((page + (i32[(at + TLB_ADDEND) >> 2] as number)) | 0) === (frameHva | 0)) u64[at >> 3] = 0n;
    }
  }

  // --- misses of generated code; `record` is the address of the decoded-instruction record ---

  /** @returns hva where `size` bytes of the linear address can be read now, or 0: exception pending. */
  readMiss(low: number, high: number, size: number, record: number): number {
    const offset = low & 0xfff;
    const cpu = this.#cpu;
    const access = ACCESS_READ | cpu.explicitAccess;
    if (offset + size > PAGE) return this.#gather(low, high, size, record, access);
    if (!this.#translate(low, high, record, access)) return 0;
    const gfn = this.walker.gfn;
    const hva = cpu.host.physical.readableFrame(gfn);
    if (hva < 0) {
      cpu.host.physical.load(gfn * PAGE + offset, size, BOUNCE);
      return BOUNCE;
    }
    this.#fill(TLB_READ, low, high, hva, cpu.low("tlbContext"));
    return hva + offset;
  }

  /** A read-modify-write's read: as `readMiss`, but all rights to write are checked. */
  modifyMiss(low: number, high: number, size: number, record: number): number {
    const offset = low & 0xfff;
    const cpu = this.#cpu;
    const access = ACCESS_READ | ACCESS_WRITE | cpu.explicitAccess;
    if (offset + size > PAGE) return this.#gather(low, high, size, record, access);
    if (!this.#translate(low, high, record, access)) return 0;
    const gfn = this.walker.gfn;
    const hva = cpu.host.physical.writableFrame(gfn);
    if (hva < 0) {
      cpu.host.physical.load(gfn * PAGE + offset, size, BOUNCE);
      return BOUNCE;
    }
    this.#fill(TLB_WRITE, low, high, hva, cpu.low("tlbContext"));
    return hva + offset;
  }

  /** Stores the `size` bytes that generated code left in the bounce buffer. @returns 0: exception pending, else 1. */
  writeMiss(low: number, high: number, size: number, record: number): number {
    const offset = low & 0xfff;
    const cpu = this.#cpu;
    const access = ACCESS_WRITE | cpu.explicitAccess;
    if (offset + size > PAGE) return this.#scatter(low, high, size, record, access);
    if (!this.#translate(low, high, record, access)) return 0;
    const gfn = this.walker.gfn;
    const hva = cpu.host.physical.writableFrame(gfn);
    if (hva < 0) cpu.host.physical.store(gfn * PAGE + offset, size, BOUNCE);
    else {
      this.#fill(TLB_WRITE, low, high, hva, cpu.low("tlbContext"));
      cpu.u8.copyWithin(hva + offset, BOUNCE, BOUNCE + size);
    }
    return 1;
  }

  // --- helpers ---

  /**
   * Reads 1, 2 or 4 bytes, zero-extended. `access`: 0 for implicit supervisor accesses (descriptor tables, TSS),
   * `cpu.explicitAccess` for the program's own.
   */
  read(linear: bigint, size: 1 | 2 | 4, access: number): number {
    const hva = this.reach(lowHalf(linear), highHalf(linear), size, access);
    const view = this.#cpu.view;
    if (hva === 0) return 0;
    return size === 1 ? view.getUint8(hva) : size === 2 ? view.getUint16(hva, true) : view.getUint32(hva, true);
  }

  /** Reads 8 bytes. */
  read64(linear: bigint, access: number): bigint {
    const hva = this.reach(lowHalf(linear), highHalf(linear), 8, access);
    return hva === 0 ? 0n : this.#cpu.view.getBigUint64(hva, true);
  }

  /** Writes 1, 2 or 4 bytes. */
  write(linear: bigint, size: 1 | 2 | 4, value: number, access: number): void {
    const view = this.#cpu.view;
    if (this.#cpu.faulted) return;
    if (size === 1) view.setUint8(BOUNCE, value);
    else if (size === 2) view.setUint16(BOUNCE, value, true);
    else view.setUint32(BOUNCE, value, true);
    this.storeBounced(lowHalf(linear), highHalf(linear), size, access);
  }

  /** Writes 8 bytes. */
  write64(linear: bigint, value: bigint, access: number): void {
    if (this.#cpu.faulted) return;
    this.#cpu.view.setBigUint64(BOUNCE, value, true);
    this.storeBounced(lowHalf(linear), highHalf(linear), 8, access);
  }

  /**
   * Finds up to 64 bytes for reading: halves signed; `access` as for {@link read}, with ACCESS_WRITE if they are written
   * back. @returns hva, in the bounce buffer unless they are plain memory within a page; 0: exception pending.
   */
  reach(low: number, high: number, size: number, access: number): number {
    const cpu = this.#cpu;
    if (cpu.faulted) return 0;
    const offset = low & 0xfff;
    if (offset + size > PAGE) return this.#gather(low, high, size, 0, access | ACCESS_READ);
    const context = this.#contextOf(access);
    const table = (access & ACCESS_WRITE) === 0 ? TLB_READ : TLB_WRITE;
    const known = this.#lookup(table, low, high, context);
    if (known !== 0) return known;
    if (!this.#translate(low, high, 0, access | ACCESS_READ)) return 0;
    const { gfn } = this.walker;
    const { physical } = cpu.host;
    const hva = table === TLB_READ ? physical.readableFrame(gfn) : physical.writableFrame(gfn);
    if (hva < 0) {
      physical.load(gfn * PAGE + offset, size, BOUNCE);
      return BOUNCE;
    }
    this.#fill(table, low, high, hva, context);
    return hva + offset;
  }

  /** Stores the up to 64 bytes that were left in the bounce buffer. @returns false: exception pending. */
  storeBounced(low: number, high: number, size: number, access: number): boolean {
    const cpu = this.#cpu;
    if (cpu.faulted) return false;
    const offset = low & 0xfff;
    const rights = access | ACCESS_WRITE;
    if (offset + size > PAGE) return this.#scatter(low, high, size, 0, rights) !== 0;
    const context = this.#contextOf(access);
    const known = this.#lookup(TLB_WRITE, low, high, context);
    if (known !== 0) {
      cpu.u8.copyWithin(known, BOUNCE, BOUNCE + size);
      return true;
    }
    if (!this.#translate(low, high, 0, rights)) return false;
    const { gfn } = this.walker;
    const hva = cpu.host.physical.writableFrame(gfn);
    if (hva >= 0) this.#fill(TLB_WRITE, low, high, hva, context);
    cpu.host.physical.store(gfn * PAGE + offset, size, BOUNCE);
    return true;
  }

  /** TLB context of an access of a helper, which need not be of the current privilege. */
  #contextOf(access: number): number {
    return this.#contextBase | ((access & ACCESS_USER) !== 0 ? 2 : (access & ACCESS_AC) !== 0 ? 1 : 0);
  }

  /** @returns hva of the address if a table has its page, else 0. */
  #lookup(table: number, low: number, high: number, context: number): number {
    const { i32 } = this.#cpu;
    const at = (table + ((low >>> TLB_INDEX_SHIFT) & TLB_INDEX_MASK)) >> 2;
    if (i32[at] !== ((low & ~0xfff) | context) || i32[at + 1] !== high) return 0;
    return (low + (i32[at + 2] as number)) >>> 0;
  }

  /**
   * Checks that `size` bytes (up to a page) may be accessed, raising the exception otherwise; sets accessed and dirty
   * flags. For instructions that must know before they commit. @returns whether they may.
   */
  probe(linear: bigint, size: number, access: number): boolean {
    const [low, high] = [lowHalf(linear), highHalf(linear)];
    if (this.#cpu.faulted || !this.#translate(low, high, 0, access)) return false;
    if ((low & 0xfff) + size <= PAGE) return true;
    const [low2, high2] = [lowHalf(linear + BigInt(size - 1)), highHalf(linear + BigInt(size - 1))];
    return this.#translate(low2 & ~0xfff, high2, 0, access);
  }

  /** Translates for an instruction fetch. @returns the gfn, or -1: exception pending. */
  fetchFrame(low: number, high: number): number {
    if (!this.#canonical(low, high, 0)) return -1;
    return this.#walk(low, high, ACCESS_FETCH | this.#cpu.explicitAccess) ? this.walker.gfn : -1;
  }

  /** As a debugger would: no faults, no accessed flags. @returns the gpa, or -1. */
  inspect(low: number, high: number): number {
    return this.walker.walk(low, high, 0) ? this.walker.gfn * PAGE + (low & 0xfff) : -1;
  }

  /** Reads an access that crosses into the next page into the bounce buffer. */
  #gather(low: number, high: number, size: number, record: number, access: number): number {
    if (!this.#bothPages(low, high, record, access)) return 0;
    const first = PAGE - (low & 0xfff);
    const { physical } = this.#cpu.host;
    physical.load(this.#firstGfn * PAGE + (low & 0xfff), first, BOUNCE);
    physical.load(this.#secondGfn * PAGE, size - first, BOUNCE + first);
    return BOUNCE;
  }

  #scatter(low: number, high: number, size: number, record: number, access: number): number {
    if (!this.#bothPages(low, high, record, access)) return 0;
    const first = PAGE - (low & 0xfff);
    const { physical } = this.#cpu.host;
    physical.store(this.#firstGfn * PAGE + (low & 0xfff), first, BOUNCE);
    physical.store(this.#secondGfn * PAGE, size - first, BOUNCE + first);
    return 1;
  }

  #firstGfn = 0;
  #secondGfn = 0;

  #bothPages(low: number, high: number, record: number, access: number): boolean {
    const nextLow = ((low & ~0xfff) + PAGE) | 0;
    // Flat 32-bit code has no limit checks but this one: the last offset is ffffffffh.
    if (nextLow === 0 && record !== 0 && !this.#cpu.code64) return this.#refuse(record);
    if (!this.#translate(low, high, record, access)) return false;
    this.#firstGfn = this.walker.gfn;
    const nextHigh = nextLow === 0 && this.#cpu.longMode ? (high + 1) | 0 : high;
    if (!this.#translate(nextLow, nextHigh, record, access)) return false;
    this.#secondGfn = this.walker.gfn;
    return true;
  }

  /** Bits 63:47 (56 with 5-level paging) must be equal. SDM vol. 1, "Canonical Addressing". */
  #canonical(_low: number, high: number, record: number): boolean {
    const top = this.walker.mode === "long5" ? high >> 24 : high >> 15;
    return top === 0 || top === -1 || !this.#cpu.longMode || this.#refuse(record);
  }

  /** #SS(0) for an operand in the stack segment, else #GP(0). */
  #refuse(record: number): false {
    const cpu = this.#cpu;
    const stack = record !== 0 && cpu.u8[record + RECORD.segment] === SEGMENT.ss;
    cpu.raise(stack ? "SS" : "GP", 0);
    return false;
  }

  /** Of a data access: masks the address, checks it and walks. TLB entries keep the address as the program had it. */
  #translate(low: number, high: number, record: number, access: number): boolean {
    const masked = this.#masks ? this.maskedHigh(high) : high;
    return this.#canonical(low, masked, record) && this.#walk(low, masked, access);
  }

  /** How far addresses are masked: from this bit of their high halves up, but bit 63; 0: they are not. */
  #userMask = 0;
  #supervisorMask = 0;
  #masks = false;

  /** Bits 63:32 of a data address after linear-address masking. SDM vol. 3A, "Linear-Address Masking". */
  maskedHigh(high: number): number {
    const bit = high < 0 ? this.#supervisorMask : this.#userMask;
    if (bit === 0 || !this.#cpu.code64) return high;
    const extended = (high << (31 - bit)) >> (31 - bit);
    return (extended & 0x7fff_ffff) | (high & 0x8000_0000);
  }

  /** Reads the controls of linear-address masking. @returns whether they have changed. */
  #adoptMasking(): boolean {
    const cpu = this.#cpu;
    const [user, supervisor] = [this.#userMask, this.#supervisorMask];
    const cr3 = cpu.longMode ? cpu.high("cr3") : 0;
    this.#userMask = (cr3 & LAM_U57_HIGH) !== 0 ? LAM57_BIT : (cr3 & LAM_U48_HIGH) !== 0 ? LAM48_BIT : 0;
    const cr4 = cpu.longMode ? cpu.low("cr4") : 0;
    this.#supervisorMask = (cr4 & CR4.LAM_SUP) === 0 ? 0 : (cr4 & CR4.LA57) !== 0 ? LAM57_BIT : LAM48_BIT;
    this.#masks = (this.#userMask | this.#supervisorMask) !== 0;
    return user !== this.#userMask || supervisor !== this.#supervisorMask;
  }

  #walk(low: number, high: number, access: number): boolean {
    const walker = this.walker;
    if (walker.walk(low, high, access)) {
      if (walker.pageShift !== 12) this.#noteLargePage(low, high, walker.pageShift);
      return true;
    }
    this.#cpu.raisePageFault(low, high, walker.errorCode);
    return false;
  }

  /** First and last page (gva >> 12) of all large pages translated since the TLB was last empty. */
  #largeFirst = Number.POSITIVE_INFINITY;
  #largeLast = -1;

  #noteLargePage(low: number, high: number, shift: number): void {
    const page = (high >>> 0) * 0x10_0000 + (low >>> 12);
    const pages = 2 ** (shift - 12);
    const first = page - (page % pages);
    if (first < this.#largeFirst) this.#largeFirst = first;
    if (first + pages - 1 > this.#largeLast) this.#largeLast = first + pages - 1;
  }

  #fill(table: number, low: number, high: number, hva: number, context: number): void {
    this.fills++;
    const { i32 } = this.#cpu;
    const at = (table + ((low >>> TLB_INDEX_SHIFT) & TLB_INDEX_MASK)) >> 2;
    i32[at] = (low & ~0xfff) | context;
    i32[at + 1] = high;
    i32[at + 2] = hva - (low & ~0xfff);
  }

  #newSpace(pcid: number): void {
    if (this.#nextContext >= TLB_CONTEXT_LIMIT) this.#recycleContexts();
    this.#contextBase = this.#nextContext;
    this.#nextContext += CONTEXTS_PER_SPACE;
    this.#contextOfPcid[pcid] = this.#contextBase;
    this.contextChanged();
  }

  #recycleContexts(): void {
    this.#cpu.u8.fill(0, TLB_READ, TLB_WRITE + TLB_TABLE_BYTES);
    this.#dropJumpCache();
    this.#contextOfPcid.fill(0);
    this.#nextContext = CONTEXTS_PER_SPACE;
  }

  #dropJumpCache(): void {
    this.mappingGeneration++;
    this.#cpu.u8.fill(0, JUMP_CACHE, SCRATCH_RECORDS);
  }

  #cr3(): number {
    return this.#cpu.low("cr3") + (this.#cpu.high("cr3") & 0xf_ffff) * 0x1_0000_0000;
  }

  #loadPte(gpa: number): number {
    const { host, i32 } = this.#cpu;
    const frame = host.physical.readableFrame(Math.floor(gpa / PAGE));
    return frame < 0 ? -1 : (i32[(frame + (gpa % PAGE)) >>> 2] as number);
  }

  /** Accessed and dirty bits are stores like others: not into ROM, and seen by the dirty log and by decoded code. */
  #orPte(gpa: number, bits: number): void {
    const { host, i32 } = this.#cpu;
    const { physical } = host;
    const gfn = Math.floor(gpa / PAGE);
    const frame = physical.writableFrame(gfn);
    if (frame >= 0) (i32[(frame + (gpa % PAGE)) >>> 2] as number) |= bits;
    else if (physical.readableFrame(gfn) >= 0) {
      physical.load(gpa, 4, PTE_BOUNCE);
      (i32[PTE_BOUNCE >> 2] as number) |= bits;
      physical.store(gpa, 4, PTE_BOUNCE);
    }
  }
}

/** Bits 31:0, signed. */
function lowHalf(linear: bigint): number {
  return Number(BigInt.asIntN(32, linear));
}

/** Bits 63:32, signed. */
function highHalf(linear: bigint): number {
  return Number(BigInt.asIntN(32, linear >> 32n));
}
