import type { X86Exit } from "../emit/x86-builder.ts";

/** What an out-of-line handler returns, by the name of the exit. */
export const EXIT_CODE: Readonly<Record<X86Exit, number>> = {
  next: 0,
  near: 1,
  indirect: 2,
  again: 3,
  fault: 4,
  leave: 5,
  region: 6,
  elsewhere: 7,
  unfinished: 8,
};
