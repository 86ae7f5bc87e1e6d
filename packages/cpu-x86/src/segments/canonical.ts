import { CR4 } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** Bits 63:47 are equal; 63:56 with 5-level paging. SDM vol. 1, "Canonical Addressing". `linear` is unsigned. */
export function isCanonical(cpu: Cpu, linear: bigint): boolean {
  const shift = (cpu.low(AT.cr4) & CR4.LA57) !== 0 ? 56n : 47n;
  const top = BigInt.asIntN(64, linear) >> shift;
  return top === 0n || top === -1n;
}

/** As {@link isCanonical}, by bits 63:32. */
export function isCanonicalHigh(cpu: Cpu, high: number): boolean {
  const top = (high | 0) >> ((cpu.low(AT.cr4) & CR4.LA57) !== 0 ? 24 : 15);
  return top === 0 || top === -1;
}
