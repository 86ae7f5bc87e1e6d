/** The 32-bit registers that MMIO and MSR accesses share: SDM vol. 3A, "Local APIC Register Address Map". */
import type { AccessSize, IoRegion } from "@tsvm/contracts";
import { partOfDword } from "@tsvm/contracts";
import {
  ESR_ILLEGAL_REGISTER,
  LVT_COUNT,
  REG_APR,
  REG_DFR,
  REG_EOI,
  REG_ESR,
  REG_ICR_HIGH,
  REG_ICR_LOW,
  REG_ID,
  REG_IRR,
  REG_ISR,
  REG_LDR,
  REG_LVT_TIMER,
  REG_PPR,
  REG_RRD,
  REG_SVR,
  REG_TIMER_CURRENT,
  REG_TIMER_DIVIDE,
  REG_TIMER_INITIAL,
  REG_TMR,
  REG_TPR,
  REG_VERSION,
  VERSION,
} from "./apic-registers.ts";
import type { LocalApicCore } from "./local-apic-core.ts";

const WINDOW_LENGTH = 0x1000;

/** The register `reg`, unsigned; undefined where there is none. */
export function readRegister(apic: LocalApicCore, reg: number): number | undefined {
  if (reg >= REG_ISR && reg < REG_ESR) return readVectors(apic, reg);
  if (reg >= REG_LVT_TIMER && reg < REG_LVT_TIMER + LVT_COUNT) return apic.lvt[reg - REG_LVT_TIMER];
  switch (reg) {
    case REG_ID:
      return apic.x2apic ? apic.id : (apic.xapicId << 24) >>> 0;
    case REG_VERSION:
      return VERSION;
    case REG_TPR:
      return apic.taskPriority;
    case REG_PPR:
      return apic.processorPriority;
    case REG_APR:
    case REG_RRD:
    case REG_EOI:
      return 0;
    case REG_LDR:
      return apic.ldr;
    case REG_DFR:
      return apic.dfr;
    case REG_SVR:
      return apic.svr;
    case REG_ESR:
      return apic.esr;
    case REG_ICR_LOW:
      return apic.icrLow;
    case REG_ICR_HIGH:
      return apic.icrHigh;
    case REG_TIMER_INITIAL:
      return apic.timer.initial;
    case REG_TIMER_CURRENT:
      return apic.timer.current;
    case REG_TIMER_DIVIDE:
      return apic.timer.divideConfiguration;
    default:
      return undefined;
  }
}

function readVectors(apic: LocalApicCore, reg: number): number {
  const set = reg < REG_TMR ? apic.isr : reg < REG_IRR ? apic.tmr : apic.irr;
  return set.word(reg & 7);
}

/** @returns false where there is no register to write */
export function writeRegister(apic: LocalApicCore, reg: number, value: number): boolean {
  if (reg >= REG_LVT_TIMER && reg < REG_LVT_TIMER + LVT_COUNT) {
    apic.writeLvt(reg - REG_LVT_TIMER, value);
    return true;
  }
  switch (reg) {
    case REG_ID:
      apic.xapicId = value >>> 24;
      return true;
    case REG_TPR:
      apic.taskPriority = value;
      return true;
    case REG_EOI:
      apic.endOfInterrupt();
      return true;
    case REG_LDR:
      apic.ldr = (value & 0xff00_0000) >>> 0;
      return true;
    case REG_DFR:
      apic.dfr = (value | 0x0fff_ffff) >>> 0;
      return true;
    case REG_SVR:
      apic.writeSvr(value);
      return true;
    case REG_ESR:
      apic.latchErrors();
      return true;
    case REG_ICR_LOW:
      apic.sendIpi(value, apic.xapicDestination);
      return true;
    case REG_ICR_HIGH:
      apic.icrHigh = value;
      return true;
    case REG_TIMER_INITIAL:
      apic.timer.initial = value;
      return true;
    case REG_TIMER_DIVIDE:
      apic.timer.divideConfiguration = value;
      return true;
    default:
      return false;
  }
}

/**
 * The xAPIC window. In the other modes it is not decoded: the board takes it away when told by `onRelocate`, and until
 * then it answers as if nothing were there.
 */
export function createRegisterWindow(apic: LocalApicCore, name: string): IoRegion {
  const decoded = (): boolean => apic.globallyEnabled && !apic.x2apic;
  const allOnes = (size: AccessSize): number => 0xffff_ffff >>> (32 - 8 * size);
  return {
    name,
    length: WINDOW_LENGTH,
    read(offset: number, size: AccessSize): number {
      if (!decoded()) return allOnes(size);
      const inRegister = offset & 15;
      const value = inRegister < 4 ? readRegister(apic, offset >>> 4) : 0;
      if (value === undefined) {
        apic.noteError(ESR_ILLEGAL_REGISTER);
        return 0;
      }
      return partOfDword(value, inRegister, size);
    },
    write(offset: number, size: AccessSize, value: number): void {
      // "All 32-bit registers should be accessed using 128-bit aligned 32-bit loads or stores": others do nothing.
      if (!decoded() || size !== 4 || (offset & 15) !== 0) return;
      if (!writeRegister(apic, offset >>> 4, value)) apic.noteError(ESR_ILLEGAL_REGISTER);
    },
  };
}
