// From rows to handler numbers: every combination of static facts a row depends on is a shape with a handler.
//
// Invariants:
// 1. Numbers depend on the rows alone, so the generator (at build time) and the decoder (at run time) agree.
// 2. Hot shapes have the numbers from 0 up, hot pairs follow: the interpreter's main loop holds both inline.
// 3. The first shape of a pair stores nothing and does not branch, so that the second cannot have changed meanwhile.
import { isVex, type OperandCode, type Row } from "../instructions/row.ts";
import { hotKeysOf, hotPairs } from "./hot.ts";
import type { AddressForm, OperandSize, RepForm, Shape, ShapeFacts, StackForm } from "./shape.ts";
import { shapeKey } from "./shape-key.ts";

const SIZES: readonly OperandSize[] = [16, 32, 64];
const FORMS: readonly AddressForm[] = ["reg", "m64", "m32", "mea"];
const STACKS: readonly StackForm[] = ["s16", "s32", "flat32", "s64"];
const REPS: readonly RepForm[] = ["none", "repz", "repnz"];

/** What a row's handlers depend on; a list of one element: it does not. */
interface Dimensions {
  readonly opsizes: readonly OperandSize[];
  readonly forms: readonly AddressForm[];
  readonly asizes: readonly OperandSize[];
  readonly stacks: readonly StackForm[];
  readonly reps: readonly RepForm[];
  readonly inPage: readonly boolean[];
}

const sized = (code: OperandCode): boolean => code === "rAX" || /^[A-Z][vzyp]$/.test(code);
const starts = (row: Row, letters: string): boolean =>
  row.operands.some((code) => /^[A-Z]([a-z]|$)/.test(code) && letters.includes(code[0] as string));

/** The operand that stands in ModRM.rm, if it may be memory. */
export const hasMemoryForm = (row: Row): boolean => starts(row, "EMWQ") || starts(row, "O");

/**
 * Whether the address of the row's memory operand is always left by an address record. Vector instructions with VEX are
 * many and long: one memory form of each instead of three keeps the interpreter small.
 */
export const isIndirectOnly = (row: Row): boolean => isVex(row) && starts(row, "VHUWLK") && row.vsib !== true;

function formsOf(row: Row): readonly AddressForm[] {
  if (!hasMemoryForm(row)) return ["reg"];
  const memoryOnly = starts(row, "MO");
  if (isIndirectOnly(row)) return memoryOnly ? ["mea"] : ["reg", "mea"];
  if (row.vsib) return ["m64"];
  return memoryOnly ? FORMS.slice(1) : FORMS;
}

function dimensionsOf(row: Row): Dimensions {
  const strings = starts(row, "XY");
  const sizes = isVex(row) ? SIZES.slice(1) : SIZES;
  return {
    opsizes: row.opsize || row.operands.some(sized) ? sizes : [32],
    forms: formsOf(row),
    asizes: row.asize || strings ? SIZES : [64],
    stacks: row.stack ? STACKS : ["s64"],
    reps: row.rep ? REPS : ["none"],
    // Rows of which a helper may go elsewhere do not keep the record of their target.
    inPage: starts(row, "J") && !row.enforced ? [false, true] : [false],
  };
}

/** A row, and where the numbers of its shapes begin. */
interface NumberedRow {
  readonly row: Row;
  readonly dimensions: Dimensions;
  readonly hotKeys: readonly string[] | undefined;
  /** Of those in the main loop. */
  readonly firstHot: number;
  /** Of those out of line, counted from the first one out of line. */
  readonly firstOutOfLine: number;
  /** Made when it is asked for. */
  enumerated?: EnumeratedRow;
}

interface EnumeratedRow {
  /** Of all combinations, -1 for those that no mode can produce. */
  readonly numbers: Int32Array;
  /** Those out of line. */
  readonly shapes: readonly Shape[];
}

/**
 * Numbers the shapes of a set of rows. A guest executes few of the rows there are: what is in none of the hot lists is counted at
 * first, and enumerated when the row is asked for.
 */
export class HandlerNumbering {
  /** Handlers in the main loop, by number. */
  readonly inline: readonly (readonly Shape[])[];
  readonly #hotCount: number;
  /** Number of the pair of two hot shapes, or 0. */
  readonly #pairs: Int32Array;
  readonly #rows = new Map<Row, NumberedRow>();
  /** In the order of their numbers. */
  readonly #inOrder: readonly NumberedRow[];

  constructor(rows: readonly Row[]) {
    const hot: Shape[] = [];
    let outOfLine = 0;
    for (const row of rows) {
      const dimensions = dimensionsOf(row);
      const hotKeys = hotKeysOf(row);
      this.#rows.set(row, { row, dimensions, hotKeys, firstHot: hot.length, firstOutOfLine: outOfLine });
      const mine = hotKeys === undefined ? [] : hotAmong(combinations(row, dimensions), dimensions, hotKeys);
      hot.push(...mine);
      outOfLine += countPossible(row, dimensions) - mine.length;
    }
    this.#inOrder = [...this.#rows.values()];
    this.#hotCount = hot.length;
    const pairs = hotPairs(hot);
    this.inline = [
      ...hot.map((shape) => [shape]),
      ...pairs.map(([first, second]) => [hot[first], hot[second]] as Shape[]),
    ];
    this.#pairs = new Int32Array(hot.length * hot.length);
    for (const [i, [first, second]] of pairs.entries()) this.#pairs[first * hot.length + second] = hot.length + i;
  }

  /** The shapes that are not in the main loop, their numbers counted from `inline.length`. */
  get outOfLine(): readonly Shape[] {
    return this.#inOrder.flatMap((row) => this.#enumerated(row).shapes);
  }

  /** Differs where the numbers of handlers do, or what they stand for. */
  get description(): string {
    const rows = this.#inOrder.map(({ row, dimensions: d, firstHot, firstOutOfLine, hotKeys }) => {
      const counts = [d.opsizes, d.asizes, d.stacks, d.reps, d.inPage].map((list) => list.length);
      return `${row.mnemonic} ${row.encoding} ${d.forms} ${counts} ${firstHot} ${firstOutOfLine} ${hotKeys}`;
    });
    const paired = this.inline.slice(this.#hotCount).flat();
    const names = paired.map((shape) => `${shape.row.mnemonic} ${shape.row.encoding} ${shapeKey(shape)}`);
    return `${rows.join()} ${names.join()}`;
  }

  /** The shape with this number, which is not that of a pair. */
  shapeOf(number: number): Shape {
    const inline = this.inline[number];
    if (inline !== undefined) return inline[0] as Shape;
    const place = number - this.inline.length;
    const row = this.#inOrder[this.#rowBefore(place)] as NumberedRow;
    return this.#enumerated(row).shapes[place - row.firstOutOfLine] as Shape;
  }

  /** Index of the last row whose shapes out of line begin at `place` or before. */
  #rowBefore(place: number): number {
    let [low, high] = [0, this.#inOrder.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#inOrder[middle] as NumberedRow).firstOutOfLine <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #enumerated(row: NumberedRow): EnumeratedRow {
    row.enumerated ??= this.#enumerate(row);
    return row.enumerated;
  }

  #enumerate({ row, dimensions, hotKeys, firstHot, firstOutOfLine }: NumberedRow): EnumeratedRow {
    const shapes: Shape[] = [];
    let nextHot = firstHot;
    const numbers = combinations(row, dimensions).map((shape) => {
      if (!isPossible(shape, dimensions)) return -1;
      if (hotKeys?.includes(shapeKey(shape))) return nextHot++;
      return this.inline.length + firstOutOfLine + shapes.push(shape) - 1;
    });
    return { numbers: Int32Array.from(numbers), shapes };
  }

  /** Number of the handler that does both, or 0: there is none. */
  pairOf(first: number, second: number): number {
    const hot = this.#hotCount;
    return first < hot && second < hot ? (this.#pairs[first * hot + second] as number) : 0;
  }

  /** How the numbers of a row's handlers are laid out, for {@link HandlerLayout.numberOf}. */
  layoutOf(row: Row): HandlerLayout {
    const numbered = this.#rows.get(row) as NumberedRow;
    return new HandlerLayout(this.#enumerated(numbered).numbers, numbered.dimensions);
  }

  /** The number of the handler for a row under these facts; facts the row does not depend on are ignored. */
  numberOf(row: Row, facts: ShapeFacts): number {
    return this.layoutOf(row).numberOf(facts);
  }
}

/** The numbers of one row's handlers. Looking one up allocates nothing: the decoder does it all the time. */
export class HandlerLayout {
  readonly #numbers: Int32Array;
  readonly #d: Dimensions;

  constructor(numbers: Int32Array, dimensions: Dimensions) {
    this.#numbers = numbers;
    this.#d = dimensions;
  }

  numberOf(facts: ShapeFacts): number {
    const d = this.#d;
    let index = place(d.opsizes, facts.opsize);
    index = index * d.forms.length + place(d.forms, facts.form);
    index = index * d.asizes.length + place(d.asizes, facts.asize);
    index = index * d.stacks.length + place(d.stacks, facts.stack);
    index = index * d.reps.length + place(d.reps, facts.rep);
    index = index * d.inPage.length + place(d.inPage, facts.inPage);
    return this.#numbers[index] as number;
  }
}

function place<T>(list: readonly T[], value: T): number {
  return list.length === 1 ? 0 : list.indexOf(value);
}

/** All combinations in the order `numberOf` counts in. */
function combinations(row: Row, d: Dimensions): Shape[] {
  const shapes: Shape[] = [];
  for (const opsize of d.opsizes)
    for (const form of d.forms)
      for (const asize of d.asizes)
        for (const stack of d.stacks)
          for (const rep of d.reps)
            for (const inPage of d.inPage) {
              const code64 = d.stacks.length > 1 ? stack === "s64" : asize === 64;
              shapes.push({ row, opsize, form, asize, stack, rep, inPage, code64 });
            }
  return shapes;
}

/** Those of them that stand in the main loop. */
function hotAmong(shapes: readonly Shape[], d: Dimensions, keys: readonly string[]): Shape[] {
  return shapes.filter((shape) => isPossible(shape, d) && keys.includes(shapeKey(shape)));
}

function countPossible(row: Row, d: Dimensions): number {
  // Without a stack all are.
  if (d.stacks.length > 1) return combinations(row, d).filter((shape) => isPossible(shape, d)).length;
  return d.opsizes.length * d.forms.length * d.asizes.length * d.reps.length * d.inPage.length;
}

/** Drops what no mode can produce. */
function isPossible(shape: Shape, d: Dimensions): boolean {
  const { opsize, stack, asize, row } = shape;
  if (d.stacks.length > 1) {
    if (stack === "s64" && opsize === 32 && d.opsizes.length > 1) return false;
    if (stack !== "s64" && opsize === 64) return false;
    if (stack === "s64" && row.i64) return false;
    if (d.asizes.length > 1 && stack === "s64" && asize === 16) return false;
  }
  if (row.f64 && d.stacks.length > 1 && stack === "s64" && opsize === 16) return false;
  return true;
}
