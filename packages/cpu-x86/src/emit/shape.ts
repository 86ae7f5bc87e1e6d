import type { Row } from "../instructions/row.ts";

/** Effective operand size in bits. */
export type OperandSize = 16 | 32 | 64;
/**
 * How the memory operand's address is made: none (`reg`), base + index + displacement in 64 bits (`m64`), the same
 * truncated to 32 bits (`m32`), or left by a preceding address record (`mea`).
 */
export type AddressForm = "reg" | "m64" | "m32" | "mea";
/** Stack pointer width and whether the stack segment is flat: `flat32` and `s64` need no segment arithmetic. */
export type StackForm = "s16" | "s32" | "flat32" | "s64";
/** REP prefix as far as the row looks at it. */
export type RepForm = "none" | "repz" | "repnz";

/** Everything that is static per handler. What a row does not depend on has the first value. */
export interface Shape {
  readonly row: Row;
  readonly opsize: OperandSize;
  readonly form: AddressForm;
  readonly asize: OperandSize;
  readonly stack: StackForm;
  readonly rep: RepForm;
  /** Code is 64-bit: no segment limits. */
  readonly code64: boolean;
  /** Relative branches: the target lies in the same page and was found by the decoder. */
  readonly inPage: boolean;
}

/** What a handler is chosen by, beside its row. */
export type ShapeFacts = Omit<Shape, "row" | "code64">;
