// Arithmetic flags, lazily: four words in CPU state from which every flag can be had without knowing the operation.
//
// Invariants:
// 1. ccResult: the result, sign-extended to 64 bits. ZF = (ccResult == 0); SF = sign of (ccResult xor ccAux).
// 2. CF, OF and AF are those of a subtraction, ccMinuend - ccSubtrahend, both zero-extended: an addition's sum less one
//    operand is the other, with the same carries. CF = (ccMinuend < ccSubtrahend), flipped by bit 0 of ccAux; AF is the
//    borrow into bit 4; OF the borrow into the most significant bit xor the one out of it.
// 3. ccAux: bits 21:16 are 64 less the width of that subtraction; PF is the parity of the low byte of (ccResult xor
//    ccAux >> 8); bit 63 flips SF. Bits 15:8 and 63 are set only where flags are loaded as such (POPF, SAHF, comparisons
//    of floats).
// 4. Additions, subtractions and comparisons compute nothing: what they leave is what they have in hand.
import type { Val } from "@tsvm/tcg";
import { FLAG } from "../state/bits.ts";
import { BORROW_END, CARRY_FLIP, WIDTH_SHIFT } from "../state/lazy-flags.ts";
import type { X86Builder } from "./x86-builder.ts";

const MSB = -0x8000_0000_0000_0000n;

/** Bits 63 and 62: what a carry word says. */
const CARRY_BITS = 0xc000_0000_0000_0000n;
/** What belongs to the subtraction, and what does not. */
const SUBTRACTION_BITS = (0x3f << WIDTH_SHIFT) | CARRY_FLIP;
const RESULT_FLIPS = 0x8000_0000_0000_ff00n;

/** An operation whose operands say more directly what its flags say. */
interface Origin {
  readonly kind: "sub" | "logic";
  readonly width: number;
  readonly x: Val;
  readonly y: Val;
  /** What it left in ccResult, ccSubtrahend and ccAux: the flags are still its own if all are there. */
  readonly result: Val;
  readonly subtrahend: Val;
  readonly aux: Val;
}

/** Sets flags; every method commits. Operands are zero-extended to the width, results need not be. */
export class FlagWriter {
  readonly #b: X86Builder;
  #origin: Origin | undefined;

  constructor(b: X86Builder) {
    this.#b = b;
  }

  /** After `result = x + y`, computed in 64 bits without cutting. */
  add(width: number, _x: Val, y: Val, result: Val): void {
    this.#difference(width, this.#b.zext(result, width), y, result);
  }

  /** After `result = x + y + carry`, computed in 64 bits without cutting. */
  addWithCarry(width: number, x: Val, y: Val, result: Val): void {
    const b = this.#b;
    this.#withCarryIn(width, x, y, result, () => b.or(b.and(x, y), b.and(b.or(x, y), b.not(result))));
  }

  /** After `result = x - y`, computed in 64 bits without cutting. */
  sub(width: number, x: Val, y: Val, result: Val): void {
    this.#difference(width, x, y, result);
    this.#note("sub", width, x, y);
  }

  /** After `result = x - y - borrow`, computed in 64 bits without cutting. */
  subWithBorrow(width: number, x: Val, y: Val, result: Val): void {
    const b = this.#b;
    this.#withCarryIn(width, x, y, result, () => b.or(b.and(b.not(x), y), b.and(b.not(b.xor(x, y)), result)));
  }

  #difference(width: number, minuend: Val, subtrahend: Val, result: Val): void {
    const b = this.#b;
    b.setState("ccMinuend", minuend);
    b.setState("ccSubtrahend", subtrahend);
    b.setState("ccAux", b.const((64 - width) << WIDTH_SHIFT));
    b.setState("ccResult", b.sext(result, width));
  }

  /** @param carryOut of 64 bits, in bit 63. */
  #withCarryIn(width: number, x: Val, y: Val, result: Val, carryOut: () => Val): void {
    const b = this.#b;
    const carryIn = b.xor(b.xor(x, y), result);
    const word =
      width === 64
        ? b.or(b.and(carryOut(), b.const(MSB)), b.shr(carryIn, b.const(1)))
        : b.shl(carryIn, b.const(63 - width));
    this.#carries(word, b.and(carryIn, b.const(FLAG.AF)));
    b.setState("ccAux", b.const(0));
    b.setState("ccResult", b.sext(result, width));
  }

  /** A subtraction of 64 bits with these carries: CF in bit 63 of `word`, CF xor OF in bit 62, AF in bit 4 of `adjust`. */
  #carries(word: Val, adjust: Val): void {
    const b = this.#b;
    // Bit 63 borrows as CF says, bit 62 as the borrow into bit 63 is to be, bit 3 for AF; bit 4 of the minuend ends that.
    b.setState("ccMinuend", b.or(b.and(b.not(word), b.const(MSB)), b.const(BORROW_END)));
    b.setState("ccSubtrahend", b.or(b.and(word, b.const(CARRY_BITS)), b.shr(adjust, b.const(1))));
  }

  /** Semantics of later instructions of the same block may use the operands instead of the words in CPU state. */
  #note(kind: Origin["kind"], width: number, x: Val, y: Val): void {
    const b = this.#b;
    if (!b.keepsState) return;
    const [result, subtrahend, aux] = [b.state("ccResult"), b.state("ccSubtrahend"), b.state("ccAux")];
    this.#origin = { kind, width, x, y, result, subtrahend, aux };
  }

  /** The operation that made the flags as they are, if it is known. */
  #current(kind: Origin["kind"]): Origin | undefined {
    const b = this.#b;
    const origin = this.#origin;
    if (origin?.kind !== kind || b.state("ccResult") !== origin.result) return undefined;
    return b.state("ccSubtrahend") === origin.subtrahend && b.state("ccAux") === origin.aux ? origin : undefined;
  }

  /** Signed x < y of the last comparison (`orEqual`: x <= y), if that is what made the flags. */
  #lessBySub(orEqual: boolean): Val | undefined {
    const b = this.#b;
    const sub = this.#current("sub");
    if (sub === undefined) return undefined;
    const [x, y] = [b.sext(sub.x, sub.width), b.sext(sub.y, sub.width)];
    return orEqual ? b.isFalse(b.ltS(y, x)) : b.ltS(x, y);
  }

  /** CF or ZF. */
  belowOrEqual(): Val {
    const b = this.#b;
    const sub = this.#current("sub");
    if (sub !== undefined) return b.isFalse(b.ltU(sub.y, sub.x));
    return this.#current("logic") ? this.zero() : b.either(this.carry(), this.zero());
  }

  /** SF != OF, or ZF. */
  lessOrEqual(): Val {
    const b = this.#b;
    const bySub = this.#lessBySub(true);
    if (bySub !== undefined) return bySub;
    if (this.#current("logic")) return b.isFalse(b.ltS(b.const(0), b.state("ccResult")));
    return b.either(this.less(), this.zero());
  }

  /** CF = OF = AF = 0 and the rest by the result. */
  logic(width: number, result: Val): void {
    const b = this.#b;
    this.#noCarries();
    b.setState("ccAux", b.const(0));
    b.setState("ccResult", b.sext(result, width));
    this.#note("logic", width, result, result);
  }

  #noCarries(): void {
    const b = this.#b;
    b.setState("ccMinuend", b.const(0));
    b.setState("ccSubtrahend", b.const(0));
  }

  /** SF ZF PF by the result, CF and OF (and AF) as given: conditions, i32. */
  result(width: number, result: Val, carry: Val, overflow: Val, adjust?: Val): void {
    const b = this.#b;
    const adjusted = adjust === undefined ? b.const(0) : b.shl(b.bool(adjust), b.const(4));
    this.#carries(this.#carryWord(carry, overflow), adjusted);
    b.setState("ccAux", b.const(0));
    b.setState("ccResult", b.sext(result, width));
  }

  /** SF ZF PF by the result; CF in bit 63 of `carryWord`, CF xor OF in bit 62; AF set, as AMD leaves it. */
  shift(width: number, result: Val, carryWord: Val): void {
    const b = this.#b;
    this.#carries(carryWord, b.const(FLAG.AF));
    b.setState("ccAux", b.const(0));
    b.setState("ccResult", b.sext(result, width));
  }

  /** CF and OF by `carryWord`, as for {@link shift}; the others stay. */
  rotate(carryWord: Val): void {
    const b = this.#b;
    this.#carries(carryWord, this.#adjust());
    b.setState("ccAux", b.and(b.state("ccAux"), b.const(RESULT_FLIPS)));
  }

  /** As `result = x + 1` or `x - 1`, but CF stays. SDM vol. 2A, INC and DEC. */
  step(width: number, x: Val, result: Val, isIncrement: boolean): void {
    const b = this.#b;
    const carry = this.carry();
    const [minuend, one] = [isIncrement ? b.zext(result, width) : x, b.const(1)];
    this.#difference(width, minuend, one, result);
    const flip = b.op("i32.xor", carry, b.ltU(minuend, one));
    b.setState("ccAux", b.or(b.bool(flip), b.const((64 - width) << WIDTH_SHIFT)));
  }

  /** CF and OF as given, the others stay. */
  carryOverflow(carry: Val, overflow: Val): void {
    this.rotate(this.#carryWord(carry, overflow));
  }

  /** CF as given, the others stay. */
  setCarry(carry: Val): void {
    const b = this.#b;
    const flip = b.op("i32.xor", this.carry(), carry);
    b.setState("ccAux", b.xor(b.state("ccAux"), b.bool(flip)));
  }

  /** ZF as given, the others stay. */
  setZero(zero: Val): void {
    const b = this.#b;
    const [result, aux] = [b.state("ccResult"), b.state("ccAux")];
    const sign = b.and(b.xor(result, aux), b.const(MSB));
    const parityByte = b.xor(result, b.shr(aux, b.const(8)));
    const next = b.bool(b.isFalse(zero));
    // PF comes from next ^ aux >> 8, which is to be the old byte again; SF from the sign of next ^ aux.
    const correction = b.shl(b.and(b.xor(parityByte, next), b.const(0xff)), b.const(8));
    const kept = b.or(sign, b.and(aux, b.const(SUBTRACTION_BITS)));
    b.setState("ccAux", b.or(kept, correction));
    b.setState("ccResult", next);
  }

  /** ZF as given, the others clear. */
  zeroAlone(zero: Val): void {
    const b = this.#b;
    this.#noCarries();
    b.setState("ccResult", b.bool(b.isFalse(zero)));
    // The result is 0 or 1; either way the byte whose parity counts is 1.
    b.setState("ccAux", b.shl(b.bool(zero), b.const(8)));
  }

  /** CF, PF and ZF from their places in an EFLAGS image (i64) without other bits; the rest are clear. SDM vol. 2, UCOMISD. */
  comparison(image: Val): void {
    const b = this.#b;
    const bit = (position: number): Val => b.and(b.shr(image, b.const(position)), b.const(1));
    // Nothing less 3 x 2^62: borrows into and out of bit 63.
    b.setState("ccMinuend", b.const(0));
    b.setState("ccSubtrahend", b.sar(b.shl(image, b.const(63)), b.const(1)));
    // As in `load`: a result of 0 has even parity, 1 has odd.
    b.setState("ccResult", b.xor(bit(6), b.const(1)));
    b.setState("ccAux", b.shl(b.xor(bit(2), bit(6)), b.const(8)));
  }

  /** All six from their places in an EFLAGS image (i64). */
  load(image: Val): void {
    const b = this.#b;
    const bit = (mask: number): Val => b.ne(b.and(image, b.const(mask)), b.const(0));
    const zero = bit(FLAG.ZF);
    this.#carries(this.#carryWord(bit(FLAG.CF), bit(FLAG.OF)), b.and(image, b.const(FLAG.AF)));
    b.setState("ccResult", b.bool(b.isFalse(zero)));
    // The result is 0 (even parity) or 1 (odd); bit 8 of ccAux flips that where PF says otherwise.
    const flip = b.op("i32.ne", zero, bit(FLAG.PF));
    const sign = b.shl(b.bool(bit(FLAG.SF)), b.const(63));
    b.setState("ccAux", b.or(b.shl(b.bool(flip), b.const(8)), sign));
  }

  /** The six flags at their places in EFLAGS, i64. */
  image(): Val {
    const b = this.#b;
    const at = (condition: Val, position: number): Val => b.shl(b.bool(condition), b.const(position));
    const low = b.or(b.or(b.bool(this.carry()), at(this.parity(), 2)), this.#adjust());
    return b.or(low, b.or(b.or(at(this.zero(), 6), at(this.sign(), 7)), at(this.overflow(), 11)));
  }

  carry(): Val {
    const b = this.#b;
    const sub = this.#current("sub");
    if (sub !== undefined) return b.ltU(sub.x, sub.y);
    return b.op("i32.xor", this.#borrow(), b.wrap(b.and(b.state("ccAux"), b.const(CARRY_FLIP))));
  }

  overflow(): Val {
    const b = this.#b;
    const intoTop = b.shl(this.#borrows(), b.shr(b.state("ccAux"), b.const(WIDTH_SHIFT)));
    return b.op("i32.xor", b.ltS(intoTop, b.const(0)), this.#borrow());
  }

  /** The borrow out of the subtraction. */
  #borrow(): Val {
    const b = this.#b;
    return b.ltU(b.state("ccMinuend"), b.state("ccSubtrahend"));
  }

  /** The borrow into each bit. */
  #borrows(): Val {
    const b = this.#b;
    const [minuend, subtrahend] = [b.state("ccMinuend"), b.state("ccSubtrahend")];
    return b.xor(b.xor(minuend, subtrahend), b.sub(minuend, subtrahend));
  }

  /** AF at its place. */
  #adjust(): Val {
    return this.#b.and(this.#borrows(), this.#b.const(FLAG.AF));
  }

  zero(): Val {
    const sub = this.#current("sub");
    if (sub !== undefined) return this.#b.eq(sub.x, sub.y);
    return this.#b.eqz(this.#b.state("ccResult"));
  }

  sign(): Val {
    const b = this.#b;
    return b.ltS(b.xor(b.state("ccResult"), b.state("ccAux")), b.const(0));
  }

  parity(): Val {
    const b = this.#b;
    const byte = b.xor(b.state("ccResult"), b.shr(b.state("ccAux"), b.const(8)));
    const ones = b.op("i64.popcnt", b.and(byte, b.const(0xff)));
    return b.eqz(b.and(ones, b.const(1)));
  }

  /** SF != OF. */
  less(): Val {
    const b = this.#b;
    const bySub = this.#lessBySub(false);
    if (bySub !== undefined) return bySub;
    if (this.#current("logic")) return this.sign();
    return b.op("i32.xor", this.sign(), this.overflow());
  }

  /** See {@link shift}. */
  #carryWord(carry: Val, overflow: Val): Val {
    const b = this.#b;
    const out = b.shl(b.bool(carry), b.const(63));
    return b.or(out, b.shl(b.bool(b.op("i32.xor", carry, overflow)), b.const(62)));
  }
}

/** Conditions by number; odd ones are the negation of the even one before. SDM vol. 1, "EFLAGS Condition Codes". */
export function emitCondition(b: X86Builder, code: number): Val {
  const positive = POSITIVE[code >> 1]!(b.flags);
  return (code & 1) === 0 ? positive : b.isFalse(positive);
}

const POSITIVE: readonly ((f: FlagWriter) => Val)[] = [
  (f) => f.overflow(),
  (f) => f.carry(),
  (f) => f.zero(),
  (f) => f.belowOrEqual(),
  (f) => f.sign(),
  (f) => f.parity(),
  (f) => f.less(),
  (f) => f.lessOrEqual(),
];
