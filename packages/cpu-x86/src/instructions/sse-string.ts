// PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM. What they compute: string-aggregation.ts
// where the control byte is a constant, else the helper in sse/string-compare.ts.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { FLOAT_SLOT } from "../sse/float-helper.ts";
import { EXPLICIT_LENGTHS, STRING_RESULT } from "../sse/string-compare.ts";
import { AT } from "../state/layout.ts";
import { putSlow } from "./float-lanes.ts";
import { isVex, type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { compareImplicit, isVectorized, type StringResult } from "./string-aggregation.ts";
import { vexForms } from "./vector-operands.ts";

/** The magnitude of rAX or rDX, at most 16. The wide form is that of REX.W. */
function explicitLength(b: X86Builder, register: "rax" | "rdx"): Val {
  const width = b.shape.opsize === 64 ? 64 : 32;
  const length = b.sext(b.reg(width, register), width);
  const sign = b.sar(length, b.const(63));
  const magnitude = b.sub(b.xor(length, sign), sign);
  return b.select(b.ltU(b.const(16), magnitude), b.const(16), magnitude);
}

type Lengths = "explicit" | "implicit";

/** By the helper, for lengths that are given and for control bytes that are not known yet. */
function callHelper(b: X86Builder, set: Val, text: Val, control: Val, lengths: Lengths): StringResult {
  const result = (offset: number): Val => b.load("i64.load", undefined, AT.helperArgs + offset);
  putSlow(b, FLOAT_SLOT.y, [text]);
  putSlow(b, FLOAT_SLOT.x, [set]);
  if (lengths === "implicit") b.helper("sseCompareStrings", control, b.const(0));
  else {
    const both = b.or(explicitLength(b, "rax"), b.shl(explicitLength(b, "rdx"), b.const(8)));
    b.helper("sseCompareStrings", b.or(control, b.const(EXPLICIT_LENGTHS)), both);
  }
  return {
    index: result(STRING_RESULT.index),
    mask: b.load("v128.load", undefined, AT.helperArgs + STRING_RESULT.mask),
    flags: result(STRING_RESULT.flags),
  };
}

/** Index into rCX or mask into XMM0; CF ZF SF OF by the result, AF and PF are cleared. */
const compareStrings =
  (lengths: Lengths, into: "index" | "mask"): Semantics =>
  (b, dst, src, immediate) => {
    const text = src!.load();
    const set = dst!.load();
    const control = immediate!.load();
    const known = control.constant === undefined ? undefined : Number(BigInt.asUintN(8, BigInt(control.constant)));
    const { index, mask, flags } =
      lengths === "implicit" && known !== undefined && isVectorized(known)
        ? compareImplicit(b, set, text, known)
        : callHelper(b, set, text, control, lengths);
    b.flags.load(flags);
    if (into === "index") {
      b.setReg(32, "rcx", index);
      return;
    }
    b.setVectorRegister(128, b.const32(0), mask);
    if (isVex(b.shape.row)) b.setVectorRegister(128, b.const32(0), b.vector(0n, 0n), 1);
  };

const SSE42: RowOptions = { fpu: "sse", cpuid: "sse4.2" };

const stringRow = (opcode: string, name: string, semantics: Semantics, options: RowOptions): Row =>
  row(`66 0F 3A ${opcode} /r ib`, name, ["Vdq", "Wdq", "Ib"], semantics, options);

const legacy: readonly Row[] = [
  stringRow("60", "PCMPESTRM", compareStrings("explicit", "mask"), { ...SSE42, opsize: true }),
  stringRow("61", "PCMPESTRI", compareStrings("explicit", "index"), { ...SSE42, opsize: true }),
  stringRow("62", "PCMPISTRM", compareStrings("implicit", "mask"), SSE42),
  stringRow("63", "PCMPISTRI", compareStrings("implicit", "index"), SSE42),
];

export const rows: readonly Row[] = [...legacy, ...vexForms(legacy, { operands: "same" })];
