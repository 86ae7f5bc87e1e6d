import { ACCESS_FETCH, ACCESS_KINDS, ACCESS_READ, ACCESS_WRITE, type AccessBits } from "./access.ts";
import type { PteMemory } from "./walker.ts";

/** Reads allowed. Bits of an EPT entry; SDM vol. 3C, "The EPT Translation Mechanism". */
export const EPT_R = 0x001;
/** Writes allowed. */
export const EPT_W = 0x002;
/** Fetches allowed. */
export const EPT_X = 0x004;
/** Write-back memory type, in entries that map a page; the field is bits 5:3. */
export const EPT_WB = 0x030;
/** The entry maps a page; in a PTE ignored, in a PML4E or PML5E reserved. */
export const EPT_PS = 0x080;
/** Accessed; ignored unless EPTP enables accessed and dirty flags. */
export const EPT_A = 0x100;
/** Dirty; as EPT_A, in entries that map a page. */
export const EPT_D = 0x200;
const EPT_RWX: number = EPT_R | EPT_W | EPT_X;
/** EPTP: accessed and dirty flags are on, and accesses to guest tables count as writes. */
export const EPTP_AD = 0x040;

/** The processor's side of EPT. */
export interface EptOptions {
  /**
   * EPT pointer: memory type (0 or 6) in bits 2:0, levels less one (3 or 4) in bits 5:3, {@link EPTP_AD}, and the root
   * table in bits 51:12; below 2^52.
   */
  readonly eptp: number;
  /** MAXPHYADDR, 32 to 52; default 40. Entry bits from here up to 51 are reserved. */
  readonly maxPhyAddr?: number;
  /** IA32_VMX_EPT_VPID_CAP[0]: X without R is a right; default true. Off: it is a misconfiguration. */
  readonly executeOnly?: boolean;
  /** IA32_VMX_EPT_VPID_CAP[17]: PDPTEs may map pages; default true. Off: PS is reserved there. */
  readonly pages1G?: boolean;
}

/** How an EPT walk ended. */
export type EptResult = "mapped" | "violation" | "misconfiguration";

/**
 * Walks of extended page tables, the second dimension of Intel processors.
 *
 * Per level, presence comes before configuration; rights are judged once, at the end, over all levels. SDM vol. 3C,
 * "Prioritization of EPT Misconfigurations and EPT Violations". As in the other walkers, accessed and dirty flags are
 * set by successful walks only.
 */
export class EptWalker {
  /** After `mapped`: host physical address of the byte asked for. */
  hpa = 0;
  /** After `mapped`: 12, 21 or 30. */
  pageShift: 12 | 21 | 30 = 12;
  /** After `mapped` and `violation`: `EPT_R`, `EPT_W` and `EPT_X` as far as all entries used have them. */
  rights = 0;
  /** After `mapped`: no later write has to set D: the page has it, or accessed and dirty flags are off. */
  dirty = false;

  /** 4 or 5. */
  readonly levels: 4 | 5;
  readonly accessedDirty: boolean;
  readonly #memory: PteMemory;
  readonly #root: number;
  readonly #highReserved: number;
  /** Bit n: R, W and X that read as n are no rights. W without R never are, X alone may be. */
  readonly #badRights: number;
  readonly #pages1G: boolean;
  /** Entries used by the walk under way, top level first. */
  readonly #entryAt = new Float64Array(5);
  readonly #entryLow = new Int32Array(5);

  /** @throws RangeError (code `MMU_EPTP`) if VM entry would refuse `eptp`, or `maxPhyAddr` is out of range. */
  constructor(memory: PteMemory, options: EptOptions) {
    const { eptp, maxPhyAddr = 40, executeOnly = true, pages1G = true } = options;
    checkEptp(eptp, maxPhyAddr);
    this.levels = (eptp & 0x38) === 0x20 ? 5 : 4;
    this.accessedDirty = (eptp & EPTP_AD) !== 0;
    this.#memory = memory;
    this.#root = eptp - (eptp % 0x1000);
    this.#highReserved = 0xf_ffff & (-1 << (maxPhyAddr - 32));
    this.#badRights = (1 << EPT_W) | (1 << (EPT_W | EPT_X)) | (executeOnly ? 0 : 1 << EPT_X);
    this.#pages1G = pages1G;
  }

  /**
   * Walks for one guest physical address.
   * @param gpa below 2^52; address bits beyond the levels' reach (4: bit 48 and up) are a violation.
   * @param access kinds; privilege does not matter. Kinds may be combined, and all must be granted.
   */
  walk(gpa: number, access: AccessBits): EptResult {
    this.rights = 0;
    if (this.levels === 4 && gpa >= 2 ** 48) return "violation";
    return this.#walkFrom(this.levels, this.#root, EPT_RWX, gpa, access);
  }

  /**
   * As {@link walk}, from a table on that a paging-structure cache leads to.
   * @param level of the entry that refers to the table, 2 to 5. @param low its halves. @param rights those of all entries
   * down to it.
   */
  walkBelow(level: number, low: number, high: number, rights: number, gpa: number, access: AccessBits): EptResult {
    return this.#walkFrom(level - 1, (high & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0), rights, gpa, access);
  }

  #walkFrom(top: number, root: number, rights: number, gpa: number, access: AccessBits): EptResult {
    const gpaLow = gpa | 0;
    const gpaHigh = (gpa / 2 ** 32) | 0;
    let table = root;
    // Rights, and accessed flags, of all entries together.
    let all = rights | EPT_A;
    for (let level = top; level > 0; level--) {
      const entryGpa = table + indexAt(level, gpaLow, gpaHigh) * 8;
      const low = this.#memory.load32(entryGpa) | 0;
      all &= low;
      if ((low & EPT_RWX) === 0) {
        this.rights = 0;
        return "violation";
      }
      const high = this.#memory.load32(entryGpa + 4) | 0;
      const isLeaf = level === 1 || (level < 4 && (low & EPT_PS) !== 0);
      if (this.#isMisconfigured(level, isLeaf, low, high)) return "misconfiguration";
      this.#entryAt[level - 1] = entryGpa;
      this.#entryLow[level - 1] = low;
      table = (high & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);
      if (!isLeaf) continue;
      this.rights = all & EPT_RWX;
      if ((access & ~eptPermits(this.rights) & ACCESS_KINDS) !== 0) return "violation";
      this.pageShift = level === 1 ? 12 : level === 2 ? 21 : 30;
      this.hpa = table + (level === 1 ? gpaLow & 0xfff : level === 2 ? gpaLow & 0x1f_ffff : gpaLow & 0x3fff_ffff);
      const isWrite = (access & ACCESS_WRITE) !== 0;
      this.dirty = !this.accessedDirty || isWrite || (low & EPT_D) !== 0;
      if (this.accessedDirty && ((all & EPT_A) === 0 || (isWrite && (low & EPT_D) === 0))) {
        this.#mark(level, top, isWrite);
      }
      return "mapped";
    }
    throw new Error("an entry of level 1 maps a page");
  }

  /** SDM vol. 3C, "EPT Misconfigurations". */
  #isMisconfigured(level: number, isLeaf: boolean, low: number, high: number): boolean {
    if ((high & this.#highReserved) !== 0 || ((this.#badRights >>> (low & EPT_RWX)) & 1) !== 0) return true;
    // Bits 6:3 are memory type and IPAT in an entry that maps a page; elsewhere they, and PS of the top levels, are 0.
    if (!isLeaf) return (low & (level >= 4 ? 0xf8 : 0x78)) !== 0;
    // Types 2, 3 and 7 are reserved.
    if (((0x8c >>> ((low >>> 3) & 7)) & 1) !== 0) return true;
    if (level === 1) return false;
    if (level === 2) return (low & 0x001f_f000) !== 0;
    return !this.#pages1G || (low & 0x3fff_f000) !== 0;
  }

  #mark(leafLevel: number, top: number, isWrite: boolean): void {
    for (let level = leafLevel; level <= top; level++) {
      const wanted = level === leafLevel && isWrite ? EPT_A | EPT_D : EPT_A;
      const missing = wanted & ~(this.#entryLow[level - 1] as number);
      if (missing !== 0) this.#memory.or32(this.#entryAt[level - 1] as number, missing);
    }
  }
}

/** Index into the table of a level: nine address bits. */
function indexAt(level: number, gpaLow: number, gpaHigh: number): number {
  switch (level) {
    case 1:
      return (gpaLow >>> 12) & 0x1ff;
    case 2:
      return (gpaLow >>> 21) & 0x1ff;
    case 3:
      return (gpaLow >>> 30) | ((gpaHigh & 0x7f) << 2);
    case 4:
      return (gpaHigh >>> 7) & 0x1ff;
    default:
      return (gpaHigh >>> 16) & 0x1ff;
  }
}

/** `ACCESS_*` kinds granted by `EPT_*` rights. */
export function eptPermits(rights: number): number {
  return (
    ((rights & EPT_R) !== 0 ? ACCESS_READ : 0) |
    ((rights & EPT_W) !== 0 ? ACCESS_WRITE : 0) |
    ((rights & EPT_X) !== 0 ? ACCESS_FETCH : 0)
  );
}

function checkEptp(eptp: number, maxPhyAddr: number): void {
  if (!Number.isInteger(maxPhyAddr) || maxPhyAddr < 32 || maxPhyAddr > 52) {
    throw eptpError(`maxPhyAddr must be an integer from 32 to 52, not ${maxPhyAddr}`);
  }
  if (!Number.isInteger(eptp) || eptp < 0 || eptp >= 2 ** maxPhyAddr) {
    throw eptpError(`eptp must be an integer from 0 to 2^${maxPhyAddr} - 1, not ${eptp}`);
  }
  const memoryType = eptp & 7;
  const walkLength = (eptp >>> 3) & 7;
  if (memoryType !== 0 && memoryType !== 6) throw eptpError(`eptp has memory type ${memoryType}; 0 or 6 is possible`);
  if (walkLength !== 3 && walkLength !== 4) throw eptpError(`eptp has walk length ${walkLength}; 3 or 4 is possible`);
  if ((eptp & 0xf80) !== 0) throw eptpError("eptp has reserved bits of 11:7 set");
}

function eptpError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_EPTP" });
}
