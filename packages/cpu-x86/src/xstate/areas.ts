// What the instructions of the XSAVE family and FXSAVE do with an area that can be reached: i32 host address, all of it side by side.
// SDM vol. 1, "Operation of XSAVE" and the sections behind it. Checks that come before, and the supervisor's components: system/xsave.ts.
//
// XINUSE is exact: a component is in use unless it has its initial configuration. XSAVES saves what XSAVEC does, and the
// components of IA32_XSS. The modified optimization is not used, which the manual allows.
import type { IrBuilder, Val } from "@tsvm/tcg";
import { callSubroutine, giveBack, type Subroutine } from "../softfloat/subroutine.ts";
import { AT } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import {
  COMPONENTS,
  type ComponentMoves,
  type MoveForm,
  XSAVE_HEADER,
  XSAVE_MINIMUM,
  type XsaveComponent,
} from "./components.ts";
import { Words } from "./words.ts";
import { isMxcsrBad, loadMxcsr, MXCSR_RESET, saveMxcsr } from "./x87-image.ts";

/** Bits that say how an instruction moves: 64-bit pointers, 64-bit mode, only what is in use (XSAVEOPT). */
export const FORM = { wide: 1, all: 2, optimize: 4 } as const;

/** Places in the header: which components the area has, and which form it has. */
export const XSTATE_BV: number = XSAVE_HEADER;
export const XCOMP_BV: number = XSAVE_HEADER + 8;
const RESERVED = XSAVE_HEADER + 16;
/** Bit 63 of XCOMP_BV, in its upper half: the compacted form. */
export const COMPACTED = -0x8000_0000;

type Movable = XsaveComponent & { readonly moves: ComponentMoves };
/** Those that generated code moves. */
const MOVABLE: readonly Movable[] = COMPONENTS.filter(
  (component): component is Movable => component.moves !== undefined,
);

const MXCSR_OWNERS = XSTATE.SSE | XSTATE.AVX;

const moveForm = (b: IrBuilder, form: Val): MoveForm => {
  const w = new Words(b);
  return { wide: w.has(form, FORM.wide), all: w.has(form, FORM.all) };
};

const done = (b: IrBuilder): void => giveBack(b, b.const32(0));

/** (mask) to those of it that do not have their initial configuration. */
export const xstateInUse: Subroutine = {
  name: "xstateInUse",
  params: ["i32"],
  result: "i32",
  body: (b, mask) => {
    const w = new Words(b);
    const used = b.variable(w.const(0));
    for (const { bit, moves } of MOVABLE)
      b.when(w.has(mask!, bit), () =>
        b.when(b.isFalse(moves.isInitial(b)), () => b.set(used, w.or(b.get(used), w.const(bit)))),
      );
    giveBack(b, b.get(used));
  },
};

/** (components) to the bytes of an area of the standard form. */
export const standardBytes: Subroutine = {
  name: "standardBytes",
  params: ["i32"],
  result: "i32",
  body: (b, mask) => {
    const w = new Words(b);
    const size = b.variable(w.const(XSAVE_MINIMUM));
    for (const { bit, offset, length } of MOVABLE.filter(({ length }) => length > 0))
      b.when(w.has(mask!, bit), () => b.set(size, w.max(b.get(size), w.const(offset + length))));
    giveBack(b, b.get(size));
  },
};

/** (components) to the bytes of an area of the compacted form. */
export const compactedBytes: Subroutine = {
  name: "compactedBytes",
  params: ["i32"],
  result: "i32",
  body: (b, mask) => {
    const w = new Words(b);
    const size = b.variable(w.const(XSAVE_MINIMUM));
    for (const { bit, length } of COMPONENTS.filter(({ length }) => length > 0))
      b.when(w.has(mask!, bit), () => b.set(size, w.add(b.get(size), length)));
    giveBack(b, b.get(size));
  },
};

/** (area, components, form): XSAVE, XSAVEOPT. */
export const saveStandard: Subroutine = {
  name: "saveStandard",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, wanted, form) => {
    const w = new Words(b);
    const used = callSubroutine(b, xstateInUse, wanted!);
    const saved = b.select(w.has(form!, FORM.optimize), used, wanted!);
    for (const { bit, offset, moves } of MOVABLE)
      b.when(w.has(saved, bit), () => moves.save(b, area!, offset, moveForm(b, form!)));
    // MXCSR belongs to SSE and AVX alike.
    b.when(w.has(wanted!, MXCSR_OWNERS), () => saveMxcsr(b, area!));
    w.store(XSTATE_BV, w.or(w.without(w.load(XSTATE_BV, area!), wanted!), used), area!);
    done(b);
  },
};

/** Does `visit` for each component that generated code moves, with the place where it begins in an area of this layout. */
function forEachCompacted(b: IrBuilder, area: Val, layout: Val, visit: (component: Movable, place: Val) => void): void {
  const w = new Words(b);
  const at = b.variable(w.add(area, XSAVE_MINIMUM));
  for (const component of MOVABLE) {
    visit(component, component.length === 0 ? area : b.get(at));
    if (component.length > 0) b.when(w.has(layout, component.bit), () => b.set(at, w.add(b.get(at), component.length)));
  }
}

/** (area, components, form): XSAVEC, XSAVES. The supervisor's components are left out, but not of the layout. */
export const saveCompacted: Subroutine = {
  name: "saveCompacted",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, wanted, form) => {
    const w = new Words(b);
    // MXCSR is part of the SSE component here.
    const control = b.select(w.eq(w.load(AT.mxcsr), MXCSR_RESET), w.const(0), w.and(wanted!, XSTATE.SSE));
    const saved = w.or(callSubroutine(b, xstateInUse, wanted!), control);
    forEachCompacted(b, area!, wanted!, ({ bit, moves }, place) =>
      b.when(w.has(saved, bit), () => moves.save(b, place, 0, moveForm(b, form!))),
    );
    b.when(w.has(saved, XSTATE.SSE), () => saveMxcsr(b, area!));
    w.store(XSTATE_BV, saved, area!);
    w.store(XSTATE_BV + 4, w.const(0), area!);
    w.store(XCOMP_BV, wanted!, area!);
    w.store(XCOMP_BV + 4, w.const(COMPACTED), area!);
    done(b);
  },
};

/** (area, components enabled, components asked for) to the bytes of the area that restoring looks at; 0: #GP(0). */
export const restoredBytes: Subroutine = {
  name: "restoredBytes",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, enabled, wanted) => {
    const w = new Words(b);
    const isCompacted = b.op("i32.lt_s", w.load(XCOMP_BV + 4, area!), w.const(0));
    const present = w.load(XSTATE_BV, area!);
    const layout = w.load(XCOMP_BV, area!);
    const refuseIf = (bad: Val): void => b.when(bad, () => giveBack(b, w.const(0)));
    const words = (from: number, to: number): Val =>
      w.or(...Array.from({ length: (to - from) / 4 }, (_, i) => w.load(from + i * 4, area!)));
    b.when(
      isCompacted,
      () => {
        const foreign = w.or(w.without(layout, enabled!), w.without(present, layout), w.load(XSTATE_BV + 4, area!));
        const form = w.xor(w.load(XCOMP_BV + 4, area!), COMPACTED);
        refuseIf(w.or(foreign, form, words(RESERVED, XSAVE_MINIMUM)));
        b.when(w.has(w.and(wanted!, present), XSTATE.SSE), () => refuseIf(isMxcsrBad(b, area!)));
        giveBack(b, callSubroutine(b, compactedBytes, layout));
      },
      () => {
        const foreign = w.or(w.without(present, enabled!), w.load(XSTATE_BV + 4, area!));
        refuseIf(w.or(foreign, words(XCOMP_BV, RESERVED + 8)));
        b.when(w.has(wanted!, MXCSR_OWNERS), () => refuseIf(isMxcsrBad(b, area!)));
        giveBack(b, callSubroutine(b, standardBytes, w.and(wanted!, present)));
      },
    );
  },
};

/** Loads a component, or gives it its initial configuration; one that it does not move stays. */
function restoreComponent(
  b: IrBuilder,
  moves: ComponentMoves,
  isPresent: Val,
  place: Val,
  at: number,
  form: Val,
): void {
  const { load, initialize } = moves;
  if (load === undefined || initialize === undefined) return;
  b.when(
    isPresent,
    () => load(b, place, at, moveForm(b, form)),
    () => initialize(b, moveForm(b, form)),
  );
}

/** (area, components asked for, form): XRSTOR of the standard form. PKRU is left out. */
export const restoreStandard: Subroutine = {
  name: "restoreStandard",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, wanted, form) => {
    const w = new Words(b);
    const present = w.load(XSTATE_BV, area!);
    for (const { bit, offset, moves } of MOVABLE)
      b.when(w.has(wanted!, bit), () => restoreComponent(b, moves, w.has(present, bit), area!, offset, form!));
    b.when(w.has(wanted!, MXCSR_OWNERS), () => loadMxcsr(b, area!));
    done(b);
  },
};

/** (area, components asked for, form): XRSTOR and XRSTORS of the compacted form. PKRU and the supervisor's components are left out. */
export const restoreCompacted: Subroutine = {
  name: "restoreCompacted",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, wanted, form) => {
    const w = new Words(b);
    const present = w.load(XSTATE_BV, area!);
    forEachCompacted(b, area!, w.load(XCOMP_BV, area!), ({ bit, moves }, place) =>
      b.when(w.has(wanted!, bit), () => restoreComponent(b, moves, w.has(present, bit), place, 0, form!)),
    );
    b.when(w.has(wanted!, XSTATE.SSE), () =>
      b.when(
        w.has(present, XSTATE.SSE),
        () => loadMxcsr(b, area!),
        () => w.store(AT.mxcsr, w.const(MXCSR_RESET)),
      ),
    );
    done(b);
  },
};

const [x87, sse] = MOVABLE as [Movable, Movable];

/** (area, components, form): FXSAVE; the components are XSTATE.SSE or none. */
export const saveLegacy: Subroutine = {
  name: "saveLegacy",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, wanted, form) => {
    x87.moves.save(b, area!, 0, moveForm(b, form!));
    saveMxcsr(b, area!);
    b.when(new Words(b).has(wanted!, XSTATE.SSE), () => sse.moves.save(b, area!, 0, moveForm(b, form!)));
    done(b);
  },
};

/** (area, components, form): FXRSTOR, whose MXCSR is known to be good; as {@link saveLegacy}. */
export const restoreLegacy: Subroutine = {
  name: "restoreLegacy",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, wanted, form) => {
    x87.moves.load?.(b, area!, 0, moveForm(b, form!));
    loadMxcsr(b, area!);
    b.when(new Words(b).has(wanted!, XSTATE.SSE), () => sse.moves.load?.(b, area!, 0, moveForm(b, form!)));
    done(b);
  },
};

/** (components): gives them their initial configuration, in 64-bit mode or not by the form. */
export const initializeState: Subroutine = {
  name: "initializeState",
  params: ["i32", "i32"],
  result: "i32",
  body: (b, wanted, form) => {
    const w = new Words(b);
    for (const { bit, moves } of MOVABLE) b.when(w.has(wanted!, bit), () => moves.initialize?.(b, moveForm(b, form!)));
    done(b);
  },
};
