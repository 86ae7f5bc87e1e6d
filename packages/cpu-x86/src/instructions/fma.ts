// FMA3. SDM vol. 2C, "VFMADD132PD/VFMADD213PD/VFMADD231PD" and its like. How a result is rounded once: sse/fused-multiply.ts.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import type { FloatOperation } from "../sse/float-helper.ts";
import { fusedDoubles, fusedSingles, INEXACT_SLOT } from "../sse/fused-multiply.ts";
import { type FloatKind, FloatLanes, type Proof, provenOr } from "./float-lanes.ts";
import { type OperandCode, type Row, row, type Semantics } from "./row.ts";
import { fromLow, insertLane, laneConstant, lowHalf } from "./vector-lanes.ts";

/** Which of the three operands are multiplied, in order, and which is added: the digits of the mnemonic. */
const ORDERS = { "132": [0, 2, 1], "213": [1, 0, 2], "231": [1, 2, 0] } as const;
type Order = keyof typeof ORDERS;

/** What is negated before the sum is formed: the product, and the addend in even and in odd lanes. */
interface Signs {
  readonly name: string;
  readonly operation: FloatOperation;
  readonly product?: true;
  readonly even?: true;
  readonly odd?: true;
}

const FUSED: readonly (Signs & { readonly opcode: number; readonly scalar: boolean })[] = [
  { opcode: 0x6, name: "FMADDSUB", operation: "fmaddsub", even: true, scalar: false },
  { opcode: 0x7, name: "FMSUBADD", operation: "fmsubadd", odd: true, scalar: false },
  { opcode: 0x8, name: "FMADD", operation: "fmadd", scalar: true },
  { opcode: 0xa, name: "FMSUB", operation: "fmsub", even: true, odd: true, scalar: true },
  { opcode: 0xc, name: "FNMADD", operation: "fnmadd", product: true, scalar: true },
  { opcode: 0xe, name: "FNMSUB", operation: "fnmsub", product: true, even: true, odd: true, scalar: true },
];

/** Signs of all lanes, or of the even or odd ones. */
function signMask(b: X86Builder, double: boolean, even: boolean, odd: boolean): Val {
  const lanes = double ? 2 : 4;
  const sign = double ? 1n << 63n : 0x8000_0000;
  const signs = new Array(lanes).fill(0).map((_, i) => (((i & 1) === 0 ? even : odd) ? sign : 0));
  return laneConstant(b, double ? "i64x2" : "i32x4", signs);
}

const fused =
  (signs: Signs, order: Order, kind: FloatKind): Semantics =>
  (b, ...operands) => {
    const f = new FloatLanes(b, kind);
    const parts = operands.map((operand) => vectorsOf(b, operand));
    const [x, y, z] = ORDERS[order].map((i) => parts[i]) as [Val[], Val[], Val[]];
    const inexact: Val[] = [];
    const native = x.map((part, i) => {
      const result = fuse(b, f.double, signs, part, y[i] as Val, z[i] as Val);
      inexact.push(b.load("v128.load", undefined, INEXACT_SLOT));
      return result;
    });
    const dst = operands[0] as Operand;
    const isNumber = native.map((part) => b.op(f.double ? "f64x2.eq" : "f32x4.eq", part, part));
    const proof: Proof = {
      quiet: isNumber.map((mask) => b.op("i32x4.all_true", mask)).reduce((p, q) => b.both(p, q)),
      exact: () => b.isFalse(inexact.map((mask) => b.op("v128.any_true", mask)).reduce((p, q) => b.either(p, q))),
    };
    const slow = (): void => f.slow(signs.operation, x, y, { z });
    const results = provenOr(b, native, proof, slow);
    if (f.lanes === 1) storeScalar(b, dst, lowHalf(b, results[0] as Val));
    else dst.storeLanes(results);
  };

/** The rest of DEST's low 128 bits stays: it is a source, unlike in other instructions with VEX. */
function storeScalar(b: X86Builder, dst: Operand, value: Val): void {
  const register = dst.register();
  const old = b.vectorRegister(128, register);
  const merged = insertLane(b, dst.width === 64 ? "i64x2" : "i32x4", old, b.const(0), value);
  b.setVectorRegister(128, register, merged);
  b.setVectorRegister(128, register, b.vector(0n, 0n), 1);
}

/** Scalars are the low lane of a vector; the others are 0, and so is what becomes of them. */
function vectorsOf(b: X86Builder, operand: Operand): readonly Val[] {
  return operand.width === 128 ? operand.loadLanes() : [fromLow(b, operand.load())];
}

function fuse(b: X86Builder, double: boolean, signs: Signs, x: Val, y: Val, z: Val): Val {
  const { product = false, even = false, odd = false } = signs;
  const factor = product ? b.op("v128.xor", x, signMask(b, double, true, true)) : x;
  const addend = even || odd ? b.op("v128.xor", z, signMask(b, double, even, odd)) : z;
  return callSubroutine(b, double ? fusedDoubles : fusedSingles, factor, y, addend);
}

const hex = (value: number): string => value.toString(16).toUpperCase();
const FMA = { fpu: "avx", cpuid: "fma", protectedOnly: true } as const;

function rowsOf(order: Order, base: number): Row[] {
  const one = (length: string, w: 0 | 1, opcode: number, signs: Signs, kind: FloatKind): Row => {
    const codes = [`V${kind}`, `H${kind}`, `W${kind}`] as OperandCode[];
    const name = `V${signs.name}${order}${kind.toUpperCase()}`;
    return row(`VEX.${length}.66.0F38.W${w} ${hex(opcode)} /r`, name, codes, fused(signs, order, kind), FMA);
  };
  return FUSED.flatMap((signs) => {
    const opcode = base + signs.opcode;
    const packed = ["128", "256"].flatMap((length) => [
      one(length, 0, opcode, signs, "ps"),
      one(length, 1, opcode, signs, "pd"),
    ]);
    if (!signs.scalar) return packed;
    return [...packed, one("LIG", 0, opcode + 1, signs, "ss"), one("LIG", 1, opcode + 1, signs, "sd")];
  });
}

export const rows: readonly Row[] = [...rowsOf("132", 0x90), ...rowsOf("213", 0xa0), ...rowsOf("231", 0xb0)];
