// The steps around what an EVEX instruction computes: each is a record of its own, with a handler that all instructions share.
// Masks, lengths and registers are fields, so a few dozen small handlers serve some eight hundred instructions.
//
// Invariants:
// 1. Steps that can fault come before those that write architectural state; `vectorScratch` is none.
// 2. In regions a step that must leave does so in front of the whole instruction.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { EVEX_CONTROL_ACTIVE } from "../sse/evex-control.ts";
import { AT } from "../state/layout.ts";
import { type Row, row, type Semantics } from "./row.ts";
import { fromLow, type Lanes, laneConstant, laneOp, lowHalf, maskOfBits, splat, zeroVector } from "./vector-lanes.ts";

/** Bytes of an element. */
export type Element = 1 | 2 | 4 | 8;
/** Bits of a vector. */
export type VectorLength = 128 | 256 | 512;

const LENGTHS: readonly VectorLength[] = [128, 256, 512];
const LANES_OF: Readonly<Record<Element, Lanes>> = { 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" };
const ALL_LANES = [0, 1, 2, 3] as const;

const step = (mnemonic: string, semantics: Semantics): Row => row("00", mnemonic, [], semantics, { fpu: "avx" });

/** A step for each of some numbers. */
function each<N extends number>(
  numbers: readonly N[],
  name: string,
  make: (n: N) => Semantics,
): Readonly<Record<N, Row>> {
  return Object.fromEntries(numbers.map((n) => [n, step(`${name}-${n}`, make(n))])) as Record<N, Row>;
}

/** A step for each element and length. */
function eachShape(
  name: string,
  make: (element: Element, length: VectorLength) => Semantics,
): Readonly<Record<Element, Readonly<Record<VectorLength, Row>>>> {
  const of = (element: Element): Readonly<Record<VectorLength, Row>> =>
    each(LENGTHS, `${name}-${element}`, (length) => make(element, length));
  return { 1: of(1), 2: of(2), 4: of(4), 8: of(8) };
}

// --- fields ---

/**
 * What a step's immediate says of masks: byte offset of the mask register in bits 7:0, then bits that count as set whatever it
 * says, from bit 8 on and sign-extended. The upper bits may say something else where no bits are added.
 */
export const maskField = (mask: number, added: number): number => mask * 8 + added * 256;

/** The mask register of the immediate. */
const maskRegister = (b: X86Builder): Val =>
  b.load("i64.load", b.wrap(b.and(b.fields.wideImmediate(), b.const(0xff))), AT.opmask);

/** The mask of {@link maskField}. */
export const effectiveMask = (b: X86Builder): Val => b.or(maskRegister(b), b.sar(b.fields.wideImmediate(), b.const(8)));

/** What an immediate says of part of a mask: mask register, first bit, how many bits; -1 in the upper half if there is no mask. */
export const partOfMask = (mask: number, first: number, count: number): { low: number; high: number } => ({
  low: mask * 8 + first * 0x100 + count * 0x1_0000,
  high: mask === 0 ? -1 : 0,
});

/** The bits of {@link partOfMask}. */
function ownMask(b: X86Builder): Val {
  const immediate = b.fields.wideImmediate();
  const field = (shift: number): Val => b.and(b.shr(immediate, b.const(shift)), b.const(0xff));
  const mask = b.or(maskRegister(b), b.sar(immediate, b.const(32)));
  const ones = b.sub(b.shl(b.const(1), field(16)), b.const(1));
  return b.and(b.shr(mask, field(8)), ones);
}

/** All ones in the elements of lane `lane` whose bit is set. */
export function laneMask(b: X86Builder, element: Element, mask: Val, lane: number): Val {
  const bits = b.shr(mask, b.const((lane * 16) / element));
  if (element !== 1) return maskOfBits(b, LANES_OF[element] as Exclude<Lanes, "i8x16">, bits);
  const words = splat(b, "i16x8", bits);
  const spread = b.shuffle([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], words, words);
  const own = laneConstant(b, "i8x16", [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
  return b.op("i8x16.eq", b.op("v128.and", spread, own), own);
}

const lanesOf = (length: VectorLength): number => length / 128;

/** Writes all 512 bits of the register in `reg`: the lanes given, and zeros. */
function setWhole(b: X86Builder, lanes: readonly Val[]): void {
  const zero = lanes.length < 4 ? zeroVector(b) : undefined;
  for (const i of ALL_LANES) b.setVectorRegister(128, b.fields.reg(), lanes[i] ?? (zero as Val), i);
}

const source = (b: X86Builder, register: Val, length: VectorLength): Val[] =>
  Array.from({ length: lanesOf(length) }, (_, i) => b.vectorRegister(128, register, i));

// --- from memory ---

/** 1 to 64 bytes of host memory as lanes, zero-extended. */
function lanesAt(b: X86Builder, host: Val, bytes: number): Val[] {
  if (bytes < 16) return [fromLow(b, b.hostLoad((bytes * 8) as 8 | 16 | 32 | 64, host))];
  return Array.from({ length: bytes / 16 }, (_, i) => b.load("v128.load", host, i * 16));
}

/** The same in all of a register. */
function spreadAt(b: X86Builder, host: Val, bytes: number): Val[] {
  const lanes = lanesAt(b, host, bytes);
  if (bytes >= 16) return ALL_LANES.map((i) => lanes[i % lanes.length] as Val);
  const value = splat(b, LANES_OF[bytes as Element], lowHalf(b, lanes[0] as Val));
  return ALL_LANES.map(() => value);
}

type FromHost = (b: X86Builder, host: Val, bytes: number) => Val[];

const load =
  (take: FromHost) =>
  (bytes: number): Semantics =>
  (b) =>
    setWhole(b, take(b, b.guestAddress(bytes, b.state("effectiveAddress")), bytes));

/**
 * Where the page is there, all of it is loaded: elements that are masked off do no harm. Else element by element, so that these
 * do not fault. The immediate: {@link masksOfMemory}.
 */
const loadMasked =
  (take: FromHost) =>
  (bytes: number): Semantics =>
  (b) => {
    const linear = b.state("effectiveAddress");
    const { hit, host } = b.probeForRead(bytes, linear);
    b.when(
      b.isFalse(hit),
      () => loadBySlowPath(b, "loadMasked"),
      () => setWhole(b, take(b, host, bytes)),
    );
  };

function loadBySlowPath(b: X86Builder, helper: "loadMasked" | "loadCompressed"): void {
  const { fields } = b;
  b.helper(
    helper,
    b.state("effectiveAddress"),
    fields.segment(),
    maskRegister(b),
    fields.wideImmediate(),
    fields.reg(),
  );
}

/**
 * Where nothing is accessed nothing need be aligned: so an AMD EPYC does, the manual does not say. The immediate: {@link partOfMask} of the
 * whole mask. @param segmented the address is an offset in a segment.
 */
const checkAligned =
  (segmented: boolean) =>
  (bytes: number): Semantics =>
  (b) => {
    const address = b.state("effectiveAddress");
    const linear = segmented ? b.add(address, b.stateAt("segBase", b.fields.segment())) : address;
    const misaligned = b.ne(b.and(linear, b.const(bytes - 1)), b.const(0));
    b.raiseIf(b.both(misaligned, b.ne(ownMask(b), b.const(0))), "GP", b.const(0));
  };

// --- into memory ---

const store =
  (bytes: number): Semantics =>
  (b) => {
    const linear = b.state("effectiveAddress");
    const register = b.fields.rm();
    if (bytes < 16) {
      const width = (bytes * 8) as 8 | 16 | 32 | 64;
      return b.guestStore(width, linear, b.vectorRegister(width, register));
    }
    b.guestStoreLanes(linear, source(b, register, (bytes * 8) as VectorLength));
  };

/** As {@link loadMasked}: where the page can be written, what is masked off is written back. */
const storeMasked =
  (element: Element, length: VectorLength): Semantics =>
  (b) => {
    const linear = b.state("effectiveAddress");
    const { hit, host } = b.probeBytesForWrite(length / 8, linear);
    b.when(
      hit,
      () => {
        const mask = maskRegister(b);
        for (const [i, value] of source(b, b.fields.rm(), length).entries()) {
          const at = b.op("i32.add", host, b.const32(i * 16));
          const old = b.hostLoad(128, at);
          b.hostStore(128, at, b.op("v128.bitselect", value, old, laneMask(b, element, mask, i)));
        }
      },
      () => storeBySlowPath(b, "storeMasked"),
    );
  };

/** Faults as a store to all of it would: for instructions that spare nothing that is masked off. */
const checkWritable =
  (bytes: number): Semantics =>
  (b) => {
    const linear = b.state("effectiveAddress");
    for (let at = 0; at < bytes; at += 16) b.guestModify(128, b.add(linear, b.const(at)));
  };

function storeBySlowPath(b: X86Builder, helper: "storeMasked" | "storeCompressed"): void {
  const { fields } = b;
  b.helper(helper, b.state("effectiveAddress"), fields.segment(), maskRegister(b), fields.wideImmediate(), fields.rm());
}

// --- between registers ---

const move =
  (length: VectorLength): Semantics =>
  (b) =>
    setWhole(b, source(b, b.fields.rm(), length));

/** `rm` where the mask is set; else `vvvv`, or zeros. */
const merge =
  (zeroes: boolean) =>
  (element: Element, length: VectorLength): Semantics =>
  (b) => {
    const mask = effectiveMask(b);
    const fresh = source(b, b.fields.rm(), length);
    const kept = zeroes ? [] : source(b, b.fields.vvvv(), length);
    const merged = fresh.map((value, i) => {
      const chosen = laneMask(b, element, mask, i);
      return zeroes ? b.op("v128.and", value, chosen) : b.op("v128.bitselect", value, kept[i] as Val, chosen);
    });
    setWhole(b, merged);
  };

/** Signs of the elements of `rm` into the mask register `reg`, those that the mask lets through. */
const signsToMask =
  (element: Element, length: VectorLength): Semantics =>
  (b) => {
    const signs = source(b, b.fields.rm(), length).map((lane, i) => {
      const bits = b.bool(b.op(laneOp(LANES_OF[element], "bitmask"), lane));
      return b.shl(bits, b.const((i * 16) / element));
    });
    setMask(
      b,
      signs.reduce((p, q) => b.or(p, q)),
    );
  };

/** The lowest sign only. */
const signToMask =
  (element: 4 | 8): Semantics =>
  (b) => {
    const value = b.vectorRegister((element * 8) as 32 | 64, b.fields.rm());
    setMask(b, b.shr(value, b.const(element * 8 - 1)));
  };

function setMask(b: X86Builder, bits: Val): void {
  const value = b.and(bits, effectiveMask(b));
  b.committing("mask register");
  b.store("i64.store", b.fields.reg(), AT.opmask, value);
}

/** Zeroes what lies above `length` bits of `reg`. */
const clearAbove =
  (length: VectorLength): Semantics =>
  (b) => {
    const zero = zeroVector(b);
    for (let i = lanesOf(length); i < 4; i++) b.setVectorRegister(128, b.fields.reg(), zero, i);
  };

/** The upper halves of registers 0 to 7, and in 64-bit code of those to 15. */
const clearAllAbove: Semantics = (b) => {
  const zero = zeroVector(b);
  const clear = (first: number): void => {
    for (let i = first; i < first + 8; i++)
      for (const lane of [2, 3]) b.setVectorRegister(128, b.const32(i * 64), zero, lane);
  };
  clear(0);
  const code64 = b.modeIsCode64();
  b.when(code64, () => clear(8));
};

// --- floating point ---

/**
 * The coming part's mask, for the slow path: exceptions of elements that are masked off do not count, and the others are kept
 * until all parts are done. Native results have no exceptions. The immediate: {@link partOfMask}.
 */
const beginFloat: Semantics = (b) => {
  if (b.leavesForHelpers) return;
  b.setState("evexControl", b.or(ownMask(b), b.const(EVEX_CONTROL_ACTIVE)));
};

/** Raises #XM for what the parts have seen, or notes it. */
const endFloat: Semantics = (b) => {
  if (b.leavesForHelpers) return;
  b.when(
    b.ne(b.state("evexExceptions"), b.const(0)),
    () => b.helper("endFloat"),
    () => b.setState("evexControl", b.const(0)),
  );
};

/** Rounding of the instruction's own, by the immediate: see EVEX_ROUNDING. */
const beginRounding: Semantics = (b) => b.helper("beginRounding", b.fields.wideImmediate());
const endRounding: Semantics = (b) => b.helper("endRounding");

/** By what they do; those with registers take them from `reg`, `vvvv` and `rm` of their record. */
export const STEPS = {
  load: each([1, 2, 4, 8, 16, 32, 64] as const, "LOAD", load(lanesAt)),
  loadSpread: each([1, 2, 4, 8, 16, 32] as const, "SPREAD", load(spreadAt)),
  loadMasked: each([2, 4, 8, 16, 32, 64] as const, "LOAD-MASKED", loadMasked(lanesAt)),
  loadSpreadMasked: each([1, 2, 4, 8, 16, 32] as const, "SPREAD-MASKED", loadMasked(spreadAt)),
  loadCompressed: step("LOAD-COMPRESSED", (b) => loadBySlowPath(b, "loadCompressed")),
  loadSlowly: step("LOAD-SLOWLY", (b) => loadBySlowPath(b, "loadMasked")),
  checkAligned: each([16, 32, 64] as const, "ALIGNED", checkAligned(false)),
  checkAlignedInSegment: each([16, 32, 64] as const, "ALIGNED-IN-SEGMENT", checkAligned(true)),
  store: each([2, 4, 8, 16, 32, 64] as const, "STORE", store),
  checkWritable: each([16, 32] as const, "WRITABLE", checkWritable),
  storeMasked: eachShape("STORE-MASKED", storeMasked),
  storeSlowly: step("STORE-SLOWLY", (b) => storeBySlowPath(b, "storeMasked")),
  storeCompressed: step("STORE-COMPRESSED", (b) => storeBySlowPath(b, "storeCompressed")),
  move: each(LENGTHS, "MOVE", move),
  merge: eachShape("MERGE", merge(false)),
  mergeZeroing: eachShape("MERGE-ZEROING", merge(true)),
  signsToMask: eachShape("SIGNS", signsToMask),
  signToMask: each([4, 8] as const, "SIGN", signToMask),
  clearAbove: each([128, 256] as const, "CLEAR-ABOVE", clearAbove),
  clearAllAbove: step("CLEAR-ALL-ABOVE", clearAllAbove),
  beginFloat: step("BEGIN-FLOAT", beginFloat),
  endFloat: step("END-FLOAT", endFloat),
  beginRounding: step("BEGIN-ROUNDING", beginRounding),
  endRounding: step("END-ROUNDING", endRounding),
} as const;

const isRow = (value: object): value is Row => "semantics" in value;
const flatten = (value: object): Row[] => (isRow(value) ? [value] : Object.values(value).flatMap(flatten));

/** All of them. */
export const stepRows: readonly Row[] = flatten(STEPS);
