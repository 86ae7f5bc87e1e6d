import type { PagingMode, PagingRegisters } from "../src/index.ts";
import type { SparseMemory } from "./sparse-memory.ts";

/**
 * The walk again, in bigint and as literally after the SDM as can be: tables of bit ranges, one loop, no shared code
 * with the package. Slow on purpose: where the two differ, this one is easier to hold against the manual.
 */
export interface ReferenceAccess {
  readonly kind: "read" | "write" | "fetch";
  readonly user: boolean;
  readonly ac: boolean;
}

export interface ReferenceResult {
  readonly errorCode?: number;
  readonly gpa?: bigint;
  readonly shift?: number;
  readonly writable?: boolean;
  readonly readable?: boolean;
  readonly executable?: boolean;
  readonly user?: boolean;
  readonly global?: boolean;
  readonly dirty?: boolean;
}

const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n;
const range = (value: bigint, high: number, low: number): bigint =>
  high < low ? 0n : (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

/** Name of an entry, and the highest and lowest address bit that select it. */
type Level = readonly [name: "PML5E" | "PML4E" | "PDPTE" | "PDE" | "PTE", high: number, low: number];

const LEVELS: Record<Exclude<PagingMode, "bare">, readonly Level[]> = {
  legacy32: [
    ["PDE", 31, 22],
    ["PTE", 21, 12],
  ],
  pae: [
    ["PDE", 29, 21],
    ["PTE", 20, 12],
  ],
  long4: [
    ["PML4E", 47, 39],
    ["PDPTE", 38, 30],
    ["PDE", 29, 21],
    ["PTE", 20, 12],
  ],
  long5: [
    ["PML5E", 56, 48],
    ["PML4E", 47, 39],
    ["PDPTE", 38, 30],
    ["PDE", 29, 21],
    ["PTE", 20, 12],
  ],
};

/** Walks and, like the package, sets A and D only on success. `pdptes` are the PDPTE registers of PAE paging. */
export function referenceWalk(
  mode: PagingMode,
  memory: SparseMemory,
  registers: PagingRegisters,
  pdptes: readonly bigint[],
  gva: bigint,
  access: ReferenceAccess,
): ReferenceResult {
  if (mode === "bare") {
    return {
      gpa: range(gva, 31, 12) << 12n,
      shift: 12,
      readable: true,
      writable: true,
      executable: true,
      user: true,
      global: false,
      dirty: true,
    };
  }
  const used: { gpa: number; entry: bigint }[] = [];
  let table = range(BigInt(registers.cr3), mode === "legacy32" ? 31 : 51, 12) << 12n;
  if (mode === "pae") {
    const pdpte = pdptes[Number(range(gva, 31, 30))] as bigint;
    if (!bit(pdpte, 0)) return fault(mode, registers, access, 0);
    table = range(pdpte, 51, 12) << 12n;
  }
  for (const [name, high, low] of LEVELS[mode]) {
    const entryBytes = mode === "legacy32" ? 4 : 8;
    const gpa = Number(table) + Number(range(gva, high, low)) * entryBytes;
    const entry = mode === "legacy32" ? BigInt(memory.load32(gpa) >>> 0) : memory.get64(gpa);
    if (!bit(entry, 0)) return fault(mode, registers, access, 0);
    const mapsPage =
      name === "PTE" ||
      (bit(entry, 7) && (name === "PDPTE" || (name === "PDE" && (mode !== "legacy32" || registers.pse))));
    if (reservedBitSet(mode, name, registers, entry, mapsPage)) return fault(mode, registers, access, 0b1001);
    used.push({ gpa, entry });
    if (mapsPage) return finish(mode, memory, registers, gva, access, used, low);
    table = range(entry, mode === "legacy32" ? 31 : 51, 12) << 12n;
  }
  throw new Error("a PTE always maps a page");
}

/** SDM vol. 3A, the "Format of a ..." tables of each paging mode. */
function reservedBitSet(
  mode: PagingMode,
  name: Level[0],
  registers: PagingRegisters,
  entry: bigint,
  mapsPage: boolean,
): boolean {
  const m = registers.maxPhyAddr;
  if (mode === "legacy32") {
    if (name !== "PDE" || !mapsPage) return false;
    return registers.pse36 ? range(entry, 21, 13 + Math.min(m, 40) - 32) !== 0n : range(entry, 21, 13) !== 0n;
  }
  if (bit(entry, 63) && !registers.nxe) return true;
  if (range(entry, mode === "pae" ? 62 : 51, m) !== 0n) return true;
  if (name === "PML5E" || name === "PML4E") return bit(entry, 7);
  if (name === "PDPTE" && mapsPage) return !registers.pages1G || range(entry, 29, 13) !== 0n;
  if (name === "PDE" && mapsPage) return range(entry, 20, 13) !== 0n;
  return false;
}

function finish(
  mode: PagingMode,
  memory: SparseMemory,
  registers: PagingRegisters,
  gva: bigint,
  access: ReferenceAccess,
  used: { gpa: number; entry: bigint }[],
  shift: number,
): ReferenceResult {
  const page = {
    us: used.every(({ entry }) => bit(entry, 2)),
    rw: used.every(({ entry }) => bit(entry, 1)),
    xd: mode !== "legacy32" && used.some(({ entry }) => bit(entry, 63)),
  };
  if (!isAllowed(page, access, registers)) return fault(mode, registers, access, 1);
  const last = used.length - 1;
  used.forEach(({ gpa }, level) => {
    const flags = 0x20 | (level === last && access.kind === "write" ? 0x40 : 0);
    memory.set32(gpa, memory.load32(gpa) | flags);
  });
  const leaf = used[last] as { gpa: number; entry: bigint };
  let frame = range(leaf.entry, 51, shift) << BigInt(shift);
  if (mode === "legacy32" && shift === 22) {
    frame = (range(leaf.entry, 31, 22) << 22n) | (range(leaf.entry, 20, 13) << 32n);
  }
  return {
    gpa: frame | (range(gva, shift - 1, 12) << 12n),
    shift,
    readable: isAllowed(page, { ...access, kind: "read" }, registers),
    writable: isAllowed(page, { ...access, kind: "write" }, registers),
    executable: isAllowed(page, { ...access, kind: "fetch" }, registers),
    user: page.us,
    global: registers.pge && bit(leaf.entry, 8),
    dirty: bit(leaf.entry, 6) || access.kind === "write",
  };
}

/** SDM vol. 3A, "Determination of Access Rights", bullet by bullet. */
export function isAllowed(
  page: { readonly us: boolean; readonly rw: boolean; readonly xd: boolean },
  access: ReferenceAccess,
  { wp, smep, smap }: Pick<PagingRegisters, "wp" | "smep" | "smap">,
): boolean {
  if (!access.user) {
    switch (access.kind) {
      case "read":
        if (!page.us) return true;
        return smap ? access.ac : true;
      case "write":
        if (!page.us) return wp ? page.rw : true;
        if (!wp) return smap ? access.ac : true;
        if (!smap) return page.rw;
        return access.ac && page.rw;
      case "fetch":
        if (!page.us) return !page.xd;
        return smep ? false : !page.xd;
    }
  }
  switch (access.kind) {
    case "read":
      return page.us;
    case "write":
      return page.us && page.rw;
    case "fetch":
      return page.us && !page.xd;
  }
}

/** SDM vol. 3A, "Page-Fault Exceptions"; `cause` has P and RSVD. */
function fault(mode: PagingMode, registers: PagingRegisters, access: ReferenceAccess, cause: number): ReferenceResult {
  const pae = mode !== "legacy32";
  const id = access.kind === "fetch" && (registers.smep || (pae && registers.nxe));
  return {
    errorCode: cause | (access.kind === "write" ? 2 : 0) | (access.user ? 4 : 0) | (id ? 16 : 0),
  };
}
