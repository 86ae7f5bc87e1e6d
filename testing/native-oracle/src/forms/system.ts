import { type Draft, patch, registerValue } from "../generate/draft.ts";
import { hex } from "./data-movement.ts";
import { type Form, form } from "./form.ts";
import { chooseBasedSelector, chooseSelector } from "./stack.ts";

const LEGACY = { modes: "legacy" } as const;
const LONG = { modes: "long" } as const;

/** Puts a selector where the register or memory operand is. */
function setSelectorOperand(draft: Draft, selector: number): void {
  const { modrm, rex, memoryAddress, random } = draft;
  if (!modrm) return;
  if (memoryAddress !== undefined) {
    patch(draft, memoryAddress, BigInt(selector), 2);
    return;
  }
  const register = modrm.rm | (rex.b ? 8 : 0);
  if (!draft.overrides.has(register)) draft.overrides.set(register, (random.u64() & ~0xffffn) | BigInt(selector));
}

function chooseSelectorOperand(draft: Draft): void {
  setSelectorOperand(draft, chooseSelector(draft));
}

/** CS (1) is #UD. */
function chooseSegmentLoad(draft: Draft): void {
  const segment = draft.random.pick([0, 2, 3, 4, 5, 1]);
  if (draft.modrm) draft.modrm.reg = segment;
  setSelectorOperand(draft, segment >= 4 ? chooseBasedSelector(draft) : chooseSelector(draft));
}

/** FS and GS bases: canonical addresses and others, which are #GP in 64-bit form. */
function chooseBase(draft: Draft): void {
  const { modrm, rex, random } = draft;
  if (!modrm) return;
  const base = random.pick([0n, 0x4000n, 0x7fff_ffff_ffffn, 0xffff_8000_0000_0000n, 0x8000_0000_0000n, random.u64()]);
  draft.overrides.set(modrm.rm | (rex.b ? 8 : 0), base);
}

/** LDS and the others read an offset and a selector. */
function chooseFarPointer(draft: Draft): void {
  if (draft.memoryAddress === undefined) return;
  const bytes = draft.operandBits / 8;
  const based = /^L[FG]S/.test(draft.form.mnemonic);
  const selector = based ? chooseBasedSelector(draft) : chooseSelector(draft);
  patch(draft, draft.memoryAddress + bytes, BigInt(selector), 2);
}

/** ARPL compares requested privilege levels only. */
function chooseLevels(draft: Draft): void {
  const register = draft.modrm?.reg ?? 0;
  if (!draft.overrides.has(register))
    draft.overrides.set(register, registerValue(draft, register) ^ BigInt(draft.random.below(4)));
}

/** Flag instructions, segment registers, and what user code may not do. */
export const system: readonly Form[] = [
  form("9E", "SAHF"),
  form("9F", "LAHF"),
  form("D6", "SALC", LEGACY),
  form("F5", "CMC"),
  form("F8", "CLC"),
  form("F9", "STC"),
  form("FC", "CLD"),
  form("FD", "STD"),
  form("90", "NOP"),
  form("F3 90", "PAUSE"),
  form("8C /r", "MOV Ev,Sw"),
  form("8E /r", "MOV Sw,Ew", { prepare: chooseSegmentLoad }),
  form("C4 /r", "LES Gv,Mp", { ...LEGACY, prepare: chooseFarPointer }),
  form("C5 /r", "LDS Gv,Mp", { ...LEGACY, prepare: chooseFarPointer }),
  form("0F B2 /r", "LSS Gv,Mp", { noRexW: true, prepare: chooseFarPointer }),
  form("0F B4 /r", "LFS Gv,Mp", { noRexW: true, prepare: chooseFarPointer }),
  form("0F B5 /r", "LGS Gv,Mp", { noRexW: true, prepare: chooseFarPointer }),
  form("63 /r", "ARPL Ew,Gw", { ...LEGACY, prepare: chooseLevels }),
  form("0F 02 /r", "LAR Gv,Ew", { prepare: chooseSelectorOperand }),
  form("0F 03 /r", "LSL Gv,Ew", { prepare: chooseSelectorOperand }),
  form("0F 00 /4", "VERR Ew", { prepare: chooseSelectorOperand }),
  // AMD's VERW, which is a microcode patch since it clears buffers, takes LOCK.
  form("0F 00 /5", "VERW Ew", { noLock: true, prepare: chooseSelectorOperand }),
  form("F3 0F AE /0", "RDFSBASE Ry", LONG),
  form("F3 0F AE /1", "RDGSBASE Ry", LONG),
  form("F3 0F AE /2", "WRFSBASE Ry", { ...LONG, prepare: chooseBase }),
  form("F3 0F AE /3", "WRGSBASE Ry", { ...LONG, prepare: chooseBase }),
  form("0F 0B", "UD2"),
  form("0F B9 /r", "UD1 Gv,Ev", { plain: true }),
  form("F4", "HLT"),
  form("FA", "CLI"),
  form("FB", "STI"),
  form("0F 06", "CLTS"),
  form("0F 08", "INVD"),
  form("0F 09", "WBINVD"),
  form("0F 30", "WRMSR"),
  form("0F 32", "RDMSR"),
  form("0F 20 /r", "MOV Ry,Cd", { noLock: true }),
  form("0F 22 /r", "MOV Cd,Ry", { noLock: true }),
  form("0F 00 /2", "LLDT Ew"),
  form("0F 00 /3", "LTR Ew"),
  form("0F 01 /2", "LGDT M"),
  form("0F 01 /3", "LIDT M"),
  form("0F 01 /6", "LMSW Ew"),
  form("0F 01 /7", "INVLPG M"),
  form("E4", "IN AL,Ib"),
  form("E5", "IN eAX,Ib"),
  form("E6", "OUT Ib,AL"),
  form("E7", "OUT Ib,eAX"),
  form("EE", "OUT DX,AL"),
  form("EF", "OUT DX,eAX"),
  form("EC", "IN AL,DX"),
  form("ED", "IN eAX,DX"),
  form("6C", "INS Yb,DX"),
  form("6D", "INS Yv,DX"),
  form("6E", "OUTS DX,Xb"),
  form("6F", "OUTS DX,Xv"),
  form("0F 21 /r", "MOV Ry,Dd"),
  form("0F 23 /r", "MOV Dd,Ry"),
  form("0F 07", "SYSRET"),
  form("0F 01 CA", "CLAC"),
  form("0F 01 CB", "STAC"),
  form("0F 01 D1", "XSETBV"),
  form("0F 01 F8", "SWAPGS", LONG),
  form("0F AA", "RSM"),
  form("66 0F 38 82 /r", "INVPCID Gy,Mdq", { unaligned: true }),
  ...[0x19, 0x1c, 0x1d, 0x1e].map((opcode) => form(`0F ${hex(opcode)} /r`, "NOP Ev,Gv")),
];
