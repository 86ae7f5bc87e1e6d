/** Where instructions reach memory through registers they do not encode: stack and strings. */
import { type CodeBits, DATA, type SegmentName, STACK } from "../environment.ts";
import { type Draft, offsetOf, REGISTERS, setPointer } from "./draft.ts";
import { chooseAddress, overrideSegment } from "./memory-operand.ts";

const STACK_END = STACK.address + STACK.length;

/** Points rSP at `linear` as SS sees it. */
export function setStackPointer(draft: Draft, linear: number): void {
  const { stackBits } = draft.environment;
  setPointer(draft, REGISTERS.rsp, offsetOf(draft, "ss", linear), stackBits);
}

/** A stack position for `pushed` bytes below it and `popped` bytes above it: usually inside, sometimes at or over an end. */
export function chooseStack(draft: Draft, pushed: number, popped: number): number {
  const { random } = draft;
  const place = random.below(16);
  let linear = STACK.address + 0x200 + random.below(0x180) * 8;
  if (place === 0) linear = STACK.address + pushed;
  else if (place === 1 && pushed > 0) linear = STACK.address + random.below(pushed);
  else if (place === 2) linear = STACK_END - popped;
  else if (place === 3 && popped > 0) linear = STACK_END - random.below(popped);
  else if (place === 4) linear += random.below(8);
  setStackPointer(draft, linear);
  return linear;
}

/**
 * A stack position far from the ends, for instructions that pop several things: in which order they are read, and how
 * much of them is kept when one faults, differs.
 */
export function chooseInnerStack(draft: Draft): number {
  const linear = STACK.address + 0x200 + draft.random.below(0x180) * 8;
  setStackPointer(draft, linear);
  return linear;
}

/** Bytes of one push or pop. */
export function slotBytes(draft: Draft): number {
  return draft.operandBits / 8;
}

/** `prepare` of instructions that push one operand. */
export function preparePush(draft: Draft): void {
  chooseStack(draft, slotBytes(draft), 0);
}

/** `prepare` of instructions that pop one operand. */
export function preparePop(draft: Draft): void {
  chooseStack(draft, 0, slotBytes(draft));
}

/** What a string instruction touches through rSI and rDI, `bytes` an element. */
export function chooseStrings(draft: Draft, bytes: number, backwards: boolean): void {
  const { random, form } = draft;
  const repeated = draft.prefixes.includes(0xf2) || draft.prefixes.includes(0xf3);
  const count = repeated ? random.pick([0, 1, 2, 3, 7, random.below(40)]) : random.below(3);
  if (repeated) setPointer(draft, REGISTERS.rcx, BigInt(random.oneIn(16) ? 0xffff : count));
  const usesSource = form.operands.some((code) => code.startsWith("X"));
  const usesDestination = form.operands.some((code) => code.startsWith("Y"));
  const source = chooseString(draft, bytes * count, backwards);
  const destination = random.oneIn(4) ? source + (random.below(9) - 4) : chooseString(draft, bytes * count, backwards);
  if (usesSource) setPointer(draft, REGISTERS.rsi, offsetOf(draft, overrideSegment(draft, "ds"), source));
  if (usesDestination) setPointer(draft, REGISTERS.rdi, offsetOf(draft, "es", destination));
}

function chooseString({ random }: Draft, bytes: number, backwards: boolean): number {
  if (random.oneIn(5)) return chooseAddress(random, { bytes: 8, content: "integer", aligned: false });
  const room = DATA.length - bytes - 16;
  const first = DATA.address + random.below(random.oneIn(4) ? room : room >> 3) * (room > 0 ? 1 : 0);
  return backwards ? first + bytes : first;
}

/** Points `register` at data through `segment`, as XLAT and MASKMOVDQU do. */
export function chooseThrough(
  draft: Draft,
  register: number,
  standard: SegmentName,
  bytes: number,
  bits: CodeBits = draft.addressBits,
): void {
  const linear = chooseAddress(draft.random, { bytes, content: "integer", aligned: false });
  setPointer(draft, register, offsetOf(draft, overrideSegment(draft, standard), linear), bits);
}
