// The vector and mask registers in the save areas of FXSAVE and XSAVE: which piece of each register a state component has. SDM
// vol. 1, "Managing State Using the XSAVE Feature Set", the sections of the components.
//
// Invariants:
// 1. A piece is a multiple of 16 bytes, and no piece of an area is in two pages: every area is aligned as its longest piece is.
// 2. Outside 64-bit mode there are eight vector registers: the others are neither saved, nor loaded, nor initialized.
import type { Cpu } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import type { SaveArea } from "./save-area.ts";

/** Equal pieces of consecutive registers, in bytes. */
export interface RegisterPieces {
  /** The first one in CPU state. */
  readonly first: number;
  /** From one to the next. */
  readonly step: number;
  /** Of each. */
  readonly length: number;
  readonly count: number;
  /** How many of them there are outside 64-bit mode. */
  readonly legacyCount: number;
}

const ZMM = AT.zmm;
const ZMM_STEP = ELEMENT_SIZE.zmm;

/** Bits 127:0 of ZMM0..15: the XMM registers. */
export const XMM: RegisterPieces = { first: ZMM, step: ZMM_STEP, length: 16, count: 16, legacyCount: 8 };
/** Bits 255:128 of ZMM0..15: the upper halves of the YMM registers. */
export const YMM_UPPER: RegisterPieces = { first: ZMM + 16, step: ZMM_STEP, length: 16, count: 16, legacyCount: 8 };
/** Bits 511:256 of ZMM0..15. */
export const ZMM_UPPER: RegisterPieces = { first: ZMM + 32, step: ZMM_STEP, length: 32, count: 16, legacyCount: 8 };
/** ZMM16..31. */
export const ZMM_HIGH: RegisterPieces = {
  first: ZMM + 16 * ZMM_STEP,
  step: ZMM_STEP,
  length: 64,
  count: 16,
  legacyCount: 0,
};
/** k0..k7, which lie side by side: one piece. */
export const OPMASKS: RegisterPieces = { first: AT.opmask, step: 64, length: 64, count: 1, legacyCount: 1 };

const countOf = (cpu: Cpu, pieces: RegisterPieces): number => (cpu.code64 ? pieces.count : pieces.legacyCount);

/** Bytes of all of them in a save area. */
export const lengthOfPieces = ({ length, count }: RegisterPieces): number => length * count;

/** Writes those that the mode has to a save area from byte `at` on. */
export function writePieces(cpu: Cpu, area: SaveArea, at: number, pieces: RegisterPieces): void {
  const { first, step, length } = pieces;
  const count = countOf(cpu, pieces);
  const before = area.piecesOnFirstPage(at, length, count);
  cpu.moves.copy(first, step, area.host(at), length, length, before);
  const next = at + before * length;
  cpu.moves.copy(first + before * step, step, area.host(next), length, length, count - before);
}

/** The reverse of {@link writePieces}. */
export function readPieces(cpu: Cpu, area: SaveArea, at: number, pieces: RegisterPieces): void {
  const { first, step, length } = pieces;
  const count = countOf(cpu, pieces);
  const before = area.piecesOnFirstPage(at, length, count);
  cpu.moves.copy(area.host(at), length, first, step, length, before);
  const next = at + before * length;
  cpu.moves.copy(area.host(next), length, first + before * step, step, length, count - before);
}

/** Zeroes those that the mode has. */
export function clearPieces(cpu: Cpu, pieces: RegisterPieces): void {
  cpu.moves.clear(pieces.first, pieces.step, pieces.length, countOf(cpu, pieces));
}

/** Whether all of them, in whatever mode, are zero. */
export function arePiecesZero(cpu: Cpu, { first, step, length, count }: RegisterPieces): boolean {
  return cpu.moves.areZero(first, step, length, count) !== 0;
}

/** Zeroes all vector and mask registers, whole. */
export function clearVectors(cpu: Cpu): void {
  cpu.u8.fill(0, AT.zmm, AT.zmm + 32 * ELEMENT_SIZE.zmm);
  cpu.u8.fill(0, AT.opmask, AT.opmask + 8 * ELEMENT_SIZE.opmask);
}
