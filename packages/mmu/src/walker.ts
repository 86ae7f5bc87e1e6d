import type { AccessBits } from "./access.ts";

/** A paging mode. SDM vol. 3A, "Paging Modes and Control Bits"; `bare` is paging off. */
export type PagingMode = "bare" | "legacy32" | "pae" | "long4" | "long5";

/**
 * What a walker needs of guest memory. Addresses are guest physical, below 2^52 and 4-byte aligned.
 * A `DataView` over RAM satisfies it in two lines.
 */
export interface PteMemory {
  /** Four bytes, little-endian, as signed or unsigned number. Not RAM: whatever the bus gives, usually all ones. */
  load32(gpa: number): number;
  /** Sets `bits` atomically. Not RAM: no effect. */
  or32(gpa: number, bits: number): void;
}

/** The register bits and CPUID facts a walk depends on. Defaults in {@link DEFAULT_PAGING_REGISTERS}. */
export interface PagingRegisters {
  /** CR3 without bit 63 (which is not stored by a MOV to CR3): below 2^52. */
  readonly cr3: number;
  /** CR0.WP: supervisor writes respect R/W. */
  readonly wp: boolean;
  /** CR4.PSE: 4-MByte pages in 32-bit paging; other modes ignore it. */
  readonly pse: boolean;
  /** CR4.PGE: G is respected; off: no page counts as global. */
  readonly pge: boolean;
  /** CR4.SMEP: no supervisor fetch from user pages. */
  readonly smep: boolean;
  /** CR4.SMAP: no supervisor data access to user pages, but for EFLAGS.AC. */
  readonly smap: boolean;
  /** IA32_EFER.NXE: bit 63 is XD; off: bit 63 is reserved. 32-bit paging ignores it. */
  readonly nxe: boolean;
  /** CR4.PCIDE: CR3[11:0] names the address space. Only `Mmu` looks at it, walks do not depend on it. */
  readonly pcide: boolean;
  /** MAXPHYADDR, 32 to 52 (CPUID.80000008H:EAX[7:0]). Entry bits from here up to 51 are reserved. */
  readonly maxPhyAddr: number;
  /** CPUID.01H:EDX.PSE-36: PDE bits 20:13 of a 4-MByte page are address bits 39:32; off: reserved. */
  readonly pse36: boolean;
  /** CPUID.80000001H:EDX.Page1GB: PDPTEs may map pages; off: PS is reserved there. */
  readonly pages1G: boolean;
}

/** Power-on control bits on a processor with 40 address bits, PSE-36 and 1-GByte pages. */
export const DEFAULT_PAGING_REGISTERS: PagingRegisters = {
  cr3: 0,
  wp: false,
  pse: false,
  pge: false,
  smep: false,
  smap: false,
  nxe: false,
  pcide: false,
  maxPhyAddr: 40,
  pse36: true,
  pages1G: true,
};

/**
 * One page walk after another, nothing remembered between them but registers (and PDPTEs, as the architecture has it).
 * Made for the miss path of a software TLB: a walk allocates nothing and leaves its result in the fields below.
 * After a successful walk all fields but `errorCode` are valid, after a failed one only `errorCode` is.
 *
 * Canonical checks are the caller's: a non-canonical address is #GP or #SS, never #PF, and gets no walk.
 */
export interface Walker {
  readonly mode: PagingMode;

  /**
   * Walks for the page of one guest virtual address, given as two 32-bit halves (signed or unsigned).
   * Accessed flags (all levels) and, for writes, the dirty flag are set only if the walk succeeds.
   * @param gvaLow bits 31:0; bits 11:0 do not matter.
   * @param gvaHigh bits 63:32; ignored outside `long4` and `long5`.
   * @returns whether the access is allowed; false: raise #PF with `errorCode`.
   */
  walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean;
  /**
   * As `walk`, from a table on that a paging-structure cache leads to.
   * @param level of the entry that refers to the table, from 2 up to the mode's levels. @param low its halves, as read.
   * @param allLow AND of the low halves of all entries down to it. @param anyHigh OR of their high halves.
   */
  walkBelow(
    level: number,
    low: number,
    high: number,
    allLow: number,
    anyHigh: number,
    gvaLow: number,
    gvaHigh: number,
    access: AccessBits,
  ): boolean;
  /** As `walk`, by guest virtual page number: gva >> 12, unsigned, below 2^52. */
  walkPage(vpn: number, access: AccessBits): boolean;

  /** Frame of the accessed 4-KByte page, also inside large pages. */
  readonly gfn: number;
  /** Size of the mapping: 12, 21, 22 or 30. */
  readonly pageShift: PageShift;
  /**
   * The kinds (`ACCESS_READ | ACCESS_WRITE | ACCESS_FETCH`) that the page grants under the privilege and AC of this
   * access. A TLB entry for writes also needs `dirty`, otherwise the first write would go unseen.
   */
  readonly permits: number;
  /** The page itself: `PAGE_*` bits of all levels taken together. */
  readonly attributes: number;
  /** #PF error code as pushed on the stack: `PF_*`. */
  readonly errorCode: number;

  /** `permits` has ACCESS_READ. False only where SMAP forbids reading what may be fetched. */
  readonly readable: boolean;
  /** `permits` has ACCESS_WRITE: R/W, or a supervisor with CR0.WP clear. */
  readonly writable: boolean;
  /** `permits` has ACCESS_FETCH. */
  readonly executable: boolean;
  /** U/S of all levels: user-mode accesses reach the page. */
  readonly user: boolean;
  /** CR4.PGE and G of the mapping entry: the translation survives a MOV to CR3. */
  readonly global: boolean;
  /** D of the mapping entry after this walk. */
  readonly dirty: boolean;

  /** Replaces the given registers and keeps the rest. Loads no PDPTEs. @throws RangeError (code `MMU_REGISTERS`) */
  configure(changes: Partial<PagingRegisters>): void;
  /** As `configure({ cr3 })`, for task switches: no checks, no allocation. */
  setCr3(cr3: number): void;
  readonly registers: PagingRegisters;
  /**
   * `long4`, `long5`: the rights that protection keys take away from user and from supervisor pages, two bits a key (AD,
   * WD) as in PKRU and IA32_PKRS; 0 while CR4.PKE or CR4.PKS is clear. Other modes have no keys.
   */
  setProtectionKeys(user: number, supervisor: number): void;

  /**
   * `pae`: reads the four PDPTEs at CR3, as MOV to CR3 does, and MOV to CR0 or CR4 that changes CD, NW, PG, PAE, PGE,
   * PSE or SMEP. Other modes: nothing, true.
   * @returns false if a present PDPTE has a reserved bit set: raise #GP(0) and restore CR3; the old PDPTEs stay.
   */
  loadPdptes(): boolean;
  /** `pae`: the PDPTE registers, low and high halves in turn; for snapshots, live and writable. Other modes: empty. */
  readonly pdptes: Uint32Array;
}

/** log2 of the bytes a translation covers. */
export type PageShift = 12 | 21 | 22 | 30;

/** {@link Walker.attributes}: execute disable of any level. Stands in the place of P, which is always 1. */
export const PAGE_XD = 0x001;
/** {@link Walker.attributes}: R/W of all levels. As the other bits below, where page-table entries have it. */
export const PAGE_RW = 0x002;
/** {@link Walker.attributes}: U/S of all levels. */
export const PAGE_US = 0x004;
/** {@link Walker.attributes}: dirty. */
export const PAGE_D = 0x040;
/** {@link Walker.attributes}: global; 0 while CR4.PGE is clear. */
export const PAGE_G = 0x100;
