// What the slow path of floating point is told of the EVEX instruction that it computes parts of.
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { MXCSR, RC_SHIFT } from "./float-format.ts";

/**
 * Bit of `evexControl`: a part of an EVEX instruction is computed. Its exceptions are gathered, and bits 15:0 say which
 * elements count.
 */
export const EVEX_CONTROL_ACTIVE = 0x4000_0000;

/** Argument of {@link beginRounding} that leaves the rounding to MXCSR: exceptions are suppressed all the same. */
export const EVEX_ROUNDING_OF_MXCSR = 4;

const EXCEPTIONS = MXCSR.IE | MXCSR.DE | MXCSR.ZE | MXCSR.OE | MXCSR.UE | MXCSR.PE;
const MASKS = MXCSR.IM | MXCSR.DM | MXCSR.ZM | MXCSR.OM | MXCSR.UM | MXCSR.PM;

/**
 * Puts an instruction's own rounding into MXCSR and masks all exceptions, which {@link endRounding} forgets: embedded rounding
 * implies their suppression. Argument: MXCSR.RC, or EVEX_ROUNDING_OF_MXCSR. SDM vol. 2A, "Static Rounding Support in EVEX".
 */
export function beginRounding(cpu: Cpu): HelperResult {
  const mxcsr = cpu.get32(AT.mxcsr);
  const rounding = cpu.arg32(0);
  const rc = rounding === EVEX_ROUNDING_OF_MXCSR ? mxcsr & MXCSR.RC : rounding << RC_SHIFT;
  cpu.set32(AT.evexMxcsr, mxcsr);
  // With PE set nobody asks whether results are exact.
  cpu.set32(AT.mxcsr, (mxcsr & (MXCSR.DAZ | MXCSR.FZ)) | rc | MASKS | EXCEPTIONS);
  return HELPER.next;
}

/** MXCSR is as it was. */
export function endRounding(cpu: Cpu): HelperResult {
  cpu.set32(AT.mxcsr, cpu.get32(AT.evexMxcsr));
  cpu.set32(AT.evexControl, 0);
  cpu.set32(AT.evexExceptions, 0);
  return HELPER.next;
}
