// Memory operands of the x87: how they become numbers and how numbers become them.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type Extended, storeExtended } from "../softfloat/extended.ts";
import { fromInteger } from "../softfloat/integer.ts";
import { fromDouble, fromSingle } from "../softfloat/narrow.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import type { Destination } from "./x87-stack.ts";

/** Bytes of an extended number in memory. */
const EXTENDED_BYTES = 10;

/** What a memory operand of 16 to 64 bits is. */
export type MemoryFormat = "integer" | "float";

/**
 * Stores the number that `bits` mean at `address`, signaling NaNs as they are.
 * @returns flags (i32): DE if they were denormal.
 */
export function widen(b: X86Builder, format: MemoryFormat, width: number, bits: Val, address: Val): Val {
  if (format === "float") return callSubroutine(b, width === 64 ? fromDouble : fromSingle, bits, address);
  storeExtended(b, address, fromInteger(b, b.sext(bits, width)));
  return b.const32(0);
}

/** Reads the 80 bits of a memory operand: the significand, then sign and exponent. */
export function loadTenBytes(b: X86Builder, operand: Operand): { low: Val; high: Val } {
  b.noteOperandAccess(EXTENDED_BYTES, false);
  const linear = operand.address();
  const low = b.guestLoad(64, linear);
  return { low, high: b.guestLoad(16, b.add(linear, b.const(8))) };
}

/** A memory operand of 16 to 64 bits as a destination. */
export function plainDestination(operand: Operand): Destination {
  // Asked for here, the address is known on both paths; later it would belong to the first one alone.
  operand.address();
  return { operand, probe: () => void operand.modify(), write: (value) => operand.store(value) };
}

/** A memory operand of 80 bits as a destination: `high()` gives the upper 16. All are written, or none and a fault. */
export function tenByteDestination(b: X86Builder, operand: Operand, high: () => Val): Destination {
  b.noteOperandAccess(EXTENDED_BYTES, true);
  const linear = operand.address();
  const second = b.add(linear, b.const(8));
  const probe = (): void => {
    b.guestModify(64, linear);
    b.guestModify(16, second);
  };
  const write = (low: Val): void => {
    probe();
    b.guestStore(64, linear, low);
    b.guestStore(16, second, high());
  };
  return { operand, probe, write };
}

/** Sign and exponent in one word, as in memory. */
export const headOf = (b: X86Builder, { sign, exponent }: Extended): Val => b.or(b.shl(sign, b.const(15)), exponent);
