// MUL IMUL DIV IDIV. SDM vol. 2, the instruction of each name.
//
// Flags the manual leaves undefined stay as they were.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import { multiplyHigh, multiplyHighSigned } from "../emit/wide-multiply.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type Row, row, type Semantics } from "./row.ts";

const INT64_MIN = -0x8000_0000_0000_0000n;

/** rDX:rAX, or AX for bytes, as one value of twice the width; for widths below 64. */
function doubleAccumulator(b: X86Builder, width: number): Val {
  if (width === 8) return b.reg(16, "rax");
  const half = width === 16 ? 16 : 32;
  return b.or(b.reg(half, "rax"), b.shl(b.reg(half, "rdx"), b.const(half)));
}

/** Writes both halves of rDX:rAX, or AH and AL. */
function setAccumulators(b: X86Builder, width: number, low: Val, high: Val): void {
  if (width === 8) {
    b.setReg(16, "rax", b.or(b.zext(low, 8), b.shl(high, b.const(8))));
    return;
  }
  const half = width === 16 ? 16 : width === 32 ? 32 : 64;
  b.setReg(half, "rax", low);
  b.setReg(half, "rdx", high);
}

/** CF = OF = the high half says something the low half does not. */
const setOverflow = (b: X86Builder, overflow: Val): void => b.flags.carryOverflow(overflow, overflow);

const mul: Semantics = (b, src) => {
  const { width } = src!;
  const x = b.reg(width, "rax");
  const y = src!.load();
  const low = b.mul(x, y);
  const high = width === 64 ? multiplyHigh(b, x, y) : b.shr(low, b.const(width));
  setAccumulators(b, width, low, high);
  setOverflow(b, b.ne(high, b.const(0)));
};

const imulAccumulator: Semantics = (b, src) => {
  const { width } = src!;
  const product = signedProduct(b, width, b.reg(width, "rax"), src!.load());
  setAccumulators(b, width, product.low, product.high);
  setOverflow(b, product.overflow);
};

/** Two operands: DEST <- DEST * SRC; three: DEST <- SRC1 * SRC2, the immediate sign-extended. */
const imulRegister: Semantics = (b, dst, src, immediate) => {
  const { width } = dst!;
  const x = src!.load();
  const y = immediate === undefined ? dst!.load() : b.sext(immediate.load(), immediate.width);
  const product = signedProduct(b, width, x, y);
  dst!.store(product.low);
  setOverflow(b, product.overflow);
};

function signedProduct(b: X86Builder, width: number, x: Val, y: Val): { low: Val; high: Val; overflow: Val } {
  const low = b.mul(b.sext(x, width), b.sext(y, width));
  if (width < 64) return { low, high: b.shr(low, b.const(width)), overflow: b.ne(low, b.sext(low, width)) };
  const high = multiplyHighSigned(b, x, y);
  return { low, high, overflow: b.ne(high, b.sar(low, b.const(63))) };
}

/** #DE if the quotient does not fit: the high half must be below the divisor, which excludes 0 too. */
const div: Semantics = (b, src) => {
  const { width } = src!;
  const divisor = src!.load();
  if (width === 64) return div128(b, divisor);
  const dividend = doubleAccumulator(b, width);
  b.raiseIf(b.op("i64.ge_u", b.shr(dividend, b.const(width)), divisor), "DE");
  const quotient = b.op("i64.div_u", dividend, divisor);
  setAccumulators(b, width, quotient, b.op("i64.rem_u", dividend, divisor));
};

function div128(b: X86Builder, divisor: Val): void {
  const low = b.reg(64, "rax");
  const high = b.reg(64, "rdx");
  b.raiseIf(b.op("i64.ge_u", high, divisor), "DE");
  const { quotient, remainder } = divide128(b, high, low, divisor);
  setAccumulators(b, 64, quotient, remainder);
}

const idiv: Semantics = (b, src) => {
  const { width } = src!;
  if (width === 64) return idiv128(b, src!);
  const divisor = b.sext(src!.load(), width);
  const dividend = b.sext(doubleAccumulator(b, width), width * 2);
  raiseUnlessDivisible(b, dividend, divisor);
  const quotient = b.op("i64.div_s", dividend, divisor);
  b.raiseIf(b.ne(quotient, b.sext(quotient, width)), "DE");
  setAccumulators(b, width, quotient, b.op("i64.rem_s", dividend, divisor));
};

/** What WebAssembly's own signed division would trap on: division by 0, and the one quotient beyond 64 bits. */
function raiseUnlessDivisible(b: X86Builder, dividend: Val, divisor: Val): void {
  const beyond = b.both(b.eq(divisor, b.const(-1)), b.eq(dividend, b.const(INT64_MIN)));
  b.raiseIf(b.either(b.eqz(divisor), beyond), "DE");
}

/** Most dividends are sign-extended from 64 bits (CQO); the others are divided as magnitudes. */
function idiv128(b: X86Builder, src: Operand): void {
  const divisor = src.load();
  const low = b.reg(64, "rax");
  const high = b.reg(64, "rdx");
  const quotient = b.variable(b.const(0));
  const remainder = b.variable(b.const(0));
  b.when(
    b.eq(high, b.sar(low, b.const(63))),
    () => {
      raiseUnlessDivisible(b, low, divisor);
      b.set(quotient, b.op("i64.div_s", low, divisor));
      b.set(remainder, b.op("i64.rem_s", low, divisor));
    },
    () => {
      const result = divideMagnitudes(b, high, low, divisor);
      b.set(quotient, result.quotient);
      b.set(remainder, result.remainder);
    },
  );
  setAccumulators(b, 64, b.get(quotient), b.get(remainder));
}

/** The remainder has the sign of the dividend. #DE if the quotient is not a signed 64-bit number. */
function divideMagnitudes(b: X86Builder, high: Val, low: Val, divisor: Val): { quotient: Val; remainder: Val } {
  const sign = b.sar(high, b.const(63));
  const quotientSign = b.xor(sign, b.sar(divisor, b.const(63)));
  const magnitude = negate128If(b, sign, high, low);
  const divisorMagnitude = negateIf(b, b.sar(divisor, b.const(63)), divisor);
  b.raiseIf(b.op("i64.ge_u", magnitude.high, divisorMagnitude), "DE");
  const result = divide128(b, magnitude.high, magnitude.low, divisorMagnitude);
  // Up to 2^63 - 1, or 2^63 for negative quotients.
  const limit = b.sub(b.const(-1n - INT64_MIN), quotientSign);
  b.raiseIf(b.ltU(limit, result.quotient), "DE");
  return { quotient: negateIf(b, quotientSign, result.quotient), remainder: negateIf(b, sign, result.remainder) };
}

/** `x`, negated if `sign` is -1; `sign` is 0 or -1. */
const negateIf = (b: X86Builder, sign: Val, x: Val): Val => b.sub(b.xor(x, sign), sign);

function negate128If(b: X86Builder, sign: Val, high: Val, low: Val): { high: Val; low: Val } {
  const carry = b.and(sign, b.bool(b.eqz(low)));
  return { low: negateIf(b, sign, low), high: b.add(b.xor(high, sign), carry) };
}

/** Unsigned 128 by 64 bits; `high` must be below `divisor`. One machine division if `high` is 0, else bit by bit. */
function divide128(b: X86Builder, high: Val, low: Val, divisor: Val): { quotient: Val; remainder: Val } {
  const quotient = b.variable(low);
  const remainder = b.variable(high);
  b.when(
    b.eqz(high),
    () => {
      b.set(quotient, b.op("i64.div_u", low, divisor));
      b.set(remainder, b.op("i64.rem_u", low, divisor));
    },
    () => longDivision(b, quotient, remainder, divisor),
  );
  return { quotient: b.get(quotient), remainder: b.get(remainder) };
}

/** `remainder`:`quotient` moves left by one bit 64 times; each time the divisor fits, it is taken off and a 1 moves in. */
function longDivision(
  b: X86Builder,
  quotient: ReturnType<X86Builder["variable"]>,
  remainder: ReturnType<X86Builder["variable"]>,
  divisor: Val,
): void {
  const left = b.variable(b.const(64));
  b.loop((loop) => {
    const top = b.get(remainder);
    const rest = b.get(quotient);
    const shifted = b.or(b.shl(top, b.const(1)), b.shr(rest, b.const(63)));
    const fits = b.either(b.ltS(top, b.const(0)), b.op("i64.ge_u", shifted, divisor));
    b.set(remainder, b.select(fits, b.sub(shifted, divisor), shifted));
    b.set(quotient, b.or(b.shl(rest, b.const(1)), b.bool(fits)));
    b.set(left, b.sub(b.get(left), b.const(1)));
    b.when(b.ne(b.get(left), b.const(0)), loop.continue, loop.break);
  });
}

export const rows: readonly Row[] = [
  row("F6 /4", "MUL", ["Eb"], mul),
  row("F7 /4", "MUL", ["Ev"], mul),
  row("F6 /5", "IMUL", ["Eb"], imulAccumulator),
  row("F7 /5", "IMUL", ["Ev"], imulAccumulator),
  row("0F AF /r", "IMUL", ["Gv", "Ev"], imulRegister),
  row("69 /r iz", "IMUL", ["Gv", "Ev", "Iz"], imulRegister),
  row("6B /r ib", "IMUL", ["Gv", "Ev", "Ib"], imulRegister),
  row("F6 /6", "DIV", ["Eb"], div),
  row("F7 /6", "DIV", ["Ev"], div),
  row("F6 /7", "IDIV", ["Eb"], idiv),
  row("F7 /7", "IDIV", ["Ev"], idiv),
];
