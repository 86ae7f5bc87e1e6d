// F2XM1 FYL2X FYL2XP1 FPATAN FPTAN FSIN FCOS FSINCOS. SDM vol. 2A, the instruction of each name.
//
// The helper computes first, from whatever is in the registers, and changes nothing but its results; what becomes of
// them is decided here.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { bitsOf, loadStatus } from "../softfloat/exceptions.ts";
import { BIAS, INTEGER_BIT, storeExtended } from "../softfloat/extended.ts";
import { FSW } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { storeResult } from "../softfloat/transcendental.ts";
import { type TranscendentalName, transcendentalNumber } from "../system/x87-transcendental.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import {
  addressOf,
  copyExtended,
  pop,
  pushBeside,
  setStatus,
  slotOf,
  trackInstruction,
  withRegisters,
} from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };

function compute(b: X86Builder, name: TranscendentalName): void {
  b.helper("x87Transcendental", b.const(transcendentalNumber(name)));
  trackInstruction(b);
}

/** C2 tells that an angle is out of range. */
const clearC2 = (b: X86Builder): void => setStatus(b, bitsOf(b, loadStatus(b), ~FSW.C2));

/** ST(0) <- f(ST(0)). */
const unary =
  (name: TranscendentalName): Semantics =>
  (b) => {
    compute(b, name);
    if (name !== "f2xm1") clearC2(b);
    const slot = slotOf(b, 0);
    const x = addressOf(b, slot);
    withRegisters(b, [slot], slot, () => callSubroutine(b, storeResult, x, x, x, b.const32(0)));
  };

/** ST(1) <- f(ST(0), ST(1)), then pop. */
const binary =
  (name: TranscendentalName): Semantics =>
  (b) => {
    compute(b, name);
    const [top, below] = [slotOf(b, 0), slotOf(b, 1)];
    const [x, y] = [addressOf(b, top), addressOf(b, below)];
    withRegisters(
      b,
      [top, below],
      below,
      () => callSubroutine(b, storeResult, x, y, y, b.const32(0)),
      () => pop(b),
    );
  };

/** FPTAN: the tangent, and 1 pushed; a NaN is pushed as such. */
const fptan: Semantics = (b) => {
  compute(b, "fptan");
  clearC2(b);
  pushBeside(b, (x, pushed) => {
    const stored = callSubroutine(b, storeResult, x, x, x, b.const32(0));
    b.when(stored, () => {
      copyExtended(b, x, pushed);
      b.when(b.isFalse(isNanAt(b, x)), () =>
        storeExtended(b, pushed, { sign: b.const(0), exponent: b.const(BIAS), significand: b.const(INTEGER_BIT) }),
      );
    });
    return stored;
  });
};

/** A result with the greatest exponent: only NaNs have it here. */
const isNanAt = (b: X86Builder, address: Val): Val =>
  b.eq(b.and(b.load("i64.load16_u", address, 8), b.const(0x7fff)), b.const(0x7fff));

/** FSINCOS: the sine, and the cosine pushed. */
const fsincos: Semantics = (b) => {
  compute(b, "fsincos");
  clearC2(b);
  pushBeside(b, (x, pushed) => {
    const stored = b.variable(callSubroutine(b, storeResult, x, x, pushed, b.const32(0)));
    b.when(b.get(stored), () => b.set(stored, callSubroutine(b, storeResult, x, x, x, b.const32(1))));
    return b.get(stored);
  });
};

export const rows: readonly Row[] = [
  row("D9 F0", "F2XM1", [], unary("f2xm1"), X87),
  row("D9 F1", "FYL2X", [], binary("fyl2x"), X87),
  row("D9 F2", "FPTAN", [], fptan, X87),
  row("D9 F3", "FPATAN", [], binary("fpatan"), X87),
  row("D9 F9", "FYL2XP1", [], binary("fyl2xp1"), X87),
  row("D9 FB", "FSINCOS", [], fsincos, X87),
  row("D9 FE", "FSIN", [], unary("fsin"), X87),
  row("D9 FF", "FCOS", [], unary("fcos"), X87),
];
