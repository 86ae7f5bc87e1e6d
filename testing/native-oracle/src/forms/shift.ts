import { type Draft, REGISTERS, registerValue } from "../generate/draft.ts";
import { type Form, form } from "./form.ts";

/** Group 2 in digit order; digit 6 is SHL again. */
const GROUP2 = ["ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SHL", "SAR"] as const;

/** Counts around nothing, one, the operand sizes and the masks. */
const COUNTS = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255] as const;

function anyCount({ random }: Draft): number {
  return random.oneIn(2) ? random.pick(COUNTS) : random.below(64);
}

function setCount(draft: Draft, count: number): void {
  const immediate = draft.immediates[0];
  if (immediate) immediate.value = BigInt(count);
  else if (!draft.overrides.has(REGISTERS.rcx))
    draft.overrides.set(REGISTERS.rcx, (registerValue(draft, REGISTERS.rcx) & ~0xffn) | BigInt(count));
}

function chooseCount(draft: Draft): void {
  setCount(draft, anyCount(draft));
}

/** A 16-bit double shift by more than 16 leaves everything undefined: such counts say nothing. */
function chooseDoubleCount(draft: Draft): void {
  if (draft.operandBits === 16) {
    draft.overrides.delete(REGISTERS.rcx);
    setCount(draft, draft.random.pick([0, 0x20, 0xe0]) | draft.random.below(17));
  } else chooseCount(draft);
}

/** Shifts and rotates, single and double. */
export const shift: readonly Form[] = [
  ...GROUP2.flatMap((name, digit) => [
    form(`C0 /${digit}`, `${name} Eb,Ib`, { prepare: chooseCount }),
    form(`C1 /${digit}`, `${name} Ev,Ib`, { prepare: chooseCount }),
    form(`D0 /${digit}`, `${name} Eb,1`),
    form(`D1 /${digit}`, `${name} Ev,1`),
    form(`D2 /${digit}`, `${name} Eb,CL`, { prepare: chooseCount }),
    form(`D3 /${digit}`, `${name} Ev,CL`, { prepare: chooseCount }),
  ]),
  form("0F A4 /r", "SHLD Ev,Gv,Ib", { prepare: chooseDoubleCount }),
  form("0F A5 /r", "SHLD Ev,Gv,CL", { prepare: chooseDoubleCount }),
  form("0F AC /r", "SHRD Ev,Gv,Ib", { prepare: chooseDoubleCount }),
  form("0F AD /r", "SHRD Ev,Gv,CL", { prepare: chooseDoubleCount }),
];
