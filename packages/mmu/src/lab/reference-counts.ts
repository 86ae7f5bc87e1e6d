import type { PagingMode } from "../walker.ts";
import { createTables, type TableFormat } from "./build-tables.ts";
import { guestView, LabMemory } from "./lab-memory.ts";
import { createNativeTranslator } from "./native.ts";
import { createNestedTranslator } from "./nested.ts";
import type { Translator, Walk } from "./translator.ts";

/** Page sizes of 4-level and 5-level paging. */
export type PageSize = "4K" | "2M" | "1G";

/** One cell of the table every paper on nested paging begins with. */
export interface ReferenceCount {
  readonly guest: PageSize;
  /** `native`: no second dimension. */
  readonly host: PageSize | "native";
  /** Page-table entries read by one translation without any cache; the access itself is not among them. */
  readonly refs: number;
}

/** Tables of what depth {@link countReferences} counts. */
export interface CountOptions {
  readonly guestLevels?: 4 | 5;
  readonly hostLevels?: 4 | 5;
}

const PAGE_SHIFTS = { "4K": 12, "2M": 21, "1G": 30 } as const satisfies Record<PageSize, number>;
const SIZES = ["4K", "2M", "1G"] as const;
const MEMORY_SHIFT = 30;
/** Guest physical memory begins where a page of any size can. */
const GUEST_HPA: number = 2 ** 33;

/** All page sizes against all page sizes, and native: counted by walking tables made for it. */
export function referenceCounts(options: CountOptions = {}): readonly ReferenceCount[] {
  const hosts = ["native", ...SIZES] as const;
  return SIZES.flatMap((guest) => hosts.map((host) => ({ guest, host, refs: countReferences(guest, host, options) })));
}

/** One cell of {@link referenceCounts}. */
export function countReferences(guest: PageSize, host: PageSize | "native", options: CountOptions = {}): number {
  return demonstrateWalk(guest, host, options).references.length;
}

/** The address that {@link demonstrateWalk} translates. */
export const DEMONSTRATION_GVA = 0x7f00_0000_0000n;

/** The walk behind one cell: a read of {@link DEMONSTRATION_GVA} through tables made for it, the host's being EPT. */
export function demonstrateWalk(guest: PageSize, host: PageSize | "native", options: CountOptions = {}): Walk {
  const { guestLevels = 4, hostLevels = 4 } = options;
  const mode = guestLevels === 4 ? "long4" : "long5";
  const translator =
    host === "native" ? nativeOf(guest, mode) : nestedOf(guest, mode, host, hostLevels === 4 ? "ept4" : "ept5");
  return translator.translate(DEMONSTRATION_GVA, { kind: "read", user: true });
}

function nativeOf(size: PageSize, mode: PagingMode & TableFormat): Translator {
  const memory = new LabMemory();
  const tables = createTables({ format: mode, memory, allocateFrame: framesFrom(0x1000) });
  tables.map(DEMONSTRATION_GVA, 2 ** MEMORY_SHIFT, { pageShift: PAGE_SHIFTS[size] });
  return createNativeTranslator({ memory, guest: { mode, registers: { cr3: tables.root } } });
}

function nestedOf(size: PageSize, mode: PagingMode & TableFormat, host: PageSize, format: "ept4" | "ept5"): Translator {
  const memory = new LabMemory();
  const view = guestView(memory, (gpa) => gpa + GUEST_HPA);
  const guestTables = createTables({ format: mode, memory: view, allocateFrame: framesFrom(0x1000) });
  guestTables.map(DEMONSTRATION_GVA, 2 ** MEMORY_SHIFT, { pageShift: PAGE_SHIFTS[size] });
  const ept = createTables({ format, memory, allocateFrame: framesFrom(0x1000) });
  // The guest's tables and, a GByte further on, the first bytes of its page.
  const pageShift = PAGE_SHIFTS[host];
  const tablesBytes = Math.max(2 ** 16, 2 ** pageShift);
  for (const start of [0, 2 ** MEMORY_SHIFT]) {
    for (let gpa = start; gpa < start + tablesBytes; gpa += 2 ** pageShift)
      ept.map(gpa, gpa + GUEST_HPA, { pageShift });
  }
  const eptp = ept.root + (format === "ept4" ? 0x1e : 0x26);
  return createNestedTranslator({
    memory,
    guest: { mode, registers: { cr3: guestTables.root } },
    host: { kind: "ept", eptp },
  });
}

/** Frames one after another. */
function framesFrom(first: number): () => number {
  let next = first;
  return () => {
    next += 0x1000;
    return next - 0x1000;
  };
}
