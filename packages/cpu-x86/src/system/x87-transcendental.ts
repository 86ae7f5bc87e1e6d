// The transcendental instructions' part in TypeScript: operands out of CPU state, unrounded results into it. Rounding,
// exceptions and the stack are generated code, as for every other instruction.

import { FSW, TOP_SHIFT } from "../softfloat/status-word.ts";
import { bitLength } from "../softfloat/transcendental/approximation.ts";
import {
  angle,
  cosine,
  exponential,
  type Operand,
  type Outcome,
  scaledLogarithm,
  scaledLogarithmOfOnePlus,
  sine,
  tan,
} from "../softfloat/transcendental/functions.ts";
import { RESULT_KIND, RESULT_LENGTH, RESULT_WORDS } from "../softfloat/transcendental.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";

/** Exponent of numbers whose significand is an integer. */
const INTEGRAL = 0x3fff + 63;

/** Functions of ST(0) and ST(1), each with its one or two results. */
const FUNCTIONS = {
  f2xm1: [exponential],
  fcos: [cosine],
  fpatan: [angle],
  fptan: [tan],
  fsin: [sine],
  /** The cosine is stored first: it is pushed, and C1 is to tell of the sine. */
  fsincos: [cosine, sine],
  fyl2x: [scaledLogarithm],
  fyl2xp1: [scaledLogarithmOfOnePlus],
} as const satisfies Readonly<Record<string, readonly ((x: Operand, y: Operand) => Outcome)[]>>;

/** Name of a function. */
export type TranscendentalName = keyof typeof FUNCTIONS;
const NAMES = Object.keys(FUNCTIONS) as readonly TranscendentalName[];
const UNARY: ReadonlySet<TranscendentalName> = new Set(["f2xm1", "fcos", "fptan", "fsin", "fsincos"]);

/** The helper's argument. */
export const transcendentalNumber = (name: TranscendentalName): number => NAMES.indexOf(name);

/** Argument: {@link transcendentalNumber}. Leaves the results in `x87Results`; changes nothing else. */
export function x87Transcendental(cpu: Cpu): HelperResult {
  const name = NAMES[cpu.arg32(0)] as TranscendentalName;
  const x = readOperand(cpu, 0);
  const y = UNARY.has(name) ? x : readOperand(cpu, 1);
  // NaNs and unsupported encodings are settled without us.
  if (x === undefined || y === undefined) return HELPER.next;
  FUNCTIONS[name].forEach((compute, which) => {
    writeOutcome(cpu, which, compute(x, y));
  });
  return HELPER.next;
}

/** ST(i), unless it is a NaN or unsupported. */
function readOperand(cpu: Cpu, i: number): Operand | undefined {
  const top = (cpu.get32(AT.fpuStatus) & FSW.TOP) >> TOP_SHIFT;
  const at = AT.fpr + ((top + i) & 7) * ELEMENT_SIZE.fpr;
  const significand = cpu.view.getBigUint64(at, true);
  const head = cpu.view.getUint16(at + 8, true);
  const exponent = head & 0x7fff;
  const negative = head > 0x7fff;
  if (exponent !== 0 && significand < 1n << 63n) return undefined;
  if (exponent !== 0x7fff) return { negative, significand, scale: INTEGRAL - Math.max(exponent, 1), infinite: false };
  return significand === 1n << 63n ? { negative, significand: 0n, scale: 0, infinite: true } : undefined;
}

function writeOutcome(cpu: Cpu, which: number, outcome: Outcome): void {
  const word = (name: keyof typeof RESULT_WORDS, value: bigint): void =>
    cpu.set64(AT.x87Results, value, which * RESULT_LENGTH + RESULT_WORDS[name]);
  const negative = outcome.kind === "number" ? outcome.value.negative : "negative" in outcome && outcome.negative;
  word("kind", BigInt(kindOf(outcome)));
  word("sign", negative ? 1n : 0n);
  if (outcome.kind !== "number" || outcome.value.significand === 0n) return;
  const { significand, scale, exact } = outcome.value;
  const length = bitLength(significand);
  const [low, sticky] = cutTo128(significand, length);
  word("exponent", BigInt.asUintN(64, BigInt(0x3fff + length - 1 - scale)));
  word("significand", low >> 64n);
  word("fraction", BigInt.asUintN(64, low) | (exact && !sticky ? 0n : 1n));
}

/** The upper 128 bits, and whether others are lost. */
function cutTo128(value: bigint, length: number): readonly [kept: bigint, lost: boolean] {
  if (length <= 128) return [value << BigInt(128 - length), false];
  const shift = BigInt(length - 128);
  const kept = value >> shift;
  return [kept, kept << shift !== value];
}

function kindOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case "number":
      return outcome.value.significand === 0n ? RESULT_KIND.zero : RESULT_KIND.number;
    case "infinity":
      return RESULT_KIND.infinity;
    case "invalid":
      return RESULT_KIND.invalid;
    case "zero-divide":
      return RESULT_KIND.zeroDivide;
    case "out-of-range":
      return RESULT_KIND.outOfRange;
  }
}
