// The XSAVE family where there is nothing to it but moves: no exception, an area in plain memory that the soft TLB has, no
// component that changes translations or decoding. Everything else is left to system/xsave.ts, which does it from the beginning.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { reachGuest } from "../memory/tlb-probe.ts";
import { callSubroutine, giveBack, type Subroutine } from "../softfloat/subroutine.ts";
import { CR0, CR4 } from "../state/bits.ts";
import { AT, GPR } from "../state/layout.ts";
import { STAGING, TLB_READ, TLB_WRITE } from "../state/memory-map.ts";
import { XSTATE } from "../state/xstate.ts";
import {
  compactedBytes,
  isCompactedArea,
  restoreCompacted,
  restoredBytes,
  restoreStandard,
  saveCompacted,
  savedKeys,
  saveStandard,
  standardBytes,
} from "./areas.ts";
import { CET_STATE, XSAVE_MINIMUM } from "./components.ts";
import { Words } from "./words.ts";

const PAGE = 4096;
const ALIGNMENT = 64;

/** Bits that tell what an instruction does: write the compacted form, or demand it; move the supervisor's components, too. */
export const KIND = { compacted: 1, supervisor: 2 } as const;

const leave = (b: IrBuilder): void => giveBack(b, b.const32(0));
const leaveIf = (b: IrBuilder, condition: Val): void => b.when(condition, () => leave(b));

/** Host address (i32) of one byte, or leaves. */
function reach(b: IrBuilder, linear: Val, table: Val): Val {
  const host = callSubroutine(b, reachGuest, linear, b.load("i64.load", undefined, AT.tlbContext), b.const(0), table);
  leaveIf(b, new Words(b).isZero(host));
  return host;
}

/** Bytes (i32) from `linear` to the end of its page. */
const leftInPage = (b: IrBuilder, linear: Val): Val => {
  const w = new Words(b);
  return w.sub(w.const(PAGE), w.and(b.wrap(linear), PAGE - 1));
};

/**
 * (linear address, bytes, table) to where all of them lie side by side, or 0: it is not known. Where they are in two frames
 * that are not neighbours that is STAGING, and what is written there has to be put back.
 */
export const reachSaveArea: Subroutine = {
  name: "reachSaveArea",
  params: ["i64", "i32", "i32"],
  result: "i32",
  body: (b, linear, bytes, table) => {
    const w = new Words(b);
    const left = leftInPage(b, linear!);
    const first = reach(b, linear!, table!);
    b.when(b.op("i32.le_u", bytes!, left), () => giveBack(b, first));
    const second = reach(b, b.add(linear!, b.bool(left)), table!);
    b.when(w.eq(second, w.add(first, left)), () => giveBack(b, first));
    b.copyMemory(w.const(STAGING), first, left);
    b.copyMemory(w.add(left, STAGING), second, w.sub(bytes!, left));
    giveBack(b, w.const(STAGING));
  },
};

/** (linear address, bytes) of an area that was reached for writing: puts STAGING into the two frames. */
export const putStagedArea: Subroutine = {
  name: "putStagedArea",
  params: ["i64", "i32"],
  result: "i32",
  body: (b, linear, bytes) => {
    const w = new Words(b);
    const table = w.const(TLB_WRITE);
    const left = leftInPage(b, linear!);
    b.copyMemory(reach(b, linear!, table), w.const(STAGING), left);
    const second = reach(b, b.add(linear!, b.bool(left)), table);
    b.copyMemory(second, w.add(left, STAGING), w.sub(bytes!, left));
    giveBack(b, w.const(1));
  },
};

/** Components asked for in EAX, of those that may be moved; leaves where the instruction faults, or moves what helpers move. */
function askedFor(b: IrBuilder, linear: Val, kind: Val): { enabled: Val; wanted: Val } {
  const w = new Words(b);
  const isOff = w.isZero(w.and(w.load(AT.cr4), CR4.OSXSAVE));
  const isAstray = w.has(b.wrap(linear), ALIGNMENT - 1);
  leaveIf(b, w.or(isOff, w.has(w.load(AT.cr0), CR0.TS), isAstray));
  const supervisor = b.select(w.has(kind, KIND.supervisor), w.load(AT.xss), w.const(0));
  const enabled = w.or(w.load(AT.xcr0), supervisor);
  const wanted = w.and(enabled, w.load(AT.gpr + GPR.rax * 8));
  leaveIf(b, w.has(wanted, CET_STATE));
  return { enabled, wanted };
}

/** (linear address, KIND, FORM) to 1: done, or 0: nothing was done. */
export const savePlain: Subroutine = {
  name: "savePlain",
  params: ["i64", "i32", "i32"],
  result: "i32",
  body: (b, linear, kind, form) => {
    const w = new Words(b);
    const { wanted } = askedFor(b, linear!, kind!);
    const isCompacted = w.has(kind!, KIND.compacted);
    const bytes = b.variable(w.const(0));
    b.when(
      isCompacted,
      () => b.set(bytes, callSubroutine(b, compactedBytes, wanted)),
      () => b.set(bytes, callSubroutine(b, standardBytes, wanted)),
    );
    const area = callSubroutine(b, reachSaveArea, linear!, b.get(bytes), w.const(TLB_WRITE));
    leaveIf(b, w.isZero(area));
    b.when(
      isCompacted,
      () => void callSubroutine(b, saveCompacted, area, wanted, form!),
      () => void callSubroutine(b, saveStandard, area, wanted, form!),
    );
    b.when(w.eq(area, STAGING), () => void callSubroutine(b, putStagedArea, linear!, b.get(bytes)));
    giveBack(b, w.const(1));
  },
};

/** (linear address, KIND, FORM) to 1: done, or 0: nothing was done. */
export const restorePlain: Subroutine = {
  name: "restorePlain",
  params: ["i64", "i32", "i32"],
  result: "i32",
  body: (b, linear, kind, form) => {
    const w = new Words(b);
    const { enabled, wanted } = askedFor(b, linear!, kind!);
    const head = callSubroutine(b, reachSaveArea, linear!, w.const(XSAVE_MINIMUM), w.const(TLB_READ));
    leaveIf(b, w.isZero(head));
    // XRSTOR of the compacted form is rare, and not all models have it.
    const isCompacted = isCompactedArea(b, head);
    leaveIf(b, w.xor(isCompacted, w.and(kind!, KIND.compacted)));
    const bytes = callSubroutine(b, restoredBytes, head, enabled, wanted);
    leaveIf(b, w.isZero(bytes));
    const area = callSubroutine(b, reachSaveArea, linear!, bytes, w.const(TLB_READ));
    leaveIf(b, w.isZero(area));
    b.when(w.has(wanted, XSTATE.PKRU), () => leaveIf(b, w.xor(callSubroutine(b, savedKeys, area), w.load(AT.pkru))));
    b.when(
      isCompacted,
      () => void callSubroutine(b, restoreCompacted, area, wanted, form!),
      () => void callSubroutine(b, restoreStandard, area, wanted, form!),
    );
    giveBack(b, w.const(1));
  },
};
