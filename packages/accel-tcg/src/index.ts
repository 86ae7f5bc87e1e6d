import { type Accelerator, ConfigError } from "@tsvm/contracts";
import { type CpuModel, CpuModelError, parseCpuModel, RESERVED_BYTES, TSC_HZ } from "@tsvm/cpu-x86";
import { TcgVm } from "./tcg-vm.ts";
import type { VcpuOptions } from "./vcpu.ts";

export { CPU_FEATURE_NAMES, CPU_MODEL_HELP } from "@tsvm/cpu-x86";
export { type LogSink, TCG_LOG_CATEGORIES } from "./execution-log.ts";
export type { RegionUse, SideExitSite, TranslationProfile } from "./region-profile.ts";
export type { CodeBits, Disassemble, DisassembledInsn } from "./translation-log.ts";
export type { VcpuOptions } from "./vcpu.ts";
export type { VcpuCounters } from "./vcpu-counters.ts";

/** What the accelerator is made from. */
export interface TcgOptions extends VcpuOptions {
  /** CPU model as `-cpu` spells it: `max`, `qemu64,+x2apic`, ... */
  readonly cpu: string;
}

/** What a board has to know of the CPU, so that its devices and tables agree with what CPUID says. */
export interface TcgCpuTraits {
  readonly longMode: boolean;
  /** Ticks of the time-stamp counter a second. */
  readonly tscHz: number;
  readonly x2apic: boolean;
  /** MAXPHYADDR. */
  readonly physicalAddressBits: number;
}

/** An accelerator that can tell what its processors are. */
export interface TcgAccelerator extends Accelerator {
  readonly cpu: TcgCpuTraits;
}

/**
 * The software accelerator: x86 run by the generated interpreter.
 * @throws ConfigError (code `CONFIG_CPU`) if the CPU model is not known.
 */
export function createTcgAccelerator(options: TcgOptions): TcgAccelerator {
  const model = parseModel(options.cpu);
  return {
    name: "tcg",
    reservedBytes: RESERVED_BYTES,
    cpu: {
      longMode: model.features.has("lm"),
      tscHz: TSC_HZ,
      x2apic: model.features.has("x2apic"),
      physicalAddressBits: model.physicalBits,
    },
    createVm: (host, clock) => new TcgVm(host, clock, model, options),
  };
}

function parseModel(text: string): CpuModel {
  try {
    return parseCpuModel(text);
  } catch (cause) {
    if (!(cause instanceof CpuModelError)) throw cause;
    throw new ConfigError("CONFIG_CPU", cause.message, { cause });
  }
}
