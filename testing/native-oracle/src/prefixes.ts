/** Bytes that may stand in front of an opcode. SDM vol. 2A, "Instruction Prefixes" and "REX Prefixes". */

export const LEGACY_PREFIXES: ReadonlySet<number> = new Set([
  ...[0xf0, 0xf2, 0xf3],
  ...[0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65],
  ...[0x66, 0x67],
]);

const REX = 0x40;

/** Index of an instruction's first opcode byte; -1: there are prefixes only. @param isLong whether REX is one. */
export function opcodeIndex(bytes: Uint8Array, isLong: boolean): number {
  return bytes.findIndex((byte) => !LEGACY_PREFIXES.has(byte) && !(isLong && (byte & 0xf0) === REX));
}
