/**
 * Where code stands in a region: an offset from the region's first page, in bytes and maybe negative, plus a multiple of
 * {@link COPY_SPAN}. A small function has a copy of its own for each call of it, so that its returns are foreseen; copy 0 is
 * all the other code.
 */
export type Place = number;

/** Between the same instruction in one copy and in the next: more than twice as far as relative branches lead out of a region. */
export const COPY_SPAN: number = 2 ** 34;

/** What tells the copy: the place less its offset. */
export const copyOf = (place: Place): number => Math.floor(place / COPY_SPAN + 0.5) * COPY_SPAN;

/** Bytes from the region's first page. */
export const offsetOf = (place: Place): number => place - copyOf(place);
