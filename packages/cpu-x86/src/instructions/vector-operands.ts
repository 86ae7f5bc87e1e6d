// What legacy SSE and VEX forms of one instruction share: the same semantics on other operands.
//
// A legacy form overwrites its first source (`PADDD Vdq,Wdq`), a VEX form names it (`VPADDD Vx,Hx,Wx`) and has 256 bits
// as two lanes of 128. SDM vol. 1, "Three-Operand Syntax"; vol. 2A, "VEX Prefix".
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { isVex, type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";

/** DEST, first source, then the other operands, of an instruction whose legacy form overwrites its first source. */
export function withFirstSource(b: X86Builder, operands: readonly Operand[]): readonly Operand[] {
  return isVex(b.shape.row) ? operands : [operands[0] as Operand, ...operands];
}

/**
 * DEST, source, then the other operands, of an instruction that keeps the upper part of a register beside its result: its
 * VEX form names that register, which the store deals with.
 */
export function withoutMerged(operands: readonly Operand[]): readonly Operand[] {
  return operands.filter(({ code }) => code[0] !== "H");
}

/** DEST <- `compute` of the sources, 128 bits at a time. All sources are read before anything is written. */
export function mapLanes(dst: Operand, sources: readonly Operand[], compute: (...values: Val[]) => Val): void {
  const lanes = sources.map((source) => source.loadLanes());
  dst.storeLanes(Array.from({ length: dst.lanes }, (_, i) => compute(...lanes.map((values) => values[i] as Val))));
}

/** Where the operands of a VEX form come from. */
type VexOperands = "three" | "same";

/** A result computed from both operands, as vectors, and the immediate if there is one. */
export type PackedCompute = (b: X86Builder, x: Val, y: Val, immediate: Val) => Val;

/** Semantics that compute each lane by itself. */
export const packed =
  (compute: PackedCompute): Semantics =>
  (b, ...operands) => {
    const [dst, first, second, immediate] = withFirstSource(b, operands);
    const imm = immediate?.load() ?? b.const(0);
    mapLanes(dst!, [first!, second!], (x, y) => compute(b, x, y, imm));
  };

/** What a family's VEX forms are. */
interface VexForms {
  /** 'three': VEX.vvvv is the first source or what the result is merged with; 'same': the operands of the legacy form. */
  readonly operands: VexOperands;
  /** The feature with which 256 bits came; absent: there are none. */
  readonly wide?: "avx" | "avx2";
  /** VEX.L is ignored: scalars. */
  readonly scalar?: true;
  /** The memory operand must be aligned here too: it is a matter of the instruction, not of the encoding. */
  readonly aligned?: true;
}

/** The VEX rows that go with legacy rows: the mnemonic with V in front, the same semantics. */
export function vexForms(rows: readonly Row[], forms: VexForms): Row[] {
  return rows.flatMap((legacy) => {
    const lengths = forms.scalar ? ["LIG"] : forms.wide === undefined ? ["128"] : ["128", "256"];
    return lengths.map((length) => vexForm(legacy, length, forms));
  });
}

function vexForm(legacy: Row, length: string, { operands, wide, aligned }: VexForms): Row {
  const [dst, ...sources] = legacy.operands.map((code) => (wide === undefined ? code : widen(code)));
  const first = dst as OperandCode;
  const merged = first[0] === "H" ? [] : [mergedWith(first)];
  const codes = operands === "three" ? [first, ...merged, ...sources] : [first, ...sources];
  const options: RowOptions = {
    ...(legacy.asize && { asize: true }),
    ...(legacy.opsize && { opsize: true }),
    cpuid: length === "256" ? (wide as string) : "avx",
    fpu: "avx",
    ...(aligned && { aligned }),
    protectedOnly: true,
  };
  return row(vexEncoding(legacy.encoding, length), `V${legacy.mnemonic}`, codes, legacy.semantics, options);
}

/** `dq` of a legacy row means all of the register. */
const widen = (code: OperandCode): OperandCode => (code.endsWith("dq") ? (`${code[0]}x` as OperandCode) : code);

/** VEX.vvvv as a vector of the destination's size. */
const mergedWith = (code: OperandCode): OperandCode => `H${code.slice(1)}` as OperandCode;

/** `66 0F 38 00 /r` as `VEX.128.66.0F38.WIG 00 /r`. */
export function vexEncoding(encoding: string, length: string): string {
  const tokens = encoding.split(" ");
  const prefix = tokens.shift() as string;
  let map = tokens.shift() as string;
  if (tokens.length > 1 && (tokens[0] === "38" || tokens[0] === "3A") && /^[0-9A-Fa-f]{2}$/.test(tokens[1] as string))
    map += tokens.shift() as string;
  return `VEX.${length}.${prefix}.${map}.WIG ${tokens.join(" ")}`;
}
