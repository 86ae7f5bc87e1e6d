import type { Row } from "../instructions/row.ts";
import { HOT_PAIRS } from "./hot-pairs.ts";
import { HOT_SHAPES } from "./hot-shapes.ts";
import type { Shape } from "./shape.ts";
import { shapeKey } from "./shape-key.ts";

/** Keys of the row's shapes whose handlers stand inline in the interpreter's main loop; undefined: none. */
export function hotKeysOf({ mnemonic, encoding, enforced }: Row): readonly string[] | undefined {
  return enforced ? undefined : HOT_SHAPES[`${mnemonic} ${encoding}`];
}

/** Pairs of hot shapes that have a handler of their own, as indices into `hot`. */
export function hotPairs(hot: readonly Shape[]): readonly (readonly [first: number, second: number])[] {
  const indices = new Map<string, number>();
  for (const [i, shape] of hot.entries()) {
    // Rows of one encoding that differ by mode or feature share a name; the first one stands for them.
    const name = `${shape.row.mnemonic} ${shape.row.encoding}: ${shapeKey(shape)}`;
    if (!indices.has(name)) indices.set(name, i);
  }
  const pairs: [number, number][] = [];
  for (const [firstName, seconds] of Object.entries(HOT_PAIRS)) {
    const first = indices.get(firstName);
    if (first === undefined) continue;
    for (const secondName of seconds) {
      const second = indices.get(secondName);
      if (second !== undefined) pairs.push([first, second]);
    }
  }
  return pairs;
}
