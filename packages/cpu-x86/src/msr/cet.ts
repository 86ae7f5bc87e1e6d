// The registers of Control-flow Enforcement Technology. SDM vol. 4, IA32_U_CET and those that follow it; vol. 1, "CET MSRs".
import { recomputeMode } from "../segments/cache.ts";
import { isCanonicalBase } from "../segments/canonical.ts";
import { CET } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { canonical, type Msr, needing, stored } from "./define.ts";

const SHADOW_STACK_BITS = CET.SH_STK_EN | CET.WR_SHSTK_EN;
/** And the base of the bitmap, bits 63:12. */
const TRACKING_BITS = CET.ENDBR_EN | CET.LEG_IW_EN | CET.NO_TRACK_EN | CET.SUPPRESS_DIS | CET.SUPPRESS | CET.TRACKER;
const PAGE_OFFSET = 0xfff;
const NEVER_BOTH = CET.SUPPRESS | CET.TRACKER;

/** Whether IA32_U_CET or IA32_S_CET may have a value. */
export function isValidCetControl(cpu: Cpu, value: bigint): boolean {
  const { features } = cpu.model;
  const tracking = features.has("ibt");
  const known = (features.has("shstk") ? SHADOW_STACK_BITS : 0) | (tracking ? TRACKING_BITS : 0);
  const low = Number(value & BigInt(PAGE_OFFSET));
  if ((low & ~known) !== 0 || (low & NEVER_BOTH) === NEVER_BOTH) return false;
  return tracking ? isCanonicalBase(cpu, value) : value >> 12n === 0n;
}

/** Whether IA32_PLi_SSP may have a value: a canonical multiple of four. */
export function isValidSsp(cpu: Cpu, value: bigint): boolean {
  return (value & 3n) === 0n && isCanonicalBase(cpu, value);
}

/** @param at place in `cetControl`. */
function control(index: number, name: string, at: 0 | 1): Msr {
  const exists = ({ model }: Cpu): boolean => model.features.has("ibt") || model.features.has("shstk");
  return {
    index,
    name,
    restore: (cpu, value) => cpu.set64(AT.cetControl, value, at),
    read: (cpu) => (exists(cpu) ? cpu.get64(AT.cetControl, at) : undefined),
    write: (cpu, value) => {
      if (!exists(cpu) || !isValidCetControl(cpu, value)) return false;
      setCetControl(cpu, value, at);
      return true;
    },
  };
}

/** Writes IA32_S_CET (0) or IA32_U_CET (1), checked before. Code may be decoded otherwise from then on. */
export function setCetControl(cpu: Cpu, value: bigint, at: 0 | 1): void {
  cpu.set64(AT.cetControl, value, at);
  recomputeMode(cpu);
}

export const cetMsrs: readonly Msr[] = [
  control(0x6a0, "IA32_U_CET", 1),
  control(0x6a2, "IA32_S_CET", 0),
  ...needing("shstk", [
    ...Array.from({ length: 4 }, (_, i) => stored(0x6a4 + i, `IA32_PL${i}_SSP`, "privilegeSsp", isValidSsp, i)),
    stored(0x6a8, "IA32_INTERRUPT_SSP_TABLE_ADDR", "interruptSspTable", canonical),
  ]),
];
