import { type Accelerator, ConfigError } from "@tsvm/contracts";
import { CpuModelError, parseCpuModel, RESERVED_BYTES } from "@tsvm/cpu-x86";
import { TcgVm } from "./tcg-vm.ts";

export type { VcpuCounters } from "./vcpu.ts";

/** What the accelerator is made from. */
export interface TcgOptions {
  /** CPU model as `-cpu` spells it: `max`, `qemu64,+x2apic`, ... */
  readonly cpu: string;
}

/**
 * The software accelerator: x86 run by the generated interpreter.
 * @throws ConfigError (code `CONFIG_CPU`) if the CPU model is not known.
 */
export function createTcgAccelerator(options: TcgOptions): Accelerator {
  const model = parseModel(options.cpu);
  return {
    name: "tcg",
    reservedBytes: RESERVED_BYTES,
    createVm: (host, clock) => new TcgVm(host, clock, model),
  };
}

function parseModel(text: string): ReturnType<typeof parseCpuModel> {
  try {
    return parseCpuModel(text);
  } catch (cause) {
    if (!(cause instanceof CpuModelError)) throw cause;
    throw new ConfigError("CONFIG_CPU", cause.message, { cause });
  }
}
