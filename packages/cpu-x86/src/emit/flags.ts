// Arithmetic flags, lazily: three words in CPU state from which every flag can be had without knowing the operation.
//
// Invariants:
// 1. ccResult: the result, sign-extended to 64 bits. ZF = (ccResult == 0); SF = sign of (ccResult xor ccAux).
// 2. ccCarry: bit 63 is CF, bit 62 is CF xor OF; the other bits are meaningless. For additions and subtractions these
//    are the carry out of and into the most significant bit.
// 3. ccAux: bit 4 is AF; PF is the parity of the low byte of (ccResult xor ccAux >> 8); bit 63 flips SF. Bits 8-15
//    and 63 are set only where flags are loaded as such (POPF, SAHF, comparisons of floats).
import type { Val } from "@tsvm/tcg";
import { FLAG } from "../state/bits.ts";
import type { X86Builder } from "./x86-builder.ts";

const MSB = -0x8000_0000_0000_0000n;

/** An operation whose operands say more directly what its flags say. */
interface Origin {
  readonly kind: "sub" | "logic";
  readonly width: number;
  readonly x: Val;
  readonly y: Val;
  /** What it left in ccResult and ccCarry: the flags are still its own if both are there. */
  readonly result: Val;
  readonly carry: Val;
}

/** Sets flags; every method commits. Operands are zero-extended to the width, results need not be. */
export class FlagWriter {
  readonly #b: X86Builder;
  #origin: Origin | undefined;

  constructor(b: X86Builder) {
    this.#b = b;
  }

  /** After `result = x + y`, computed in 64 bits without cutting. */
  add(width: number, x: Val, y: Val, result: Val): void {
    this.#store(width, result, this.#carryIn(x, y, result), () => this.#bit63(this.#b.ltU(result, y)));
  }

  /** After `result = x + y + carry`, computed in 64 bits without cutting. */
  addWithCarry(width: number, x: Val, y: Val, result: Val): void {
    const b = this.#b;
    this.#store(width, result, this.#carryIn(x, y, result), () =>
      b.and(b.or(b.and(x, y), b.and(b.or(x, y), b.not(result))), b.const(MSB)),
    );
  }

  /** After `result = x - y`, computed in 64 bits without cutting. */
  sub(width: number, x: Val, y: Val, result: Val): void {
    this.#store(width, result, this.#carryIn(x, y, result), () => this.#bit63(this.#b.ltU(x, y)));
    this.#note("sub", width, x, y);
  }

  /** After `result = x - y - borrow`, computed in 64 bits without cutting. */
  subWithBorrow(width: number, x: Val, y: Val, result: Val): void {
    const b = this.#b;
    this.#store(width, result, this.#carryIn(x, y, result), () =>
      b.and(b.or(b.and(b.not(x), y), b.and(b.not(b.xor(x, y)), result)), b.const(MSB)),
    );
  }

  /** The carry or borrow into each bit. */
  #carryIn(x: Val, y: Val, result: Val): Val {
    const b = this.#b;
    return b.xor(b.xor(x, y), result);
  }

  #bit63(condition: Val): Val {
    return this.#b.shl(this.#b.bool(condition), this.#b.const(63));
  }

  /** Semantics of later instructions of the same block may use the operands instead of the words in CPU state. */
  #note(kind: Origin["kind"], width: number, x: Val, y: Val): void {
    const b = this.#b;
    if (!b.keepsState) return;
    this.#origin = { kind, width, x, y, result: b.state("ccResult"), carry: b.state("ccCarry") };
  }

  /** The operation that made the flags as they are, if it is known. */
  #current(kind: Origin["kind"]): Origin | undefined {
    const b = this.#b;
    const origin = this.#origin;
    if (origin?.kind !== kind || b.state("ccResult") !== origin.result) return undefined;
    return b.state("ccCarry") === origin.carry ? origin : undefined;
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

  /** @param carryOut of 64 bits, as bit 63 alone. */
  #store(width: number, result: Val, carryIn: Val, carryOut: () => Val): void {
    const b = this.#b;
    const carry = width === 64 ? b.or(carryOut(), b.shr(carryIn, b.const(1))) : b.shl(carryIn, b.const(63 - width));
    b.setState("ccCarry", carry);
    b.setState("ccAux", b.and(carryIn, b.const(FLAG.AF)));
    b.setState("ccResult", b.sext(result, width));
  }

  /** CF = OF = AF = 0 and the rest by the result. */
  logic(width: number, result: Val): void {
    const b = this.#b;
    b.setState("ccCarry", b.const(0));
    b.setState("ccAux", b.const(0));
    b.setState("ccResult", b.sext(result, width));
    this.#note("logic", width, result, result);
  }

  /** SF ZF PF by the result, CF and OF (and AF) as given: conditions, i32. */
  result(width: number, result: Val, carry: Val, overflow: Val, adjust?: Val): void {
    const b = this.#b;
    b.setState("ccCarry", this.#carryWord(carry, overflow));
    b.setState("ccAux", adjust === undefined ? b.const(0) : b.shl(b.bool(adjust), b.const(4)));
    b.setState("ccResult", b.sext(result, width));
  }

  /** SF ZF PF by the result; CF and OF by `carryWord`, which is as invariant 2 has it; AF set, as AMD leaves it. */
  shift(width: number, result: Val, carryWord: Val): void {
    const b = this.#b;
    b.setState("ccCarry", carryWord);
    b.setState("ccAux", b.const(FLAG.AF));
    b.setState("ccResult", b.sext(result, width));
  }

  /** CF and OF by `carryWord`, which is as invariant 2 has it; the others stay. */
  rotate(carryWord: Val): void {
    this.#b.setState("ccCarry", carryWord);
  }

  /** As add or sub of 1, but CF stays. SDM vol. 2A, INC and DEC. */
  step(width: number, x: Val, result: Val, overflow: Val): void {
    const b = this.#b;
    // CF in all bits, then OF: loops that count by INC or DEC come here each turn.
    const kept = b.sar(b.state("ccCarry"), b.const(63));
    b.setState("ccCarry", b.xor(kept, b.shl(b.bool(overflow), b.const(62))));
    b.setState("ccAux", b.and(b.xor(b.xor(x, b.const(1)), result), b.const(FLAG.AF)));
    b.setState("ccResult", b.sext(result, width));
  }

  /** CF and OF as given, the others stay. */
  carryOverflow(carry: Val, overflow: Val): void {
    this.#b.setState("ccCarry", this.#carryWord(carry, overflow));
  }

  /** CF as given, the others stay. */
  setCarry(carry: Val): void {
    const overflow = this.overflow();
    this.#b.setState("ccCarry", this.#carryWord(carry, overflow));
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
    const kept = b.or(sign, b.and(aux, b.const(FLAG.AF)));
    b.setState("ccAux", b.or(kept, correction));
    b.setState("ccResult", next);
  }

  /** ZF as given, the others clear. */
  zeroAlone(zero: Val): void {
    const b = this.#b;
    b.setState("ccCarry", b.const(0));
    b.setState("ccResult", b.bool(b.isFalse(zero)));
    // The result is 0 or 1; either way the byte whose parity counts is 1.
    b.setState("ccAux", b.shl(b.bool(zero), b.const(8)));
  }

  /** CF, PF and ZF from their places in an EFLAGS image (i64) without other bits; the rest are clear. SDM vol. 2, UCOMISD. */
  comparison(image: Val): void {
    const b = this.#b;
    const bit = (position: number): Val => b.and(b.shr(image, b.const(position)), b.const(1));
    b.setState("ccCarry", b.sar(b.shl(image, b.const(63)), b.const(1)));
    // As in `load`: a result of 0 has even parity, 1 has odd.
    b.setState("ccResult", b.xor(bit(6), b.const(1)));
    b.setState("ccAux", b.shl(b.xor(bit(2), bit(6)), b.const(8)));
  }

  /** All six from their places in an EFLAGS image (i64). */
  load(image: Val): void {
    const b = this.#b;
    const bit = (mask: number): Val => b.ne(b.and(image, b.const(mask)), b.const(0));
    const zero = bit(FLAG.ZF);
    b.setState("ccCarry", this.#carryWord(bit(FLAG.CF), bit(FLAG.OF)));
    b.setState("ccResult", b.bool(b.isFalse(zero)));
    // The result is 0 (even parity) or 1 (odd); bit 8 of ccAux flips that where PF says otherwise.
    const flip = b.op("i32.ne", zero, bit(FLAG.PF));
    const sign = b.shl(b.bool(bit(FLAG.SF)), b.const(63));
    const adjust = b.and(image, b.const(FLAG.AF));
    b.setState("ccAux", b.or(b.or(b.shl(b.bool(flip), b.const(8)), sign), adjust));
  }

  /** The six flags at their places in EFLAGS, i64. */
  image(): Val {
    const b = this.#b;
    const at = (condition: Val, position: number): Val => b.shl(b.bool(condition), b.const(position));
    const adjust = b.and(b.state("ccAux"), b.const(FLAG.AF));
    const low = b.or(b.or(b.bool(this.carry()), at(this.parity(), 2)), adjust);
    return b.or(low, b.or(b.or(at(this.zero(), 6), at(this.sign(), 7)), at(this.overflow(), 11)));
  }

  carry(): Val {
    const sub = this.#current("sub");
    if (sub !== undefined) return this.#b.ltU(sub.x, sub.y);
    return this.#b.ltS(this.#b.state("ccCarry"), this.#b.const(0));
  }

  overflow(): Val {
    const b = this.#b;
    const carry = b.state("ccCarry");
    return b.ltS(b.xor(carry, b.shl(carry, b.const(1))), b.const(0));
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
    const carry = b.state("ccCarry");
    const sign = b.xor(b.state("ccResult"), b.state("ccAux"));
    return b.ltS(b.xor(sign, b.xor(carry, b.shl(carry, b.const(1)))), b.const(0));
  }

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
