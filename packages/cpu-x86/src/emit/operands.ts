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

/** Width of an operand code at an operand size. SDM vol. 2D, "Codes for Operand Type". */
export function widthOf(code: OperandCode, b: X86Builder): Width {
  const { opsize } = b.shape;
  if (code === "AL" || code === "CL") return 8;
  if (code === "AX" || code === "DX") return 16;
  if (code === "rAX") return opsize;
  switch (code.slice(1)) {
    case "b":
      return 8;
    case "w":
      return 16;
    case "d":
    case "ss":
      return 32;
    case "q":
    case "sd":
    case "pi":
      return 64;
    case "v":
      return opsize;
    case "z":
      return opsize === 16 ? 16 : 32;
    case "y":
      return opsize === 64 ? 64 : 32;
    case "dq":
    case "qq":
    case "x":
    case "ps":
    case "pd":
      return 128;
    default:
      return opsize;
  }
}

/** 128-bit lanes of an operand code in a row. */
export function lanesOf(code: OperandCode, row: Row): 1 | 2 {
  const size = code.slice(1);
  if (size === "qq") return 2;
  return (size === "x" || size === "ps" || size === "pd") && row.encoding.startsWith("VEX.256.") ? 2 : 1;
}

/** The operand that `code` names in the current instruction. */
export function makeOperand(b: X86Builder, code: OperandCode): Operand {
  const width = widthOf(code, b);
  if (code in FIXED) {
    const offset = b.const32(GPR[FIXED[code as keyof typeof FIXED]] * 8);
    return gprOperand(b, code, width, () => offset);
  }
  if (code === "1") return valueOperand(code, width, () => b.const(1));
  switch (code[0]) {
    case "G":
    case "Z":
      return gprOperand(b, code, width, b.fields.reg);
    case "B":
      return gprOperand(b, code, width, b.fields.vvvv);
    case "R":
      return gprOperand(b, code, width, b.fields.rm);
    case "E":
      return b.shape.form === "reg" ? gprOperand(b, code, width, b.fields.rm) : memoryOperand(b, code, width);
    case "V":
      return vectorOperand(b, code, width, b.fields.reg);
    case "H":
      return vectorOperand(b, code, width, b.fields.vvvv);
    case "U":
      return vectorOperand(b, code, width, b.fields.rm);
    case "L":
      return vectorOperand(b, code, width, () => registerInImmediate(b));
    case "W":
      return b.shape.form === "reg" ? vectorOperand(b, code, width, b.fields.rm) : memoryOperand(b, code, width);
    case "P":
      return fileOperand(b, code, 64, b.fields.reg, AT.fpr);
    case "N":
      return fileOperand(b, code, 64, b.fields.rm, AT.fpr);
    case "Q":
      return b.shape.form === "reg" ? fileOperand(b, code, 64, b.fields.rm, AT.fpr) : memoryOperand(b, code, width);
    case "I":
    case "J":
    case "A":
      return valueOperand(code, width, () => b.zext(b.fields.immediate(), width));
    case "S":
    case "C":
    case "D":
      return {
        ...valueOperand(code, width, () => unreadable(code)),
        register: code[0] === "S" || code[0] === "C" || code[0] === "D" ? b.fields.reg : b.fields.rm,
      };
    case "O":
      return memoryOperand(b, code, width, () => absoluteAddress(b));
    case "M":
    case "X":
    case "Y":
      return memoryOperand(b, code, width);
    default:
      return valueOperand(code, width, () => unreadable(code));
  }
}

function unreadable(code: string): never {
  throw new Error(`operand ${code} has no value of its own: the semantics must name what it wants`);
}

function valueOperand(code: OperandCode, width: Width, load: () => Val): Operand {
  const refuse = (): never => unreadable(code);
  return {
    code,
    width,
    lanes: 1,
    memory: false,
    load,
    modify: load,
    store: refuse,
    loadLanes: () => [load()],
    storeLanes: refuse,
    address: refuse,
    register: refuse,
  };
}

function gprOperand(b: X86Builder, code: OperandCode, width: Width, register: () => Val): Operand {
  const load = (): Val => b.gpr(width, register());
  return {
    code,
    width,
    lanes: 1,
    memory: false,
    load,
    modify: load,
    store: (value) => b.setGpr(width, register(), value),
    loadLanes: () => [load()],
    storeLanes: ([value]) => b.setGpr(width, register(), value as Val),
    address: () => unreadable(code),
    register,
  };
}

/** MMX registers: 64-bit ones as i64, narrower ones as their low bits. */
function fileOperand(b: X86Builder, code: OperandCode, width: Width, register: () => Val, base: number): Operand {
  const load = (): Val => b.load(LOAD[width], register(), base);
  const store = (value: Val): void => {
    b.committing("vector register");
    b.store(STORE[width], register(), base, value);
  };
  return {
    code,
    width,
    lanes: 1,
    memory: false,
    load,
    modify: load,
    store,
    loadLanes: () => [load()],
    storeLanes: ([value]) => store(value as Val),
    address: () => unreadable(code),
    register,
  };
}
const LOAD = { 8: "i64.load8_u", 16: "i64.load16_u", 32: "i64.load32_u", 64: "i64.load", 128: "v128.load" } as const;
const STORE = { 8: "i64.store8", 16: "i64.store16", 32: "i64.store32", 64: "i64.store", 128: "v128.store" } as const;

function vectorOperand(b: X86Builder, code: OperandCode, width: Width, register: () => Val): Operand {
  const lanes = lanesOf(code, b.shape.row);
  const load = (): Val => (lanes === 1 ? b.vectorRegister(width, register()) : unreadable(code));
  const storeLanes = (values: readonly Val[]): void => storeVector(b, width, register(), values);
  return {
    code,
    width,
    lanes,
    memory: false,
    load,
    modify: load,
    store: (value) => storeLanes([value]),
    loadLanes: () => (lanes === 1 ? [load()] : [0, 1].map((lane) => b.vectorRegister(width, register(), lane))),
    storeLanes,
    address: () => unreadable(code),
    register,
  };
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

function memoryOperand(
  b: X86Builder,
  code: OperandCode,
  width: Width,
  locate: () => Val = () => memoryAddress(b),
): Operand {
  // The address is computed once: semantics may load and store.
  let linear: Val | undefined;
  const address = (): Val => (linear ??= locate());
  const lanes = lanesOf(code, b.shape.row);
  const bytes = (width / 8) * lanes;
  const reach = (write: boolean): Val => {
    b.noteOperandAccess(bytes, write);
    return aligned(b, bytes, address());
  };
  const single = (): void => {
    if (lanes !== 1) unreadable(code);
  };
  const load = (): Val => {
    single();
    return b.guestLoad(width, reach(false));
  };
  const store = (value: Val): void => {
    single();
    b.guestStore(width, reach(true), value);
  };
  return {
    code,
    width,
    lanes,
    memory: true,
    address,
    load,
    modify: () => {
      single();
      return b.guestModify(width, reach(true));
    },
    store,
    loadLanes: () => (lanes === 1 ? [load()] : b.guestLoadPair(reach(false))),
    storeLanes: ([low, high]) =>
      high === undefined ? store(low as Val) : b.guestStorePair(reach(true), [low as Val, high]),
    register: () => unreadable(code),
  };
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
  const address = b.fields.immediate();
  return b.shape.form === "m32" ? b.zext(address, 32) : address;
}

function memoryAddress(b: X86Builder): Val {
  if (b.shape.form === "mea") return b.state("effectiveAddress");
  const address = effectiveAddress(b);
  return b.shape.form === "m32" ? b.zext(address, 32) : address;
}
