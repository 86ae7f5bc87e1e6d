import {
  ACCESS_FETCH,
  ACCESS_KINDS,
  ACCESS_READ,
  ACCESS_SHADOW,
  ACCESS_USER,
  ACCESS_WRITE,
  type AccessBits,
} from "./access.ts";
import { PF_ID, PF_P, PF_PK, PF_SS, PF_US, PF_WR } from "./fault.ts";
import { PTE_A, PTE_D, PTE_G, PTE_RW, PTE_US } from "./pte.ts";
import { fillRights, RIGHTS_ENTRIES, rightsIndex } from "./rights.ts";
import {
  DEFAULT_PAGING_REGISTERS,
  PAGE_D,
  PAGE_G,
  PAGE_US,
  type PageShift,
  type PagingMode,
  type PagingRegisters,
  type PteMemory,
  type Walker,
} from "./walker.ts";

/** Not a set of flags: {@link BaseWalker.mapPage} found a right missing and has filled in the fault. */
export const FAULTED = -1;

/**
 * What the paging modes share: registers, the end of a walk (rights, accessed and dirty flags, result) and faults.
 *
 * Invariants of every walk:
 * 1. Per level: P first, then reserved bits; an upper level's fault hides the lower levels'. SDM vol. 3A,
 *    "Page-Fault Exceptions".
 * 2. Rights are judged once, after the entry that maps the page was found.
 * 3. Memory is written only by a walk that succeeds, and only where a flag is still clear: page tables that are in use
 *    cause no stores. Processors may set accessed flags of upper levels already when a lower level then faults; KVM's
 *    walker does not, guests cannot rely on either, and this choice leaves faulting walks without traces.
 */
export abstract class BaseWalker implements Walker {
  abstract readonly mode: PagingMode;

  gfn = 0;
  pageShift: PageShift = 12;
  permits = 0;
  attributes = 0;
  errorCode = 0;
  readonly pdptes: Uint32Array = new Uint32Array(0);

  protected readonly memory: PteMemory;
  protected cr3Low = 0;
  protected cr3High = 0;
  readonly #granted = new Uint8Array(RIGHTS_ENTRIES);
  #registers: PagingRegisters = DEFAULT_PAGING_REGISTERS;
  #cr3 = 0;
  /** Access bits that reach the error code. */
  #reported = 0;
  /** Bits of the mapping entry that reach `attributes`. */
  #leafAttributes = 0;
  #userKeys = 0;
  #supervisorKeys = 0;

  constructor(memory: PteMemory) {
    this.memory = memory;
  }

  abstract walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean;

  abstract walkBelow(
    level: number,
    low: number,
    high: number,
    allLow: number,
    anyHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
  ): boolean;

  walkPage(vpn: number, access: AccessBits): boolean {
    return this.walk((vpn & 0xf_ffff) << 12, (vpn / 0x10_0000) | 0, access);
  }

  get readable(): boolean {
    return (this.permits & ACCESS_READ) !== 0;
  }
  get writable(): boolean {
    return (this.permits & ACCESS_WRITE) !== 0;
  }
  get executable(): boolean {
    return (this.permits & ACCESS_FETCH) !== 0;
  }
  get user(): boolean {
    return (this.attributes & PAGE_US) !== 0;
  }
  get global(): boolean {
    return (this.attributes & PAGE_G) !== 0;
  }
  get dirty(): boolean {
    return (this.attributes & PAGE_D) !== 0;
  }

  get registers(): PagingRegisters {
    return { ...this.#registers, cr3: this.#cr3 };
  }

  configure(changes: Partial<PagingRegisters>): void {
    const registers = { ...this.#registers, cr3: this.#cr3, ...changes };
    checkRegisters(registers);
    this.#registers = registers;
    fillRights(this.#granted, registers);
    this.#reported = PF_WR | PF_US | PF_SS | (this.reportsFetches(registers) ? PF_ID : 0);
    this.#leafAttributes = PTE_D | (registers.pge ? PTE_G : 0);
    this.applyRegisters(registers);
    this.setCr3(registers.cr3);
  }

  setCr3(cr3: number): void {
    this.#cr3 = cr3;
    this.cr3Low = cr3 | 0;
    this.cr3High = (cr3 / 0x1_0000_0000) | 0;
  }

  setProtectionKeys(user: number, supervisor: number): void {
    const has = this.mode === "long4" || this.mode === "long5";
    this.#userKeys = has ? user : 0;
    this.#supervisorKeys = has ? supervisor : 0;
  }

  loadPdptes(): boolean {
    return true;
  }

  /** Recomputes the masks that a mode derives from its registers. */
  protected applyRegisters(_registers: PagingRegisters): void {}

  /** Whether faults of fetches have I/D set. */
  protected reportsFetches(registers: PagingRegisters): boolean {
    return registers.smep || registers.nxe;
  }

  /** Ends a walk with #PF; `cause` is PF_P, PF_P | PF_RSVD or 0. */
  protected fault(access: AccessBits, cause: number): false {
    this.errorCode = cause | (access & this.#reported);
    return false;
  }

  /**
   * Ends a walk at the entry that maps the page: judges the rights and fills in the result.
   * @param low halves of the address in that entry; the flags of `low` count too.
   * @param upperLow AND of the low halves of the entries above it: R/W and U/S count only where all levels grant them.
   * @param anyHigh OR of the high halves of all entries used: XD counts where any level has it.
   * @returns the flags (A, D) to set in the entry, or {@link FAULTED}.
   */
  protected mapPage(
    low: number,
    high: number,
    upperLow: number,
    anyHigh: number,
    gvaLow: number,
    pageShift: PageShift,
    access: AccessBits,
  ): number {
    // PAGE_RW, PAGE_US, PAGE_D and PAGE_G stand where entries have these bits, PAGE_XD is bit 63 brought down to 0.
    const rights = (upperLow & low & (PTE_RW | PTE_US)) | (anyHigh >>> 31);
    const keys = (rights & PAGE_US) !== 0 ? this.#userKeys : this.#supervisorKeys;
    const denied = keys === 0 ? 0 : this.#deniedByKey(keys >>> ((high >>> 26) & 0x1e), access);
    const granted =
      (access & ACCESS_SHADOW) === 0
        ? (this.#granted[rightsIndex(access, rights)] as number)
        : grantedToShadowStack(access, low, upperLow);
    const permits = granted & ~denied;
    if ((access & ACCESS_KINDS & ~permits) !== 0) {
      this.fault(access, (access & denied) !== 0 ? PF_P | PF_PK : PF_P);
      return FAULTED;
    }
    let flags = 0;
    if ((access & ACCESS_KINDS) !== 0) flags = (access & ACCESS_WRITE) !== 0 ? PTE_A | PTE_D : PTE_A;
    const inPage = (1 << (pageShift - 12)) - 1;
    const frameLow = ((low >>> 12) & ~inPage) | ((gvaLow >>> 12) & inPage);
    this.gfn = (high & 0xf_ffff) * 0x10_0000 + frameLow;
    this.pageShift = pageShift;
    this.permits = permits;
    this.attributes = rights | ((low | flags) & this.#leafAttributes);
    return flags & ~low;
  }

  /** SDM vol. 3A, "Protection Keys": bit 0 forbids all data accesses, bit 1 writes; the latter of a supervisor under CR0.WP. */
  #deniedByKey(rights: number, access: AccessBits): number {
    if ((rights & 1) !== 0) return ACCESS_READ | ACCESS_WRITE;
    return (rights & 2) !== 0 && ((access & PF_US) !== 0 || this.#registers.wp) ? ACCESS_WRITE : 0;
  }
}

/**
 * Kinds that a page grants to shadow-stack accesses: it is one of shadow stacks if R/W is set above the entry that maps it and
 * clear there, where D is set. SDM vol. 3A, "Access Rights", "Shadow-stack accesses".
 * @param low the entry that maps the page. @param upperLow AND of those above it.
 */
function grantedToShadowStack(access: AccessBits, low: number, upperLow: number): number {
  const isShadowStack = (upperLow & PTE_RW) !== 0 && (low & (PTE_RW | PTE_D)) === PTE_D;
  const ofUser = (low & upperLow & PTE_US) !== 0;
  return isShadowStack && ofUser === ((access & ACCESS_USER) !== 0) ? ACCESS_READ | ACCESS_WRITE : 0;
}

function checkRegisters(registers: PagingRegisters): void {
  const { cr3, maxPhyAddr } = registers;
  if (!Number.isInteger(maxPhyAddr) || maxPhyAddr < 32 || maxPhyAddr > 52) {
    throw registersError(`maxPhyAddr must be an integer from 32 to 52, not ${maxPhyAddr}`);
  }
  if (!Number.isInteger(cr3) || cr3 < 0 || cr3 >= 2 ** 52) {
    throw registersError(`cr3 must be an integer from 0 to 2^52 - 1, not ${cr3}`);
  }
}

function registersError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_REGISTERS" });
}
