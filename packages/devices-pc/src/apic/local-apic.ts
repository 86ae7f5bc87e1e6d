import type { Device, InterruptPort, IrqLine } from "@tsvm/contracts";
import { type ApicMsrOptions, readApicMsr, writeApicMsr } from "./apic-msr.ts";
import { APIC_BASE_EN, APIC_BASE_EXTD } from "./apic-registers.ts";
import { LocalApicCore } from "./local-apic-core.ts";
import { type LocalApicOptions, type LocalApicState, localApicField } from "./local-apic-state.ts";
import { createRegisterWindow } from "./register-window.ts";

/** A vCPU's local APIC: the CPU's {@link InterruptPort}, and a device with one window of 4 KiB of registers. */
export interface LocalApic extends Device<LocalApicState>, InterruptPort {
  /** LINT0: INT of the 8259 pair. */
  readonly lint0: IrqLine;
  /** LINT1: the NMI button and the chip set's NMI. */
  readonly lint1: IrqLine;
  /** The vCPU's time-stamp counter or its offset was written. */
  tscChanged(): void;
}

/** IA32_APIC_BASE's address bits. */
function windowBase(apicBase: number): number | undefined {
  const decoded = (apicBase & (APIC_BASE_EN | APIC_BASE_EXTD)) === APIC_BASE_EN;
  return decoded ? apicBase - (apicBase % 0x1000) : undefined;
}

/** Joins `options.bus` at once; in the state of `reset`. */
export function createLocalApic(options: LocalApicOptions): LocalApic {
  const name = options.name ?? `lapic${options.id}`;
  const core = new LocalApicCore(options);
  const msrOptions: ApicMsrOptions = {
    x2apic: options.x2apic ?? true,
    tscDeadline: options.tsc !== undefined,
    physicalAddressBits: options.physicalAddressBits ?? 52,
  };
  let base: number | undefined;

  function relocate(): void {
    const now = windowBase(core.apicBase);
    if (now === base) return;
    base = now;
    options.onRelocate?.(now);
  }

  const apic: LocalApic = {
    name,
    regions: [createRegisterWindow(core, name)],
    lint0: core.lint0,
    lint1: core.lint1,
    get pending() {
      return core.pending;
    },
    acknowledge: () => core.acknowledge(),
    get nmiPending() {
      return core.nmiPending;
    },
    acknowledgeNmi: () => core.acknowledgeNmi(),
    get tpr() {
      return core.taskPriority >>> 4;
    },
    set tpr(priority: number) {
      core.taskPriority = priority << 4;
    },
    readMsr: (index) => readApicMsr(core, msrOptions, index),
    writeMsr(index: number, value: bigint): boolean {
      const accepted = writeApicMsr(core, msrOptions, index, value);
      relocate();
      return accepted;
    },
    onRaise: (notify) => core.onRaise(notify),
    tscChanged: () => core.timer.tscChanged(),
    reset(): void {
      core.reset();
      relocate();
    },
    save: () => core.save(),
    restore(state: LocalApicState): void {
      core.restore(localApicField(state, name));
      relocate();
    },
  };
  apic.reset();
  return apic;
}
