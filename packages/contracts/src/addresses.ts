/** Guest physical address in bytes; exact in a double because MAXPHYADDR is at most 52. */
export type Gpa = number;
/** Guest frame number: gpa >> 12. */
export type Gfn = number;
/** Bytes of one register access; the bus splits wider ones. */
export type AccessSize = 1 | 2 | 4;
/** Releases what the call that returned it set up; a second call does nothing. */
export interface Disposable {
  dispose(): void;
}
