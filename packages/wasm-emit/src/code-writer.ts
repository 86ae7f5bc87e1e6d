import { ByteBuffer } from "./byte-buffer.ts";
import {
  CONTROL,
  type LaneOp,
  LOAD,
  type LoadOp,
  PLAIN,
  type PlainOp,
  SATURATING,
  STORE,
  type StoreOp,
  VALUE_TYPE,
  type ValueType,
  VECTOR,
  VECTOR_LANE,
  VECTOR_MEMORY,
} from "./opcodes.ts";

type Encoding = readonly [prefix: number, code: number];
const encodings = (prefix: number, table: Readonly<Record<string, number>>): [string, Encoding][] =>
  Object.entries(table).map(([op, code]) => [op, [prefix, code]]);
/** Prefix byte (0: none) and number of every operation. */
const PLAIN_CODES: ReadonlyMap<string, Encoding> = new Map([
  ...encodings(0, PLAIN),
  ...encodings(0xfc, SATURATING),
  ...encodings(0xfd, VECTOR),
]);
const MEMORY_CODES: ReadonlyMap<string, Encoding> = new Map([
  ...encodings(0, LOAD),
  ...encodings(0, STORE),
  ...encodings(0xfd, VECTOR_MEMORY),
]);

/** What a structured instruction leaves on the stack. */
export type BlockType = ValueType | "void";

/** Writes the instructions of one function body. The caller is responsible for validity; the engine checks it. */
export class CodeWriter extends ByteBuffer {
  /** Offsets in the body of `if` instructions that are mostly not taken. */
  readonly #unlikely: number[] = [];

  /** Where in this body, in bytes, the unlikely branches are; in ascending order. */
  get unlikelyBranches(): readonly number[] {
    return this.#unlikely;
  }

  op(op: PlainOp): void {
    this.#code(PLAIN_CODES.get(op) as Encoding);
  }

  lane(op: LaneOp, lane: number): void {
    this.#code([0xfd, VECTOR_LANE[op]]);
    this.byte(lane);
  }

  /** Picks 16 bytes of the two operands by `lanes` (0..31). */
  shuffle(lanes: readonly number[]): void {
    this.#code([0xfd, 13]);
    for (const lane of lanes) this.byte(lane);
  }

  /** Alignment is always given as 1: guest accesses promise nothing. */
  memory(op: LoadOp | StoreOp, offset: number): void {
    this.#code(MEMORY_CODES.get(op) as Encoding);
    this.byte(0);
    this.u32(offset);
  }

  i32Const(value: number): void {
    this.byte(CONTROL["i32.const"]);
    this.s32(value);
  }

  i64Const(value: number | bigint): void {
    this.byte(CONTROL["i64.const"]);
    if (typeof value === "number" && (value | 0) === value) this.s32(value);
    else this.s64(BigInt(value));
  }

  f64Const(value: number): void {
    this.byte(CONTROL["f64.const"]);
    this.raw(new Uint8Array(new Float64Array([value]).buffer));
  }

  f32Const(value: number): void {
    this.byte(CONTROL["f32.const"]);
    this.raw(new Uint8Array(new Float32Array([value]).buffer));
  }

  /** @param bytes all 16, the lowest first. */
  v128Const(bytes: readonly number[]): void {
    this.byte(0xfd);
    this.byte(12);
    for (const byte of bytes) this.byte(byte);
  }

  localGet(index: number): void {
    this.byte(CONTROL["local.get"]);
    this.u32(index);
  }

  localSet(index: number): void {
    this.byte(CONTROL["local.set"]);
    this.u32(index);
  }

  localTee(index: number): void {
    this.byte(CONTROL["local.tee"]);
    this.u32(index);
  }

  block(type: BlockType = "void"): void {
    this.#structured(CONTROL.block, type);
  }

  loop(type: BlockType = "void"): void {
    this.#structured(CONTROL.loop, type);
  }

  if(type: BlockType = "void"): void {
    this.#structured(CONTROL.if, type);
  }

  /** An `if` that is mostly not taken: engines may put what it guards out of the way. */
  ifUnlikely(): void {
    this.#unlikely.push(this.length);
    this.if();
  }

  else(): void {
    this.byte(CONTROL.else);
  }

  end(): void {
    this.byte(CONTROL.end);
  }

  /** `depth` counts enclosing blocks outward from 0. */
  br(depth: number): void {
    this.byte(CONTROL.br);
    this.u32(depth);
  }

  brIf(depth: number): void {
    this.byte(CONTROL.br_if);
    this.u32(depth);
  }

  brTable(depths: readonly number[], otherwise: number): void {
    this.byte(CONTROL.br_table);
    this.u32(depths.length);
    for (const depth of depths) this.u32(depth);
    this.u32(otherwise);
  }

  return(): void {
    this.byte(CONTROL.return);
  }

  unreachable(): void {
    this.byte(CONTROL.unreachable);
  }

  call(functionIndex: number): void {
    this.byte(CONTROL.call);
    this.u32(functionIndex);
  }

  /** The index into the table is on top of the stack. */
  callIndirect(typeIndex: number, table = 0): void {
    this.byte(CONTROL.call_indirect);
    this.u32(typeIndex);
    this.u32(table);
  }

  select(): void {
    this.byte(CONTROL.select);
  }

  drop(): void {
    this.byte(CONTROL.drop);
  }

  /** Stack: destination, source, byte count. */
  memoryCopy(): void {
    this.raw(Uint8Array.of(0xfc, 10, 0, 0));
  }

  /** Stack: destination, byte value, byte count. */
  memoryFill(): void {
    this.raw(Uint8Array.of(0xfc, 11, 0));
  }

  #structured(code: number, type: BlockType): void {
    this.byte(code);
    this.byte(type === "void" ? 0x40 : VALUE_TYPE[type]);
  }

  #code(code: Encoding): void {
    if (code[0] !== 0) {
      this.byte(code[0]);
      this.u32(code[1]);
    } else this.byte(code[1]);
  }
}
