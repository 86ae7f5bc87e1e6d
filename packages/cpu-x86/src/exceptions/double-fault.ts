// What becomes of an exception raised while another was being delivered. SDM vol. 3A, "Interrupt 8-Double Fault
// Exception (#DF)", table "Conditions for Generating a Double Fault".
import { VECTOR } from "./vectors.ts";

const CONTRIBUTORY: ReadonlySet<number> = new Set([VECTOR.DE, VECTOR.TS, VECTOR.NP, VECTOR.SS, VECTOR.GP, VECTOR.CP]);

/** `serial`: the second is delivered in place of the first; `double`: #DF; `shutdown`: triple fault. */
export type Combination = "serial" | "double" | "shutdown";

/** @param first vector being delivered, or -1 if that was no exception. @param second vector raised by the delivery. */
export function combineExceptions(first: number, second: number): Combination {
  const contributory = CONTRIBUTORY.has(second);
  const pageFault = second === VECTOR.PF;
  if (first === VECTOR.DF) return contributory || pageFault ? "shutdown" : "serial";
  if (first === VECTOR.PF) return contributory || pageFault ? "double" : "serial";
  return CONTRIBUTORY.has(first) && contributory ? "double" : "serial";
}
