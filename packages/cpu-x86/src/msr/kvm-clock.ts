// KVM's paravirtual clock. Linux Documentation/virt/kvm/x86/msr.rst; structures in arch/x86/include/asm/pvclock-abi.h.
// The time-stamp counter never stops and never changes its rate, so that the time area is written once.
import type { Cpu } from "../state/cpu.ts";
import { AT, type FieldName } from "../state/layout.ts";
import { timeStamp } from "../system/time-stamp.ts";
import { kvmOnly, type Msr } from "./define.ts";

/** ns = (ticks << SHIFT) * MULTIPLIER >> 32, with one tick a nanosecond. */
const SHIFT = 1;
const MULTIPLIER = 0x8000_0000;
/** PVCLOCK_TSC_STABLE_BIT. */
const TSC_STABLE = 1;
const ENABLED = 1n;
const TIME_AREA_BYTES = 32;
const WALL_CLOCK_BYTES = 12;

/** struct pvclock_vcpu_time_info: version, tsc_timestamp, system_time, tsc_to_system_mul, tsc_shift, flags. */
function writeTimeArea(cpu: Cpu, value: bigint): void {
  if ((value & ENABLED) === 0n) return;
  const { view } = cpu;
  const at = AT.bounce;
  cpu.u8.fill(0, at, at + TIME_AREA_BYTES);
  view.setUint32(at, 2, true);
  view.setBigUint64(at + 8, timeStamp(cpu), true);
  view.setBigUint64(at + 16, BigInt(Math.floor(cpu.host.now())), true);
  view.setUint32(at + 24, MULTIPLIER, true);
  view.setInt8(at + 28, SHIFT);
  view.setUint8(at + 29, TSC_STABLE);
  storeInFrame(cpu, Number(value & ~ENABLED), TIME_AREA_BYTES);
}

/** struct pvclock_wall_clock: version, seconds, nanoseconds of the wall clock at power-on. */
function writeWallClock(cpu: Cpu, value: bigint): void {
  const seconds = cpu.host.powerOnTime ?? 0;
  const { view } = cpu;
  view.setUint32(AT.bounce, 2, true);
  view.setUint32(AT.bounce + 4, Math.floor(seconds), true);
  view.setUint32(AT.bounce + 8, Math.floor((seconds % 1) * 1e9), true);
  storeInFrame(cpu, Number(value), WALL_CLOCK_BYTES);
}

/** KVM requires areas not to cross a page; one that does is not written. */
function storeInFrame(cpu: Cpu, gpa: number, size: number): void {
  if ((gpa % 4096) + size <= 4096) cpu.host.physical.store(gpa, size, AT.bounce);
}

const isAddress = (cpu: Cpu, value: bigint): boolean => value >> BigInt(cpu.model.physicalBits) === 0n;

function clockMsr(index: number, name: string, field: FieldName, publish: (cpu: Cpu, value: bigint) => void): Msr {
  return {
    index,
    name,
    restore: (cpu, value) => cpu.set64(field, value),
    read: (cpu) => cpu.get64(field),
    write: (cpu, value) => {
      if (!isAddress(cpu, value)) return false;
      cpu.set64(field, value);
      publish(cpu, value);
      return true;
    },
  };
}

export const kvmClockMsrs: readonly Msr[] = kvmOnly([
  clockMsr(0x4b56_4d00, "MSR_KVM_WALL_CLOCK_NEW", "kvmWallClock", writeWallClock),
  clockMsr(0x4b56_4d01, "MSR_KVM_SYSTEM_TIME_NEW", "kvmSystemTime", writeTimeArea),
]);
