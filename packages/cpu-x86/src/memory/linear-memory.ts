import {
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_WRITE,
  createWalker,
  type PagingMode,
  pagingControlsOf,
  pagingModeOf,
  type Walker,
} from "@tsvm/mmu";
import { RECORD, STACK_ACCESS } from "../decode/decoded-insn.ts";
import { CR3_LAM_U48, CR3_LAM_U57, CR4 } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { TLB_READ, TLB_WRITE } from "../state/memory-map.ts";
import { AddressSpaces } from "./address-spaces.ts";
import { CodeTranslations } from "./code-translations.ts";
import { PageTables } from "./page-tables.ts";
import { SoftTlb } from "./soft-tlb.ts";

const BOUNCE = AT.bounce;
const PAGE = 4096;
/** {@link LinearMemory.locate}: the page is a device, ROM that is to be written, or decoded code that is. */
export const NOT_PLAIN = -1;

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
  readonly #tlb: SoftTlb;
  readonly #code: CodeTranslations;
  readonly #spaces: AddressSpaces;
  readonly #tables: PageTables;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#tlb = new SoftTlb(cpu);
    this.#code = new CodeTranslations(cpu);
    this.#spaces = new AddressSpaces(cpu, this.#tlb, this.#code);
    this.#tables = new PageTables(cpu);
    const modes = ["bare", "legacy32", "pae", "long4", "long5"] as const;
    this.#walkers = Object.fromEntries(modes.map((mode) => [mode, createWalker(mode, this.#tables)])) as Record<
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
    const [cr0, cr4, efer] = [cpu.low(AT.cr0), cpu.low(AT.cr4), cpu.low(AT.efer)];
    const walker = this.#walkers[pagingModeOf(cr0, cr4, efer)];
    walker.configure({ ...pagingControlsOf(cr0, cr4, efer), cr3: this.#cr3() });
    if (loadPdptes && !walker.loadPdptes()) return false;
    this.walker = walker;
    this.#adoptMasking();
    this.#adoptProtectionKeys();
    this.#spaces.pagingChanged();
    return true;
  }

  /** As {@link pagingChanged} with PDPTEs, for a state that was restored: nothing of the time before is left. */
  restart(): boolean {
    this.#spaces.restart();
    return this.pagingChanged(true);
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
    const cr4 = cpu.low(AT.cr4);
    this.#userKeys = (cr4 & CR4.PKE) !== 0 ? cpu.get32(AT.pkru) : 0;
    this.#supervisorKeys = (cr4 & CR4.PKS) !== 0 ? cpu.low(AT.pkrs) : 0;
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
    if (this.#adoptMasking()) this.flushAll();
    else this.#spaces.change(keep);
    return true;
  }

  /** Drops every translation of every address space, and where memory is: also for changes of the memory map. */
  flushAll(): void {
    this.#tables.forget();
    this.#spaces.dropAll();
  }

  /** INVLPG: drops the page (whatever its size) of the address in the current address space, and global ones in all. */
  flushPage(low: number, gvaHigh: number): void {
    const high = gvaHigh | 0;
    const scattered = this.#tlb.isScattered(low, high);
    // Masked addresses differ in their high halves.
    if (scattered && this.#masks) {
      this.flushAll();
      return;
    }
    // Also if the page is large now: it may have been small when its entry was made.
    this.#spaces.dropPage(low);
    if (scattered) {
      this.#tlb.dropGib(low, high);
      this.#code.dropGib(low, high);
    } else this.#code.dropPage(low, high);
  }

  /** Recomputes the TLB context and jump key after CPL, EFLAGS.AC, mode or address space changed. */
  contextChanged(): void {
    this.#spaces.contextChanged();
  }

  /** Changes whenever translations of fetches have to be made anew. */
  get mappingGeneration(): number {
    return this.#code.generation;
  }

  /** Makes the jump cache lead from a rip, in the current context, to a record. */
  enterJumpCache(low: number, high: number, record: number): void {
    this.#code.enter(low, high, record);
  }

  /** Makes the jump cache lead nowhere from a rip, in the current context. */
  leaveJumpCache(low: number, high: number): void {
    this.#code.leave(low, high);
  }

  /** No record is led to any more. */
  clearJumpCache(): void {
    this.#code.clear();
  }

  /** Soft-TLB entries made; for the counters of the facade. */
  get fills(): number {
    return this.#tlb.fills;
  }

  /** The frame changed from plain RAM to decoded code: stores to it must miss from now on. */
  dropWriteEntries(frameHva: number): void {
    this.#tlb.dropWritesTo(frameHva);
  }

  // --- misses of generated code; `record` is the address of the decoded-instruction record, or STACK_ACCESS ---

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
    this.#fill(TLB_READ, low, high, hva, cpu.low(AT.tlbContext));
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
    this.#fill(TLB_WRITE, low, high, hva, cpu.low(AT.tlbContext));
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
      this.#fill(TLB_WRITE, low, high, hva, cpu.low(AT.tlbContext));
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
    this.#writeHalves(lowHalf(linear), highHalf(linear), size, value, access);
  }

  /** The same below 4 GiB. @param low signed. */
  writeLow(low: number, size: 1 | 2 | 4, value: number, access: number): void {
    this.#writeHalves(low, 0, size, value, access);
  }

  #writeHalves(low: number, high: number, size: 1 | 2 | 4, value: number, access: number): void {
    const view = this.#cpu.view;
    if (this.#cpu.faulted) return;
    if (size === 1) view.setUint8(BOUNCE, value);
    else if (size === 2) view.setUint16(BOUNCE, value, true);
    else view.setUint32(BOUNCE, value, true);
    this.storeBounced(low, high, size, access);
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
    const hva = this.locate(low, high, access);
    if (hva !== NOT_PLAIN) return hva;
    cpu.host.physical.load(this.walker.gfn * PAGE + offset, size, BOUNCE);
    return BOUNCE;
  }

  /**
   * Finds the page of one address: halves signed; `access` as for {@link reach}.
   * @returns hva of the address in plain memory, or NOT_PLAIN: it is in frame `walker.gfn`; 0: exception pending.
   */
  locate(low: number, high: number, access: number): number {
    const cpu = this.#cpu;
    if (cpu.faulted) return 0;
    const context = this.#spaces.contextOf(access);
    const table = (access & ACCESS_WRITE) === 0 ? TLB_READ : TLB_WRITE;
    const known = this.#tlb.lookup(table, low, high, context);
    if (known !== 0) return known;
    if (!this.#translate(low, high, 0, access | ACCESS_READ)) return 0;
    const { gfn } = this.walker;
    const { physical } = cpu.host;
    const hva = table === TLB_READ ? physical.readableFrame(gfn) : physical.writableFrame(gfn);
    if (hva < 0) return NOT_PLAIN;
    this.#fill(table, low, high, hva, context);
    return hva + (low & 0xfff);
  }

  /** Stores the up to 64 bytes that were left in the bounce buffer. @returns false: exception pending. */
  storeBounced(low: number, high: number, size: number, access: number): boolean {
    const cpu = this.#cpu;
    if (cpu.faulted) return false;
    const offset = low & 0xfff;
    const rights = access | ACCESS_WRITE;
    if (offset + size > PAGE) return this.#scatter(low, high, size, 0, rights) !== 0;
    const context = this.#spaces.contextOf(access);
    const known = this.#tlb.lookup(TLB_WRITE, low, high, context);
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

  /** Reads a shadow stack, past the soft TLB; `access` has ACCESS_SHADOW. @returns 0 after a fault. */
  readShadow(linear: bigint, size: 4 | 8, access: number): bigint {
    const [low, high] = [lowHalf(linear), highHalf(linear)];
    const { faulted, host, view } = this.#cpu;
    if (faulted) return 0n;
    if ((low & 0xfff) + size > PAGE) {
      if (this.#gather(low, high, size, 0, access) === 0) return 0n;
    } else {
      if (!this.#translate(low, high, 0, access)) return 0n;
      host.physical.load(this.walker.gfn * PAGE + (low & 0xfff), size, BOUNCE);
    }
    return size === 8 ? view.getBigUint64(BOUNCE, true) : BigInt(view.getUint32(BOUNCE, true));
  }

  /** Writes a shadow stack, past the soft TLB; `access` has ACCESS_SHADOW. */
  writeShadow(linear: bigint, size: 4 | 8, value: bigint, access: number): void {
    const [low, high] = [lowHalf(linear), highHalf(linear)];
    const { faulted, host, view } = this.#cpu;
    if (faulted) return;
    view.setBigUint64(BOUNCE, value, true);
    if ((low & 0xfff) + size > PAGE) this.#scatter(low, high, size, 0, access);
    else if (this.#translate(low, high, 0, access)) {
      host.physical.store(this.walker.gfn * PAGE + (low & 0xfff), size, BOUNCE);
    }
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
    if (!this.#walk(low, high, ACCESS_FETCH | this.#cpu.explicitAccess)) return -1;
    this.#spaces.fetched(low, this.walker.global);
    return this.walker.gfn;
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

  /** #SS(0) for the stack and for an operand in its segment, else #GP(0). */
  #refuse(record: number): false {
    const cpu = this.#cpu;
    const stack = record === STACK_ACCESS || (record !== 0 && cpu.u8[record + RECORD.segment] === SEGMENT.ss);
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
    const cr3 = cpu.longMode ? cpu.high(AT.cr3) : 0;
    this.#userMask = (cr3 & LAM_U57_HIGH) !== 0 ? LAM57_BIT : (cr3 & LAM_U48_HIGH) !== 0 ? LAM48_BIT : 0;
    const cr4 = cpu.longMode ? cpu.low(AT.cr4) : 0;
    this.#supervisorMask = (cr4 & CR4.LAM_SUP) === 0 ? 0 : (cr4 & CR4.LA57) !== 0 ? LAM57_BIT : LAM48_BIT;
    this.#masks = (this.#userMask | this.#supervisorMask) !== 0;
    return user !== this.#userMask || supervisor !== this.#supervisorMask;
  }

  #walk(low: number, high: number, access: number): boolean {
    const walker = this.walker;
    if (walker.walk(low, high, access)) {
      if (walker.pageShift !== 12) this.#tlb.noteLargePage(low, high, walker.pageShift);
      return true;
    }
    this.#cpu.raisePageFault(low, high, walker.errorCode);
    return false;
  }

  #fill(table: number, low: number, high: number, hva: number, context: number): void {
    this.#tlb.fill(table, low, high, hva, context);
    this.#spaces.filled(low, high, context, this.walker.global);
  }

  #cr3(): number {
    return this.#cpu.low(AT.cr3) + (this.#cpu.high(AT.cr3) & 0xf_ffff) * 0x1_0000_0000;
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
