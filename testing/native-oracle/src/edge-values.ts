import type { Random } from "./random.ts";

/** Integers where carries, signs and masks change, for any width up to 64 bits. */
const INTEGER_EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  0xffff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_fffen,
  0x5555_5555_5555_5555n,
  0xaaaa_aaaa_aaaa_aaaan,
];

const WIDTHS = [8, 16, 32, 64] as const;

/** An integer of at most 64 bits: an edge of a random width below random upper bits, a small number, or anything. */
export function integerEdge(random: Random): bigint {
  switch (random.below(8)) {
    case 0:
    case 1:
      return random.pick(INTEGER_EDGES);
    case 2:
    case 3:
    case 4: {
      const width = BigInt(random.pick(WIDTHS));
      const lowest = 1n << (width - 1n);
      const edge = random.pick([lowest, lowest - 1n, lowest + 1n, (1n << width) - 1n, 0n, 1n]);
      const above = random.oneIn(2) ? (random.u64() >> width) << width : 0n;
      return edge | (width === 64n ? 0n : above);
    }
    case 5:
      return BigInt(random.below(256));
    default:
      return random.u64();
  }
}

/** Layout of a binary floating-point format without an explicit integer bit. */
interface FloatFormat {
  readonly exponentBits: bigint;
  readonly fractionBits: bigint;
}

const SINGLE: FloatFormat = { exponentBits: 8n, fractionBits: 23n };
const DOUBLE: FloatFormat = { exponentBits: 11n, fractionBits: 52n };
/** The 80-bit format's fraction without its integer bit. */
const EXTENDED: FloatFormat = { exponentBits: 15n, fractionBits: 63n };

/** Sign, biased exponent and fraction of a value worth trying; `kind` spreads over all classes of IEEE 754. */
function floatParts(
  random: Random,
  { exponentBits, fractionBits }: FloatFormat,
): { sign: bigint; exponent: bigint; fraction: bigint } {
  const special = (1n << exponentBits) - 1n;
  const bias = special >> 1n;
  const fractionMask = (1n << fractionBits) - 1n;
  const quiet = 1n << (fractionBits - 1n);
  const anyFraction = random.u64() & fractionMask;
  const sparseFraction = random.pick([0n, 1n, fractionMask, quiet, quiet - 1n, quiet + 1n, anyFraction]);
  const sign = BigInt(random.below(2));
  const near = (spread: number): bigint => bias + BigInt(random.below(2 * spread + 1) - spread);
  switch (random.below(16)) {
    case 0:
      return { sign, exponent: 0n, fraction: 0n };
    case 1:
      return { sign, exponent: 0n, fraction: sparseFraction };
    case 2:
      return { sign, exponent: special, fraction: 0n };
    case 3:
      return { sign, exponent: special, fraction: quiet | anyFraction };
    case 4:
      // Signalling only with the quiet bit clear and something else set.
      return { sign, exponent: special, fraction: (anyFraction & (quiet - 1n)) | 1n };
    case 5:
      return { sign, exponent: 1n, fraction: sparseFraction };
    case 6:
      return { sign, exponent: special - 1n, fraction: sparseFraction };
    case 7:
      return { sign, exponent: bias, fraction: 0n };
    case 8:
      // Around the limits of 32- and 64-bit integers.
      return { sign, exponent: bias + random.pick([30n, 31n, 32n, 62n, 63n, 64n]), fraction: sparseFraction };
    case 9:
    case 10:
    case 11:
      return { sign, exponent: near(3), fraction: sparseFraction };
    case 12:
    case 13:
      return { sign, exponent: near(Number(fractionBits)), fraction: anyFraction };
    case 14: {
      // Integers and halves that a conversion can meet exactly.
      const bits = BigInt(random.below(8));
      return {
        sign,
        exponent: bias + bits,
        fraction: (anyFraction >> (fractionBits - bits - 1n)) << (fractionBits - bits - 1n),
      };
    }
    default:
      return { sign, exponent: random.u64() & special, fraction: anyFraction };
  }
}

function pack(random: Random, format: FloatFormat): bigint {
  const { sign, exponent, fraction } = floatParts(random, format);
  return (((sign << format.exponentBits) | exponent) << format.fractionBits) | fraction;
}

/** A binary32 bit pattern of any class. */
export function singleEdge(random: Random): bigint {
  return pack(random, SINGLE);
}

/** A binary64 bit pattern of any class. */
export function doubleEdge(random: Random): bigint {
  return pack(random, DOUBLE);
}

/**
 * An 80-bit extended bit pattern of any class. One in 24 contradicts its integer bit (pseudo-denormal, unnormal,
 * pseudo-infinity: SDM vol. 1, "Unsupported Double Extended-Precision Floating-Point Encodings").
 */
export function extendedEdge(random: Random): bigint {
  const { sign, exponent, fraction } = floatParts(random, EXTENDED);
  const normal = exponent === 0n ? 0n : 1n;
  const integerBit = random.oneIn(24) ? 1n - normal : normal;
  return (sign << 79n) | (exponent << 64n) | (integerBit << 63n) | fraction;
}

/** Ten bytes of packed decimal for FBLD: 18 digits and a sign. */
export function packedDecimal(random: Random): bigint {
  let value = random.oneIn(2) ? 0x80n : 0n;
  const digits = random.below(19);
  for (let i = 17; i >= 0; i--) value = (value << 4n) | BigInt(i < digits ? random.below(10) : 0);
  return value;
}
