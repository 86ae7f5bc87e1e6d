// The x87 register stack, and how its instructions begin and end. SDM vol. 1, "x87 FPU Data Registers" and "Stack
// Overflow or Underflow Exception (#IS)".
//
// Invariants:
// 1. A slot is the byte offset of a physical register in `fpr`, i32: 16 times its number.
// 2. What a waiting instruction changes, it changes after its memory operand was read or found writable.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { bitsOf, loadStatus, noteExceptions, unmaskedOf } from "../softfloat/exceptions.ts";
import { storeIndefinite } from "../softfloat/extended.ts";
import { FLAGS_SLOT } from "../softfloat/slots.ts";
import { EXCEPTIONS, FSW, TOP_SHIFT } from "../softfloat/status-word.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { AT, SEGMENT } from "../state/layout.ts";

const SLOT_MASK = 0x70;
const ONE_TOP = 1 << TOP_SHIFT;

/** The slot of ST(i) for a number known when the code is generated. */
export function slotOf(b: X86Builder, i: number): Val {
  const top = b.op("i32.shr_u", loadStatus(b), b.const32(TOP_SHIFT - 4));
  return b.op("i32.and", b.op("i32.add", top, b.const32(i * 16)), b.const32(SLOT_MASK));
}

/** The slot of the register that the instruction names in ModRM.rm. */
export function slotOfRm(b: X86Builder): Val {
  const top = b.op("i32.shr_u", loadStatus(b), b.const32(TOP_SHIFT - 4));
  const offset = b.op("i32.shl", b.fields.rm(), b.const32(4));
  return b.op("i32.and", b.op("i32.add", top, offset), b.const32(SLOT_MASK));
}

/** Address of a slot, for the soft-float subroutines. */
export const addressOf = (b: X86Builder, slot: Val): Val => b.op("i32.add", slot, b.const32(AT.fpr));

const tagBit = (b: X86Builder, slot: Val): Val => b.op("i32.shl", b.const32(1), b.op("i32.shr_u", slot, b.const32(4)));
const loadTag = (b: X86Builder): Val => b.load("i32.load", undefined, AT.fpuTag);

/** Whether all of these registers hold something, i32. */
export function arePresent(b: X86Builder, ...slots: readonly Val[]): Val {
  const tag = loadTag(b);
  const present = slots.map((slot) =>
    b.op("i32.and", b.op("i32.shr_u", tag, b.op("i32.shr_u", slot, b.const32(4))), b.const32(1)),
  );
  return present.reduce((x, y) => b.op("i32.and", x, y));
}

function setTag(b: X86Builder, tag: Val): void {
  b.committing("fpuTag");
  b.store("i32.store", undefined, AT.fpuTag, tag);
}

/** Replaces the status word (i32). */
export function setStatus(b: X86Builder, status: Val): void {
  b.committing("fpuStatus");
  b.store("i32.store", undefined, AT.fpuStatus, status);
}

/** Marks a register as holding something. */
export function markValid(b: X86Builder, slot: Val): void {
  setTag(b, b.op("i32.or", loadTag(b), tagBit(b, slot)));
}

/** Marks a register as empty. */
export function markEmpty(b: X86Builder, slot: Val): void {
  setTag(b, b.op("i32.and", loadTag(b), b.op("i32.xor", tagBit(b, slot), b.const32(-1))));
}

/** Adds to TOP, which wraps around. */
export function rotate(b: X86Builder, by: 1 | -1): void {
  const status = loadStatus(b);
  const top = bitsOf(b, b.op("i32.add", status, b.const32(by * ONE_TOP)), FSW.TOP);
  setStatus(b, b.op("i32.or", bitsOf(b, status, ~FSW.TOP), top));
}

/** Empties ST(0) and makes ST(1) the new one. */
export function pop(b: X86Builder): void {
  markEmpty(b, slotOf(b, 0));
  rotate(b, 1);
}

/** Pops once or twice. */
export function popTimes(b: X86Builder, times: 0 | 1 | 2): void {
  for (let i = 0; i < times; i++) pop(b);
}

/** Clears C1, as instructions do that neither round nor overflow the stack. */
export const clearC1 = (b: X86Builder): void => setStatus(b, bitsOf(b, loadStatus(b), ~FSW.C1));

/** Notes exceptions (i32 flags). @returns whether all are masked. */
export function note(b: X86Builder, flags: Val): Val {
  b.committing("fpuStatus");
  return callSubroutine(b, noteExceptions, flags);
}

/** IE and SF because a register was empty; C1 is clear. */
export const UNDERFLOW = FSW.IE | FSW.SF;
/** IE and SF because a register was not empty. */
export const OVERFLOW = FSW.IE | FSW.SF | FSW.C1;

/**
 * Runs `compute` if the registers it needs hold something, else the masked response to a stack underflow: the default
 * NaN. @param compute returns whether a result was stored, i32. @param then runs if one was, or the default was.
 */
export function withRegisters(
  b: X86Builder,
  needed: readonly Val[],
  destination: Val,
  compute: () => Val,
  then: () => void = () => {},
): void {
  const stored = b.variable(b.const32(0));
  b.when(
    arePresent(b, ...needed),
    () => b.set(stored, compute()),
    () => {
      b.set(stored, note(b, b.const32(UNDERFLOW)));
      b.when(b.get(stored), () => {
        storeIndefinite(b, addressOf(b, destination));
        markValid(b, destination);
      });
    },
  );
  b.when(b.get(stored), then);
}

/**
 * Pushes what `write` stores at the address it is given; if the register there is not empty, the default NaN.
 * @param write returns whether it stored a value, i32: without one nothing is pushed.
 */
export function push(b: X86Builder, write: (address: Val) => Val): void {
  b.committing("fpr");
  const slot = slotOf(b, -1);
  const address = addressOf(b, slot);
  const stored = b.variable(b.const32(0));
  b.when(
    arePresent(b, slot),
    () => {
      b.set(stored, note(b, b.const32(OVERFLOW)));
      b.when(b.get(stored), () => storeIndefinite(b, address));
    },
    () => b.set(stored, write(address)),
  );
  b.when(b.get(stored), () => {
    markValid(b, slot);
    rotate(b, -1);
  });
}

/**
 * Replaces ST(0) by one number and pushes another: `write` gets the addresses of both. A stack fault makes both the
 * default NaN. @param write returns whether it stored them, i32: otherwise nothing is pushed.
 */
export function pushBeside(b: X86Builder, write: (top: Val, pushed: Val) => Val): void {
  const [source, above] = [slotOf(b, 0), slotOf(b, -1)];
  const [top, pushed] = [addressOf(b, source), addressOf(b, above)];
  const stored = b.variable(b.const32(0));
  const present = arePresent(b, source);
  const fits = b.isFalse(arePresent(b, above));
  b.when(
    b.both(present, fits),
    () => b.set(stored, write(top, pushed)),
    () => {
      b.set(stored, note(b, b.select(present, b.const32(OVERFLOW), b.const32(UNDERFLOW))));
      b.when(b.get(stored), () => {
        storeIndefinite(b, top);
        storeIndefinite(b, pushed);
      });
    },
  );
  b.when(b.get(stored), () => {
    markValid(b, source);
    markValid(b, above);
    rotate(b, -1);
  });
}

/** Copies a number between addresses. */
export function copyExtended(b: X86Builder, from: Val, to: Val): void {
  const significand = b.load("i64.load", from, 0);
  const head = b.load("i64.load16_u", from, 8);
  b.store("i64.store", to, 0, significand);
  b.store("i64.store16", to, 8, head);
}

/** Notes for FNSTENV and its like which instruction this was. Commits. */
export function trackInstruction(b: X86Builder): void {
  b.setState("fpuIp", b.add(b.reg(64, "pageRip"), b.fields.pageOffset()));
  b.setState("fpuCs", b.state("segSelector", SEGMENT.cs));
  b.store("i32.store", undefined, AT.fpuOpcode, b.fields.x87Opcode());
}

/** As {@link trackInstruction}, with the offset of the memory operand in its segment. Commits. */
export function trackOperand(b: X86Builder, operand: Operand): void {
  trackInstruction(b);
  const linear = operand.address();
  const base = b.shape.form === "mea" ? b.stateAt("segBase", b.fields.segment()) : b.const(0);
  b.setState("fpuDp", b.sub(linear, base));
  b.setState("fpuDs", b.stateAt("segSelector", b.fields.segment()));
}

/** Exceptions that keep a result from memory, if they are unmasked. SDM vol. 1, "Numeric Overflow Exception". */
const WITHHOLDING = EXCEPTIONS & ~FSW.PE;

/** A memory operand to be written. */
export interface Destination {
  readonly operand: Operand;
  /** Faults if it cannot be written. */
  readonly probe: () => void;
  readonly write: (value: Val) => void;
}

/**
 * Stores to memory what a conversion of ST(0) gives, and pops. `convert` leaves its exceptions in `FLAGS_SLOT`; they
 * are noted after the store, which may fault, as it does even if nothing is stored. An empty ST(0) gives `indefinite`.
 */
export function storeConverted(
  b: X86Builder,
  convert: (address: Val) => Val,
  indefinite: Val,
  destination: Destination,
  pops: boolean,
): void {
  const slot = slotOf(b, 0);
  const value = b.variable(indefinite);
  const flags = b.variable(b.const32(UNDERFLOW));
  b.when(arePresent(b, slot), () => {
    b.set(value, convert(addressOf(b, slot)));
    b.set(flags, b.load("i32.load", undefined, FLAGS_SLOT));
  });
  const control = b.load("i32.load", undefined, AT.fpuControl);
  const withheld = b.variable(bitsOf(b, unmaskedOf(b, b.get(flags), control), WITHHOLDING));
  b.when(
    b.get(withheld),
    () => destination.probe(),
    () => destination.write(b.get(value)),
  );
  trackOperand(b, destination.operand);
  note(b, b.get(flags));
  if (pops) b.when(b.isFalse(b.get(withheld)), () => pop(b));
}
