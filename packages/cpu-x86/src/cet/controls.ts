// What of Control-flow Enforcement Technology is on. SDM vol. 1, "Control-flow Enforcement Technology (CET)": ShadowStackEnabled,
// EndbranchEnabled, EndbranchEnabledAndNotSuppressed.
import { CET, CR0, CR4, FLAG } from "../state/bits.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";

/** Bits of `enforcement` in CPU state. */
export const ENFORCED = {
  /** CALL and RET use the shadow stack. */
  shadowStack: 1,
  /** Indirect JMP and CALL have to reach ENDBRANCH. */
  branches: 2,
  /** But those with the prefix NOTRACK. */
  noTrack: 4,
  /** Tracking is suppressed until the next ENDBRANCH: the last branch went to legacy code. */
  suppressed: 8,
} as const;

/** Place in `cetControl` of the controls of a privilege level. */
export const controlIndex = (cpl: number): 0 | 1 => (cpl === 3 ? 1 : 0);

/** IA32_U_CET or IA32_S_CET, bits 31:0. */
function controlsOf(cpu: Cpu, cpl: number): number {
  return cpu.low(AT.cetControl, controlIndex(cpl));
}

/** CET exists in this mode; in virtual-8086 mode it is the handlers' in protected mode. */
function isOn(cpu: Cpu): boolean {
  return (cpu.low(AT.cr4) & CR4.CET) !== 0 && (cpu.low(AT.cr0) & CR0.PE) !== 0;
}

/** Whether code at `cpl` has a shadow stack. Not to be asked of virtual-8086 code, which has none. */
export function hasShadowStack(cpu: Cpu, cpl: number): boolean {
  return isOn(cpu) && (controlsOf(cpu, cpl) & CET.SH_STK_EN) !== 0;
}

/** Whether the running code has a shadow stack. */
export function usesShadowStack(cpu: Cpu): boolean {
  return !cpu.vm86 && hasShadowStack(cpu, cpu.cpl);
}

/** Whether code at `cpl` may write to its shadow stack. */
export function mayWriteShadowStack(cpu: Cpu, cpl: number): boolean {
  return hasShadowStack(cpu, cpl) && (controlsOf(cpu, cpl) & CET.WR_SHSTK_EN) !== 0;
}

/** Whether indirect branches of code at `cpl` are tracked, suppressed or not. */
export function tracksBranches(cpu: Cpu, cpl: number): boolean {
  return isOn(cpu) && (controlsOf(cpu, cpl) & CET.ENDBR_EN) !== 0;
}

/** Derives `enforcement`. @returns the bits of MODE that follow. */
export function deriveEnforcement(cpu: Cpu): number {
  const virtual = (cpu.get32(AT.rflags) & FLAG.VM) !== 0;
  const any = (cpu.low(AT.cetControl, 0) | cpu.low(AT.cetControl, 1)) & (CET.SH_STK_EN | CET.ENDBR_EN);
  if (!isOn(cpu) || virtual || any === 0) return 0;
  const controls = controlsOf(cpu, cpu.cpl);
  cpu.set32(AT.enforcement, enforcementOf(controls));
  const awaits = CET.ENDBR_EN | CET.TRACKER;
  return MODE.enforced | ((controls & awaits) === awaits ? MODE.awaitsEndbranch : 0);
}

function enforcementOf(controls: number): number {
  const shadowStack = (controls & CET.SH_STK_EN) !== 0 ? ENFORCED.shadowStack : 0;
  if ((controls & CET.ENDBR_EN) === 0) return shadowStack;
  const suppressed = (controls & CET.SUPPRESS) !== 0;
  const noTrack = (controls & CET.NO_TRACK_EN) !== 0 ? ENFORCED.noTrack : 0;
  return shadowStack | noTrack | (suppressed ? ENFORCED.suppressed : ENFORCED.branches);
}
