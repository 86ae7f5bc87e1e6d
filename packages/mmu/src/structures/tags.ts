/**
 * Whose translation an entry holds: PCID in bits 11:0, VPID (Intel) or ASID (AMD) in 27:12, and in 31:28 the number
 * that stands for the host's tables, as EP4TA does; 0: none. SDM vol. 3C, "Caching Translation Information".
 */
export type Tag = number;

export const TAG_PCID = 0xfff;
export const TAG_VPID = 0x0fff_f000;
export const TAG_HOST: number = 0xf000_0000 | 0;
/** {@link TAG_HOST} values there are beside 0. */
export const MOST_HOSTS = 15;

/** @param vpid 16 bits. @param host 0 to {@link MOST_HOSTS}. */
export function tagOf(pcid: number, vpid: number, host: number): Tag {
  return (pcid & TAG_PCID) | ((vpid << 12) & TAG_VPID) | (host << 28);
}

/** Which entries an invalidation is about: those that agree with `tag` in the bits of `mask`. */
export interface TagScope {
  readonly tag: Tag;
  readonly mask: number;
  /** Global pages stay. */
  readonly keepsGlobal?: boolean;
  /** Entries without host tables stay (INVEPT), or those of VPID 0 (INVVPID). A mask that must not be all 0 in the tag. */
  readonly nonZero?: number;
}
