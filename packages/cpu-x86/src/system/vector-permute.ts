// Permutations of whole vectors by numbers in registers, and of masked elements: too rare and too long to be generated. SDM
// vol. 2C, VPERMD, VPERMI2D, VPERMT2D, VALIGND, VPCOMPRESSD, VPEXPANDD, VPMOVDB and its like, VPCONFLICTD, VPLZCNTD.
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

const ZMM_BYTES = 64;

/** What is done; the numbers that generated code gives. */
export const PERMUTATION = {
  /** Elements of `rm` by the numbers in `vvvv`. */
  byNumbers: 0,
  /** Elements of `vvvv` and `rm`, side by side, by the numbers in the destination. */
  ofTwoByDestination: 1,
  /** Elements of the destination and `rm`, side by side, by the numbers in `vvvv`. */
  ofTwo: 2,
  /** `rm`, and `vvvv` above it, shifted right by the immediate. */
  align: 3,
  /** Elements of `rm` whose mask bit is set, side by side; the further ones of the destination stay. */
  compress: 4,
  /** The first elements of `rm`, in order, where the mask is set. */
  expand: 5,
  /** Of each element of `rm`, which equal ones are below it. */
  conflicts: 6,
  /** Of each element of `rm`, how many zeros lead it. */
  leadingZeros: 7,
} as const;

/** First argument of {@link evexPermute}: what, bytes of an element, how many of them. */
export const describePermutation = (what: number, element: number, count: number): number =>
  what | (element << 8) | (count << 16);

/** Operands of a permutation as bytes, copied: the destination may be any of them. */
interface Vectors {
  readonly element: number;
  readonly count: number;
  readonly destination: Uint8Array;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  readonly result: Uint8Array;
}

const copyOf = (cpu: Cpu, offset: number): Uint8Array => cpu.u8.slice(AT.zmm + offset, AT.zmm + offset + ZMM_BYTES);

/**
 * Writes all 512 bits of the destination, zeros above the elements. Arguments: {@link describePermutation}, byte offsets of
 * destination, `vvvv` and `rm` in the vector file, then the immediate or the mask.
 */
export function evexPermute(cpu: Cpu): HelperResult {
  const description = cpu.arg32(0);
  const [element, count] = [(description >> 8) & 0xff, (description >> 16) & 0xff];
  const vectors: Vectors = {
    element,
    count,
    destination: copyOf(cpu, cpu.arg32(1)),
    first: copyOf(cpu, cpu.arg32(2)),
    second: copyOf(cpu, cpu.arg32(3)),
    result: new Uint8Array(ZMM_BYTES),
  };
  permute(description & 0xff, vectors, cpu.arg64(4));
  cpu.u8.set(vectors.result, AT.zmm + cpu.arg32(1));
  return HELPER.next;
}

function permute(what: number, vectors: Vectors, argument: bigint): void {
  const { count, destination, first, second } = vectors;
  switch (what) {
    case PERMUTATION.byNumbers:
      return pick(vectors, first, [second]);
    case PERMUTATION.ofTwoByDestination:
      return pick(vectors, destination, [first, second]);
    case PERMUTATION.ofTwo:
      return pick(vectors, first, [destination, second]);
    case PERMUTATION.align:
      return align(vectors, Number(argument & 0xffn) & (count - 1));
    case PERMUTATION.compress:
      return compress(vectors, argument);
    case PERMUTATION.expand:
      return expand(vectors, argument);
    case PERMUTATION.conflicts:
      return each(vectors, (value, i) => conflictsOf(vectors, value, i));
    case PERMUTATION.leadingZeros:
      return each(vectors, (value) => leadingZeros(value, vectors.element * 8));
  }
}

/** Element `to` of the result is element `from` of a vector. */
function put({ element, result }: Vectors, to: number, source: Uint8Array, from: number): void {
  for (let i = 0; i < element; i++) result[to * element + i] = source[from * element + i] as number;
}

function pick(vectors: Vectors, numbers: Uint8Array, tables: readonly Uint8Array[]): void {
  const { count, element } = vectors;
  for (let i = 0; i < count; i++) {
    // Numbers above 255 do not matter: there are 128 elements at most.
    const number = (numbers[i * element] as number) & (count * tables.length - 1);
    put(vectors, i, tables[number >= count ? 1 : 0] as Uint8Array, number & (count - 1));
  }
}

function align(vectors: Vectors, distance: number): void {
  const { count, first, second } = vectors;
  for (let i = 0; i < count; i++) {
    const from = i + distance;
    put(vectors, i, from < count ? second : first, from & (count - 1));
  }
}

const isSet = (mask: bigint, i: number): boolean => ((mask >> BigInt(i)) & 1n) !== 0n;

function compress(vectors: Vectors, mask: bigint): void {
  let to = 0;
  for (let i = 0; i < vectors.count; i++) if (isSet(mask, i)) put(vectors, to++, vectors.second, i);
  for (; to < vectors.count; to++) put(vectors, to, vectors.first, to);
}

function expand(vectors: Vectors, mask: bigint): void {
  let from = 0;
  for (let i = 0; i < vectors.count; i++) if (isSet(mask, i)) put(vectors, i, vectors.second, from++);
}

function read(bytes: Uint8Array, element: number, i: number): bigint {
  let value = 0n;
  for (let byte = element - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[i * element + byte] as number);
  return value;
}

function write(bytes: Uint8Array, element: number, i: number, value: bigint): void {
  for (let byte = 0; byte < element; byte++) bytes[i * element + byte] = Number((value >> BigInt(byte * 8)) & 0xffn);
}

function each(vectors: Vectors, compute: (value: bigint, i: number) => bigint): void {
  const { count, element, second, result } = vectors;
  for (let i = 0; i < count; i++) write(result, element, i, compute(read(second, element, i), i));
}

function conflictsOf({ second, element }: Vectors, value: bigint, i: number): bigint {
  let equal = 0n;
  for (let j = 0; j < i; j++) if (read(second, element, j) === value) equal |= 1n << BigInt(j);
  return equal;
}

const leadingZeros = (value: bigint, width: number): bigint =>
  BigInt(width - (value === 0n ? 0 : value.toString(2).length));

/** How an element becomes narrower: its low bits, or the nearest number there is. */
export const NARROWING = { truncate: 0, signed: 1, unsigned: 2 } as const;

/** First argument of {@link evexNarrow}: how, bytes of elements before and after, how many of them. */
export const describeNarrowing = (how: number, from: number, to: number, count: number): number =>
  how | (from << 4) | (to << 8) | (count << 16);

/** Narrows the elements of `rm` into the destination, zeros above them. Arguments: {@link describeNarrowing}, both registers. */
export function evexNarrow(cpu: Cpu): HelperResult {
  const description = cpu.arg32(0);
  const [from, to] = [(description >> 4) & 15, (description >> 8) & 0xff];
  const count = description >> 16;
  const source = copyOf(cpu, cpu.arg32(2));
  const result = new Uint8Array(ZMM_BYTES);
  for (let i = 0; i < count; i++) write(result, to, i, narrow(read(source, from, i), from, to, description & 15));
  cpu.u8.set(result, AT.zmm + cpu.arg32(1));
  return HELPER.next;
}

function narrow(value: bigint, from: number, to: number, how: number): bigint {
  if (how === NARROWING.truncate) return value;
  const bits = BigInt(to * 8);
  if (how === NARROWING.unsigned) return value >> bits === 0n ? value : (1n << bits) - 1n;
  const number = BigInt.asIntN(from * 8, value);
  const limit = 1n << (bits - 1n);
  return number < -limit ? -limit : number >= limit ? limit - 1n : number;
}
