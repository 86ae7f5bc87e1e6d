// FLD FILD FBLD and the constants. SDM vol. 2A, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { fromDecimal } from "../softfloat/decimal.ts";
import { bitsOf, loadControl, propagateNan } from "../softfloat/exceptions.ts";
import { BIAS, isNan, loadExtended, storeExtended, storeIndefinite, storeZero } from "../softfloat/extended.ts";
import { fromMagnitude } from "../softfloat/integer.ts";
import { FCW, ROUNDING } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { loadTenBytes, widen } from "./x87-operand.ts";
import {
  addressOf,
  arePresent,
  clearC1,
  copyExtended,
  note,
  push,
  slotOfRm,
  trackInstruction,
  trackOperand,
  UNDERFLOW,
} from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };
const TRUE = (b: X86Builder): Val => b.const32(1);

/** Integers push exactly. */
const loadInteger: Semantics = (b, src) => {
  const bits = src!.load();
  trackOperand(b, src!);
  push(b, (address) => {
    clearC1(b);
    widen(b, "integer", src!.width, bits, address);
    return TRUE(b);
  });
};

/** A denormal is pushed even if DE is unmasked, as AMD's processors do; a signaling NaN is not if IE is. */
const loadFloat: Semantics = (b, src) => {
  const bits = src!.load();
  trackOperand(b, src!);
  push(b, (address) => {
    const before = loadExtended(b, address);
    note(b, widen(b, "float", src!.width, bits, address));
    const stored = b.variable(TRUE(b));
    b.when(isNan(b, loadExtended(b, address)), () => {
      b.set(stored, callSubroutine(b, propagateNan, address, address, address));
      // What is not pushed leaves no trace in the register that would have held it.
      b.when(b.isFalse(b.get(stored)), () => storeExtended(b, address, before));
    });
    return b.get(stored);
  });
};

/** No exceptions but a stack overflow, whatever the bits are. */
const loadExtendedOperand: Semantics = (b, src) => {
  const { low, high } = loadTenBytes(b, src!);
  trackOperand(b, src!);
  push(b, (address) => {
    clearC1(b);
    b.store("i64.store", address, 0, low);
    b.store("i64.store16", address, 8, high);
    return TRUE(b);
  });
};

const loadDecimal: Semantics = (b, src) => {
  const { low, high } = loadTenBytes(b, src!);
  trackOperand(b, src!);
  push(b, (address) => {
    clearC1(b);
    const digit = (shift: number): Val => b.and(b.shr(high, b.const(shift)), b.const(15));
    const top = b.add(b.mul(digit(4), b.const(10)), digit(0));
    const magnitude = b.add(b.mul(top, b.const(10n ** 16n)), callSubroutine(b, fromDecimal, low));
    storeExtended(b, address, fromMagnitude(b, b.shr(high, b.const(15)), magnitude));
    return TRUE(b);
  });
};

/** FLD ST(i): an empty register underflows even where the push would overflow. */
const loadRegister: Semantics = (b) => {
  trackInstruction(b);
  const source = slotOfRm(b);
  const present = arePresent(b, source);
  push(b, (address) => {
    const stored = b.variable(TRUE(b));
    b.when(
      present,
      () => {
        clearC1(b);
        copyExtended(b, addressOf(b, source), address);
      },
      () => {
        b.set(stored, note(b, b.const32(UNDERFLOW)));
        b.when(b.get(stored), () => storeIndefinite(b, address));
      },
    );
    return b.get(stored);
  });
};

/** Exponent and 64 bits of a constant, rounded down, and whether the bits below are more than half a unit. */
const CONSTANTS: readonly [opcode: string, name: string, exponent: number, low: bigint, nearestIsUp: boolean][] = [
  ["E8", "FLD1", 0, 1n << 63n, false],
  ["E9", "FLDL2T", 1, 0xd49a_784b_cd1b_8afen, false],
  ["EA", "FLDL2E", 0, 0xb8aa_3b29_5c17_f0bbn, true],
  ["EB", "FLDPI", 1, 0xc90f_daa2_2168_c234n, true],
  ["EC", "FLDLG2", -2, 0x9a20_9a84_fbcf_f798n, true],
  ["ED", "FLDLN2", -1, 0xb172_17f7_d1cf_79abn, true],
];

/** The constants are positive and, but for 1, irrational: rounding control chooses between two neighbours. */
const loadConstant =
  (exponent: number, low: bigint, nearestIsUp: boolean): Semantics =>
  (b) => {
    trackInstruction(b);
    push(b, (address) => {
      clearC1(b);
      const rounding = bitsOf(b, loadControl(b), FCW.RC);
      const is = (direction: number): Val => b.op("i32.eq", rounding, b.const32(direction));
      const up = nearestIsUp ? b.either(is(ROUNDING.nearest), is(ROUNDING.up)) : is(ROUNDING.up);
      const significand = low === 1n << 63n ? b.const(low) : b.add(b.const(low), b.bool(up));
      storeExtended(b, address, { sign: b.const(0), exponent: b.const(BIAS + exponent), significand });
      return TRUE(b);
    });
  };

const loadPositiveZero: Semantics = (b) => {
  trackInstruction(b);
  push(b, (address) => {
    clearC1(b);
    storeZero(b, address, b.const(0));
    return TRUE(b);
  });
};

const memoryRow = (encoding: string, name: string, code: OperandCode, semantics: Semantics): Row =>
  row(encoding, name, [code], semantics, X87);

export const rows: readonly Row[] = [
  memoryRow("D9 /0", "FLD", "Md", loadFloat),
  memoryRow("DD /0", "FLD", "Mq", loadFloat),
  memoryRow("DB /5", "FLD", "Mt", loadExtendedOperand),
  memoryRow("DF /0", "FILD", "Mw", loadInteger),
  memoryRow("DB /0", "FILD", "Md", loadInteger),
  memoryRow("DF /5", "FILD", "Mq", loadInteger),
  memoryRow("DF /4", "FBLD", "Mt", loadDecimal),
  row("D9 C0+i", "FLD", ["STi"], loadRegister, X87),
  ...CONSTANTS.map(([opcode, name, exponent, low, nearestIsUp]) =>
    row(`D9 ${opcode}`, name, [], loadConstant(exponent, low, nearestIsUp), X87),
  ),
  row("D9 EE", "FLDZ", [], loadPositiveZero, X87),
];
