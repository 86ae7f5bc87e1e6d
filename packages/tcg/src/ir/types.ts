// The intermediate representation: typed values, pure operations, memory, structured control. ISA-neutral.
//
// Invariants:
// 1. A value is defined once, before its uses; a use is in the block of the definition or one inside it.
// 2. Operations named as in the WebAssembly text format mean what they mean there.
// 3. Integers narrower than their type are zero-extended unless an operation says otherwise.
import type { LaneOp, LoadOp, PlainOp, StoreOp, ValueType } from "@tsvm/wasm-emit";

/** What a node is: `const` to `get` define values, a `call` may, the others only do something. */
export type NodeKind =
  | "const"
  | "op"
  | "lane"
  | "shuffle"
  | "v128"
  | "float"
  | "select"
  | "load"
  | "get"
  | "call"
  | "store"
  | "copy"
  | "fill"
  | "set"
  | "if"
  | "loop"
  | "continue"
  | "break"
  | "exit";

/** An integer known now: a number where that is exact, else a bigint. Sign-extended from its type's width. */
export type Constant = number | bigint;

/** A mutable local of generated code. A negative number -n - 1 is the fixed local n, which the fragment only reads. */
export interface Variable {
  readonly type: ValueType;
  readonly variable: number;
  /** Integers: from this bit up it is always 0; undefined: nothing is known. */
  readonly bits?: number | undefined;
}

/** Name of the exits that stay in their region; all others leave it. */
export const GOTO = "goto";

const NO_NODES: readonly Node[] = [];
const NO_VARIABLES: readonly Variable[] = [];

/**
 * One statement, and the value it defines. All kinds are of one class: passes over them are what translation costs, and
 * over objects of many shapes they cost five times as much.
 */
export class Node {
  readonly kind: NodeKind;
  /** Of the value; what defines none is of no type, and says i32. */
  readonly type: ValueType;
  /** Counts up within a builder. */
  readonly id: number;
  /** The operation, the exit's name or the function called. */
  readonly op: string;
  /** Operands. An exit: values of `sets`, then what the exit itself is given. */
  args: readonly Node[];
  /**
   * A load, store: offset. A lane: its number. A float: its value. A loop, break, continue: the label. A call: 1 if it
   * gives a value, else 0.
   */
  readonly immediate: number;
  /** What a get reads or a set writes. */
  variable: Variable | undefined = undefined;
  /** The first branch of an if; a loop's body. */
  body: readonly Node[] = NO_NODES;
  /** The second branch of an if. */
  otherwise: readonly Node[] = NO_NODES;
  /** An if whose first branch is hardly ever taken. */
  rare = false;
  /** Variables that get the first of an exit's `args`, all at once, on the way out: state not written back before. */
  sets: readonly Variable[] = NO_VARIABLES;
  /** Number of the block gone to, where an exit is an edge of a region. */
  target = -1;
  /** Bytes picked by a shuffle, or those of a v128 constant. */
  bytes: readonly number[] | undefined = undefined;
  /** Its value is known now. */
  readonly constant: Constant | undefined;
  /** Integers: bits from this one up are known to be 0; undefined: nothing is known. */
  readonly bits: number | undefined;
  /** Number of the block it was built for. */
  block = 0;

  // Notes of the lowering; see lower/uses.ts and lower/wasm.ts.
  /** Uses that matter, and uses where control hardly ever comes. */
  uses = 0;
  coldUses = 0;
  /** It stands where control hardly ever comes. */
  definedColdly = false;
  /** Operations that its evaluation takes, down to what is no operation; more than 255 count as 255. */
  size = 0;
  place: Place = PLACE.nowhere;
  /** The local it is in, if it is in one. */
  local = -1;
  /** What its evaluation reads, while it is deferred: READS. */
  reads = 0;

  constructor(
    kind: NodeKind,
    type: ValueType,
    id: number,
    op: string,
    args: readonly Node[] = NO_NODES,
    immediate = 0,
    constant: Constant | undefined = undefined,
    bits: number | undefined = undefined,
  ) {
    this.kind = kind;
    this.type = type;
    this.id = id;
    this.op = op;
    this.args = args;
    this.immediate = immediate;
    this.constant = constant;
    this.bits = bits;
  }
}

/** Where a value is while its block is written. */
export const PLACE = { nowhere: 0, deferred: 1, cold: 2, local: 3 } as const;
type Place = (typeof PLACE)[keyof typeof PLACE];

/**
 * A value known now (`constant`) or only when the generated code runs. Opaque to semantics: TypeScript must not
 * branch on it.
 */
export type Val = Node;

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

/** What a load or store touches. */
export interface AccessFacts {
  readonly bytes: number;
  readonly type: ValueType;
  /** A load that extends the sign. */
  readonly signed: boolean;
}

const accesses = new Map<string, AccessFacts>();

/** Looks a load or store up. */
export function accessOf(op: LoadOp | StoreOp): AccessFacts {
  const known = accesses.get(op);
  if (known !== undefined) return known;
  const type = op.slice(0, op.indexOf(".")) as ValueType;
  const narrowed = /(?:load|store)(8|16|32)/.exec(op);
  const whole = type === "v128" ? 16 : type === "i64" || type === "f64" ? 8 : 4;
  const made = { type, bytes: narrowed === null ? whole : Number(narrowed[1]) / 8, signed: op.endsWith("_s") };
  accesses.set(op, made);
  return made;
}
