/**
 * What the manual leaves undefined, by mnemonic: these bits are recorded as the host's CPU left them but not compared.
 * SDM vol. 2, "Flags Affected" of each instruction; the APM agrees on all of them.
 */
import { FLAGS, STATUS_FLAGS } from "./cpu-state.ts";
import { SAVE_AREAS } from "./environment.ts";
import { LEGACY_PREFIXES } from "./prefixes.ts";
import { type Bytes, initialStateOf, type VectorInput, type VectorOutcome } from "./vector.ts";

const { CF, PF, AF, ZF, SF, OF } = FLAGS;
type FlagRule = number | ((input: VectorInput) => number);

const RULES: Readonly<Record<string, FlagRule>> = {
  AND: AF,
  OR: AF,
  XOR: AF,
  TEST: AF,
  MUL: SF | ZF | AF | PF,
  IMUL: SF | ZF | AF | PF,
  DIV: STATUS_FLAGS,
  IDIV: STATUS_FLAGS,
  AAA: OF | SF | ZF | PF,
  AAS: OF | SF | ZF | PF,
  AAM: OF | AF | CF,
  AAD: OF | AF | CF,
  DAA: OF,
  DAS: OF,
  BSF: CF | OF | SF | AF | PF,
  BSR: CF | OF | SF | AF | PF,
  TZCNT: OF | SF | PF | AF,
  LZCNT: OF | SF | PF | AF,
  ANDN: AF | PF,
  BEXTR: SF | AF | PF,
  BLSR: AF | PF,
  BLSMSK: AF | PF,
  BLSI: AF | PF,
  BZHI: AF | PF,
  BT: OF | SF | AF | PF,
  BTS: OF | SF | AF | PF,
  BTR: OF | SF | AF | PF,
  BTC: OF | SF | AF | PF,
  SHL: shiftFlags,
  SHR: shiftFlags,
  // SAR fills with the sign for ever, so its CF stays defined.
  SAR: (input) => shiftFlags(input) & ~CF,
  ROL: rotateFlags,
  ROR: rotateFlags,
  RCL: rotateFlags,
  RCR: rotateFlags,
  SHLD: (input) => shiftFlags(input) & ~CF,
  SHRD: (input) => shiftFlags(input) & ~CF,
};

/** RFLAGS bits whose value after `input` means nothing. */
export function undefinedFlags(input: VectorInput): number {
  const rule = RULES[input.form.mnemonic] ?? 0;
  return typeof rule === "number" ? rule : rule(input);
}

/** Whether any operands leave some flag undefined. */
export function mayLeaveUndefinedFlags(mnemonic: string): boolean {
  return RULES[mnemonic] !== undefined;
}

/** Bits of general registers whose value after `input` means nothing: LAR's copy of the limit's upper bits. */
export function undefinedRegisterBits({ form }: VectorInput): bigint {
  return form.mnemonic === "LAR" ? 0xf_0000n : 0n;
}

/**
 * Where in a page a save area's fault is reported is the maker's choice: AMD looks at the last byte first. The same goes
 * for which operand of CMPS is looked at first.
 */
export function definedException({ form }: VectorInput, outcome: VectorOutcome): VectorOutcome {
  const { exception } = outcome;
  const vague = /^(FXSAVE|FXRSTOR|XSAVE|XRSTOR|CMPS)/.test(form.mnemonic);
  if (!vague || exception === undefined) return outcome;
  return { ...outcome, exception: { ...exception, cr2: exception.cr2 & ~0xfffn } };
}

/** MXCSR_MASK of a save area: AMD has a bit that others do not (misaligned exceptions masked). */
const MXCSR_MASK = { offset: 28, length: 4 } as const;

/** Changes of memory that mean something. */
export function definedWrites({ form }: VectorInput, writes: readonly Bytes[]): readonly Bytes[] {
  if (!/^(FXSAVE|XSAVE)/.test(form.mnemonic)) return writes;
  return writes.flatMap((run) => SAVE_AREAS.reduce(without, [run]));
}

/** Runs without the mask of the area at `area`. */
function without(runs: readonly Bytes[], area: number): Bytes[] {
  const [first, end] = [area + MXCSR_MASK.offset, area + MXCSR_MASK.offset + MXCSR_MASK.length];
  return runs.flatMap(({ address, bytes }) => {
    const piece = (from: number, to: number): Bytes[] =>
      from < to ? [{ address: from, bytes: bytes.subarray(from - address, to - address) }] : [];
    const last = address + bytes.length;
    return [...piece(address, Math.min(first, last)), ...piece(Math.max(end, address), last)];
  });
}

const C1 = 0x200;
const C0_C2_C3 = 0x4500;
/** These define C0, C2 and C3 or promise not to touch them. */
const CONDITION_SETTERS = /^(FCOM|FUCOM|FICOM|FTST|FXAM|FPREM|FNINIT|FLDENV|FRSTOR|FXRSTOR)/;
/** After these C1 means nothing either. */
const CONDITION_LOSERS = /^(FNCLEX|FLDCW|FNSTCW|FNSTSW|FFREE|FNOP|FWAIT)/;

/** Condition bits of the x87 status word that mean nothing after `input`. SDM vol. 2, "FPU Flags Affected". */
export function undefinedConditionBits({ form, flavour }: VectorInput): number {
  if (flavour !== "x87" || CONDITION_SETTERS.test(form.mnemonic)) return 0;
  return CONDITION_LOSERS.test(form.mnemonic) ? C0_C2_C3 | C1 : C0_C2_C3;
}

function shiftFlags(input: VectorInput): number {
  const count = shiftCount(input);
  if (count === 0) return 0;
  const beyond = count >= operandBits(input) ? CF : 0;
  return AF | (count === 1 ? 0 : OF) | beyond;
}

function rotateFlags(input: VectorInput): number {
  const count = shiftCount(input);
  return count === 0 || count === 1 ? 0 : OF;
}

/** The count after the mask of 31, or 63 for 64-bit operands. */
function shiftCount(input: VectorInput): number {
  const last = input.form.operands.at(-1);
  let count = 1;
  if (last === "Ib") count = input.code.at(-1) ?? 0;
  if (last === "CL") count = Number((initialStateOf(input).gpr[1] ?? 0n) & 0xffn);
  return count & (operandBits(input) === 64 ? 63 : 31);
}

const OPERAND_SIZE = 0x66;

/** Operand size of a shift, read back from its prefixes. */
function operandBits({ code, environment, form }: VectorInput): number {
  if (form.operands[0] === "Eb") return 8;
  let at = 0;
  let prefixed = false;
  for (; LEGACY_PREFIXES.has(code[at] ?? 0); at++) prefixed ||= code[at] === OPERAND_SIZE;
  const byte = code[at] ?? 0;
  if (environment.codeBits === 64 && (byte & 0xf8) === 0x48) return 64;
  return (environment.codeBits === 16) !== prefixed ? 16 : 32;
}
