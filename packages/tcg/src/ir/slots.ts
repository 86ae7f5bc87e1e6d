// CPU state that a region keeps in variables: which bytes of it, and how an access to them becomes an operation on the
// variable. Semantics go on loading and storing state by address; the builder answers from here.
import type { LoadOp, StoreOp } from "@tsvm/wasm-emit";
import type { IrBuilder } from "./builder.ts";
import { accessOf, type Val, type Variable } from "./types.ts";

/**
 * What becomes of a slot's bytes in memory: `cached` ones are written when the region is left, `mirrored` ones with each
 * store, `scratch` ones never.
 */
export type SlotPolicy = "cached" | "mirrored" | "scratch";

/** Some bytes of state with a variable of their own. */
export interface Slot {
  readonly address: number;
  readonly type: "i32" | "i64" | "v128";
  readonly policy: SlotPolicy;
  /**
   * Dear to compute and mostly not needed: its variable is set when control leaves the block, and only on the ways on which
   * it matters. Others are set at once.
   */
  readonly lazy?: true;
}

/** Variables of slots are numbered from here, apart from those of fragments. */
const SLOT_VARIABLES = 1 << 24;
const GRANULE = 4;
const BYTES: Readonly<Record<Slot["type"], number>> = { i32: 4, i64: 8, v128: 16 };

/** The slots of one kind of region, found by address. */
export class SlotTable {
  readonly slots: readonly Slot[];
  readonly variables: readonly Variable[];
  readonly #first: number;
  readonly #byGranule: Int16Array;

  constructor(slots: readonly Slot[]) {
    this.slots = slots;
    this.variables = slots.map(({ type }, i) => ({ type, variable: SLOT_VARIABLES + i }));
    this.#first = Math.floor(Math.min(...slots.map(({ address }) => address)) / GRANULE);
    const end = Math.max(...slots.map(({ address, type }) => address + BYTES[type])) / GRANULE;
    this.#byGranule = new Int16Array(end - this.#first).fill(-1);
    for (const [i, { address, type }] of slots.entries())
      this.#byGranule.fill(i, address / GRANULE - this.#first, (address + BYTES[type]) / GRANULE - this.#first);
  }

  /** Number of the slot that holds the byte at `address`, or -1. */
  find(address: number): number {
    return this.#byGranule[Math.floor(address / GRANULE) - this.#first] ?? -1;
  }

  /** Number of the slot a variable belongs to, or -1: it is none of a slot. */
  slotOf(variable: Variable): number {
    return variable.variable >= SLOT_VARIABLES ? variable.variable - SLOT_VARIABLES : -1;
  }
}

/** What a load of `op`, `offset` bytes into the slot, gives. */
export function readSlot(b: IrBuilder, slot: Slot, whole: Val, op: LoadOp, offset: number): Val {
  const { bytes, type, signed } = accessOf(op);
  if (bytes === BYTES[slot.type] && offset === 0 && type === slot.type) return whole;
  if (offset + bytes > BYTES[slot.type]) throw new Error(`${op} reaches beyond a slot at ${slot.address}`);
  const bits = bytes * 8;
  const word = slot.type === "v128" ? lane(b, whole, bytes, offset) : scalar(b, whole, bits, offset);
  if (type === "i64") return signed ? b.sext(word, bits) : word;
  if (type === "i32") return signed ? b.wrap(b.sext(word, bits)) : b.wrap(word);
  if (type === "f64") return b.op("f64.reinterpret_i64", word);
  if (type === "f32") return b.op("f32.reinterpret_i32", b.wrap(word));
  throw new Error(`${op} of a slot at ${slot.address}`);
}

/** The slot's new value after a store of `op`, `offset` bytes into it. `whole` is asked for only if some of it stays. */
export function writeSlot(b: IrBuilder, slot: Slot, whole: () => Val, op: StoreOp, offset: number, value: Val): Val {
  const { bytes } = accessOf(op);
  if (offset + bytes > BYTES[slot.type]) throw new Error(`${op} reaches beyond a slot at ${slot.address}`);
  if (bytes === 16) return value;
  const word = toInteger(b, value);
  if (slot.type === "v128") return replaceLane(b, whole(), bytes, offset, word);
  if (slot.type === "i32") {
    if (bytes !== 4) throw new Error(`${op} of a slot at ${slot.address}`);
    return b.wrap(word);
  }
  if (bytes === 8) return word;
  const mask = ((1n << BigInt(bytes * 8)) - 1n) << BigInt(offset * 8);
  const inserted = b.shl(b.zext(word, bytes * 8), b.const(offset * 8));
  return b.or(b.and(whole(), b.const(~mask)), inserted);
}

/** Any value as i64. */
function toInteger(b: IrBuilder, value: Val): Val {
  if (value.type === "i32") return b.bool(value);
  if (value.type === "f64") return b.op("i64.reinterpret_f64", value);
  if (value.type === "f32") return b.bool(b.op("i32.reinterpret_f32", value));
  return value;
}

/** `bits` of a scalar slot from byte `offset` on, as i64. */
function scalar(b: IrBuilder, whole: Val, bits: number, offset: number): Val {
  const wide = whole.type === "i32" ? b.bool(whole) : whole;
  return b.zext(b.shr(wide, b.const(offset * 8)), bits);
}

function lane(b: IrBuilder, whole: Val, bytes: number, offset: number): Val {
  const index = offset / bytes;
  if (bytes === 8) return b.lane("i64x2.extract_lane", index, whole);
  if (bytes === 4) return b.bool(b.lane("i32x4.extract_lane", index, whole));
  return b.bool(b.lane(bytes === 2 ? "i16x8.extract_lane_u" : "i8x16.extract_lane_u", index, whole));
}

function replaceLane(b: IrBuilder, whole: Val, bytes: number, offset: number, word: Val): Val {
  const index = offset / bytes;
  if (bytes === 8) return b.lane("i64x2.replace_lane", index, whole, word);
  const op = bytes === 4 ? "i32x4.replace_lane" : bytes === 2 ? "i16x8.replace_lane" : "i8x16.replace_lane";
  return b.lane(op, index, whole, b.wrap(word));
}
