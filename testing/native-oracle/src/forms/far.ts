import { FLAGS } from "../cpu-state.ts";
import { CODE, codeSegmentBase, STACK } from "../environment.ts";
import { type Draft, offsetOf, patch } from "../generate/draft.ts";
import { chooseInnerStack, chooseStack, slotBytes } from "../generate/implicit-operands.ts";
import { type Form, form } from "./form.ts";

/** As for POPF: neither TF, NT nor AC may be left set. */
const LOADABLE_FLAGS = BigInt(0xcd5 | FLAGS.IF | FLAGS.ID | 0x3000);
/** 64-bit, 32-bit and 16-bit code; then what must fault: null, data, a null of another RPL, beyond the table. */
const CODE_SELECTORS = [0x33, 0x23, 0x07, 0x33, 0x23, 0x07, 0x33, 0x23, 0x07, 0, 3, 0x2b, 0x0f, 0x37, 0xfffc] as const;
const STACK_SELECTORS = [0x2b, 0x2b, 0x2b, 0x1f, 0x0f, 0x2b, 0, 0x33, 0x23] as const;

/** A selector and an offset in it that lies in the code window, where INT3 waits in every mode. */
function chooseTarget({ random }: Draft): { readonly selector: number; readonly offset: bigint } {
  const selector = random.pick(CODE_SELECTORS);
  const linear = CODE.address + 0x400 + random.below(0x800);
  return { selector, offset: BigInt(linear) - codeSegmentBase(selector) };
}

function setFarPointer(draft: Draft): void {
  const { selector, offset } = chooseTarget(draft);
  const [offsetField, selectorField] = draft.immediates;
  if (offsetField && selectorField) {
    offsetField.value = offset;
    selectorField.value = BigInt(selector);
  } else if (draft.memoryAddress !== undefined) {
    patch(draft, draft.memoryAddress, (BigInt(selector) << BigInt(draft.operandBits)) | offset, slotBytes(draft) + 2);
  }
}

function setFarCall(draft: Draft): void {
  setFarPointer(draft);
  chooseStack(draft, 2 * slotBytes(draft), 0);
}

/** Patches `values` where consecutive pops will find them. */
function patchStack(draft: Draft, values: readonly bigint[]): void {
  const bytes = slotBytes(draft);
  const linear = chooseInnerStack(draft);
  for (const [i, value] of values.entries()) patch(draft, linear + i * bytes, value, bytes);
}

function setFarReturn(draft: Draft): void {
  const { selector, offset } = chooseTarget(draft);
  const noise = draft.random.u64() & ~0xffffn;
  // AMD looks for an outer stack behind the parameters before it finds fault with the selector: let there be memory.
  const [parameters] = draft.immediates;
  if (parameters) parameters.value = BigInt(draft.random.below(0x100));
  patchStack(draft, [offset, noise | BigInt(selector)]);
}

/** 64-bit code pops SS:RSP even at the same privilege level. */
function setInterruptReturn(draft: Draft): void {
  const { random } = draft;
  const { selector, offset } = chooseTarget(draft);
  const flags = random.u64() & LOADABLE_FLAGS;
  const stackPointer = offsetOf(draft, "ss", STACK.address + 0x100 + random.below(0xe0) * 8);
  patchStack(draft, [offset, BigInt(selector), flags, stackPointer, BigInt(random.pick(STACK_SELECTORS))]);
}

const FAR = { sized: true, stack: true } as const;

/** Far transfers between code segments of the same privilege. */
export const far: readonly Form[] = [
  form("EA", "JMP Ap", { modes: "legacy", prepare: setFarPointer }),
  form("9A", "CALL Ap", { modes: "legacy", stack: true, prepare: setFarCall }),
  form("FF /5", "JMP Mp", { noRexW: true, prepare: setFarPointer }),
  form("FF /3", "CALL Mp", { noRexW: true, stack: true, prepare: setFarCall }),
  form("CB", "RETF", { ...FAR, prepare: setFarReturn }),
  form("CA", "RETF Iw", { ...FAR, prepare: setFarReturn }),
  form("CF", "IRET", { ...FAR, prepare: setInterruptReturn }),
];
