/** Single instructions of AVX-512 and a random state for each: all vector and mask registers, and memory at rax. */
import { allRows, evexRows, type Row } from "@tsvm/cpu-x86";
import { doubleEdge, integerEdge, singleEdge } from "../edge-values.ts";
import { parseEncoding, type VexEncoding } from "../forms/form.ts";
import { createRandom, hashText, type Random } from "../random.ts";

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
export const [ZMMS, MASKS] = [32, 8] as const;

/** What is run, and the state it starts from, in {@link CASE}'s layout. */
export interface EvexCase {
  readonly row: Row;
  readonly bytes: Uint8Array;
}

/** Numbers of the registers that operands of general registers are: rdx in ModRM.reg, rcx in ModRM.rm. */
const [RDX, RCX] = [2, 1] as const;
const MXCSR = { default: 0x1f80, masks: 7, rounding: 13, flush: 0x8000, denormalsAreZeros: 0x40 } as const;
const LETTERS = { register: "UNRF", memory: "M", general: "ER", maskInRm: "F", maskInReg: "K" } as const;

const has = ({ operands }: Row, letters: string): boolean =>
  operands.some((code) => /^[A-Z]([a-z]|$)/.test(code) && letters.includes(code[0] as string));

/** Case number `index` of a row; the same for a salt. */
export function makeCase(row: Row, index: number, salt: string): EvexCase {
  const random = createRandom(hashText(`${row.mnemonic} ${row.encoding}|${index}|${salt}`));
  const bytes = new Uint8Array(CASE.bytes);
  const view = new DataView(bytes.buffer);
  const code = encode(row, random);
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

/** Fields of a prefix. SDM vol. 2A, "Intel AVX-512 Encoding". */
interface Fields {
  readonly reg: number;
  readonly vvvv: number;
  /** Undefined: memory at rax. */
  readonly rm: number | undefined;
  readonly mask: number;
  readonly zeroes: boolean;
  readonly b: boolean;
  /** L'L, where it is a rounding. */
  readonly rounding: number | undefined;
}

/** Of a row with VEX. */
const NO_FORM = { masking: "none", broadcast: 0, rounding: undefined } as const;

function encode(row: Row, random: Random): readonly number[] {
  const inMemory = has(row, LETTERS.memory) || (!has(row, LETTERS.register) && random.oneIn(2));
  const { masking, broadcast, rounding } = row.evex ?? NO_FORM;
  const masked = masking === "needed" || (masking !== "none" && !random.oneIn(3));
  const b = random.oneIn(2) && (inMemory ? broadcast !== 0 : rounding !== undefined);
  return encodeFields(row, random.below(256), {
    reg: has(row, LETTERS.maskInReg) ? random.below(MASKS) : has(row, "G") ? RDX : random.below(ZMMS),
    vvvv: random.below(ZMMS),
    rm: inMemory ? undefined : registerInRm(row, random),
    mask: masked ? 1 + random.below(MASKS - 1) : 0,
    zeroes: masked && masking === "any" && random.oneIn(2),
    b,
    rounding: b && !inMemory && rounding === "er" ? random.below(4) : undefined,
  });
}

function registerInRm(row: Row, random: Random): number {
  if (has(row, LETTERS.maskInRm)) return random.below(MASKS);
  return has(row, LETTERS.general) ? RCX : random.below(ZMMS);
}

/** Its encoding column is `EVEX.512.66.0F38.W1 2C /r ib`. */
function encodeFields({ encoding, operands }: Row, immediate: number, fields: Fields): readonly number[] {
  const [columns, hasImmediate] = [encoding.replace(/ ib$/, ""), encoding.endsWith(" ib")];
  const { vex, opcode, modrm } = parseEncoding(columns);
  const { l = 0, w = 0, pp, map } = vex as VexEncoding;
  const vvvv = operands.some((code) => /^[BHT]/.test(code)) ? fields.vvvv : 0;
  const reg = typeof modrm === "number" ? modrm : fields.reg;
  const rm = fields.rm ?? 0;
  const tail = [
    ...opcode,
    (fields.rm === undefined ? 0 : 0xc0) | ((reg & 7) << 3) | (rm & 7),
    ...(hasImmediate ? [immediate] : []),
  ];
  // No mask register is beyond 7, nor are rcx and rdx.
  if (columns.startsWith("VEX."))
    return [0xc4, 0xe0 | map, (w << 7) | ((~vvvv & 7) << 3) | 0x40 | (l << 2) | pp, ...tail];
  const inverted = (register: number, bit: number): number => (~register >> bit) & 1;
  return [
    0x62,
    (inverted(reg, 3) << 7) | (inverted(rm, 4) << 6) | (inverted(rm, 3) << 5) | (inverted(reg, 4) << 4) | map,
    (w << 7) | ((~vvvv & 15) << 3) | 4 | pp,
    (fields.zeroes ? 0x80 : 0) |
      ((fields.rounding ?? l) << 5) |
      (fields.b ? 0x10 : 0) |
      (inverted(vvvv, 4) << 3) |
      fields.mask,
    ...tail,
  ];
}
