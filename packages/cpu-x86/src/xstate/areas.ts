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

/** i32: the header says so. */
export const isCompactedArea = (b: IrBuilder, area: Val): Val => {
  const w = new Words(b);
  return w.shr(w.load(XCOMP_BV + 4, area), 31);
};

const MXCSR_OWNERS = XSTATE.SSE | XSTATE.AVX;

const moveForm = (b: IrBuilder, form: Val): MoveForm => {
  const w = new Words(b);
  return { wide: w.has(form, FORM.wide), all: w.has(form, FORM.all) };
};

/** A subroutine of three words, the last two components and {@link FORM} mostly, that gives back 0. */
function moving(name: string, move: (b: IrBuilder, area: Val, components: Val, form: Val) => void): Subroutine {
  return {
    name,
    params: ["i32", "i32", "i32"],
    result: "i32",
    body: (b, area, components, form) => {
      move(b, area!, components!, form!);
      giveBack(b, b.const32(0));
    },
  };
}

/** A subroutine of components: `start`, changed by `step` for each of `each` that is among them. */
function gathering<T extends { readonly bit: number }>(
  name: string,
  start: number,
  each: readonly T[],
  step: (w: Words, component: T, before: () => Val) => Val,
): Subroutine {
  return {
    name,
    params: ["i32"],
    result: "i32",
    body: (b, components) => {
      const w = new Words(b);
      const gathered = b.variable(w.const(start));
      for (const component of each)
        b.when(w.has(components!, component.bit), () =>
          b.set(
            gathered,
            step(w, component, () => b.get(gathered)),
          ),
        );
      giveBack(b, b.get(gathered));
    },
  };
}

/** (components) to those of them that do not have their initial configuration. */
export const xstateInUse: Subroutine = gathering("xstateInUse", 0, MOVABLE, (w, { bit, moves }, before) =>
  w.or(before(), w.shl(w.isZero(moves.isInitial(w.b)), Math.log2(bit))),
);

/** Those behind the header. */
const EXTENDED = COMPONENTS.filter(({ length }) => length > 0);

/** (components) to the bytes of an area of the standard form. */
export const standardBytes: Subroutine = gathering(
  "standardBytes",
  XSAVE_MINIMUM,
  EXTENDED.filter(({ supervisor }) => !supervisor),
  (w, { offset, length }, before) => w.max(before(), w.const(offset + length)),
);

/** (components) to the bytes of an area of the compacted form. */
export const compactedBytes: Subroutine = gathering(
  "compactedBytes",
  XSAVE_MINIMUM,
  EXTENDED,
  (w, { length }, before) => w.add(before(), length),
);

/** (area, components, form): XSAVE, XSAVEOPT. */
export const saveStandard: Subroutine = moving("saveStandard", (b, area, wanted, form) => {
  const w = new Words(b);
  const used = callSubroutine(b, xstateInUse, wanted);
  const saved = b.select(w.has(form, FORM.optimize), used, wanted);
  for (const { bit, offset, moves } of MOVABLE)
    b.when(w.has(saved, bit), () => moves.save(b, area, offset, moveForm(b, form)));
  // MXCSR belongs to SSE and AVX alike.
  b.when(w.has(wanted, MXCSR_OWNERS), () => saveMxcsr(b, area));
  w.store(XSTATE_BV, w.or(w.without(w.load(XSTATE_BV, area), wanted), used), area);
});

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
export const saveCompacted: Subroutine = moving("saveCompacted", (b, area, wanted, form) => {
  const w = new Words(b);
  // MXCSR is part of the SSE component here.
  const control = b.select(w.eq(w.load(AT.mxcsr), MXCSR_RESET), w.const(0), w.and(wanted, XSTATE.SSE));
  const saved = w.or(callSubroutine(b, xstateInUse, wanted), control);
  forEachCompacted(b, area, wanted, ({ bit, moves }, place) =>
    b.when(w.has(saved, bit), () => moves.save(b, place, 0, moveForm(b, form))),
  );
  b.when(w.has(saved, XSTATE.SSE), () => saveMxcsr(b, area));
  w.store(XSTATE_BV, saved, area);
  w.store(XSTATE_BV + 4, w.const(0), area);
  w.store(XCOMP_BV, wanted, area);
  w.store(XCOMP_BV + 4, w.const(COMPACTED), area);
});

/** (area, components enabled, components asked for) to the bytes of the area that restoring looks at; 0: #GP(0). */
export const restoredBytes: Subroutine = {
  name: "restoredBytes",
  params: ["i32", "i32", "i32"],
  result: "i32",
  body: (b, area, enabled, wanted) => {
    const w = new Words(b);
    const present = w.load(XSTATE_BV, area!);
    const layout = w.load(XCOMP_BV, area!);
    const refuseIf = (bad: Val): void => b.when(bad, () => giveBack(b, w.const(0)));
    const words = (from: number, to: number): Val =>
      w.or(...Array.from({ length: (to - from) / 4 }, (_, i) => w.load(from + i * 4, area!)));
    b.when(
      isCompactedArea(b, area!),
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
export const restoreStandard: Subroutine = moving("restoreStandard", (b, area, wanted, form) => {
  const w = new Words(b);
  const present = w.load(XSTATE_BV, area);
  for (const { bit, offset, moves } of MOVABLE)
    b.when(w.has(wanted, bit), () => restoreComponent(b, moves, w.has(present, bit), area, offset, form));
  b.when(w.has(wanted, MXCSR_OWNERS), () => loadMxcsr(b, area));
});

/** (area, components asked for, form): XRSTOR and XRSTORS of the compacted form. PKRU and the supervisor's components are left out. */
export const restoreCompacted: Subroutine = moving("restoreCompacted", (b, area, wanted, form) => {
  const w = new Words(b);
  const present = w.load(XSTATE_BV, area);
  forEachCompacted(b, area, w.load(XCOMP_BV, area), ({ bit, moves }, place) =>
    b.when(w.has(wanted, bit), () => restoreComponent(b, moves, w.has(present, bit), place, 0, form)),
  );
  b.when(w.has(wanted, XSTATE.SSE), () =>
    b.when(
      w.has(present, XSTATE.SSE),
      () => loadMxcsr(b, area),
      () => w.store(AT.mxcsr, w.const(MXCSR_RESET)),
    ),
  );
});

const [x87, sse] = MOVABLE as [Movable, Movable];

/** (area, components, form): FXSAVE; the components are XSTATE.SSE or none. */
export const saveLegacy: Subroutine = moving("saveLegacy", (b, area, wanted, form) => {
  x87.moves.save(b, area, 0, moveForm(b, form));
  saveMxcsr(b, area);
  b.when(new Words(b).has(wanted, XSTATE.SSE), () => sse.moves.save(b, area, 0, moveForm(b, form)));
});

/** (area, components, form): FXRSTOR, whose MXCSR is known to be good; as {@link saveLegacy}. */
export const restoreLegacy: Subroutine = moving("restoreLegacy", (b, area, wanted, form) => {
  x87.moves.load?.(b, area, 0, moveForm(b, form));
  loadMxcsr(b, area);
  b.when(new Words(b).has(wanted, XSTATE.SSE), () => sse.moves.load?.(b, area, 0, moveForm(b, form)));
});

/** (area, which does not matter, components, form): gives them their initial configuration, but PKRU. */
export const initializeState: Subroutine = moving("initializeState", (b, _area, wanted, form) => {
  const w = new Words(b);
  for (const { bit, moves } of MOVABLE) b.when(w.has(wanted, bit), () => moves.initialize?.(b, moveForm(b, form)));
});

/** (area) to the PKRU that restoring it would load. */
export const savedKeys: Subroutine = {
  name: "savedKeys",
  params: ["i32"],
  result: "i32",
  body: (b, area) => {
    const w = new Words(b);
    const { bit, offset } = COMPONENTS.find((component) => component.bit === XSTATE.PKRU)!;
    b.when(w.isZero(w.has(w.load(XSTATE_BV, area!), bit)), () => giveBack(b, w.const(0)));
    const layout = w.load(XCOMP_BV, area!);
    const compacted = callSubroutine(b, compactedBytes, w.and(layout, bit - 1));
    const at = b.select(isCompactedArea(b, area!), compacted, w.const(offset));
    giveBack(b, w.load(0, w.add(area!, at)));
  },
};
