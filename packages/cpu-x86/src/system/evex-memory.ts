// Memory operands of EVEX instructions element by element: masked loads and stores, compressed ones, gathers and scatters. SDM
// vol. 2A, "Memory Faults" of "Intel AVX-512 Encoding"; vol. 2C, VGATHERDPS, VSCATTERDPS, VCOMPRESSPS, VEXPANDPS.
//
// Elements that are masked off are not accessed at all. A masked store happens whole or not at all; gathers and scatters may
// fault in the middle, and the mask then tells what is still to be done.
import { ACCESS_WRITE } from "@tsvm/mmu";
import { elementAddress } from "../segments/element-address.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { readBlock, writeBlock } from "./memory-block.ts";
import { isOperandCanonical } from "./save-area.ts";

/** In the upper half of {@link masksOfMemory}: what is loaded is repeated in all of the register. */
const SPREADS = 0x100;
const ZMM_BYTES = 64;

/**
 * What masked loads and stores are told: byte offset of the mask register, bytes of an element, how many mask bits there are;
 * in the upper half the bytes of the operand, and whether these are spread over the register.
 */
export const masksOfMemory = (
  mask: number,
  element: number,
  count: number,
  bytes: number,
  spreads: boolean,
): { low: number; high: number } => ({
  low: mask * 8 + element * 0x100 + count * 0x1_0000,
  high: bytes + (spreads ? SPREADS : 0),
});

/** Arguments of masked loads and stores. */
interface MaskedMove {
  readonly segment: number;
  readonly address: bigint;
  readonly mask: bigint;
  readonly element: number;
  /** Elements of the operand. */
  readonly count: number;
  readonly spreads: boolean;
  /** Address of the register in CPU state. */
  readonly register: number;
}

function argumentsOf(cpu: Cpu): MaskedMove {
  const masks = cpu.arg32(3);
  const operand = cpu.argHigh(3);
  const element = (masks >> 8) & 0xff;
  const bits = (masks >> 16) & 0xff;
  const spreads = (operand & SPREADS) !== 0;
  const count = (operand & 0xff) / element;
  const mask = BigInt.asUintN(bits, cpu.arg64(2));
  return {
    segment: cpu.arg32(1),
    address: cpu.arg64(0),
    mask: spreads ? folded(mask, bits, count) : mask,
    element,
    count,
    spreads,
    register: AT.zmm + cpu.arg32(4),
  };
}

/** An element that is repeated is wanted where one of its copies is. */
function folded(mask: bigint, bits: number, count: number): bigint {
  let wanted = 0n;
  for (let i = 0; i < bits; i++) if (((mask >> BigInt(i)) & 1n) !== 0n) wanted |= 1n << BigInt(i % count);
  return wanted;
}

const isSet = (mask: bigint, i: number): boolean => ((mask >> BigInt(i)) & 1n) !== 0n;

/** Linear address of an element. In 64-bit code the operand's address is linear already. */
function linearOf(cpu: Cpu, move: MaskedMove, place: number, access: "Read" | "Write"): bigint | undefined {
  const at = move.address + BigInt(place * move.element);
  if (!cpu.code64) return elementAddress(cpu, move.segment, BigInt.asUintN(32, at), move.element, access);
  const linear = BigInt.asUintN(64, at);
  return isOperandCanonical(cpu, Number(linear >> 32n), move.segment) ? linear : undefined;
}

const element = new Uint8Array(32);

/** Reads one element of memory to `to` in CPU state. @returns false: exception pending. */
function readTo(cpu: Cpu, move: MaskedMove, place: number, to: number): boolean {
  const linear = linearOf(cpu, move, place, "Read");
  if (linear === undefined) return false;
  const bytes = element.subarray(0, move.element);
  if (!readBlock(cpu, linear, bytes, cpu.explicitAccess)) return false;
  cpu.u8.set(bytes, to);
  return true;
}

/** Loads the chosen elements; the others are 0. Arguments: address, segment, mask, {@link masksOfMemory}, register. */
export function loadMasked(cpu: Cpu): HelperResult {
  const move = argumentsOf(cpu);
  const { register, count } = move;
  cpu.u8.fill(0, register, register + ZMM_BYTES);
  for (let i = 0; i < count; i++)
    if (isSet(move.mask, i) && !readTo(cpu, move, i, register + i * move.element)) return HELPER.fault;
  const bytes = count * move.element;
  if (move.spreads)
    for (let at = bytes; at < ZMM_BYTES; at += bytes) cpu.u8.copyWithin(register + at, register, register + bytes);
  return HELPER.next;
}

/** Loads as many elements as the mask has bits, from the first on. Arguments as of {@link loadMasked}. */
export function loadCompressed(cpu: Cpu): HelperResult {
  const move = argumentsOf(cpu);
  const { register, count } = move;
  cpu.u8.fill(0, register, register + ZMM_BYTES);
  let place = 0;
  for (let i = 0; i < count; i++) {
    if (!isSet(move.mask, i)) continue;
    if (!readTo(cpu, move, place, register + place * move.element)) return HELPER.fault;
    place++;
  }
  return HELPER.next;
}

/** Stores the elements `from` of the register at the places `to` of memory, all or none. */
function storeElements(cpu: Cpu, move: MaskedMove, from: readonly number[], to: readonly number[]): HelperResult {
  const access = cpu.explicitAccess;
  const linear: bigint[] = [];
  for (const place of to) {
    const at = linearOf(cpu, move, place, "Write");
    if (at === undefined || !cpu.linear.probe(at, move.element, access | ACCESS_WRITE)) return HELPER.fault;
    linear.push(at);
  }
  for (const [i, at] of linear.entries()) {
    const start = move.register + (from[i] as number) * move.element;
    if (!writeBlock(cpu, at, cpu.u8.slice(start, start + move.element), access)) return HELPER.fault;
  }
  return HELPER.next;
}

const chosen = ({ mask, count }: MaskedMove): number[] =>
  Array.from({ length: count }, (_, i) => i).filter((i) => isSet(mask, i));

/** Stores the chosen elements. Arguments as of {@link loadMasked}. */
export function storeMasked(cpu: Cpu): HelperResult {
  const move = argumentsOf(cpu);
  const places = chosen(move);
  return storeElements(cpu, move, places, places);
}

/** Stores the lowest elements of a register, as many as the mask has bits. Arguments as of {@link loadMasked}. */
export function storeCompressed(cpu: Cpu): HelperResult {
  const move = argumentsOf(cpu);
  const places = chosen(move).map((_, i) => i);
  return storeElements(cpu, move, places, places);
}

/** What the second argument of gathers and scatters says: bytes of an index and of an element, how many, bits of an address. */
export const describeIndexed = (index: 4 | 8, bytes: 4 | 8, count: number, addressBits: number): number =>
  index | (bytes << 8) | (count << 16) | (addressBits << 24);

/** Linear address of element i of a gather or scatter. */
function indexedAddress(cpu: Cpu, description: number, i: number, access: "Read" | "Write"): bigint | undefined {
  const indices = AT.zmm + cpu.arg32(5);
  const { view } = cpu;
  const wide = (description & 0xff) === 8;
  const index = wide ? view.getBigInt64(indices + i * 8, true) : BigInt(view.getInt32(indices + i * 4, true));
  const offset = BigInt.asUintN(description >>> 24, cpu.arg64(0) + (index << BigInt(cpu.arg32(3))));
  return elementAddress(cpu, cpu.arg32(2), offset, (description >> 8) & 0xff, access);
}

/**
 * Gathers where the mask is set. Arguments: base and displacement, {@link describeIndexed}, segment, scale, then byte offsets of
 * data and index in the vector file, and of the mask in its own. #UD if data and index are one register.
 */
export function evexGather(cpu: Cpu): HelperResult {
  const [data, index] = [cpu.arg32(4), cpu.arg32(5)];
  if (data === index) return cpu.raise("UD");
  const done = eachIndexed(cpu, "Read", (linear, at, bytes) => {
    const value = element.subarray(0, bytes);
    if (!readBlock(cpu, linear, value, cpu.explicitAccess)) return false;
    cpu.u8.set(value, at);
    return true;
  });
  if (!done) return HELPER.fault;
  const description = cpu.arg32(1);
  const end = ((description >> 8) & 0xff) * ((description >> 16) & 0xff);
  cpu.u8.fill(0, AT.zmm + data + end, AT.zmm + data + ZMM_BYTES);
  return HELPER.next;
}

/** Scatters, from the lowest element up: of several at one place the last one stays. Arguments as of {@link evexGather}. */
export function evexScatter(cpu: Cpu): HelperResult {
  const done = eachIndexed(cpu, "Write", (linear, at, bytes) =>
    writeBlock(cpu, linear, cpu.u8.slice(at, at + bytes), cpu.explicitAccess),
  );
  return done ? HELPER.next : HELPER.fault;
}

/** Moves the elements whose mask bit is set, and clears it; in the end the whole mask is zero. */
function eachIndexed(
  cpu: Cpu,
  access: "Read" | "Write",
  move: (linear: bigint, at: number, bytes: number) => boolean,
): boolean {
  const description = cpu.arg32(1);
  const bytes = (description >> 8) & 0xff;
  const count = (description >> 16) & 0xff;
  const data = AT.zmm + cpu.arg32(4);
  const maskAt = AT.opmask + cpu.arg32(6);
  for (let i = 0; i < count; i++) {
    const mask = cpu.view.getBigUint64(maskAt, true);
    if (!isSet(mask, i)) continue;
    const linear = indexedAddress(cpu, description, i, access);
    if (linear === undefined || !move(linear, data + i * bytes, bytes)) return false;
    cpu.view.setBigUint64(maskAt, mask & ~(1n << BigInt(i)), true);
  }
  cpu.view.setBigUint64(maskAt, 0n, true);
  return true;
}
