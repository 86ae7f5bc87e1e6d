/** Single instructions of AVX-512 and a random state for each: all vector and mask registers, and memory at rax. */
import { allRows, evexRows, type Row } from "@tsvm/cpu-x86";
import { doubleEdge, integerEdge, singleEdge } from "../edge-values.ts";
import { createRandom, hashText, type Random } from "../random.ts";
import { drawEvex, type EvexPlaces } from "./evex-encoding.ts";

/** Rows with an EVEX prefix, and those with VEX on mask registers. */
export const WIDE_ROWS: readonly Row[] = [...evexRows, ...allRows.filter(({ wideVectors }) => wideVectors)];

/** Bytes of a case as native/evex.c has it, and where its parts are. */
export const CASE = {
  code: 0,
  length: 16,
  signal: 20,
  mxcsr: 24,
  flags: 28,
  rcx: 32,
  rdx: 40,
  k: 48,
  zmm: 112,
  memory: 2160,
  memoryBytes: 256,
  bytes: 2416,
} as const;
export const ZMM_BYTES = 64;
export const ZMMS = 32;

/** What is run, and the state it starts from, in {@link CASE}'s layout. */
export interface EvexCase {
  readonly row: Row;
  readonly bytes: Uint8Array;
}

/** rdx in ModRM.reg, rcx in ModRM.rm, memory at rax. */
const PLACES: EvexPlaces = {
  vectors: ZMMS,
  general: (_, field) => (field === "reg" ? 2 : 1),
  memory: { modrm: 0, tail: [] },
};
const MXCSR = { default: 0x1f80, masks: 7, rounding: 13, flush: 0x8000, denormalsAreZeros: 0x40 } as const;

/** Case number `index` of a row; the same for a salt. */
export function makeCase(row: Row, index: number, salt: string): EvexCase {
  const random = createRandom(hashText(`${row.mnemonic} ${row.encoding}|${index}|${salt}`));
  const bytes = new Uint8Array(CASE.bytes);
  const view = new DataView(bytes.buffer);
  const code = drawEvex(row, random, PLACES);
  bytes.set(code, CASE.code);
  view.setUint32(CASE.length, code.length, true);
  view.setUint32(CASE.mxcsr, randomMxcsr(random), true);
  const lane = random.pick(LANES);
  for (let at: number = CASE.rcx; at < CASE.zmm; at += 8) view.setBigUint64(at, integerEdge(random), true);
  for (let at: number = CASE.zmm; at < CASE.bytes; at += 8) view.setBigUint64(at, lane(random), true);
  return { row, bytes };
}

const singlePair = (random: Random): bigint => (singleEdge(random) << 32n) | singleEdge(random);
const LANES = [integerEdge, singlePair, doubleEdge] as const;

/** Some exceptions are not masked, now and then. */
function randomMxcsr(random: Random): number {
  const masks = random.oneIn(8) ? random.below(64) << MXCSR.masks : MXCSR.default;
  const flush = (random.oneIn(4) ? MXCSR.flush : 0) | (random.oneIn(4) ? MXCSR.denormalsAreZeros : 0);
  return masks | (random.below(4) << MXCSR.rounding) | flush;
}
