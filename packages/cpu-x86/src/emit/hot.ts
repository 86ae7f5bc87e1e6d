import { HOT_SHAPES } from "./hot-shapes.ts";
import type { Shape } from "./shape.ts";
import { shapeKey } from "./shape-key.ts";

/** Whether a shape's handler stands inline in the interpreter's main loop. */
export function isHot(shape: Shape): boolean {
  const { mnemonic, encoding } = shape.row;
  return HOT_SHAPES[`${mnemonic} ${encoding}`]?.includes(shapeKey(shape)) ?? false;
}
