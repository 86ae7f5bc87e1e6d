/** Bytes that may stand in front of an opcode. SDM vol. 2A, "Instruction Prefixes" and "REX Prefixes". */
import type { SegmentName } from "./environment.ts";

/** Prefix byte of each segment override. */
export const SEGMENT_PREFIX: Readonly<Record<SegmentName, number>> = {
  es: 0x26,
  cs: 0x2e,
  ss: 0x36,
  ds: 0x3e,
  fs: 0x64,
  gs: 0x65,
};

export const LEGACY_PREFIXES: ReadonlySet<number> = new Set([
  ...[0xf0, 0xf2, 0xf3],
  ...Object.values(SEGMENT_PREFIX),
  ...[0x66, 0x67],
]);

const REX = 0x40;

/** Index of an instruction's first opcode byte; -1: there are prefixes only. @param isLong whether REX is one. */
export function opcodeIndex(bytes: Uint8Array, isLong: boolean): number {
  return bytes.findIndex((byte) => !LEGACY_PREFIXES.has(byte) && !(isLong && (byte & 0xf0) === REX));
}
