/** The MSRs of the local APIC. `undefined` and `false` stand for #GP: SDM vol. 3A, "x2APIC Register Address Space". */
import {
  APIC_BASE_BSP,
  APIC_BASE_EN,
  APIC_BASE_EXTD,
  ICR_LOW_MASK,
  LVT_COUNT,
  LVT_MASKS,
  MSR_APIC_BASE,
  MSR_TSC_DEADLINE,
  MSR_X2APIC,
  MSR_X2APIC_END,
  REG_APR,
  REG_DFR,
  REG_EOI,
  REG_ESR,
  REG_ICR_HIGH,
  REG_ICR_LOW,
  REG_LVT_TIMER,
  REG_RRD,
  REG_SELF_IPI,
  REG_SVR,
  REG_TIMER_DIVIDE,
  REG_TIMER_INITIAL,
  REG_TPR,
  SVR_MASK,
} from "./apic-registers.ts";
import type { LocalApicCore } from "./local-apic-core.ts";
import { readRegister, writeRegister } from "./register-window.ts";

export interface ApicMsrOptions {
  readonly x2apic: boolean;
  readonly tscDeadline: boolean;
  readonly physicalAddressBits: number;
}

/** Registers of the window that have no MSR, or that can only be written. */
const UNREADABLE: readonly number[] = [REG_APR, REG_EOI, REG_RRD, REG_DFR, REG_ICR_HIGH, REG_SELF_IPI];

/** The value of MSR `index`, or undefined: #GP. */
export function readApicMsr(apic: LocalApicCore, options: ApicMsrOptions, index: number): bigint | undefined {
  if (index === MSR_APIC_BASE) return BigInt(apic.apicBase);
  if (index === MSR_TSC_DEADLINE) return options.tscDeadline ? BigInt(apic.timer.tscDeadline) : undefined;
  if (index < MSR_X2APIC || index > MSR_X2APIC_END || !apic.x2apic) return undefined;
  const reg = index - MSR_X2APIC;
  if (UNREADABLE.includes(reg)) return undefined;
  const value = readRegister(apic, reg);
  if (value === undefined) return undefined;
  return reg === REG_ICR_LOW ? BigInt(value) | (BigInt(apic.icrHigh) << 32n) : BigInt(value);
}

/** @returns false: #GP */
export function writeApicMsr(apic: LocalApicCore, options: ApicMsrOptions, index: number, value: bigint): boolean {
  if (index === MSR_APIC_BASE) return writeApicBase(apic, options, value);
  if (index === MSR_TSC_DEADLINE) {
    if (options.tscDeadline) apic.timer.tscDeadline = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
    return options.tscDeadline;
  }
  if (index < MSR_X2APIC || index > MSR_X2APIC_END || !apic.x2apic) return false;
  const reg = index - MSR_X2APIC;
  if (reg === REG_ICR_LOW) return writeX2apicIcr(apic, value);
  if (value >> 32n !== 0n) return false;
  return writeX2apic(apic, reg, Number(value));
}

/** SDM vol. 3A, "x2APIC State Transitions": from x2APIC mode only off, and into it only from xAPIC mode. */
function writeApicBase(apic: LocalApicCore, options: ApicMsrOptions, value: bigint): boolean {
  if (value >> BigInt(options.physicalAddressBits) !== 0n) return false;
  const low = Number(value & 0xfffn);
  if ((low & ~(APIC_BASE_BSP | APIC_BASE_EN | APIC_BASE_EXTD)) !== 0) return false;
  const enable = (low & APIC_BASE_EN) !== 0;
  const extend = (low & APIC_BASE_EXTD) !== 0;
  if (extend && (!options.x2apic || !enable || !apic.globallyEnabled)) return false;
  if (!extend && enable && apic.x2apic) return false;
  apic.writeApicBase(Number(value));
  return true;
}

function writeX2apicIcr(apic: LocalApicCore, value: bigint): boolean {
  const low = Number(value & 0xffff_ffffn);
  if ((low & ~ICR_LOW_MASK) !== 0) return false;
  apic.icrHigh = Number(value >> 32n);
  apic.sendIpi(low, apic.icrHigh);
  return true;
}

/** Bits that may be set in a write of `reg`; undefined if it cannot be written. */
function writableBits(reg: number): number | undefined {
  if (reg >= REG_LVT_TIMER && reg < REG_LVT_TIMER + LVT_COUNT) return LVT_MASKS[reg - REG_LVT_TIMER];
  switch (reg) {
    case REG_TPR:
    case REG_SELF_IPI:
      return 0xff;
    case REG_EOI:
    case REG_ESR:
      return 0;
    case REG_SVR:
      return SVR_MASK;
    case REG_TIMER_INITIAL:
      return 0xffff_ffff;
    case REG_TIMER_DIVIDE:
      return 0xb;
    default:
      return undefined;
  }
}

function writeX2apic(apic: LocalApicCore, reg: number, value: number): boolean {
  const bits = writableBits(reg);
  if (bits === undefined || (value & ~bits) !== 0) return false;
  if (reg !== REG_SELF_IPI) return writeRegister(apic, reg, value);
  apic.sendSelfIpi(value);
  return true;
}
