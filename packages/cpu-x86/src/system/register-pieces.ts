// The vector and mask registers in the save areas of FXSAVE and XSAVE: which piece of each register a state component has. SDM
// vol. 1, "Managing State Using the XSAVE Feature Set", the sections of the components.
//
// Invariants:
// 1. A piece is a multiple of 16 bytes, and no piece of an area is in two pages: every area is aligned as its longest piece is.
// 2. Outside 64-bit mode there are eight vector registers: the others are neither saved, nor loaded, nor initialized.
//
// Everything goes by four words at a time: `fill` and `copyWithin` take longer to be called than so few bytes to be moved.
import type { Cpu } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import type { SaveArea } from "./save-area.ts";

/** Equal pieces of consecutive registers, in words of 32 bits. */
export interface RegisterPieces {
  /** The first one in CPU state: index in `Cpu.u32`. */
  readonly first: number;
  /** From one to the next. */
  readonly step: number;
  /** In each, a multiple of 4. */
  readonly words: number;
  readonly count: number;
  /** How many of them there are outside 64-bit mode. */
  readonly legacyCount: number;
}

const ZMM = AT.zmm >> 2;
const ZMM_WORDS = ELEMENT_SIZE.zmm >> 2;

/** Bits 127:0 of ZMM0..15: the XMM registers. */
export const XMM: RegisterPieces = { first: ZMM, step: ZMM_WORDS, words: 4, count: 16, legacyCount: 8 };
/** Bits 255:128 of ZMM0..15: the upper halves of the YMM registers. */
export const YMM_UPPER: RegisterPieces = { first: ZMM + 4, step: ZMM_WORDS, words: 4, count: 16, legacyCount: 8 };
/** Bits 511:256 of ZMM0..15. */
export const ZMM_UPPER: RegisterPieces = { first: ZMM + 8, step: ZMM_WORDS, words: 8, count: 16, legacyCount: 8 };
/** ZMM16..31. */
export const ZMM_HIGH: RegisterPieces = {
  first: ZMM + 16 * ZMM_WORDS,
  step: ZMM_WORDS,
  words: 16,
  count: 16,
  legacyCount: 0,
};
/** k0..k7, which lie side by side: one piece. */
export const OPMASKS: RegisterPieces = { first: AT.opmask >> 2, step: 16, words: 16, count: 1, legacyCount: 1 };

const countOf = (cpu: Cpu, pieces: RegisterPieces): number => (cpu.code64 ? pieces.count : pieces.legacyCount);

/** Bytes of all of them in a save area. */
export const lengthOfPieces = ({ words, count }: RegisterPieces): number => words * count * 4;

/** Writes those that the mode has to a save area from byte `at` on. */
export function writePieces(cpu: Cpu, area: SaveArea, at: number, pieces: RegisterPieces): void {
  const { u32 } = cpu;
  const { first, step, words } = pieces;
  const count = countOf(cpu, pieces);
  for (let i = 0; i < count; i++) copyWords(u32, first + i * step, area.word(at + i * words * 4), words);
}

/** The reverse of {@link writePieces}. */
export function readPieces(cpu: Cpu, area: SaveArea, at: number, pieces: RegisterPieces): void {
  const { u32 } = cpu;
  const { first, step, words } = pieces;
  const count = countOf(cpu, pieces);
  for (let i = 0; i < count; i++) copyWords(u32, area.word(at + i * words * 4), first + i * step, words);
}

function copyWords(u32: Uint32Array, from: number, to: number, words: number): void {
  for (let j = 0; j < words; j += 4) {
    u32[to + j] = u32[from + j] as number;
    u32[to + j + 1] = u32[from + j + 1] as number;
    u32[to + j + 2] = u32[from + j + 2] as number;
    u32[to + j + 3] = u32[from + j + 3] as number;
  }
}

/** Zeroes those that the mode has. */
export function clearPieces(cpu: Cpu, pieces: RegisterPieces): void {
  const { u32 } = cpu;
  const { first, step, words } = pieces;
  const count = countOf(cpu, pieces);
  for (let i = 0; i < count; i++) {
    const at = first + i * step;
    for (let j = 0; j < words; j += 4) {
      u32[at + j] = 0;
      u32[at + j + 1] = 0;
      u32[at + j + 2] = 0;
      u32[at + j + 3] = 0;
    }
  }
}

/** Whether all of them, in whatever mode, are zero. */
export function arePiecesZero({ u32 }: Cpu, { first, step, words, count }: RegisterPieces): boolean {
  for (let i = 0; i < count; i++) {
    const at = first + i * step;
    for (let j = 0; j < words; j += 4) {
      const low = (u32[at + j] as number) | (u32[at + j + 1] as number);
      if ((low | (u32[at + j + 2] as number) | (u32[at + j + 3] as number)) !== 0) return false;
    }
  }
  return true;
}

/** Zeroes all vector and mask registers, whole. */
export function clearVectors(cpu: Cpu): void {
  cpu.u8.fill(0, AT.zmm, AT.zmm + 32 * ELEMENT_SIZE.zmm);
  cpu.u8.fill(0, AT.opmask, AT.opmask + 8 * ELEMENT_SIZE.opmask);
}
