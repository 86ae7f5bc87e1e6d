// When RFLAGS.TF makes a trap. SDM vol. 3B, "Single-Step Exception Condition".
import { AT, type Cpu, FLAG, HELPERS, type HelperName } from "@tsvm/cpu-x86";

/** Value of `interruptShadow` behind MOV SS and POP SS, which hold off debug exceptions as well. */
export const SHADOW_SS = 2;

/**
 * Whether the instruction behind the one that made `shadow` is spared its breakpoints. SDM vol. 3A, "Masking Exceptions and
 * Interrupts When Switching Stacks"; AMD processors hold interrupts off and these not.
 */
export function holdsBreakpoints({ model }: Cpu, shadow: number): boolean {
  return shadow === SHADOW_SS && model.vendor === "GenuineIntel";
}

const HELPER_NAMES = Object.keys(HELPERS) as HelperName[];
const numberOf = (name: HelperName): number => HELPER_NAMES.indexOf(name);

/**
 * Instructions after which TF is looked at again. INT n and its kin clear it on their way into the handler, SYSCALL by
 * IA32_FMASK; SYSRET traps at once if it sets it, as if the SYSCALL it returns from had just ended.
 */
const LOOKS_AFTERWARDS: ReadonlySet<number> = new Set(
  (["softwareInterrupt", "breakpoint", "overflow", "debugTrap", "syscall", "sysret"] as const).map(numberOf),
);
const SYSRET = numberOf("sysret");
const INT1 = numberOf("debugTrap");

const tfOf = (flags: number): boolean => (flags & FLAG.TF) !== 0;

/**
 * Whether an instruction that has ended is trapped.
 * @param flagsBefore RFLAGS when it began
 * @param helper number of the helper it called, or -1
 */
export function singleStepDue(cpu: Cpu, flagsBefore: number, helper: number): boolean {
  if (LOOKS_AFTERWARDS.has(helper)) return tfOf(cpu.get32(AT.rflags));
  return tfOf(flagsBefore) && cpu.get32(AT.interruptShadow) !== SHADOW_SS;
}

/** The same for an instruction that was not executed by itself, because TF was clear: only SYSRET traps at once. */
export function sysretTraps(cpu: Cpu, helper: number): boolean {
  return helper === SYSRET && !cpu.faulted && tfOf(cpu.get32(AT.rflags));
}

/**
 * The instruction made #DB of its own: what MOV SS held off is told by that one, too, and has no other. Processors do so, the
 * manual does not say.
 */
export function makesDebugTrap(helper: number): boolean {
  return helper === INT1;
}
