// RDRAND RDSEED. SDM vol. 1, "Random Number Generator Instructions".
import { type Row, row, type Semantics } from "./row.ts";

const rdrand: Semantics = (b, dst) => b.helper("rdrand", dst!.register(), b.const(dst!.width));

export const rows: readonly Row[] = [
  row("NP 0F C7 /6", "RDRAND", ["Rv"], rdrand, { cpuid: "rdrand" }),
  // The host's generator is as good a source as there is: seeds are random numbers.
  row("NP 0F C7 /7", "RDSEED", ["Rv"], rdrand, { cpuid: "rdseed" }),
];
