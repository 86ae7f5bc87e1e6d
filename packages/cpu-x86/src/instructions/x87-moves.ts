// FLD FST FSTP FILD FIST FISTP FISTTP FBLD FBSTP FXCH FCMOVcc FFREE and constants. SDM vol. 2A, the instruction of each
// name. Encodings the manual leaves out do what processors do: they are aliases of others.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { fromDecimal, toDecimal } from "../softfloat/decimal.ts";
import { bitsOf, loadControl, propagateNan } from "../softfloat/exceptions.ts";
import { BIAS, isNan, loadExtended, storeExtended } from "../softfloat/extended.ts";
import { fromMagnitude, toMagnitude, towardZero } from "../softfloat/integer.ts";
import { toDouble, toSingle } from "../softfloat/narrow.ts";
import { FLAGS_SLOT } from "../softfloat/slots.ts";
import { FCW, FSW, ROUNDING } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { headOf, loadTenBytes, plainDestination, tenByteDestination, widen } from "./x87-operand.ts";
import {
  addressOf,
  arePresent,
  clearC1,
  copyExtended,
  markEmpty,
  markValid,
  note,
  pop,
  push,
  rotate,
  slotOf,
  slotOfRm,
  storeConverted,
  trackInstruction,
  trackOperand,
  UNDERFLOW,
  withRegisters,
} from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };
const TRUE = (b: X86Builder): Val => b.const32(1);

// --- loads ---

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
        b.when(b.get(stored), () => storeExtended(b, address, indefinite(b)));
      },
    );
    return b.get(stored);
  });
};

const indefinite = (b: X86Builder) => ({
  sign: b.const(1),
  exponent: b.const(0x7fff),
  significand: b.const(-(1n << 62n)),
});

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

const loadZero: Semantics = (b) => {
  trackInstruction(b);
  push(b, (address) => {
    clearC1(b);
    storeExtended(b, address, { sign: b.const(0), exponent: b.const(0), significand: b.const(0) });
    return TRUE(b);
  });
};

// --- stores ---

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
  storeConverted(b, convert, b.const(-(1n << 62n)), destination, true);
};

/** FST ST(i) and FSTP ST(i). */
const storeRegister =
  (pops: boolean): Semantics =>
  (b) => {
    trackInstruction(b);
    const [source, destination] = [slotOf(b, 0), slotOfRm(b)];
    const copy = (): Val => {
      clearC1(b);
      copyExtended(b, addressOf(b, source), addressOf(b, destination));
      markValid(b, destination);
      return TRUE(b);
    };
    withRegisters(b, [source], destination, copy, () => pops && pop(b));
  };

// --- registers ---

/** Empty registers are the default NaN, one and the other. */
const exchange: Semantics = (b) => {
  trackInstruction(b);
  const slots = [slotOf(b, 0), slotOfRm(b)] as const;
  const [x, y] = [addressOf(b, slots[0]), addressOf(b, slots[1])];
  const swap = b.variable(TRUE(b));
  b.when(
    arePresent(b, ...slots),
    () => clearC1(b),
    () => {
      b.set(swap, note(b, b.const32(UNDERFLOW)));
      b.when(b.get(swap), () => {
        for (const slot of slots) {
          b.when(b.isFalse(arePresent(b, slot)), () => storeExtended(b, addressOf(b, slot), indefinite(b)));
          markValid(b, slot);
        }
      });
    },
  );
  b.when(b.get(swap), () => {
    const [a, c] = [loadExtended(b, x), loadExtended(b, y)];
    storeExtended(b, x, c);
    storeExtended(b, y, a);
  });
};

/** FCMOVcc: with either register empty an underflow, whatever the condition. Without one C1 stays. */
const moveIf =
  (condition: number): Semantics =>
  (b) => {
    trackInstruction(b);
    const [destination, source] = [slotOf(b, 0), slotOfRm(b)];
    const move = (): Val => {
      b.when(b.condition(condition), () => copyExtended(b, addressOf(b, source), addressOf(b, destination)));
      return TRUE(b);
    };
    withRegisters(b, [destination, source], destination, move);
  };

const free =
  (pops: boolean): Semantics =>
  (b) => {
    trackInstruction(b);
    markEmpty(b, slotOfRm(b));
    if (pops) pop(b);
  };

/** FINCSTP and FDECSTP: tags stay. */
const turn =
  (by: 1 | -1): Semantics =>
  (b) => {
    trackInstruction(b);
    clearC1(b);
    rotate(b, by);
  };

const memoryRow = (encoding: string, name: string, code: OperandCode, semantics: Semantics): Row =>
  row(encoding, name, [code], semantics, X87);
const registerRow = (encoding: string, name: string, semantics: Semantics): Row =>
  row(`${encoding}+i`, name, ["STi"], semantics, X87);

/** Conditions B, E, BE and U by their numbers in EFLAGS, and the opposites in DB. */
const conditionalMoves: readonly Row[] = [
  ["C0", "B", 2],
  ["C8", "E", 4],
  ["D0", "BE", 6],
  ["D8", "U", 10],
].flatMap(([modrm, name, condition]) => [
  row(`DA ${modrm}+i`, `FCMOV${name}`, ["ST0", "STi"], moveIf(Number(condition)), { ...X87, cpuid: "cmov" }),
  row(`DB ${modrm}+i`, `FCMOVN${name}`, ["ST0", "STi"], moveIf(Number(condition) + 1), { ...X87, cpuid: "cmov" }),
]);

export const rows: readonly Row[] = [
  memoryRow("D9 /0", "FLD", "Md", loadFloat),
  memoryRow("DD /0", "FLD", "Mq", loadFloat),
  memoryRow("DB /5", "FLD", "Mt", loadExtendedOperand),
  memoryRow("DF /0", "FILD", "Mw", loadInteger),
  memoryRow("DB /0", "FILD", "Md", loadInteger),
  memoryRow("DF /5", "FILD", "Mq", loadInteger),
  memoryRow("DF /4", "FBLD", "Mt", loadDecimal),
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
  ...(["DF /1 Mw", "DB /1 Md", "DD /1 Mq"] as const).map((line) =>
    row(line.slice(0, 5), "FISTTP", [line.slice(6) as OperandCode], storeInteger(true, true), {
      ...X87,
      cpuid: "sse3",
    }),
  ),
  memoryRow("DF /6", "FBSTP", "Mt", storeDecimal),
  registerRow("D9 C0", "FLD", loadRegister),
  registerRow("DD D0", "FST", storeRegister(false)),
  registerRow("DD D8", "FSTP", storeRegister(true)),
  registerRow("D9 D8", "FSTP", storeRegister(true)),
  registerRow("DF D0", "FSTP", storeRegister(true)),
  registerRow("DF D8", "FSTP", storeRegister(true)),
  registerRow("D9 C8", "FXCH", exchange),
  registerRow("DD C8", "FXCH", exchange),
  registerRow("DF C8", "FXCH", exchange),
  registerRow("DD C0", "FFREE", free(false)),
  registerRow("DF C0", "FFREEP", free(true)),
  row("D9 F6", "FDECSTP", [], turn(-1), X87),
  row("D9 F7", "FINCSTP", [], turn(1), X87),
  ...CONSTANTS.map(([opcode, name, exponent, low, nearestIsUp]) =>
    row(`D9 ${opcode}`, name, [], loadConstant(exponent, low, nearestIsUp), X87),
  ),
  row("D9 EE", "FLDZ", [], loadZero, X87),
  ...conditionalMoves,
];
