// TLB contexts: numbers for an address space at a privilege. A new number is a flush.
//
// Invariants:
// 1. Context 0 is never current, and a number is not used again before the tables were cleared.
// 2. Code of the supervisor without EFLAGS.AC has one context in all address spaces while that is shared: its entries are of
//    global pages, or are listed and dropped with the next change of address space.
// 3. `tlbContexts` in CPU state has the contexts of the current address space by privilege, `codeContexts` those of fetches.
// 4. INVLPG finds an entry of a global page in the shared context, or the entry is listed as scattered.
import { ACCESS_AC, ACCESS_USER } from "@tsvm/mmu";
import { TLB_CONTEXT_LIMIT, tlbContextOf } from "@tsvm/tcg";
import { CR4, FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, PRIVILEGE, SEGMENT } from "../state/layout.ts";
import { decodingMode } from "../state/mode.ts";
import { type CodeTranslations, JUMP_KEY_BASE_SHIFT, JUMP_KEY_MODE_SHIFT } from "./code-translations.ts";
import { offsetOf, type SoftTlb } from "./soft-tlb.ts";

const CONTEXTS_PER_SPACE = 4;
const CONTEXT_NUMBER = TLB_CONTEXT_LIMIT - 1;
const CODE_BASES = 2 ** (32 - JUMP_KEY_BASE_SHIFT) - 1;
/** Entries of the supervisor that a change of address space drops one by one at most. */
const MAX_LOCAL = 512;
/** After so many address spaces with more such entries, the supervisor's pages are not global: its context is not shared. */
const PATIENCE = 16;

export class AddressSpaces {
  readonly #cpu: Cpu;
  readonly #tlb: SoftTlb;
  readonly #code: CodeTranslations;
  #next = CONTEXTS_PER_SPACE;
  /** First context of each address space kept under a PCID; 0: none. */
  readonly #baseOfPcid = new Uint16Array(4096);
  /** The supervisor's context in all address spaces; 0: it is not shared. */
  #shared = 0;
  /** Table offsets of the shared context's entries of pages that are not global. */
  readonly #local = new Int32Array(MAX_LOCAL);
  #localCount = 0;
  /** Code of the shared context was fetched from pages that are not global. */
  #localCode = false;
  #overflows = 0;

  constructor(cpu: Cpu, tlb: SoftTlb, code: CodeTranslations) {
    this.#cpu = cpu;
    this.#tlb = tlb;
    this.#code = code;
  }

  /** Paging works otherwise than before: drops every translation. */
  pagingChanged(): void {
    this.#overflows = 0;
    this.dropAll();
  }

  /**
   * Numbers contexts from the beginning again; {@link pagingChanged} follows. What lies where in the tables then does not
   * depend on what was before, and a repeated string instruction takes as many turns wherever a state is restored.
   */
  restart(): void {
    this.#shared = 0;
    this.#recycle();
  }

  /** Drops every translation of every address space. */
  dropAll(): void {
    this.#tlb.forgetLargePages();
    this.#baseOfPcid.fill(0);
    const pge = (this.#cpu.low(AT.cr4) & CR4.PGE) !== 0;
    this.#shared = pge && this.#overflows < PATIENCE ? this.#allocate() : 0;
    this.#localCount = 0;
    this.#create(this.#pcid());
  }

  /** CR3 was written. @param keep what is known of the PCID's pages stays valid. */
  change(keep: boolean): void {
    this.#dropLocal();
    const pcid = this.#pcid();
    const known = this.#baseOfPcid[pcid] as number;
    if (keep && known !== 0) this.#enter(known);
    else this.#create(pcid);
  }

  /** Context of an access of a helper, which need not be of the current privilege. */
  contextOf(access: number): number {
    const user = (access & ACCESS_USER) !== 0;
    const privilege = user
      ? PRIVILEGE.user
      : (access & ACCESS_AC) !== 0
        ? PRIVILEGE.supervisorAc
        : PRIVILEGE.supervisor;
    return this.#cpu.low(AT.tlbContexts, privilege);
  }

  /** INVLPG of a page of 4 KiB. */
  dropPage(low: number): void {
    const { supervisor, supervisorAc, user } = PRIVILEGE;
    this.#dropEntry(low, supervisor);
    this.#dropEntry(low, supervisorAc);
    this.#dropEntry(low, user);
  }

  #dropEntry(low: number, privilege: number): void {
    this.#tlb.dropAt(offsetOf(low, this.#cpu.low(AT.tlbContexts, privilege)));
  }

  /** An entry was made. */
  filled(low: number, high: number, context: number, global: boolean): void {
    if (context === tlbContextOf(this.#shared)) {
      if (global) return;
      if (this.#localCount < MAX_LOCAL) this.#local[this.#localCount] = offsetOf(low, context);
      this.#localCount++;
    } else if (global) this.#tlb.noteScattered(low, high, context);
  }

  /** A page was translated for a fetch. */
  fetched(low: number, global: boolean): void {
    this.#code.note(low);
    if (!global && (this.#cpu.get32(AT.jumpKey) & CONTEXT_NUMBER) === this.#shared) this.#localCode = true;
  }

  /** Recomputes the TLB context and jump key after CPL, EFLAGS.AC, mode or address space changed. */
  contextChanged(): void {
    const cpu = this.#cpu;
    const ac = (cpu.get32(AT.rflags) & FLAG.AC) !== 0;
    const privilege = cpu.cpl === 3 ? PRIVILEGE.user : ac ? PRIVILEGE.supervisorAc : PRIVILEGE.supervisor;
    cpu.setLow(AT.tlbContext, cpu.low(AT.tlbContexts, privilege));
    const mode = decodingMode(cpu) << JUMP_KEY_MODE_SHIFT;
    const base = this.#codeBaseNumber() << JUMP_KEY_BASE_SHIFT;
    cpu.set32(AT.jumpKey, cpu.low(AT.codeContexts, privilege) | mode | base);
  }

  #pcid(): number {
    const cpu = this.#cpu;
    return (cpu.low(AT.cr4) & CR4.PCIDE) !== 0 ? cpu.low(AT.cr3) & 0xfff : 0;
  }

  #create(pcid: number): void {
    const base = this.#allocate();
    this.#baseOfPcid[pcid] = base;
    this.#enter(base);
  }

  #enter(base: number): void {
    const cpu = this.#cpu;
    const supervisor = this.#shared || base;
    cpu.setLow(AT.codeContexts, supervisor, PRIVILEGE.supervisor);
    cpu.setLow(AT.codeContexts, supervisor, PRIVILEGE.supervisorAc);
    cpu.setLow(AT.codeContexts, base + PRIVILEGE.user, PRIVILEGE.user);
    cpu.setLow(AT.tlbContexts, tlbContextOf(supervisor), PRIVILEGE.supervisor);
    cpu.setLow(AT.tlbContexts, tlbContextOf(base + PRIVILEGE.supervisorAc), PRIVILEGE.supervisorAc);
    cpu.setLow(AT.tlbContexts, tlbContextOf(base + PRIVILEGE.user), PRIVILEGE.user);
    this.contextChanged();
  }

  #dropLocal(): void {
    if (this.#localCode) this.#code.drop();
    this.#localCode = false;
    const count = this.#localCount;
    this.#localCount = 0;
    if (count <= MAX_LOCAL) {
      for (let i = 0; i < count; i++) this.#tlb.dropAt(this.#local[i] as number);
      return;
    }
    this.#overflows++;
    this.#shared = this.#overflows < PATIENCE ? this.#allocate() : 0;
  }

  #allocate(): number {
    if (this.#next >= TLB_CONTEXT_LIMIT) this.#recycle();
    const first = this.#next;
    this.#next += CONTEXTS_PER_SPACE;
    return first;
  }

  #recycle(): void {
    this.#tlb.clear();
    this.#code.drop();
    this.#baseOfPcid.fill(0);
    this.#next = CONTEXTS_PER_SPACE;
    // The shared context's number starts over as well.
    if (this.#shared !== 0) {
      this.#shared = this.#next;
      this.#next += CONTEXTS_PER_SPACE;
    }
    this.#localCount = 0;
    this.#localCode = false;
  }

  /**
   * Numbers of the bases that code segments have had, other than 0: decoded code is found by rip, which in segments with
   * different bases means different places.
   */
  readonly #codeBases = new Map<number, number>();

  #codeBaseNumber(): number {
    const cpu = this.#cpu;
    const base = cpu.low(AT.segBase, SEGMENT.cs);
    if (base === 0 || cpu.code64) return 0;
    const known = this.#codeBases.get(base);
    if (known !== undefined) return known;
    if (this.#codeBases.size === CODE_BASES) {
      this.#codeBases.clear();
      this.#code.drop();
    }
    this.#code.hasBases = true;
    const number = this.#codeBases.size + 1;
    this.#codeBases.set(base, number);
    return number;
  }
}
