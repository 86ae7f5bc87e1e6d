// Near JMP CALL RET Jcc LOOPcc JrCXZ. SDM vol. 2, the instruction of each name. Far transfers: far.ts; under CET:
// enforced-branch.ts.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { SEGMENT } from "../state/layout.ts";
import { CONDITION_NAMES } from "./condition-names.ts";
import { type Row, row, type Semantics } from "./row.ts";

const jump: Semantics = (b) => jumpNear(b);

const jumpIndirect: Semantics = (b, target) => {
  const rip = target!.load();
  jumpChecked(b, rip, () => b.noteJump(rip));
};

const jumpIf =
  (condition: number): Semantics =>
  (b) =>
    b.when(b.condition(condition), () => jumpNear(b));

/** Pushes the return address, then goes on at the target. */
export const call: Semantics = (b) => jumpNear(b, () => pushReturnAddress(b));

const callIndirect: Semantics = (b, target) => jumpChecked(b, target!.load(), () => pushReturnAddress(b));

export function pushReturnAddress(b: X86Builder): void {
  const { opsize } = b.shape;
  b.stackStore(opsize, b.nextRip());
  b.adjustStack(b.const(-opsize / 8));
}

/** `immediate` bytes of arguments are dropped after the return address. */
export const ret: Semantics = (b, immediate) => {
  const { opsize } = b.shape;
  const rip = b.stackLoad(opsize);
  jumpChecked(b, rip, () => {
    const dropped = b.const(opsize / 8);
    b.adjustStack(immediate === undefined ? dropped : b.add(dropped, immediate.load()));
  });
};

/**
 * Goes on at `rip` cut to the operand size. #GP(0) before anything is committed unless a 64-bit target is canonical (for
 * 48-bit linear addresses), a narrower one within the limit of CS. All rows are `f64`: no 64-bit code is narrower.
 */
export function jumpChecked(b: X86Builder, rip: Val, commit: () => void): void {
  const target = b.zext(rip, b.shape.opsize);
  b.checkBranch(() => checkTarget(b, target));
  commit();
  b.jumpTo(target);
}

/** #GP(0) unless a target, cut to the operand size, may be gone to. */
export function checkTarget(b: X86Builder, target: Val): void {
  const beyond =
    b.shape.opsize === 64
      ? b.ltU(b.const(1), b.add(b.sar(target, b.const(47)), b.const(1)))
      : b.ltU(b.state("segLimit", SEGMENT.cs), target);
  b.raiseIf(beyond, "GP", b.const(0));
}

/** Takes the relative branch. Within a page that is executed already the target needs no check. */
function jumpNear(b: X86Builder, commit: () => void = () => {}): void {
  if (b.shape.inPage) {
    commit();
    b.exit("near");
  } else jumpChecked(b, b.branchTarget(), commit);
}

/** rCX at the address size, as its new value and whether it is zero. */
function countDown(b: X86Builder): { commit(): void; isZero: Val } {
  const { asize } = b.shape;
  const next = b.sub(b.reg(64, "rcx"), b.const(1));
  return { commit: () => b.setReg(asize, "rcx", next), isZero: b.eqz(b.zext(next, asize)) };
}

const loopIf =
  (extra: (b: X86Builder) => Val): Semantics =>
  (b) => {
    const { commit, isZero } = countDown(b);
    const taken = b.both(b.isFalse(isZero), extra(b));
    b.when(taken, () => jumpNear(b, commit), commit);
  };

const jumpIfCountZero: Semantics = (b) => b.when(b.eqz(b.zext(b.reg(64, "rcx"), b.shape.asize)), () => jumpNear(b));

export const rows: readonly Row[] = [
  ...CONDITION_NAMES.flatMap((name, i) => [
    row(`${(0x70 + i).toString(16)} ib`, `J${name}`, ["Jb"], jumpIf(i), { f64: true, flow: "branch", opsize: true }),
    row(`0F ${(0x80 + i).toString(16)} iz`, `J${name}`, ["Jz"], jumpIf(i), { f64: true, flow: "branch", opsize: true }),
  ]),
  row("EB ib", "JMP", ["Jb"], jump, { f64: true, flow: "jump", opsize: true }),
  row("E9 iz", "JMP", ["Jz"], jump, { f64: true, flow: "jump", opsize: true }),
  row("FF /4", "JMP", ["Ev"], jumpIndirect, { f64: true, flow: "jump", opsize: true }),
  row("E8 iz", "CALL", ["Jz"], call, { f64: true, flow: "jump", stack: true, opsize: true }),
  row("FF /2", "CALL", ["Ev"], callIndirect, { f64: true, flow: "jump", stack: true, opsize: true }),
  row("C3", "RET", [], ret, { f64: true, flow: "jump", stack: true, opsize: true }),
  row("C2 iw", "RET", ["Iw"], ret, { f64: true, flow: "jump", stack: true, opsize: true }),
  row(
    "E0 ib",
    "LOOPNE",
    ["Jb"],
    loopIf((b) => b.isFalse(b.flags.zero())),
    { f64: true, flow: "branch", asize: true, opsize: true },
  ),
  row(
    "E1 ib",
    "LOOPE",
    ["Jb"],
    loopIf((b) => b.flags.zero()),
    { f64: true, flow: "branch", asize: true, opsize: true },
  ),
  row(
    "E2 ib",
    "LOOP",
    ["Jb"],
    loopIf((b) => b.const32(1)),
    { f64: true, flow: "branch", asize: true, opsize: true },
  ),
  row("E3 ib", "JrCXZ", ["Jb"], jumpIfCountZero, { f64: true, flow: "branch", asize: true, opsize: true }),
];
