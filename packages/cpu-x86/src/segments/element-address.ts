import type { Cpu } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { isCanonicalHigh } from "./canonical.ts";

/**
 * Linear address of one element of a string or vector in memory, limits checked. @param offset unsigned.
 * @returns undefined: #GP(0) or #SS(0) is pending.
 */
export function elementAddress(
  cpu: Cpu,
  segment: number,
  offset: bigint,
  size: number,
  access: "Read" | "Write",
): bigint | undefined {
  const end = offset + BigInt(size - 1);
  const base = cpu.get64(AT.segBase, segment);
  if (cpu.code64) {
    const linear = BigInt.asUintN(64, offset + (segment >= SEGMENT.fs ? base : 0n));
    const masked = cpu.linear.maskedHigh(Number(BigInt.asIntN(32, linear >> 32n)));
    if (isCanonicalHigh(cpu, masked)) return linear;
  } else if (offset >= cpu.get64(`seg${access}First`, segment) && end <= cpu.get64(`seg${access}Last`, segment)) {
    return (base + offset) & 0xffff_ffffn;
  }
  cpu.raise(segment === SEGMENT.ss ? "SS" : "GP", 0);
  return undefined;
}
