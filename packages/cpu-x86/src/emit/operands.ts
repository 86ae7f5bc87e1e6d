import type { Val } from "@tsvm/tcg";
import type { OperandCode } from "../instructions/row.ts";
import { AT, GPR } from "../state/layout.ts";
import type { Width, X86Builder } from "./x86-builder.ts";

/** A place an instruction reads or writes; its width is static, its identity may not be. */
export interface Operand {
  readonly code: OperandCode;
  readonly width: Width;
  /** The operand is in memory. */
  readonly memory: boolean;
  /** Its value, zero-extended to i64; vectors (`V W U H` and their memory) of width 128 as v128. */
  load(): Val;
  /** As `load`, of what will be stored afterwards: memory faults as a write. */
  modify(): Val;
  /** Writes the low `width` bits. Commits, unless it is memory. */
  store(value: Val): void;
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
    case "ps":
    case "pd":
      return 128;
    default:
      return opsize;
  }
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
  return { code, width, memory: false, load, modify: load, store: refuse, address: refuse, register: refuse };
}

function gprOperand(b: X86Builder, code: OperandCode, width: Width, register: () => Val): Operand {
  const load = (): Val => b.gpr(width, register());
  return {
    code,
    width,
    memory: false,
    load,
    modify: load,
    store: (value) => b.setGpr(width, register(), value),
    address: () => unreadable(code),
    register,
  };
}

/** Elements of a register file at `base`: 64-bit ones as i64, narrower ones as their low bits. */
function fileOperand(b: X86Builder, code: OperandCode, width: Width, register: () => Val, base: number): Operand {
  const load = (): Val => b.load(LOAD[width], register(), base);
  return {
    code,
    width,
    memory: false,
    load,
    modify: load,
    store: (value) => {
      b.committing("vector register");
      b.store(STORE[width], register(), base, value);
    },
    address: () => unreadable(code),
    register,
  };
}
const LOAD = { 8: "i64.load8_u", 16: "i64.load16_u", 32: "i64.load32_u", 64: "i64.load", 128: "v128.load" } as const;
const STORE = { 8: "i64.store8", 16: "i64.store16", 32: "i64.store32", 64: "i64.store", 128: "v128.store" } as const;

/** Stores keep the bits above the width, as legacy SSE does. */
function vectorOperand(b: X86Builder, code: OperandCode, width: Width, register: () => Val): Operand {
  return fileOperand(b, code, width, register, AT.zmm);
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
  return {
    code,
    width,
    memory: true,
    address,
    load: () => {
      b.noteOperandAccess(width / 8, false);
      return b.guestLoad(width, aligned(b, width, address()));
    },
    modify: () => {
      b.noteOperandAccess(width / 8, true);
      return b.guestModify(width, aligned(b, width, address()));
    },
    store: (value) => {
      b.noteOperandAccess(width / 8, true);
      b.guestStore(width, aligned(b, width, address()), value);
    },
    register: () => unreadable(code),
  };
}

function aligned(b: X86Builder, width: Width, linear: Val): Val {
  if (b.shape.row.aligned && width === 128) b.raiseIf(b.ne(b.and(linear, b.const(15)), b.const(0)), "GP", b.const(0));
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
