// FST FSTP FIST FISTP FISTTP FBSTP to memory. SDM vol. 2A, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import { toDecimal } from "../softfloat/decimal.ts";
import { bitsOf, loadControl } from "../softfloat/exceptions.ts";
import { INDEFINITE, loadExtended } from "../softfloat/extended.ts";
import { toMagnitude, towardZero } from "../softfloat/integer.ts";
import { toDouble, toSingle } from "../softfloat/narrow.ts";
import { FLAGS_SLOT } from "../softfloat/slots.ts";
import { FSW } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { headOf, plainDestination, tenByteDestination } from "./x87-operand.ts";
import { storeConverted } from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };

const store =
  (pops: boolean): Semantics =>
  (b, dst) => {
    const isDouble = dst!.width === 64;
    const nan = b.const(isDouble ? 0xfff8_0000_0000_0000n : 0xffc0_0000n);
    const convert = (address: Val): Val => callSubroutine(b, isDouble ? toDouble : toSingle, address);
    storeConverted(b, convert, nan, plainDestination(dst!), pops);
  };

/** FIST and FISTP by rounding control, FISTTP toward zero. */
const storeInteger =
  (pops: boolean, truncates = false): Semantics =>
  (b, dst) => {
    const limit = 1n << BigInt(dst!.width - 1);
    const none = b.const(limit);
    const convert = (address: Val): Val => {
      const control = truncates ? towardZero(b) : loadControl(b);
      const args = [address, control, b.const(limit - 1n), b.const(limit)];
      const magnitude = callSubroutine(b, toMagnitude, ...args);
      const negative = b.load("i32.load8_s", address, 9);
      const value = b.select(b.op("i32.lt_s", negative, b.const32(0)), b.sub(b.const(0), magnitude), magnitude);
      return b.select(bitsOf(b, b.load("i32.load", undefined, FLAGS_SLOT), FSW.IE), none, value);
    };
    storeConverted(b, convert, none, plainDestination(dst!), pops);
  };

/** The packed decimal indefinite. SDM vol. 1, "BCD and Packed BCD Integers". */
const DECIMAL_INDEFINITE = { low: 0xc000_0000_0000_0000n, high: 0xffff } as const;
const GREATEST_DECIMAL = 10n ** 18n - 1n;

const storeDecimal: Semantics = (b, dst) => {
  const high = b.variable(b.const(DECIMAL_INDEFINITE.high));
  const convert = (address: Val): Val => {
    const limit = b.const(GREATEST_DECIMAL);
    const magnitude = callSubroutine(b, toMagnitude, address, loadControl(b), limit, limit);
    const upper = b.op("i64.div_u", magnitude, b.const(10n ** 16n));
    const tens = b.op("i64.div_u", upper, b.const(10));
    const packed = b.add(b.shl(tens, b.const(4)), b.sub(upper, b.mul(tens, b.const(10))));
    const sign = b.and(b.load("i64.load16_u", address, 8), b.const(0x8000));
    const invalid = bitsOf(b, b.load("i32.load", undefined, FLAGS_SLOT), FSW.IE);
    b.set(high, b.select(invalid, b.const(DECIMAL_INDEFINITE.high), b.or(sign, packed)));
    return b.select(invalid, b.const(DECIMAL_INDEFINITE.low), callSubroutine(b, toDecimal, magnitude));
  };
  const destination = tenByteDestination(b, dst!, () => b.get(high));
  storeConverted(b, convert, b.const(DECIMAL_INDEFINITE.low), destination, true);
};

/** FSTP m80: the bits as they are. */
const storeExtendedOperand: Semantics = (b, dst) => {
  const high = b.variable(b.const(0xffff));
  const convert = (address: Val): Val => {
    b.store("i32.store", undefined, FLAGS_SLOT, b.const32(0));
    const x = loadExtended(b, address);
    b.set(high, headOf(b, x));
    return x.significand;
  };
  const destination = tenByteDestination(b, dst!, () => b.get(high));
  storeConverted(b, convert, b.const(INDEFINITE), destination, true);
};

const memoryRow = (encoding: string, name: string, code: OperandCode, semantics: Semantics): Row =>
  row(encoding, name, [code], semantics, X87);

export const rows: readonly Row[] = [
  memoryRow("D9 /2", "FST", "Md", store(false)),
  memoryRow("DD /2", "FST", "Mq", store(false)),
  memoryRow("D9 /3", "FSTP", "Md", store(true)),
  memoryRow("DD /3", "FSTP", "Mq", store(true)),
  memoryRow("DB /7", "FSTP", "Mt", storeExtendedOperand),
  memoryRow("DF /2", "FIST", "Mw", storeInteger(false)),
  memoryRow("DB /2", "FIST", "Md", storeInteger(false)),
  memoryRow("DF /3", "FISTP", "Mw", storeInteger(true)),
  memoryRow("DB /3", "FISTP", "Md", storeInteger(true)),
  memoryRow("DF /7", "FISTP", "Mq", storeInteger(true)),
  row("DF /1", "FISTTP", ["Mw"], storeInteger(true, true), { ...X87, cpuid: "sse3" }),
  row("DB /1", "FISTTP", ["Md"], storeInteger(true, true), { ...X87, cpuid: "sse3" }),
  row("DD /1", "FISTTP", ["Mq"], storeInteger(true, true), { ...X87, cpuid: "sse3" }),
  memoryRow("DF /6", "FBSTP", "Mt", storeDecimal),
];
