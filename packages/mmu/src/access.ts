/**
 * What an access asks for, as bits. `ACCESS_WRITE`, `ACCESS_USER` and `ACCESS_FETCH` stand where #PF error codes have
 * W/R, U/S and I/D, and `ACCESS_AC` where EFLAGS has AC, so that callers and walkers convert by masking.
 *
 * Kinds may be combined: `ACCESS_READ | ACCESS_WRITE` is a read-modify-write, reported as a write when it faults.
 */
export type AccessBits = number;

/**
 * No kind: no right is asked for and no accessed or dirty flag is set, which is what a debugger wants. `ACCESS_USER` and
 * `ACCESS_AC` may be added, to learn what `Walker.permits` says for them.
 */
export const ACCESS_INSPECT = 0;
/** A data read. */
export const ACCESS_READ = 0x1;
/** A data write. */
export const ACCESS_WRITE = 0x2;
/** User-mode access: CPL 3 and not an implicit supervisor access (descriptor tables, TSS). */
export const ACCESS_USER = 0x4;
/** An instruction fetch. */
export const ACCESS_FETCH = 0x10;
/**
 * A shadow-stack access, of the kind that ACCESS_READ or ACCESS_WRITE says: to shadow-stack pages only, and to those of its
 * own privilege. Stands where #PF error codes have SS.
 */
export const ACCESS_SHADOW = 0x40;
/**
 * EFLAGS.AC: the access is explicit and SMAP does not apply to it. Leave it clear for implicit supervisor accesses,
 * whatever EFLAGS says (SDM vol. 3A, "Access Rights"). Ignored for user-mode accesses and fetches.
 */
export const ACCESS_AC = 0x4_0000;
/** All kinds; also the mask of `Walker.permits`. */
export const ACCESS_KINDS: number = ACCESS_READ | ACCESS_WRITE | ACCESS_FETCH;
