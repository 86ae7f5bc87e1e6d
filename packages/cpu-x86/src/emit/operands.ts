import type { Val } from "@tsvm/tcg";
import { isVex, type OperandCode, type Row } from "../instructions/row.ts";
import { AT, GPR } from "../state/layout.ts";
import type { Width, X86Builder } from "./x86-builder.ts";

/** A place an instruction reads or writes; its width is static, its identity may not be. */
export interface Operand {
  readonly code: OperandCode;
  /** Bits; 128 where there are two lanes of them. */
  readonly width: Width;
  /** Lanes of 128 bits in 256-bit vectors; else 1. */
  readonly lanes: 1 | 2;
  /** The operand is in memory. */
  readonly memory: boolean;
  /** Its value, zero-extended to i64; vectors (`V W U H` and their memory) of width 128 as v128. */
  load(): Val;
  /** As `load`, of what will be stored afterwards: memory faults as a write. */
  modify(): Val;
  /** Writes the low `width` bits. Commits, unless it is memory. */
  store(value: Val): void;
  /** The same if `condition` (i32) after a `load`: memory that stays as it is need not be writable. */
  storeIf(condition: Val, value: Val): void;
  /** Its lanes, the low one first; of all that is no 256-bit vector just the value. */
  loadLanes(): readonly Val[];
  /** Writes all lanes; a single one as {@link store} does. */
  storeLanes(values: readonly Val[]): void;
  /** Memory: linear address (segment base added). */
  address(): Val;
  /** Registers: byte offset in the register file (i32), or the plain number for segment, control and debug registers. */
  register(): Val;
}

const FIXED = { AL: "rax", CL: "rcx", AX: "rax", DX: "rdx", rAX: "rax" } as const;

/** Bits by the size letters of operand codes. SDM vol. 2D, "Codes for Operand Type". */
const FIXED_WIDTHS: Readonly<Record<string, Width>> = {
  b: 8,
  w: 16,
  d: 32,
  ss: 32,
  q: 64,
  sd: 64,
  pi: 64,
  dq: 128,
  qq: 128,
  x: 128,
  ps: 128,
  pd: 128,
};

/** What the letters of an operand code say, found once. */
interface CodeFacts {
  readonly kind: string;
  readonly size: string;
  readonly width: Width | undefined;
  /** Byte offset of the general register that the code names by itself; undefined: none. */
  readonly gpr: number | undefined;
}

const codeFacts = new Map<OperandCode, CodeFacts>();

function factsOf(code: OperandCode): CodeFacts {
  return codeFacts.get(code) ?? makeFacts(code);
}

function makeFacts(code: OperandCode): CodeFacts {
  const name = FIXED[code as keyof typeof FIXED];
  const size = code.slice(1);
  const ofName: Width | undefined =
    code === "AL" || code === "CL" ? 8 : code === "AX" || code === "DX" ? 16 : undefined;
  const made: CodeFacts = {
    kind: name !== undefined ? "fixed" : (code[0] as string),
    size,
    width: name === undefined ? FIXED_WIDTHS[size] : ofName,
    gpr: name === undefined ? undefined : GPR[name] * 8,
  };
  codeFacts.set(code, made);
  return made;
}

/** Width of an operand code at an operand size. */
export function widthOf(code: OperandCode, { shape: { opsize } }: X86Builder): Width {
  const { width, size } = factsOf(code);
  if (width !== undefined) return width;
  if (size === "z") return opsize === 16 ? 16 : 32;
  if (size === "y") return opsize === 64 ? 64 : 32;
  return opsize;
}

/** 128-bit lanes of an operand code in a row. */
export function lanesOf(code: OperandCode, row: Row): 1 | 2 {
  const size = code.slice(1);
  if (size === "qq") return 2;
  return (size === "x" || size === "ps" || size === "pd") && row.encoding.startsWith("VEX.256.") ? 2 : 1;
}

/** The operand that `code` names in the current instruction. */
export function makeOperand(b: X86Builder, code: OperandCode): Operand {
  const { kind, gpr } = factsOf(code);
  const width = widthOf(code, b);
  switch (kind) {
    case "G":
    case "Z":
      return new GprOperand(b, code, width, "reg");
    case "E":
      return b.shape.form === "reg" ? new GprOperand(b, code, width, "rm") : new MemoryOperand(b, code, width);
    case "I":
    case "J":
    case "A":
    case "1":
      return new ValueOperand(b, code, width);
    case "fixed":
      return new GprOperand(b, code, width, gpr as number);
    case "B":
      return new GprOperand(b, code, width, "vvvv");
    case "R":
      return new GprOperand(b, code, width, "rm");
    case "V":
      return new VectorOperand(b, code, width, "reg");
    case "H":
      return new VectorOperand(b, code, width, "vvvv");
    case "U":
      return new VectorOperand(b, code, width, "rm");
    case "L":
      return new VectorOperand(b, code, width, "immediate");
    case "W":
      return b.shape.form === "reg" ? new VectorOperand(b, code, width, "rm") : new MemoryOperand(b, code, width);
    case "K":
      return new MaskOperand(b, code, width, "reg");
    case "T":
      return new MaskOperand(b, code, width, "vvvv");
    case "F":
      return new MaskOperand(b, code, width, "rm");
    case "P":
      return new MmxOperand(b, code, 64, "reg");
    case "N":
      return new MmxOperand(b, code, 64, "rm");
    case "Q":
      return b.shape.form === "reg" ? new MmxOperand(b, code, 64, "rm") : new MemoryOperand(b, code, width);
    case "O":
    case "M":
    case "X":
    case "Y":
      return new MemoryOperand(b, code, width);
    default:
      return new NamedOperand(b, code, width);
  }
}

function unreadable(code: string): never {
  throw new Error(`operand ${code} has no value of its own: the semantics must name what it wants`);
}

/** Where a register's number comes from; a number is the register itself. */
type RegisterSource = "reg" | "rm" | "vvvv" | "immediate" | number;

function registerOf(b: X86Builder, source: RegisterSource): Val {
  switch (source) {
    case "reg":
      return b.fields.reg();
    case "rm":
      return b.fields.rm();
    case "vvvv":
      return b.fields.vvvv();
    case "immediate":
      return registerInImmediate(b);
    default:
      return b.const32(source);
  }
}

/** Segment, control and debug registers: semantics ask for the number, and know what to do with it. */
class NamedOperand implements Operand {
  readonly lanes: 1 | 2 = 1;
  readonly memory: boolean = false;
  readonly code: OperandCode;
  readonly width: Width;
  protected readonly b: X86Builder;

  constructor(b: X86Builder, code: OperandCode, width: Width) {
    this.b = b;
    this.code = code;
    this.width = width;
  }

  load(): Val {
    return unreadable(this.code);
  }

  modify(): Val {
    return this.load();
  }

  store(_value: Val): void {
    unreadable(this.code);
  }

  storeIf(condition: Val, value: Val): void {
    this.b.when(condition, () => this.store(value));
  }

  loadLanes(): readonly Val[] {
    return [this.load()];
  }

  storeLanes(values: readonly Val[]): void {
    this.store(values[0] as Val);
  }

  address(): Val {
    return unreadable(this.code);
  }

  register(): Val {
    const { kind } = factsOf(this.code);
    return kind === "S" || kind === "C" || kind === "D" ? this.b.fields.reg() : unreadable(this.code);
  }
}

/** First letters of operand codes whose register the field `reg` names: by ModRM.reg or by the opcode. */
export const REG_LETTERS = "GZSCDPVK";

/** Immediates. */
class ValueOperand extends NamedOperand {
  override load(): Val {
    const { b, code, width } = this;
    if (code === "1") return b.const(1);
    return b.zext(code === "Iv" && width === 64 ? b.fields.wideImmediate() : b.fields.immediate(), width);
  }

  override register(): Val {
    return unreadable(this.code);
  }
}

abstract class RegisterOperand extends NamedOperand {
  readonly #source: RegisterSource;

  constructor(b: X86Builder, code: OperandCode, width: Width, source: RegisterSource) {
    super(b, code, width);
    this.#source = source;
  }

  override register(): Val {
    return registerOf(this.b, this.#source);
  }
}

class GprOperand extends RegisterOperand {
  override load(): Val {
    return this.b.gpr(this.width, this.register());
  }

  override store(value: Val): void {
    this.b.setGpr(this.width, this.register(), value);
  }
}

/** MMX registers, as i64. */
class MmxOperand extends RegisterOperand {
  override load(): Val {
    return this.b.load("i64.load", this.register(), AT.fpr);
  }

  override store(value: Val): void {
    this.b.committing("vector register");
    this.b.store("i64.store", this.register(), AT.fpr, value);
  }
}

/** Mask registers: writes clear the bits above the width. */
class MaskOperand extends RegisterOperand {
  override load(): Val {
    return this.b.zext(this.b.load("i64.load", this.register(), AT.opmask), this.width);
  }

  override store(value: Val): void {
    this.b.committing("mask register");
    this.b.store("i64.store", this.register(), AT.opmask, this.b.zext(value, this.width));
  }
}

class VectorOperand extends RegisterOperand {
  override readonly lanes: 1 | 2 = lanesOf(this.code, this.b.shape.row);

  override load(): Val {
    return this.lanes === 1 ? this.b.vectorRegister(this.width, this.register()) : unreadable(this.code);
  }

  override store(value: Val): void {
    this.storeLanes([value]);
  }

  override loadLanes(): readonly Val[] {
    if (this.lanes === 1) return [this.load()];
    return [0, 1].map((lane) => this.b.vectorRegister(this.width, this.register(), lane));
  }

  override storeLanes(values: readonly Val[]): void {
    storeVector(this.b, this.width, this.register(), values);
  }
}

/**
 * Legacy SSE keeps the bits above the width. With VEX the bits up to 128 come from the register in VEX.vvvv, and those
 * above are cleared. SDM vol. 1, "Upper Bits of the Destination".
 */
function storeVector(b: X86Builder, width: Width, register: Val, values: readonly Val[]): void {
  const low = values[0] as Val;
  if (!isVex(b.shape.row)) return b.setVectorRegister(width, register, low);
  const whole = width === 128 ? low : replaceLow(b, width, b.vectorRegister(128, b.fields.vvvv()), low);
  b.setVectorRegister(128, register, whole);
  b.setVectorRegister(128, register, values[1] ?? b.vector(0n, 0n), 1);
}

function replaceLow(b: X86Builder, width: Width, vector: Val, low: Val): Val {
  if (width === 64) return b.lane("i64x2.replace_lane", 0, vector, low);
  if (width === 32) return b.lane("i32x4.replace_lane", 0, vector, b.wrap(low));
  throw new Error(`no instruction merges ${width} bits`);
}

/** Byte offset of the vector register whose number is in bits 7:4 of the immediate. */
function registerInImmediate(b: X86Builder): Val {
  const number = b.and(b.shr(b.fields.immediate(), b.const(4)), b.const(15));
  return b.wrap(b.shl(number, b.const(6)));
}

class MemoryOperand extends NamedOperand {
  override readonly memory: boolean = true;
  override readonly lanes: 1 | 2 = lanesOf(this.code, this.b.shape.row);
  /** The address is computed once: semantics may load and store. */
  #linear: Val | undefined;

  override address(): Val {
    this.#linear ??= this.code[0] === "O" ? absoluteAddress(this.b) : memoryAddress(this.b);
    return this.#linear;
  }

  override load(): Val {
    return this.b.guestLoad(this.#single(), this.#reach(false));
  }

  override modify(): Val {
    return this.b.guestModify(this.#single(), this.#reach(true));
  }

  override store(value: Val): void {
    this.b.guestStore(this.#single(), this.#reach(true), value);
  }

  /** The address record asked whether the segment can be read; whether it can be written is asked here. */
  override storeIf(condition: Val, value: Val): void {
    const { b } = this;
    const bytes = this.#single() / 8;
    b.when(condition, () => {
      if (b.shape.form === "mea") {
        const segment = b.fields.segment();
        const offset = b.zext(b.sub(this.address(), b.stateAt("segBase", segment)), 32);
        b.when(b.isFalse(b.modeIsCode64()), () => b.checkLimit(offset, segment, b.const(bytes), true));
      }
      b.guestStore(this.#single(), aligned(b, bytes, this.address()), value);
    });
  }

  override loadLanes(): readonly Val[] {
    return this.lanes === 1 ? [this.load()] : this.b.guestLoadPair(this.#reach(false));
  }

  override storeLanes([low, high]: readonly Val[]): void {
    if (high === undefined) this.store(low as Val);
    else this.b.guestStorePair(this.#reach(true), [low as Val, high]);
  }

  override register(): Val {
    return unreadable(this.code);
  }

  #single(): Width {
    return this.lanes === 1 ? this.width : unreadable(this.code);
  }

  #reach(write: boolean): Val {
    const bytes = (this.width / 8) * this.lanes;
    this.b.noteOperandAccess(bytes, write);
    return aligned(this.b, bytes, this.address());
  }
}

function aligned(b: X86Builder, bytes: number, linear: Val): Val {
  if (b.shape.row.aligned && bytes >= 16) {
    b.raiseIf(b.ne(b.and(linear, b.const(bytes - 1)), b.const(0)), "GP", b.const(0));
  }
  return linear;
}

/** Effective address without segment, as LEA gives it. */
export function effectiveAddress(b: X86Builder): Val {
  const index = b.shl(b.gpr(64, b.fields.index()), b.fields.scale());
  return b.add(b.add(b.gpr(64, b.fields.base()), index), b.fields.displacement());
}

/** The address of a MOV with absolute offset is its immediate. */
function absoluteAddress(b: X86Builder): Val {
  if (b.shape.form === "mea") return b.state("effectiveAddress");
  return b.shape.form === "m32" ? b.zext(b.fields.immediate(), 32) : b.fields.wideImmediate();
}

function memoryAddress(b: X86Builder): Val {
  if (b.shape.form === "mea") return b.state("effectiveAddress");
  const address = effectiveAddress(b);
  return b.shape.form === "m32" ? b.zext(address, 32) : address;
}
