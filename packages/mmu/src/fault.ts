/** #PF error code, P: 0 = an entry was not present, 1 = a right was missing or a reserved bit was set. */
export const PF_P = 0x1;
/** #PF error code, W/R: the access was a write. */
export const PF_WR = 0x2;
/** #PF error code, U/S: the access was a user-mode access. */
export const PF_US = 0x4;
/** #PF error code, RSVD: a reserved bit was set in an entry used by the walk; P is then 1 as well. */
export const PF_RSVD = 0x8;
/** #PF error code, PK: the protection key of the page forbids the access. P is then 1 as well. */
export const PF_PK = 0x20;
/** #PF error code, SS: the access was a shadow-stack access. */
export const PF_SS = 0x40;
/** #PF error code, I/D: the access was a fetch, and SMEP, or PAE with NXE, is on. */
export const PF_ID = 0x10;
