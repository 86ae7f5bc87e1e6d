// Near transfers while control flow is enforced (CET), and ENDBRANCH. SDM vol. 1, "Control-flow Enforcement Technology (CET)";
// vol. 2, the instruction of each name.
//
// What is enforced at the current privilege is looked up when the code runs. Without a shadow stack CALL and RET do what
// branch.ts says; with one, helpers do it all. An indirect branch that is tracked goes on in another mode, in which nothing but
// ENDBRANCH is decoded; regions are left for it.
import type { Val } from "@tsvm/tcg";
import { ENFORCED } from "../cet/controls.ts";
import { anyOf } from "../emit/flat-segments.ts";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { JUMP_KEY_MODE_SHIFT } from "../memory/code-translations.ts";
import { CET } from "../state/bits.ts";
import { MODE } from "../state/mode.ts";
import { call, checkTarget, jumpChecked, pushReturnAddress, ret } from "./branch.ts";
import { type Row, row, type Semantics } from "./row.ts";

const USER = 3;

const isEnforced = (b: X86Builder, bits: number): Val => anyOf(b, b.state("enforcement"), bits);

/** This branch has to lead to ENDBRANCH: it is tracked, and NOTRACK does not stand before it or does not count. */
function isTracked(b: X86Builder): Val {
  const exempt = b.both(b.ne(b.fields.immediate(), b.const(0)), isEnforced(b, ENFORCED.noTrack));
  return b.both(isEnforced(b, ENFORCED.branches), b.isFalse(exempt));
}

const target = (b: X86Builder, operand: Operand | undefined): Val => b.zext(operand!.load(), b.shape.opsize);

/** Goes on at `rip`, and there with the tracker of this privilege as said. What else is enforced stays. */
function goOn(b: X86Builder, rip: Val, awaitsEndbranch: boolean): void {
  const change = (value: Val, bits: Val): Val => (awaitsEndbranch ? b.or(value, bits) : b.and(value, b.not(bits)));
  const user = b.eq(b.state("cpl"), b.const(USER));
  for (const at of [0, 1] as const) {
    const mine = at === 1 ? user : b.isFalse(user);
    const bit = b.select(mine, b.const(CET.TRACKER), b.const(0));
    b.setState("cetControl", change(b.state("cetControl", at), bit), at);
  }
  b.setState("mode", change(b.state("mode"), b.const(MODE.awaitsEndbranch)));
  const key = b.const(MODE.awaitsEndbranch << JUMP_KEY_MODE_SHIFT);
  b.setState("jumpKey", change(b.state("jumpKey"), key));
  b.setState("rip", rip);
  b.exit("indirect");
}

const jumpIndirectEnforced: Semantics = (b, operand) => {
  const rip = target(b, operand);
  b.when(isTracked(b), () => {
    checkTarget(b, rip);
    goOn(b, rip, true);
  });
  jumpChecked(b, rip, () => {});
};

/** CALL 0 is how code learns where it is: nothing returns by it. */
const callEnforced: Semantics = (b) => {
  b.when(isEnforced(b, ENFORCED.shadowStack), () => {
    const goesOn = b.eq(b.branchTarget(), b.nextRip());
    b.helper("callNear", b.branchTarget(), b.const(b.shape.opsize), b.const32(0), goesOn);
  });
  call(b);
};

const callIndirectEnforced: Semantics = (b, operand) => {
  const rip = target(b, operand);
  const tracked = isTracked(b);
  b.when(isEnforced(b, ENFORCED.shadowStack), () =>
    b.helper("callNear", rip, b.const(b.shape.opsize), tracked, b.const32(0)),
  );
  b.when(tracked, () => {
    checkTarget(b, rip);
    pushReturnAddress(b);
    goOn(b, rip, true);
  });
  jumpChecked(b, rip, () => pushReturnAddress(b));
};

const retEnforced: Semantics = (b, immediate) => {
  b.when(isEnforced(b, ENFORCED.shadowStack), () =>
    b.helper("returnNear", immediate?.load() ?? b.const(0), b.const(b.shape.opsize)),
  );
  ret(b, ...(immediate === undefined ? [] : [immediate]));
};

/** Nobody waits where tracking is suppressed: that cannot end here. */
const endBranchAwaited: Semantics = (b) => goOn(b, b.nextRip(), false);

/** Where it is not waited for, it ends the suppression of tracking only. */
const endBranch: Semantics = (b) => b.when(isEnforced(b, ENFORCED.suppressed), () => b.helper("endBranch"));

const near = { f64: true, flow: "jump", opsize: true, enforced: true } as const;
const awaited = { enforced: "awaited", flow: "jump" } as const;

export const rows: readonly Row[] = [
  row("FF /4", "JMP", ["Ev"], jumpIndirectEnforced, { ...near, noTrack: true }),
  row("E8 iz", "CALL", ["Jz"], callEnforced, { ...near, stack: true }),
  row("FF /2", "CALL", ["Ev"], callIndirectEnforced, { ...near, stack: true, noTrack: true }),
  row("C3", "RET", [], retEnforced, { ...near, stack: true }),
  row("C2 iw", "RET", ["Iw"], retEnforced, { ...near, stack: true }),
  row("F3 0F 1E FA", "ENDBR64", [], endBranch, { cpuid: "ibt", o64: true, enforced: true }),
  row("F3 0F 1E FB", "ENDBR32", [], endBranch, { cpuid: "ibt", i64: true, enforced: true }),
  row("F3 0F 1E FA", "ENDBR64", [], endBranchAwaited, { cpuid: "ibt", o64: true, ...awaited }),
  row("F3 0F 1E FB", "ENDBR32", [], endBranchAwaited, { cpuid: "ibt", i64: true, ...awaited }),
];
