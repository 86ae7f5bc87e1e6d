// Integer constants: plain numbers where those are exact, since bigints cost ten times as much, and translation is made of
// small constants.
import type { Constant } from "./types.ts";

/** The canonical form of a 64-bit integer: a number if it is a safe one. */
export function canonical(value: bigint): Constant {
  const wide = BigInt.asIntN(64, value);
  const number = Number(wide);
  return Number.isSafeInteger(number) ? number : wide;
}

/** Whether it is the sign extension of 32 bits. */
export const isInt32 = (value: Constant): value is number => typeof value === "number" && (value | 0) === value;

/** Bits from which up all are 0; undefined for negative ones. */
export function bitLength(value: Constant): number | undefined {
  if (value < 0) return undefined;
  if (typeof value === "bigint") return 64 - Math.clz32(Number(value >> 32n));
  return value < 2 ** 32 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / 2 ** 32));
}
