// The field of AES: polynomials of degree 7 over bits, modulo x^8 + x^4 + x^3 + x + 1. FIPS 197, "Mathematical
// Preliminaries"; SDM vol. 1, "Galois Field New Instructions". Tables are computed, not typed in.
import type { IrBuilder, Val } from "@tsvm/tcg";

const POLYNOMIAL = 0x11b;

function multiply(x: number, y: number): number {
  let product = 0;
  for (let a = x, b = y; b !== 0; b >>= 1) {
    if ((b & 1) !== 0) product ^= a;
    a = (a << 1) ^ ((a & 0x80) !== 0 ? POLYNOMIAL : 0);
  }
  return product;
}

/** x^254: the inverse, and 0 of 0. */
function inverse(x: number): number {
  let result = 1;
  for (let i = 0; i < 254; i++) result = multiply(result, x);
  return result;
}

const rotate = (x: number, count: number): number => ((x << count) | (x >> (8 - count))) & 0xff;

/** Inverses of all bytes. */
export const INVERSES: readonly number[] = Array.from({ length: 256 }, (_, x) => inverse(x));
/** FIPS 197, "SubBytes". */
export const S_BOX: readonly number[] = INVERSES.map(
  (x) => x ^ rotate(x, 1) ^ rotate(x, 2) ^ rotate(x, 3) ^ rotate(x, 4) ^ 0x63,
);
/** FIPS 197, "InvSubBytes". */
export const INVERSE_S_BOX: readonly number[] = S_BOX.map((_, y) => S_BOX.indexOf(y));

const bytesToVector = (b: IrBuilder, bytes: readonly number[]): Val => {
  const half = (from: number): bigint =>
    bytes.slice(from, from + 8).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return b.vector(half(0), half(8));
};

const splatByte = (b: IrBuilder, byte: number): Val => bytesToVector(b, new Array(16).fill(byte));

/** Each byte of `x` replaced by a table of 256: sixteen swizzles, of which all but one give 0. */
export function lookUp(b: IrBuilder, table: readonly number[], x: Val): Val {
  let result: Val | undefined;
  for (let row = 0; row < 16; row++) {
    const index = row === 0 ? x : b.op("i8x16.sub", x, splatByte(b, row * 16));
    const found = b.op("i8x16.swizzle", bytesToVector(b, table.slice(row * 16, row * 16 + 16)), index);
    result = result === undefined ? found : b.op("v128.or", result, found);
  }
  return result as Val;
}

/** Each byte times x: shifted left, and reduced where bit 7 was set. */
export function double(b: IrBuilder, x: Val): Val {
  const overflow = b.op("i8x16.shr_s", x, b.const32(7));
  const reduction = b.op("v128.and", overflow, splatByte(b, POLYNOMIAL & 0xff));
  return b.op("v128.xor", b.op("i8x16.shl", x, b.const32(1)), reduction);
}

/** Products of the bytes at the same places. */
export function multiplyBytes(b: IrBuilder, x: Val, y: Val): Val {
  let product: Val | undefined;
  let multiple = x;
  for (let bit = 0; bit < 8; bit++) {
    const chosen = b.op("i8x16.shr_s", b.op("i8x16.shl", y, b.const32(7 - bit)), b.const32(7));
    const term = b.op("v128.and", multiple, chosen);
    product = product === undefined ? term : b.op("v128.xor", product, term);
    if (bit < 7) multiple = double(b, multiple);
  }
  return product as Val;
}
