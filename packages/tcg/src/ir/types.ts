// The intermediate representation: typed values, pure operations, memory, structured control. ISA-neutral.
//
// Invariants:
// 1. A value is defined once, before its uses; a use is in the block of the definition or one inside it.
// 2. Operations named as in the WebAssembly text format mean what they mean there.
// 3. Integers narrower than their type are zero-extended unless an operation says otherwise.
import type { LaneOp, LoadOp, PlainOp, StoreOp, ValueType } from "@tsvm/wasm-emit";

/**
 * A value known now (`constant`) or only when the generated code runs. Opaque to semantics: TypeScript must not
 * branch on it.
 */
export interface Val {
  readonly type: ValueType;
  readonly id: number;
  /** Integers only, sign-extended from their type's width. */
  readonly constant: bigint | undefined;
  /** Integers: bits from this one up are known to be 0; undefined: nothing is known. */
  readonly bits: number | undefined;
}

/** A mutable local of generated code. A negative number -n - 1 is the fixed local n, which the fragment only reads. */
export interface Variable {
  readonly type: ValueType;
  readonly variable: number;
}

/** One statement. */
export type Node =
  | { readonly kind: "op"; readonly op: PlainOp; readonly args: readonly Val[]; readonly result: Val }
  | {
      readonly kind: "lane";
      readonly op: LaneOp;
      readonly lane: number;
      readonly args: readonly Val[];
      readonly result: Val;
    }
  | { readonly kind: "shuffle"; readonly lanes: readonly number[]; readonly args: readonly Val[]; readonly result: Val }
  | { readonly kind: "v128"; readonly low: bigint; readonly high: bigint; readonly result: Val }
  | { readonly kind: "float"; readonly value: number; readonly result: Val }
  | {
      readonly kind: "select";
      readonly args: readonly [ifTrue: Val, ifFalse: Val, condition: Val];
      readonly result: Val;
    }
  | {
      readonly kind: "load";
      readonly op: LoadOp;
      readonly args: readonly Val[];
      readonly offset: number;
      readonly result: Val;
    }
  | { readonly kind: "store"; readonly op: StoreOp; readonly args: readonly Val[]; readonly offset: number }
  | { readonly kind: "copy" | "fill"; readonly args: readonly [Val, Val, Val] }
  | { readonly kind: "get"; readonly variable: Variable; readonly result: Val }
  | { readonly kind: "set"; readonly variable: Variable; readonly args: readonly [Val] }
  | { readonly kind: "call"; readonly target: string; readonly args: readonly Val[]; readonly result: Val | undefined }
  | {
      readonly kind: "if";
      readonly args: readonly [Val];
      readonly whenTrue: readonly Node[];
      readonly whenFalse: readonly Node[];
    }
  | { readonly kind: "loop"; readonly body: readonly Node[]; readonly label: number }
  | { readonly kind: "continue" | "break"; readonly label: number }
  | ExitNode;

/** Leaves the fragment. */
export interface ExitNode {
  readonly kind: "exit";
  readonly exit: string;
  /** Values of `sets`, then what the exit itself is given. */
  readonly args: readonly Val[];
  /** Variables that get the first of `args`, all at once, on the way out: state that was not written back before. */
  readonly sets?: readonly Variable[];
  /** Number of the block gone to, where `exit` names an edge of a region. */
  readonly target?: number;
}

const resultTypes = new Map<string, ValueType>();

/** Result type of an operation, by its name. */
export function resultType(op: PlainOp | LaneOp | LoadOp): ValueType {
  const known = resultTypes.get(op);
  if (known !== undefined) return known;
  const type = typeByName(op);
  resultTypes.set(op, type);
  return type;
}

function typeByName(op: string): ValueType {
  const [prefix, name = ""] = op.split(".") as [string, string?];
  if (/x\d+$/.test(prefix)) {
    if (/^(all_true|bitmask)$/.test(name)) return "i32";
    if (!name.startsWith("extract_lane")) return "v128";
    const scalar = prefix.split("x")[0] as string;
    return scalar === "i8" || scalar === "i16" ? "i32" : (scalar as ValueType);
  }
  if (name === "any_true") return "i32";
  if (/^(eqz|eq|ne|[lg][te](_[su])?)$/.test(name)) return "i32";
  return prefix as ValueType;
}
