import { CODE, STACK, segmentBase } from "../environment.ts";
import { type Draft, patch, REGISTERS, registerValue, setPointer } from "../generate/draft.ts";
import { chooseStack, slotBytes } from "../generate/implicit-operands.ts";
import { CONDITIONS, hex } from "./data-movement.ts";
import { type Form, form } from "./form.ts";

const BRANCH = { branch: true } as const;
const CALL = { branch: true, stack: true, prepare: prepareCall } as const;

/** An offset in CS that lies in the code window, away from the instruction itself. */
function chooseTarget({ random, environment }: Draft): bigint {
  const linear = CODE.address + 0x400 + random.below(0x800);
  return BigInt(linear) - segmentBase(environment, "cs");
}

/** rCX around zero decides LOOP and JrCXZ; ZF comes with the seed. */
function chooseCounter(draft: Draft): void {
  const { random, overrides } = draft;
  const count = random.pick([0n, 1n, 2n, 0x1_0000n, 0x1_0001n, 0x1_0000_0000n, 0x1_0000_0001n, random.u64()]);
  overrides.set(REGISTERS.rcx, count);
}

function prepareCall(draft: Draft): void {
  chooseStack(draft, slotBytes(draft), 0);
}

/** The operand holds the target: a register is set, memory is patched. */
function chooseIndirect(draft: Draft): void {
  const { modrm, rex, memoryAddress } = draft;
  if (!modrm) return;
  const target = chooseTarget(draft);
  const bits = draft.operandBits;
  if (memoryAddress !== undefined) patch(draft, memoryAddress, target, bits / 8);
  else {
    const register = modrm.rm | (rex.b ? 8 : 0);
    if (bits === 16) draft.overrides.set(register, (registerValue(draft, register) & ~0xffffn) | target);
    else setPointer(draft, register, target, bits);
  }
}

function chooseIndirectCall(draft: Draft): void {
  chooseIndirect(draft);
  // CALL rSP branches to the old stack pointer; pushing below the code window faults first.
  if (!draft.overrides.has(REGISTERS.rsp)) prepareCall(draft);
}

function chooseReturn(draft: Draft): void {
  const linear = chooseStack(draft, 0, slotBytes(draft));
  const bytes = Math.min(slotBytes(draft), STACK.address + STACK.length - linear);
  if (bytes > 0) patch(draft, linear, chooseTarget(draft), bytes);
}

/** INT3, INT 4 and INTO are open to user code; every other gate is #GP with the gate's index. 80h is Linux's. */
function chooseInterrupt(draft: Draft): void {
  const immediate = draft.immediates[0];
  if (!immediate) return;
  do immediate.value = BigInt(draft.random.pick([0, 1, 3, 4, 13, 14, draft.random.below(256)]));
  while (immediate.value === 0x80n);
}

/** BOUND's pair is ordered around the index, or not. */
function chooseBounds(draft: Draft): void {
  const { random, memoryAddress, modrm } = draft;
  if (memoryAddress === undefined || !modrm || random.oneIn(4)) return;
  const bits = draft.operandBits;
  const index = BigInt.asIntN(bits, registerValue(draft, modrm.reg));
  const around = (spread: number): bigint => BigInt.asUintN(bits, index + BigInt(random.below(spread) - (spread >> 1)));
  patch(draft, memoryAddress, (around(5) << BigInt(bits)) | around(5), bits / 4);
}

/** Near branches, software interrupts and BOUND. INT1 is absent: under KVM on AMD its trap comes back as a fault. */
export const branch: readonly Form[] = [
  ...CONDITIONS.flatMap((condition, code) => [
    form(hex(0x70 + code), `J${condition} Jb`, BRANCH),
    form(`0F ${hex(0x80 + code)}`, `J${condition} Jz`, BRANCH),
  ]),
  form("E0", "LOOPNE Jb", { ...BRANCH, prepare: chooseCounter }),
  form("E1", "LOOPE Jb", { ...BRANCH, prepare: chooseCounter }),
  form("E2", "LOOP Jb", { ...BRANCH, prepare: chooseCounter }),
  form("E3", "JCXZ Jb", { ...BRANCH, prepare: chooseCounter }),
  form("EB", "JMP Jb", BRANCH),
  form("E9", "JMP Jz", BRANCH),
  form("E8", "CALL Jz", CALL),
  form("FF /4", "JMP Ev", { ...BRANCH, prepare: chooseIndirect }),
  form("FF /2", "CALL Ev", { ...CALL, prepare: chooseIndirectCall }),
  form("C3", "RET", { branch: true, sized: true, stack: true, prepare: chooseReturn }),
  form("C2", "RET Iw", { branch: true, sized: true, stack: true, prepare: chooseReturn }),
  form("CC", "INT3"),
  form("CD", "INT Ib", { prepare: chooseInterrupt }),
  form("CE", "INTO", { modes: "legacy" }),
  form("62 /r", "BOUND Gv,Ma", { modes: "legacy", prepare: chooseBounds }),
];
