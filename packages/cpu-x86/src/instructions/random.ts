// RDRAND. SDM vol. 1, "Random Number Generator Instructions".
import { type Row, row, type Semantics } from "./row.ts";

/** A random number in the register, CF = 1 and the other flags 0; our generator never runs dry. */
const rdrand: Semantics = (b, dst) => b.helper("rdrand", dst!.register(), b.const(dst!.width));

export const rows: readonly Row[] = [row("0F C7 /6", "RDRAND", ["Rv"], rdrand, { cpuid: "rdrand" })];
