import type { IrBuilder, Val } from "@tsvm/tcg";
import type { InsnFields } from "./fields.ts";

/** All fields zero: for asking semantics what they do, not for running them. */
export function constantFields(b: IrBuilder): InsnFields {
  const zero = (): Val => b.const(0);
  const zero32 = (): Val => b.const32(0);
  return {
    record: zero32,
    reg: zero32,
    rm: zero32,
    vvvv: zero32,
    x87Opcode: zero32,
    base: zero32,
    index: zero32,
    scale: zero,
    segment: zero32,
    displacement: zero,
    immediate: zero,
    wideImmediate: zero,
    pageOffset: zero,
    length: zero,
    accessSize: zero,
    addressHigh: zero,
  };
}
