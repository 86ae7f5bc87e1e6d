// INCSSP SAVEPREVSSP RSTORSSP WRSS WRUSS SETSSBSY CLRSSBSY. SDM vol. 2, the instruction of each name.
import { isCanonicalHigh } from "../segments/canonical.ts";
import { CR4, FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { CP_ERROR } from "./control-protection.ts";
import { hasShadowStack, mayWriteShadowStack, usesShadowStack } from "./controls.ts";
import { mayPush, readShadow, releaseShadowStack, takeShadowStack, writeShadow } from "./shadow-memory.ts";

const MASK_64 = 0xffff_ffff_ffff_ffffn;
/** Bits of tokens: of the one that RSTORSSP takes, which restores a 64-bit shadow stack; of the one it leaves. */
const TOKEN_64 = 1n;
const TOKEN_PREVIOUS = 2n;
const ARITHMETIC = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;

/** INCSSP. Arguments: count, operand size in bits. The ends of what is skipped must be shadow stack. */
export function incssp(cpu: Cpu): HelperResult {
  if (!usesShadowStack(cpu)) return cpu.raise("UD");
  const size = cpu.arg32(1) === 64 ? 8 : 4;
  const count = cpu.arg32(0) & 0xff;
  const ssp = cpu.get64(AT.ssp);
  readShadow(cpu, ssp, size, cpu.cpl);
  readShadow(cpu, ssp + BigInt(Math.max(0, count - 1) * size), size, cpu.cpl);
  if (cpu.faulted) return HELPER.fault;
  cpu.set64(AT.ssp, (ssp + BigInt(count * size)) & MASK_64);
  return HELPER.next;
}

/**
 * RSTORSSP. Argument: linear address. Goes over to the shadow stack whose token is there, and leaves the token of the old one.
 * CF: there is a hole of four bytes behind it.
 */
export function rstorssp(cpu: Cpu): HelperResult {
  if (!usesShadowStack(cpu)) return cpu.raise("UD");
  const linear = cpu.arg64(0);
  if ((linear & 7n) !== 0n || !isReachable(cpu, 1)) return cpu.raise("GP", 0);
  if (!mayPush(cpu, linear, 8, cpu.cpl)) return HELPER.fault;
  const token = readShadow(cpu, linear, 8, cpu.cpl);
  if (cpu.faulted) return HELPER.fault;
  const wide = cpu.code64 ? TOKEN_64 : 0n;
  const top = ((token & ~TOKEN_64) - 8n) & ~7n & MASK_64;
  const fits = (token & (TOKEN_64 | TOKEN_PREVIOUS)) === wide && (cpu.code64 || token >> 32n === 0n) && top === linear;
  if (!fits) return cpu.raise("CP", CP_ERROR.rstorssp);
  writeShadow(cpu, linear, 8, cpu.get64(AT.ssp) | wide | TOKEN_PREVIOUS, cpu.cpl);
  cpu.set64(AT.ssp, linear);
  setFlags(cpu, (token & 4n) !== 0n);
  return HELPER.next;
}

/** SAVEPREVSSP: leaves a token to return by on the shadow stack that RSTORSSP has left. */
export function saveprevssp(cpu: Cpu): HelperResult {
  if (!usesShadowStack(cpu)) return cpu.raise("UD");
  const { cpl, code64 } = cpu;
  const ssp = cpu.get64(AT.ssp);
  if ((ssp & 7n) !== 0n) return cpu.raise("GP", 0);
  const token = readShadow(cpu, ssp, 8, cpl);
  let end = ssp + 8n;
  if (!cpu.faulted && (cpu.rflags & FLAG.CF) !== 0) {
    if (code64 || readShadow(cpu, end, 4, cpl) !== 0n) cpu.raise("GP", 0);
    end += 4n;
  }
  if (cpu.faulted) return HELPER.fault;
  if ((token & TOKEN_PREVIOUS) === 0n || (!code64 && token >> 32n !== 0n)) return cpu.raise("GP", 0);
  const old = token & ~3n;
  const aligned = old & ~7n;
  if (!mayPush(cpu, aligned - 8n, Number(old - aligned) + 8, cpl)) return HELPER.fault;
  if (aligned !== old) writeShadow(cpu, aligned, 4, 0n, cpl);
  writeShadow(cpu, aligned - 8n, 8, old | (code64 ? TOKEN_64 : 0n), cpl);
  if (cpu.faulted) return HELPER.fault;
  cpu.set64(AT.ssp, end & MASK_64);
  return HELPER.next;
}

/** WRSS. Arguments: linear address, value, operand size in bits, segment. */
export function wrss(cpu: Cpu): HelperResult {
  if (cpu.vm86 || !mayWriteShadowStack(cpu, cpu.cpl)) return cpu.raise("UD");
  return writeElement(cpu, cpu.cpl);
}

/** WRUSS writes to user shadow stacks. Arguments as of WRSS. */
export function wruss(cpu: Cpu): HelperResult {
  if (cpu.vm86 || (cpu.low(AT.cr4) & CR4.CET) === 0) return cpu.raise("UD");
  return cpu.cpl === 0 ? writeElement(cpu, 3) : cpu.raise("GP", 0);
}

function writeElement(cpu: Cpu, cpl: number): HelperResult {
  const size = cpu.arg32(2) === 64 ? 8 : 4;
  const linear = cpu.arg64(0);
  if ((linear & BigInt(size - 1)) !== 0n) return cpu.raise("GP", 0);
  if (!isReachable(cpu, 3)) return HELPER.fault;
  writeShadow(cpu, linear, size, cpu.arg64(1), cpl);
  return cpu.faulted ? HELPER.fault : HELPER.next;
}

/** SETSSBSY: takes the shadow stack of IA32_PL0_SSP, as SYSCALL does not. */
export function setssbsy(cpu: Cpu): HelperResult {
  if (cpu.vm86 || !hasShadowStack(cpu, 0)) return cpu.raise("UD");
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const base = cpu.get64(AT.privilegeSsp, 0);
  if ((base & 7n) !== 0n) return cpu.raise("GP", 0);
  const taken = (cpu.code64 || base >> 32n === 0n) && takeShadowStack(cpu, base, 0);
  if (!taken) return cpu.raise("CP", CP_ERROR.setssbsy);
  cpu.set64(AT.ssp, base);
  return HELPER.next;
}

/** CLRSSBSY. Arguments: linear address, segment. CF: the shadow stack there was not taken. */
export function clrssbsy(cpu: Cpu): HelperResult {
  if (cpu.vm86 || !hasShadowStack(cpu, 0)) return cpu.raise("UD");
  if (cpu.cpl !== 0) return cpu.raise("GP", 0);
  const linear = cpu.arg64(0);
  if ((linear & 7n) !== 0n) return cpu.raise("GP", 0);
  if (!isReachable(cpu, 1)) return HELPER.fault;
  const released = releaseShadowStack(cpu, linear, 0);
  if (cpu.faulted) return HELPER.fault;
  setFlags(cpu, !released);
  cpu.set64(AT.ssp, 0n);
  return HELPER.next;
}

/** An operand that is not canonical is #SS in the stack segment. @param segment which argument names it. */
function isReachable(cpu: Cpu, segment: number): boolean {
  if (!cpu.code64 || isCanonicalHigh(cpu, cpu.linear.maskedHigh(cpu.argHigh(0) | 0))) return true;
  cpu.raise(cpu.arg32(segment) === SEGMENT.ss ? "SS" : "GP", 0);
  return false;
}

/** CF as said, and no other arithmetic flag. */
function setFlags(cpu: Cpu, carry: boolean): void {
  cpu.rflags = (cpu.rflags & ~ARITHMETIC) | (carry ? FLAG.CF : 0);
}
