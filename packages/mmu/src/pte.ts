/** Bits of the low half of a paging-structure entry. SDM vol. 3A, "Hierarchical Paging Structures: an Overview". */

/** Present. */
export const PTE_P = 0x001;
/** Writes allowed. */
export const PTE_RW = 0x002;
/** User-mode accesses allowed. */
export const PTE_US = 0x004;
/** Accessed. */
export const PTE_A = 0x020;
/** Dirty; in entries that map a page. */
export const PTE_D = 0x040;
/** Page size: the entry maps a page. In a PTE this bit is PAT, in a PML4E or PML5E it is reserved. */
export const PTE_PS = 0x080;
/** Global; in entries that map a page. */
export const PTE_G = 0x100;
/** Execute disable: bit 63, the sign of the high half. */
export const PTE_HIGH_XD = -0x8000_0000;
