// The state components of AVX-512: mask registers, the upper halves of ZMM0..15, and ZMM16..31. SDM vol. 1, "AVX-512 State".
//
// Outside 64-bit mode there are eight vector registers: the others are neither saved, nor loaded, nor initialized.
import type { Cpu } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import type { SaveArea } from "./save-area.ts";

/** Equal pieces of consecutive registers: where the first one is in CPU state, from one to the next, how long, how many. */
export interface RegisterPieces {
  readonly at: number;
  readonly step: number;
  /** Bytes, a multiple of 8. */
  readonly length: number;
  readonly count: number;
  /** How many of them there are outside 64-bit mode. */
  readonly legacyCount: number;
}

const ZMM_BYTES = ELEMENT_SIZE.zmm;

/** k0..k7. */
export const OPMASKS: RegisterPieces = { at: AT.opmask, step: 8, length: 8, count: 8, legacyCount: 8 };
/** Bits 511:256 of ZMM0..15. */
export const ZMM_UPPER: RegisterPieces = { at: AT.zmm + 32, step: ZMM_BYTES, length: 32, count: 16, legacyCount: 8 };
/** ZMM16..31. */
export const ZMM_HIGH: RegisterPieces = {
  at: AT.zmm + 16 * ZMM_BYTES,
  step: ZMM_BYTES,
  length: 64,
  count: 16,
  legacyCount: 0,
};

const countOf = (cpu: Cpu, pieces: RegisterPieces): number => (cpu.code64 ? pieces.count : pieces.legacyCount);

/** Bytes of all of them in a save area. */
export const lengthOfPieces = ({ length, count }: RegisterPieces): number => length * count;

/** Writes them to a save area from byte `at` on. */
export function writePieces(cpu: Cpu, area: SaveArea, at: number, pieces: RegisterPieces): void {
  const { u32 } = cpu;
  const { words } = area;
  const count = countOf(cpu, pieces);
  for (let i = 0; i < count; i++) {
    const from = (pieces.at + i * pieces.step) >> 2;
    for (let j = 0; j < pieces.length; j += 8) {
      const to = area.word(at + i * pieces.length + j);
      words[to] = u32[from + (j >> 2)] as number;
      words[to + 1] = u32[from + (j >> 2) + 1] as number;
    }
  }
}

/** The reverse of {@link writePieces}. */
export function readPieces(cpu: Cpu, area: SaveArea, at: number, pieces: RegisterPieces): void {
  const { u32 } = cpu;
  const { words } = area;
  const count = countOf(cpu, pieces);
  for (let i = 0; i < count; i++) {
    const to = (pieces.at + i * pieces.step) >> 2;
    for (let j = 0; j < pieces.length; j += 8) {
      const from = area.word(at + i * pieces.length + j);
      u32[to + (j >> 2)] = words[from] as number;
      u32[to + (j >> 2) + 1] = words[from + 1] as number;
    }
  }
}

/** Zeroes those that the mode has. Word by word: `fill` takes longer to be called than for so few bytes. */
export function clearPieces(cpu: Cpu, pieces: RegisterPieces): void {
  const { u32 } = cpu;
  const { at, step, length } = pieces;
  const count = countOf(cpu, pieces);
  for (let i = 0; i < count; i++) {
    const first = (at + i * step) >> 2;
    for (let j = 0; j < length >> 2; j++) u32[first + j] = 0;
  }
}

/** Whether all of them, in whatever mode, are zero. */
export function arePiecesZero({ u32 }: Cpu, { at, step, length, count }: RegisterPieces): boolean {
  for (let i = 0; i < count; i++) {
    const first = (at + i * step) >> 2;
    for (let j = 0; j < length >> 2; j++) if (u32[first + j] !== 0) return false;
  }
  return true;
}
