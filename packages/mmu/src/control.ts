import type { PagingMode, PagingRegisters } from "./walker.ts";

const CR0_WP = 1 << 16;
const CR0_PG = 1 << 31;
const CR4_PSE = 1 << 4;
const CR4_PAE = 1 << 5;
const CR4_PGE = 1 << 7;
const CR4_LA57 = 1 << 12;
const CR4_PCIDE = 1 << 17;
const CR4_SMEP = 1 << 20;
const CR4_SMAP = 1 << 21;
const EFER_LMA = 1 << 10;
const EFER_NXE = 1 << 11;

/** The bits of {@link PagingRegisters} that CR0, CR4 and IA32_EFER hold. */
export type PagingControls = Pick<PagingRegisters, "wp" | "pse" | "pge" | "smep" | "smap" | "nxe" | "pcide">;

/** The paging mode of the register values; low halves suffice. SDM vol. 3A, "Paging Modes and Control Bits". */
export function pagingModeOf(cr0: number, cr4: number, efer: number): PagingMode {
  if ((cr0 & CR0_PG) === 0) return "bare";
  if ((cr4 & CR4_PAE) === 0) return "legacy32";
  if ((efer & EFER_LMA) === 0) return "pae";
  return (cr4 & CR4_LA57) === 0 ? "long4" : "long5";
}

/** The control bits of the register values, for `Walker.configure`; low halves suffice. */
export function pagingControlsOf(cr0: number, cr4: number, efer: number): PagingControls {
  return {
    wp: (cr0 & CR0_WP) !== 0,
    pse: (cr4 & CR4_PSE) !== 0,
    pge: (cr4 & CR4_PGE) !== 0,
    smep: (cr4 & CR4_SMEP) !== 0,
    smap: (cr4 & CR4_SMAP) !== 0,
    nxe: (efer & EFER_NXE) !== 0,
    pcide: (cr4 & CR4_PCIDE) !== 0,
  };
}
