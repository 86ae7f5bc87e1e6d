// MOV to and from debug registers. SDM vol. 2B, "MOV-Move to/from Debug Registers"; vol. 3B, "Debug Registers".

import { breakpointsEnabled } from "../exceptions/breakpoints.ts";
import { DR6, raiseDebug } from "../exceptions/debug.ts";
import { CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** Bits that always read as one, and those that can be written. */
const DR6_FIXED = 0xffff_0ff0;
const DR6_WRITABLE = 0xe00f;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = 0xffff_23ff;
const DR7_GD = 1 << 13;

/** DR6 and DR7 after reset. */
export const DR6_RESET: number = DR6_FIXED;
export const DR7_RESET: number = DR7_FIXED;

/** MOV r, DRn. Arguments: debug register number, byte offset of the destination in the general register file. */
export function movFromDr(cpu: Cpu): HelperResult {
  const number = checkAccess(cpu, cpu.arg32(0));
  if (number < 0) return HELPER.fault;
  const register = cpu.arg32(1) >> 3;
  if (cpu.code64) cpu.setGpr64(register, cpu.get64(AT.dr, number));
  else cpu.setGpr32(register, cpu.low(AT.dr, number));
  return HELPER.next;
}

/** MOV DRn, r. Arguments: debug register number, source value. */
export function movToDr(cpu: Cpu): HelperResult {
  const number = checkAccess(cpu, cpu.arg32(0));
  if (number < 0) return HELPER.fault;
  const value = cpu.code64 ? cpu.arg64(1) : BigInt(cpu.arg32(1));
  if (number < 4) {
    cpu.set64(AT.dr, value, number);
    return HELPER.next;
  }
  if (value >> 32n !== 0n) return cpu.raise("GP", 0);
  const low = Number(value);
  if (number === 6) cpu.setLow(AT.dr, (low & DR6_WRITABLE) | DR6_FIXED, 6);
  else cpu.setLow(AT.dr, (low & DR7_WRITABLE) | DR7_FIXED, 7);
  // From the next instruction on the run loop watches each.
  return breakpointsEnabled(cpu) ? HELPER.exit : HELPER.next;
}

/** DR4 and DR5 stand for DR6 and DR7 unless CR4.DE is set. @returns the register, or -1: exception pending. */
function checkAccess(cpu: Cpu, number: number): number {
  const alias = number === 4 || number === 5;
  if (number > 7 || (alias && (cpu.low(AT.cr4) & CR4.DE) !== 0)) cpu.raise("UD");
  else if (cpu.cpl !== 0) cpu.raise("GP", 0);
  else if ((cpu.low(AT.dr, 7) & DR7_GD) !== 0) raiseDebug(cpu, DR6.BD);
  if (cpu.faulted) return -1;
  return alias ? number + 2 : number;
}
