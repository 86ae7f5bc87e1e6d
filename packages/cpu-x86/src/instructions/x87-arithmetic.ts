// FADD FSUB FMUL FDIV with their reversed and integer forms, FSQRT FPREM FPREM1 FRNDINT FSCALE FXTRACT FCHS FABS. SDM
// vol. 2A, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { X86Builder } from "../emit/x86-builder.ts";
import { add } from "../softfloat/add.ts";
import { divide } from "../softfloat/divide.ts";
import { bitsOf, loadStatus } from "../softfloat/exceptions.ts";
import { roundToIntegral } from "../softfloat/integer.ts";
import { multiply } from "../softfloat/multiply.ts";
import { remainder } from "../softfloat/remainder.ts";
import { extract, scale } from "../softfloat/scale.ts";
import { OPERAND_SLOT } from "../softfloat/slots.ts";
import { squareRoot } from "../softfloat/square-root.ts";
import { FSW } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { type MemoryFormat, widen } from "./x87-operand.ts";
import {
  addressOf,
  clearC1,
  popTimes,
  pushBeside,
  setStatus,
  slotOf,
  slotOfRm,
  trackInstruction,
  trackOperand,
  withRegisters,
} from "./x87-stack.ts";

const X87: RowOptions = { fpu: "x87", cpuid: "fpu" };

/** Computes from the numbers at two addresses; `extra` are flags of reading them. @returns whether stored, i32. */
type Compute = (b: X86Builder, x: Val, y: Val, destination: Val, extra: Val) => Val;

const addition =
  (subtract: 0 | 1): Compute =>
  (b, x, y, destination, extra) =>
    callSubroutine(b, add, x, y, destination, b.const(subtract), extra);
const multiplication: Compute = (b, ...args) => callSubroutine(b, multiply, ...args);
const division: Compute = (b, ...args) => callSubroutine(b, divide, ...args);
const reversed =
  (compute: Compute): Compute =>
  (b, x, y, destination, extra) =>
    compute(b, y, x, destination, extra);

const subtraction = addition(1);

/** By ModRM.reg, with ST(0) or what takes its place as x; digits 2 and 3 compare. */
const OPERATIONS: readonly [digit: number, name: string, compute: Compute][] = [
  [0, "ADD", addition(0)],
  [1, "MUL", multiplication],
  [4, "SUB", subtraction],
  [5, "SUBR", reversed(subtraction)],
  [6, "DIV", division],
  [7, "DIVR", reversed(division)],
];

const withMemory =
  (format: MemoryFormat, compute: Compute): Semantics =>
  (b, src) => {
    const bits = src!.load();
    trackOperand(b, src!);
    const slot = slotOf(b, 0);
    const address = addressOf(b, slot);
    const operand = b.const32(OPERAND_SLOT);
    withRegisters(b, [slot], slot, () => {
      const extra = widen(b, format, src!.width, bits, operand);
      return compute(b, address, operand, address, extra);
    });
  };

/** ST(0) <- ST(0) op ST(i), or ST(i) <- ST(i) op ST(0) as the order of operands says. */
const withRegister =
  (compute: Compute, toTop: boolean, pops: 0 | 1): Semantics =>
  (b) => {
    trackInstruction(b);
    const [top, other] = [slotOf(b, 0), slotOfRm(b)];
    const [destination, source] = toTop ? [top, other] : [other, top];
    const [x, y] = [addressOf(b, destination), addressOf(b, source)];
    withRegisters(
      b,
      [top, other],
      destination,
      () => compute(b, x, y, x, b.const32(0)),
      () => popTimes(b, pops),
    );
  };

const hex = (value: number): string => value.toString(16).toUpperCase();

function family([digit, name, compute]: (typeof OPERATIONS)[number]): Row[] {
  const modrm = hex(0xc0 + digit * 8);
  // In DC and DE the subtractions and divisions have changed places: FSUB ST(i), ST is where D8 has FSUBR.
  const swapped = hex(0xc0 + (digit >= 4 ? digit ^ 1 : digit) * 8);
  return [
    row(`D8 /${digit}`, `F${name}`, ["Md"], withMemory("float", compute), X87),
    row(`DC /${digit}`, `F${name}`, ["Mq"], withMemory("float", compute), X87),
    row(`DA /${digit}`, `FI${name}`, ["Md"], withMemory("integer", compute), X87),
    row(`DE /${digit}`, `FI${name}`, ["Mw"], withMemory("integer", compute), X87),
    row(`D8 ${modrm}+i`, `F${name}`, ["ST0", "STi"], withRegister(compute, true, 0), X87),
    row(`DC ${swapped}+i`, `F${name}`, ["STi", "ST0"], withRegister(compute, false, 0), X87),
    row(`DE ${swapped}+i`, `F${name}P`, ["STi", "ST0"], withRegister(compute, false, 1), X87),
  ];
}

/** ST(0) <- f(ST(0)). */
const unary =
  (compute: (b: X86Builder, address: Val) => Val): Semantics =>
  (b) => {
    trackInstruction(b);
    const slot = slotOf(b, 0);
    withRegisters(b, [slot], slot, () => compute(b, addressOf(b, slot)));
  };

/** ST(0) <- f(ST(0), ST(1)). */
const binary =
  (compute: (b: X86Builder, x: Val, y: Val) => Val): Semantics =>
  (b) => {
    trackInstruction(b);
    const [x, y] = [slotOf(b, 0), slotOf(b, 1)];
    withRegisters(b, [x, y], x, () => compute(b, addressOf(b, x), addressOf(b, y)));
  };

/** The sign alone, of whatever bits. */
const signs = (change: (b: X86Builder, head: Val) => Val): Semantics =>
  unary((b, address) => {
    clearC1(b);
    b.store("i64.store16", address, 8, change(b, b.load("i64.load16_u", address, 8)));
    return b.const32(1);
  });

/** FXTRACT: the exponent stays where ST(0) was, the significand is pushed. */
const fxtract: Semantics = (b) => {
  trackInstruction(b);
  pushBeside(b, (x, pushed) => callSubroutine(b, extract, x, x, pushed));
};

const prem =
  (nearest: 0 | 1): Semantics =>
  (b) => {
    // NaNs, invalid operations and stack faults leave C2 clear: no further step would help.
    setStatus(b, bitsOf(b, loadStatus(b), ~FSW.C2));
    binary((_, x, y) => callSubroutine(b, remainder, x, y, x, b.const32(nearest)))(b);
  };

export const rows: readonly Row[] = [
  ...OPERATIONS.flatMap(family),
  row(
    "D9 E0",
    "FCHS",
    [],
    signs((b, head) => b.xor(head, b.const(0x8000))),
    X87,
  ),
  row(
    "D9 E1",
    "FABS",
    [],
    signs((b, head) => b.and(head, b.const(0x7fff))),
    X87,
  ),
  row(
    "D9 FA",
    "FSQRT",
    [],
    unary((b, x) => callSubroutine(b, squareRoot, x, x)),
    X87,
  ),
  row(
    "D9 FC",
    "FRNDINT",
    [],
    unary((b, x) => callSubroutine(b, roundToIntegral, x, x)),
    X87,
  ),
  row(
    "D9 FD",
    "FSCALE",
    [],
    binary((b, x, y) => callSubroutine(b, scale, x, y, x)),
    X87,
  ),
  row("D9 F4", "FXTRACT", [], fxtract, X87),
  row("D9 F8", "FPREM", [], prem(0), X87),
  row("D9 F5", "FPREM1", [], prem(1), X87),
];
