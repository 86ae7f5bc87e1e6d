// The vector and mask registers in the save areas of FXSAVE and XSAVE: which piece of each register a state component has, and how
// generated code moves them. SDM vol. 1, "Managing State Using the XSAVE Feature Set", the sections of the components.
//
// Invariants:
// 1. A piece is a multiple of 16 bytes.
// 2. Outside 64-bit mode there are eight vector registers: the others are neither saved, nor loaded, nor initialized.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";

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

const CHUNK = 16;
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

/** Bytes of all of them in a save area. */
export const lengthOfPieces = ({ length, count }: RegisterPieces): number => length * count;

/** Does `move` for each 16 bytes: their places in CPU state, and in the area from where the component begins. */
function forEachChunk(pieces: RegisterPieces, from: number, to: number, move: (state: number, area: number) => void) {
  const { first, step, length } = pieces;
  for (let i = from; i < to; i++)
    for (let at = 0; at < length; at += CHUNK) move(first + i * step + at, i * length + at);
}

/** Those that every mode has, then the others, if `all` (i32) holds. */
function inParts(b: IrBuilder, pieces: RegisterPieces, all: Val, move: (state: number, area: number) => void): void {
  const { count, legacyCount } = pieces;
  forEachChunk(pieces, 0, legacyCount, move);
  if (count > legacyCount) b.when(all, () => forEachChunk(pieces, legacyCount, count, move));
}

/** Writes those that the mode has to an area `at` bytes behind `base`. @param all i32: this is 64-bit mode. */
export function savePieces(b: IrBuilder, base: Val, at: number, pieces: RegisterPieces, all: Val): void {
  inParts(b, pieces, all, (state, area) =>
    b.store("v128.store", base, at + area, b.load("v128.load", undefined, state)),
  );
}

/** The reverse of {@link savePieces}. */
export function loadPieces(b: IrBuilder, base: Val, at: number, pieces: RegisterPieces, all: Val): void {
  inParts(b, pieces, all, (state, area) =>
    b.store("v128.store", undefined, state, b.load("v128.load", base, at + area)),
  );
}

/** Zeroes those that the mode has. */
export function clearPieces(b: IrBuilder, pieces: RegisterPieces, all: Val): void {
  const zero = b.vector(0n, 0n);
  inParts(b, pieces, all, (state) => b.store("v128.store", undefined, state, zero));
}

/** i32: all of them, in whatever mode, are zero. */
export function arePiecesZero(b: IrBuilder, pieces: RegisterPieces): Val {
  let seen: Val | undefined;
  forEachChunk(pieces, 0, pieces.count, (state) => {
    const chunk = b.load("v128.load", undefined, state);
    seen = seen === undefined ? chunk : b.op("v128.or", seen, chunk);
  });
  return b.op("i32.eqz", b.op("v128.any_true", seen as Val));
}
