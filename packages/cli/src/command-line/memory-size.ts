import { usageError } from "./usage-error.ts";

const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

const MIB = 2 ** 20;
/** Less than this no board takes; what a kernel needs is another matter. */
const LEAST_MIB = 2;

/**
 * Bytes of a size as `-m` takes it: a number, perhaps with a fraction, and K, M, G or T; MiB without a unit. Rounded up to
 * whole MiB, as QEMU rounds to whole pages.
 * @throws ConfigError
 */
export function parseMemorySize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw usageError(`${option} ${text}`, "not a size; write for example 512M or 1G");
  const unit = UNITS[(match[2] || "m").toLowerCase()] as number;
  const bytes = Math.ceil((Number(match[1]) * unit) / MIB) * MIB;
  if (bytes >= LEAST_MIB * MIB) return bytes;
  throw usageError(`${option} ${text}`, `too little; at least ${LEAST_MIB}M`);
}
