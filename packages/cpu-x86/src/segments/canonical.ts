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

/**
 * The check of bases, which descriptor tables, descriptors, MSRs and INVPCID bring in: it goes by what the processor can have,
 * 5-level paging or not, whatever CR4.LA57 says. SDM vol. 3A, "Canonicality Checking on Linear-Address Registers".
 */
export function isCanonicalBase(cpu: Cpu, base: bigint): boolean {
  const top = BigInt.asIntN(64, base) >> (cpu.model.features.has("la57") ? 56n : 47n);
  return top === 0n || top === -1n;
}
