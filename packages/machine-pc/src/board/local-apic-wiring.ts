import type { Clock, InterruptPort, IoRegion, Mapping } from "@tsvm/contracts";
import { type ApicBus, createLocalApic, createTscWire, type LocalApic } from "@tsvm/devices-pc";
import type { BoardBus } from "./board-bus.ts";
import type { CpuTraits } from "./options.ts";

export interface LocalApicWiring {
  readonly bus: BoardBus;
  readonly apicBus: ApicBus;
  readonly clock: Clock;
  readonly cpu: CpuTraits;
  /** The PIC's acknowledge cycle. */
  readonly acknowledgeExternal: () => number;
  /** INIT came by message. */
  readonly onInit: () => void;
}

/** A local APIC whose timer follows its processor's time-stamp counter. */
export type WiredLocalApic = LocalApic & Required<Pick<InterruptPort, "timeStampMoved">>;

/** The local APIC of the bootstrap processor, as firmware leaves it; its window follows IA32_APIC_BASE. */
export function plugLocalApic(wiring: LocalApicWiring): WiredLocalApic {
  const { bus, cpu, clock } = wiring;
  let mapping: Mapping | undefined;
  let base: number | undefined;
  let window: IoRegion | undefined;
  /** Ticks by which the processor's time-stamp counter is ahead of the clock. */
  let tscLead = 0;
  function remap(region: IoRegion): void {
    mapping?.unmap();
    mapping = base === undefined ? undefined : bus.mmio.map(base, region);
  }
  const apic: LocalApic = createLocalApic({
    id: 0,
    bus: wiring.apicBus,
    clock,
    virtualWire: true,
    acknowledgeExternal: wiring.acknowledgeExternal,
    onInit: wiring.onInit,
    onRelocate(to) {
      base = to;
      if (window !== undefined) remap(window);
    },
    ...(cpu.tscHz === undefined ? {} : { tsc: createTscWire(clock, cpu.tscHz, () => tscLead) }),
    ...(cpu.x2apic === undefined ? {} : { x2apic: cpu.x2apic }),
    ...(cpu.physicalAddressBits === undefined ? {} : { physicalAddressBits: cpu.physicalAddressBits }),
  });
  // The factory has told its first base before there was a window to map.
  window = apic.regions[0] as IoRegion;
  remap(window);
  bus.plug(apic);
  return Object.assign(apic, {
    timeStampMoved(ticks: number): void {
      tscLead = ticks;
      apic.tscChanged();
    },
  });
}
