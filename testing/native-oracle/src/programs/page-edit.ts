/** What a step makes of a page-table entry of 4 KiB, however it gets there. */
import { CODE, STACK } from "../environment.ts";
import { COUNTERS } from "./program.ts";
import type { Place } from "./system-steps.ts";
import { SPARE_FRAMES } from "./system-tables.ts";

/** Bits of entries, but for NX. SDM vol. 3A, "4-Level Paging". */
export const PTE = { P: 1, RW: 2, US: 4, PCD: 0x10, A: 0x20, D: 0x40, G: 0x100 } as const;

export interface PageEdit {
  /** Whether the page has code. */
  readonly isCode: boolean;
  /** Page or frame that is mapped there, in bytes. */
  readonly frame: number;
  /** Of {@link PTE}. */
  readonly bits: number;
}

/** Other rights or another frame; what a program needs stays where it is, and mostly as it is. */
export function chooseEdit({ random, hasGlobalPages }: Place, page: number): PageEdit {
  const isCode = page >= CODE.address && page < STACK.address;
  const precious = isCode || page === COUNTERS.address;
  const frame = precious || random.oneIn(2) ? page : random.pick(SPARE_FRAMES);
  let bits =
    PTE.P | PTE.RW | PTE.US | (random.below(2) * (PTE.A | PTE.D)) | (random.oneIn(4) && hasGlobalPages ? PTE.G : 0);
  if (!precious || random.oneIn(4)) bits ^= random.pick([0, 0, PTE.P, PTE.RW, PTE.US, PTE.RW | PTE.US]);
  return { isCode, frame, bits };
}
