// RCPPS RCPSS RSQRTPS RSQRTSS. SDM vol. 2B, the instruction of each name.
//
// The manual bounds the relative error by 1.5 * 2^-12 and leaves the rest to the maker; ours are the quotient and root
// of single precision. MXCSR plays no part: denormals are zeros, tiny results become zeros, and nothing is signaled.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { SINGLE } from "../sse/float-format.ts";
import { FloatLanes } from "./float-lanes.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { undefinedWith66 } from "./sse-mov.ts";
import { fromLow, lowHalf, splatConstant } from "./vector-lanes.ts";
import { mapLanes, vexForms, withoutMerged } from "./vector-operands.ts";

type Approximation = (b: X86Builder, f: FloatLanes, x: Val) => Val;

const reciprocal: Approximation = (_b, f, x) => f.op("div", f.constant(1), x);

/** Of -0 it is minus infinity; of other negative numbers the default NaN. */
const reciprocalRoot: Approximation = (b, f, x) => {
  const value = f.op("div", f.constant(1), f.op("sqrt", x));
  return b.op("v128.bitselect", splatConstant(b, "i32x4", SINGLE.indefinite), value, f.op("lt", x, f.constant(0)));
};

/** All lanes of x, with denormals and tiny results as zeros of their sign and NaNs quiet. */
function approximate(b: X86Builder, f: FloatLanes, x: Val, compute: Approximation): Val {
  const signs = splatConstant(b, "i32x4", SINGLE.sign);
  const flush = (v: Val): Val => {
    const tiny = f.op("lt", f.op("abs", v), f.constant(f.limits.minNormal));
    return b.op("v128.bitselect", b.op("v128.and", v, signs), v, tiny);
  };
  const value = flush(compute(b, f, flush(x)));
  const quiet = b.op("v128.or", x, splatConstant(b, "i32x4", SINGLE.quiet));
  return b.op("v128.bitselect", quiet, value, f.op("ne", x, x));
}

const packed =
  (compute: Approximation): Semantics =>
  (b, dst, src) =>
    mapLanes(dst!, [src!], (x) => approximate(b, new FloatLanes(b, "ps"), x, compute));

const scalar =
  (compute: Approximation): Semantics =>
  (b, ...operands) => {
    const [dst, src] = withoutMerged(operands);
    const x = fromLow(b, src!.load());
    dst!.store(lowHalf(b, approximate(b, new FloatLanes(b, "ps"), x, compute)));
  };

const SSE: RowOptions = { fpu: "sse", cpuid: "sse" };

function family(opcode: string, name: string, compute: Approximation): Row[] {
  const whole = row(`NP 0F ${opcode} /r`, `${name}PS`, ["Vps", "Wps"], packed(compute), { ...SSE, aligned: true });
  const single = row(`F3 0F ${opcode} /r`, `${name}SS`, ["Vss", "Wss"], scalar(compute), SSE);
  return [
    whole,
    single,
    undefinedWith66(`66 0F ${opcode} /r`, ["Vps", "Wps"]),
    ...vexForms([whole], { operands: "same", wide: "avx" }),
    ...vexForms([single], { operands: "three", scalar: true }),
  ];
}

export const rows: readonly Row[] = [...family("52", "RSQRT", reciprocalRoot), ...family("53", "RCP", reciprocal)];
