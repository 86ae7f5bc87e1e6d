// FST FSTP FXCH FCMOVcc FFREE FINCSTP FDECSTP: among registers. SDM vol. 2A, the instruction of each name. Encodings the
// manual leaves out do what processors do: they are aliases of others.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { loadExtended, storeExtended, storeIndefinite } from "../softfloat/extended.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import {
  addressOf,
  arePresent,
  clearC1,
  copyExtended,
  markEmpty,
  markValid,
  note,
  pop,
  rotate,
  slotOf,
  slotOfRm,
  trackInstruction,
  UNDERFLOW,
  withRegisters,
} from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };
const TRUE = (b: X86Builder): Val => b.const32(1);

/** FST ST(i) and FSTP ST(i). */
const storeRegister =
  (pops: boolean): Semantics =>
  (b) => {
    trackInstruction(b);
    const [source, destination] = [slotOf(b, 0), slotOfRm(b)];
    const copy = (): Val => {
      clearC1(b);
      copyExtended(b, addressOf(b, source), addressOf(b, destination));
      markValid(b, destination);
      return TRUE(b);
    };
    withRegisters(b, [source], destination, copy, () => pops && pop(b));
  };

/**
 * D9 D8+i, which the manual leaves out: FSTP, except that an empty ST(0) is no underflow. It only pops then, as recorded
 * on an AMD processor.
 */
const storeUnchecked: Semantics = (b) => {
  trackInstruction(b);
  const [source, destination] = [slotOf(b, 0), slotOfRm(b)];
  clearC1(b);
  b.when(arePresent(b, source), () => {
    copyExtended(b, addressOf(b, source), addressOf(b, destination));
    markValid(b, destination);
  });
  pop(b);
};

/** Empty registers are the default NaN, one and the other. */
const exchange: Semantics = (b) => {
  trackInstruction(b);
  const slots = [slotOf(b, 0), slotOfRm(b)] as const;
  const [x, y] = [addressOf(b, slots[0]), addressOf(b, slots[1])];
  const swap = b.variable(TRUE(b));
  b.when(
    arePresent(b, ...slots),
    () => clearC1(b),
    () => {
      b.set(swap, note(b, b.const32(UNDERFLOW)));
      b.when(b.get(swap), () => {
        for (const slot of slots) {
          b.when(b.isFalse(arePresent(b, slot)), () => storeIndefinite(b, addressOf(b, slot)));
          markValid(b, slot);
        }
      });
    },
  );
  b.when(b.get(swap), () => {
    const [a, c] = [loadExtended(b, x), loadExtended(b, y)];
    storeExtended(b, x, c);
    storeExtended(b, y, a);
  });
};

/** FCMOVcc: with either register empty an underflow, whatever the condition. Without one C1 stays. */
const moveIf =
  (condition: number): Semantics =>
  (b) => {
    trackInstruction(b);
    const [destination, source] = [slotOf(b, 0), slotOfRm(b)];
    const move = (): Val => {
      b.when(b.condition(condition), () => copyExtended(b, addressOf(b, source), addressOf(b, destination)));
      return TRUE(b);
    };
    withRegisters(b, [destination, source], destination, move);
  };

const free =
  (pops: boolean): Semantics =>
  (b) => {
    trackInstruction(b);
    markEmpty(b, slotOfRm(b));
    if (pops) pop(b);
  };

/** FINCSTP and FDECSTP: tags stay. */
const turn =
  (by: 1 | -1): Semantics =>
  (b) => {
    trackInstruction(b);
    clearC1(b);
    rotate(b, by);
  };

const registerRow = (encoding: string, name: string, semantics: Semantics): Row =>
  row(`${encoding}+i`, name, ["STi"], semantics, X87);

/** Conditions B, E, BE and U by their numbers in EFLAGS, and the opposites in DB. */
const conditionalMoves: readonly Row[] = [
  ["C0", "B", 2],
  ["C8", "E", 4],
  ["D0", "BE", 6],
  ["D8", "U", 10],
].flatMap(([modrm, name, condition]) => [
  row(`DA ${modrm}+i`, `FCMOV${name}`, ["ST0", "STi"], moveIf(Number(condition)), { ...X87, cpuid: "cmov" }),
  row(`DB ${modrm}+i`, `FCMOVN${name}`, ["ST0", "STi"], moveIf(Number(condition) + 1), { ...X87, cpuid: "cmov" }),
]);

export const rows: readonly Row[] = [
  registerRow("DD D0", "FST", storeRegister(false)),
  registerRow("DD D8", "FSTP", storeRegister(true)),
  registerRow("D9 D8", "FSTP", storeUnchecked),
  registerRow("DF D0", "FSTP", storeRegister(true)),
  registerRow("DF D8", "FSTP", storeRegister(true)),
  registerRow("D9 C8", "FXCH", exchange),
  registerRow("DD C8", "FXCH", exchange),
  registerRow("DF C8", "FXCH", exchange),
  registerRow("DD C0", "FFREE", free(false)),
  registerRow("DF C0", "FFREEP", free(true)),
  row("D9 F6", "FDECSTP", [], turn(-1), X87),
  row("D9 F7", "FINCSTP", [], turn(1), X87),
  ...conditionalMoves,
];
