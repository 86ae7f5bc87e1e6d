// Where handlers and soft-float subroutines pass what does not fit a parameter: places in `helperArgs`.
import { AT } from "../state/layout.ts";

/** A number of 16 bytes: the memory operand, converted. */
export const OPERAND_SLOT: number = AT.helperArgs;
/** Exceptions (i32, as in the status word, with C1 and SF) that a conversion for memory would raise. */
export const FLAGS_SLOT: number = AT.helperArgs + 16;
