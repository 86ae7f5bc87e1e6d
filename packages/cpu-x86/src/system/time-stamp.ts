// The time-stamp counter: the machine's clock in nanoseconds, plus an offset the guest may set. SDM vol. 3B,
// "Time-Stamp Counter" and "Time-Stamp Counter Adjustment".
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** Ticks a second, constant and never stopping. One tick is one nanosecond of the machine's clock. */
export const TSC_HZ = 1_000_000_000;

/** Ticks since power-on without the guest's offset; exact for 104 days. */
function clockTicks(cpu: Cpu): number {
  return Math.floor(cpu.host.now());
}

/** The counter as a double, for timers: IA32_TSC_DEADLINE against this. */
export function timeStampTicks(cpu: Cpu): number {
  return Number(timeStamp(cpu));
}

/** The counter as the guest reads it. */
export function timeStamp(cpu: Cpu): bigint {
  return BigInt.asUintN(64, BigInt(clockTicks(cpu)) + cpu.get64(AT.tscAdjust));
}

/** WRMSR to IA32_TIME_STAMP_COUNTER moves IA32_TSC_ADJUST by as much. */
export function setTimeStamp(cpu: Cpu, value: bigint): void {
  setTimeStampAdjust(cpu, BigInt.asUintN(64, value - BigInt(clockTicks(cpu))));
}

/** WRMSR to IA32_TSC_ADJUST. */
export function setTimeStampAdjust(cpu: Cpu, value: bigint): void {
  cpu.set64(AT.tscAdjust, value);
  cpu.host.timeStampMoved?.(timeStampLead(cpu));
}

/** Ticks by which the guest's counter is ahead of the clock; negative: behind. */
export function timeStampLead(cpu: Cpu): number {
  return Number(BigInt.asIntN(64, cpu.get64(AT.tscAdjust)));
}

/** RDPID: IA32_TSC_AUX. Argument: byte offset of the register in the general register file. */
export function rdpid(cpu: Cpu): HelperResult {
  cpu.setGpr32(cpu.arg32(0) >> 3, cpu.low(AT.tscAux));
  return HELPER.next;
}
