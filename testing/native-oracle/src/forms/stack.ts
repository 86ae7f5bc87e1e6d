import { FLAGS } from "../cpu-state.ts";
import { STACK } from "../environment.ts";
import { type Draft, offsetOf, patch, REGISTERS, setPointer } from "../generate/draft.ts";
import {
  chooseInnerStack,
  chooseStack,
  preparePop,
  preparePush,
  setStackPointer,
  slotBytes,
} from "../generate/implicit-operands.ts";
import { type Form, form } from "./form.ts";

const PUSH = { default64: true, stack: true, prepare: preparePush } as const;
const POP = { default64: true, stack: true, prepare: preparePop } as const;
const CS_OVERRIDE = 0x2e;
const LEGACY = { modes: "legacy" } as const;
/** POPF must not set TF (the harness stops by INT3), NT (IRET would fault) or AC (the host checks alignment). */
const POPPABLE_FLAGS = BigInt(0xcd5 | FLAGS.IF | FLAGS.ID | 0x3000);

/** A memory operand stays where it was chosen unless rSP is part of its address. */
function preparePushOperand(draft: Draft): void {
  if (draft.overrides.has(REGISTERS.rsp)) return;
  preparePush(draft);
}

/**
 * POP computes an rSP-based destination after the increment; any place will do. A destination in CS never is one: whether
 * that or a fault of the stack comes first is the maker's.
 */
function preparePopOperand(draft: Draft): void {
  const override = draft.prefixes.indexOf(CS_OVERRIDE);
  if (override >= 0) draft.prefixes.splice(override, 1);
  if (!draft.overrides.has(REGISTERS.rsp)) preparePop(draft);
}

function preparePushAll(draft: Draft): void {
  chooseStack(draft, 8 * slotBytes(draft), 0);
}

function preparePopAll(draft: Draft): void {
  chooseInnerStack(draft);
}

function preparePopFlags(draft: Draft): void {
  const linear = chooseStack(draft, 0, slotBytes(draft));
  const bytes = Math.min(slotBytes(draft), STACK.address + STACK.length - linear);
  if (bytes > 0) patch(draft, linear, draft.random.u64() & POPPABLE_FLAGS, bytes);
}

/** Frame size and nesting level: levels read older frame pointers through rBP. */
function prepareEnter(draft: Draft): void {
  const { random, immediates } = draft;
  const [size, level] = immediates;
  if (!size || !level) return;
  size.value = BigInt(random.pick([0, 1, 8, 16, random.below(256), 0xffff]));
  level.value = BigInt(random.pick([0, 0, 1, 2, 3, random.below(32), random.below(256)]));
  const linear = chooseStack(draft, 40 * slotBytes(draft), 0);
  const frame = random.oneIn(3) ? linear : STACK.address + 0x400 + random.below(0x180) * 8;
  setPointer(draft, REGISTERS.rbp, offsetOf(draft, "ss", frame), draft.environment.stackBits);
}

function prepareLeave(draft: Draft): void {
  const linear = chooseStack(draft, 0, slotBytes(draft));
  const stackPointer = draft.overrides.get(REGISTERS.rsp) ?? 0n;
  draft.overrides.set(REGISTERS.rbp, stackPointer);
  setStackPointer(draft, linear ^ 0x40);
}

/** A selector that loads without a fault, now and then one that does not. */
function prepareSegmentPop(draft: Draft): void {
  const linear = chooseStack(draft, 0, slotBytes(draft));
  const bytes = Math.min(slotBytes(draft), STACK.address + STACK.length - linear);
  const above = draft.random.oneIn(2) ? draft.random.u64() & ~0xffffn : 0n;
  const based = draft.form.operands[0] === "FS" || draft.form.operands[0] === "GS";
  const selector = based ? chooseBasedSelector(draft) : chooseSelector(draft);
  if (bytes > 0) patch(draft, linear, above | BigInt(selector), bytes);
}

/** Flat data, data of the local table, code, privileged, out of the table. */
const SELECTORS = [0x2b, 0x2b, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x07, 0x23, 0x18, 0x37, 0xffff, 0xfffc] as const;

/** For ES, SS, DS and instructions that only look: null too (returning to user code loses a null selector's RPL). */
export function chooseSelector({ random }: Draft): number {
  return random.pick([0, ...SELECTORS]);
}

/** For FS and GS. A null selector clears their base on Intel and keeps it on AMD. */
export function chooseBasedSelector({ random }: Draft): number {
  return random.pick(SELECTORS);
}

/** Stack instructions; branches have their own file. */
export const stack: readonly Form[] = [
  form("50+r", "PUSH Zv", PUSH),
  form("58+r", "POP Zv", POP),
  form("68", "PUSH Iz", PUSH),
  form("6A", "PUSH Ibs", PUSH),
  form("FF /6", "PUSH Ev", { ...PUSH, prepare: preparePushOperand }),
  form("8F /0", "POP Ev", { ...POP, prepare: preparePopOperand }),
  form("60", "PUSHA", { ...LEGACY, sized: true, stack: true, prepare: preparePushAll }),
  form("61", "POPA", { ...LEGACY, sized: true, stack: true, prepare: preparePopAll }),
  form("9C", "PUSHF", PUSH),
  form("9D", "POPF", { ...POP, prepare: preparePopFlags }),
  form("C8", "ENTER Iw,Ib", { default64: true, stack: true, prepare: prepareEnter }),
  form("C9", "LEAVE", { default64: true, stack: true, prepare: prepareLeave }),
  form("06", "PUSH ES", { ...PUSH, ...LEGACY }),
  form("0E", "PUSH CS", { ...PUSH, ...LEGACY }),
  form("16", "PUSH SS", { ...PUSH, ...LEGACY }),
  form("1E", "PUSH DS", { ...PUSH, ...LEGACY }),
  form("0F A0", "PUSH FS", PUSH),
  form("0F A8", "PUSH GS", PUSH),
  form("17", "POP SS", { ...POP, ...LEGACY, prepare: prepareSegmentPop }),
  form("07", "POP ES", { ...POP, ...LEGACY, prepare: prepareSegmentPop }),
  form("1F", "POP DS", { ...POP, ...LEGACY, prepare: prepareSegmentPop }),
  form("0F A1", "POP FS", { ...POP, prepare: prepareSegmentPop }),
  form("0F A9", "POP GS", { ...POP, prepare: prepareSegmentPop }),
];
