import { VECTOR } from "./vectors.ts";

/**
 * Where an event comes from; decides privilege checks, RF and the EXT bit. `external`: interrupts and NMI. `exception`:
 * detected by the processor. `software`: INT n, INT3, INTO. `privileged`: INT1, which no gate privilege stops.
 */
export type EventKind = "external" | "exception" | "software" | "privileged";

/** Error code bits. SDM vol. 3A, "Error Code". */
export const ERROR_EXT = 1;
export const ERROR_IDT = 2;

/** Error code that names an IDT entry. */
export function idtErrorCode(vector: number): number {
  return vector * 8 + ERROR_IDT;
}

/** Exceptions that report the instruction itself, so that it is executed again: their saved RF is 1. */
export function isFaultClass(vector: number): boolean {
  return vector !== VECTOR.DB && vector !== VECTOR.NMI && vector !== VECTOR.BP && vector !== VECTOR.OF;
}
