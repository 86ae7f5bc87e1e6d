/** Bytes of one instruction of AVX-512, out of its row and random registers, masks and forms. */
import type { Row } from "@tsvm/cpu-x86";
import { parseEncoding, type VexEncoding } from "../forms/form.ts";
import type { Random } from "../random.ts";

/** How many mask registers there are. */
export const MASKS = 8;

/** A memory operand: mod and rm of ModRM, and what follows that byte. */
export interface MemoryOperand {
  readonly modrm: number;
  readonly tail: readonly number[];
}

/** What operands may be. */
export interface EvexPlaces {
  /** Vector registers there are: 32, outside 64-bit code 8. */
  readonly vectors: number;
  /** The number, below 8, of a general register in ModRM.reg or in ModRM.rm. */
  general(random: Random, field: "reg" | "rm"): number;
  readonly memory: MemoryOperand;
}

const LETTERS = { register: "UNRF", memory: "M", general: "ER", maskInRm: "F", maskInReg: "K" } as const;

const has = ({ operands }: Row, letters: string): boolean =>
  operands.some((code) => /^[A-Z]([a-z]|$)/.test(code) && letters.includes(code[0] as string));

/** Fields of a prefix. SDM vol. 2A, "Intel AVX-512 Encoding". */
interface Fields {
  readonly reg: number;
  readonly vvvv: number;
  readonly rm: number | MemoryOperand;
  readonly mask: number;
  readonly zeroes: boolean;
  readonly b: boolean;
  /** L'L, where it is a rounding. */
  readonly rounding: number | undefined;
}

/** Of a row with VEX. */
const NO_FORM = { masking: "none", broadcast: 0, rounding: undefined } as const;

/** A random form of `row`: with a mask, broadcast or rounding where it has one. */
export function drawEvex(row: Row, random: Random, places: EvexPlaces): readonly number[] {
  const inMemory = has(row, LETTERS.memory) || (!has(row, LETTERS.register) && random.oneIn(2));
  const { masking, broadcast, rounding } = row.evex ?? NO_FORM;
  const masked = masking === "needed" || (masking !== "none" && !random.oneIn(3));
  const b = random.oneIn(2) && (inMemory ? broadcast !== 0 : rounding !== undefined);
  return encodeEvex(row, random.below(256), {
    reg: registerInReg(row, random, places),
    vvvv: random.below(places.vectors),
    rm: inMemory ? places.memory : registerInRm(row, random, places),
    mask: masked ? 1 + random.below(MASKS - 1) : 0,
    zeroes: masked && masking === "any" && random.oneIn(2),
    b,
    rounding: b && !inMemory && rounding === "er" ? random.below(4) : undefined,
  });
}

function registerInReg(row: Row, random: Random, places: EvexPlaces): number {
  if (has(row, LETTERS.maskInReg)) return random.below(MASKS);
  return has(row, "G") ? places.general(random, "reg") : random.below(places.vectors);
}

function registerInRm(row: Row, random: Random, places: EvexPlaces): number {
  if (has(row, LETTERS.maskInRm)) return random.below(MASKS);
  return has(row, LETTERS.general) ? places.general(random, "rm") : random.below(places.vectors);
}

/** A move between `reg` and memory, by its line of the manual. */
export const encodeMove = (encoding: string, reg: number, memory: MemoryOperand): readonly number[] =>
  encodeEvex({ encoding, operands: [] }, 0, {
    reg,
    vvvv: 0,
    rm: memory,
    mask: 0,
    zeroes: false,
    b: false,
    rounding: undefined,
  });

/** The encoding column is `EVEX.512.66.0F38.W1 2C /r ib`, or one with VEX. */
function encodeEvex(
  { encoding, operands }: Pick<Row, "encoding" | "operands">,
  immediate: number,
  fields: Fields,
): readonly number[] {
  const [columns, hasImmediate] = [encoding.replace(/ ib$/, ""), encoding.endsWith(" ib")];
  const { vex, opcode, modrm } = parseEncoding(columns);
  const { l = 0, w = 0, pp, map } = vex as VexEncoding;
  const vvvv = operands.some((code) => /^[BHT]/.test(code)) ? fields.vvvv : 0;
  const reg = typeof modrm === "number" ? modrm : fields.reg;
  const register = typeof fields.rm === "number" ? fields.rm : 0;
  const { modrm: rm, tail } = typeof fields.rm === "number" ? { modrm: 0xc0 | (register & 7), tail: [] } : fields.rm;
  const rest = [...opcode, rm | ((reg & 7) << 3), ...tail, ...(hasImmediate ? [immediate] : [])];
  // No mask register is beyond 7, nor is a general one.
  if (columns.startsWith("VEX."))
    return [0xc4, 0xe0 | map, (w << 7) | ((~vvvv & 7) << 3) | 0x40 | (l << 2) | pp, ...rest];
  const inverted = (number: number, bit: number): number => (~number >> bit) & 1;
  return [
    0x62,
    (inverted(reg, 3) << 7) |
      (inverted(register, 4) << 6) |
      (inverted(register, 3) << 5) |
      (inverted(reg, 4) << 4) |
      map,
    (w << 7) | ((~vvvv & 15) << 3) | 4 | pp,
    (fields.zeroes ? 0x80 : 0) |
      ((fields.rounding ?? l) << 5) |
      (fields.b ? 0x10 : 0) |
      (inverted(vvvv, 4) << 3) |
      fields.mask,
    ...rest,
  ];
}
