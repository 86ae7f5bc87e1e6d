// The vocabulary of the MSR table.
import type { FeatureName } from "../cpuid/features.ts";
import type { CpuModel } from "../cpuid/models.ts";
import { isCanonicalBase } from "../segments/canonical.ts";
import type { Cpu } from "../state/cpu.ts";
import type { FieldName } from "../state/layout.ts";

/** One model-specific register. */
export interface Msr {
  readonly index: number;
  /** As the manual spells it. */
  readonly name: string;
  /** The register does not exist without it. */
  readonly needs?: FeatureName | undefined;
  /** The register exists on this make only. */
  readonly vendor?: CpuModel["vendor"] | undefined;
  /** The register exists for guests of KVM only. */
  readonly kvm?: true | undefined;
  /** Undefined: RDMSR is #GP(0). */
  read(cpu: Cpu): bigint | undefined;
  /** False: WRMSR is #GP(0), nothing changed. */
  write(cpu: Cpu, value: bigint): boolean;
  /**
   * Present if the value is state of its own, to be saved and restored by index: loads a value that was read before,
   * without the side effects of WRMSR.
   */
  restore?(cpu: Cpu, value: bigint): void;
}

/** Bits of `value` that a write may set; undefined: any. Answers whether the write is taken. */
type Check = (cpu: Cpu, value: bigint) => boolean;

export const anyValue: Check = () => true;
export const canonical: Check = isCanonicalBase;
export const within =
  (mask: bigint): Check =>
  (_cpu, value) =>
    (value & ~mask) === 0n;

/** A register kept in a field of CPU state. */
export function stored(index: number, name: string, field: FieldName, check: Check = anyValue, at = 0): Msr {
  return {
    index,
    name,
    restore: (cpu, value) => cpu.set64(field, value, at),
    read: (cpu) => cpu.get64(field, at),
    write: (cpu, value) => {
      if (!check(cpu, value)) return false;
      cpu.set64(field, value, at);
      return true;
    },
  };
}

/** Another name of state that is saved elsewhere. */
export function aliasing({ restore: _, ...msr }: Msr): Msr {
  return msr;
}

/** Reads as a constant; writes are #GP(0). */
export function constant(index: number, name: string, value: bigint): Msr {
  return { index, name, read: () => value, write: () => false };
}

/** Reads as a constant; writes vanish. */
export function ignored(index: number, name: string, value = 0n): Msr {
  return { index, name, read: () => value, write: () => true };
}

/** Lives in the local APIC. */
export function inApic(index: number, name: string, needs: FeatureName): Msr {
  return {
    index,
    name,
    needs,
    read: (cpu) => cpu.host.readApicMsr(index),
    write: (cpu, value) => cpu.host.writeApicMsr(index, value),
  };
}

export const needing = (needs: FeatureName, msrs: readonly Msr[]): readonly Msr[] =>
  msrs.map((msr) => ({ ...msr, needs }));
export const amdOnly = (msrs: readonly Msr[]): readonly Msr[] =>
  msrs.map((msr) => ({ ...msr, vendor: "AuthenticAMD" as const }));
export const kvmOnly = (msrs: readonly Msr[]): readonly Msr[] => msrs.map((msr) => ({ ...msr, kvm: true as const }));
