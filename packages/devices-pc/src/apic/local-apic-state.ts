import {
  booleanField,
  type Clock,
  integerField,
  listField,
  recordField,
  type StateField,
  u8Field,
  u32Field,
} from "@tsvm/contracts";
import type { ApicBus } from "./apic-bus.ts";
import { LVT_COUNT, SVR_MASK } from "./apic-registers.ts";
import { type ApicTimerState, apicTimerField } from "./apic-timer.ts";
import type { TscWire } from "./tsc-wire.ts";

export interface LocalApicOptions {
  /** APIC ID, from 0; the xAPIC ID is its low eight bits. */
  readonly id: number;
  readonly bus: ApicBus;
  readonly clock: Clock;
  /** Without it the timer has no TSC-deadline mode, and IA32_TSC_DEADLINE does not exist. */
  readonly tsc?: TscWire;
  /** The 8259's acknowledge cycle, run when the CPU takes an ExtINT. */
  readonly acknowledgeExternal?: () => number;
  /** Whether this is the bootstrap processor's. Default true. */
  readonly bootstrap?: boolean;
  /**
   * Start as firmware hands over: software-enabled, 8259 on LINT0 as ExtINT, NMI on LINT1 (MultiProcessor
   * Specification, "Virtual Wire Mode via Local APIC"). Default false: as the SDM has it after reset.
   */
  readonly virtualWire?: boolean;
  /** Whether x2APIC mode exists; CPUID must say the same. Default true. */
  readonly x2apic?: boolean;
  /** Physical address bits of the CPU, which bound IA32_APIC_BASE. Default 52. */
  readonly physicalAddressBits?: number;
  /** The window of registers moved; undefined while it is not decoded (disabled, or x2APIC mode). */
  readonly onRelocate?: (base: number | undefined) => void;
  /** INIT came by message: the CPU resets and, unless it is the bootstrap processor, waits for a start-up message. */
  readonly onInit?: () => void;
  /** SIPI: execution starts at `vector` * 4096. */
  readonly onStartup?: (vector: number) => void;
  /** Default "lapic<id>". */
  readonly name?: string;
}

export interface LocalApicState {
  apicBase: number;
  xapicId: number;
  taskPriority: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  irr: number[];
  isr: number[];
  tmr: number[];
  lvt: number[];
  lint0Level: boolean;
  lint1Level: boolean;
  extIntMessage: boolean;
  nmiPending: boolean;
  timer: ApicTimerState;
}

const vectorsField = listField(u32Field, 8);

export const localApicField: StateField<LocalApicState> = recordField<LocalApicState>({
  apicBase: integerField(0, 2 ** 52 - 1),
  xapicId: u8Field,
  taskPriority: u8Field,
  ldr: u32Field,
  dfr: u32Field,
  svr: integerField(0, SVR_MASK),
  esr: u8Field,
  errors: u8Field,
  icrLow: u32Field,
  icrHigh: u32Field,
  irr: vectorsField,
  isr: vectorsField,
  tmr: vectorsField,
  lvt: listField(integerField(0, 0x7ffff), LVT_COUNT),
  lint0Level: booleanField,
  lint1Level: booleanField,
  extIntMessage: booleanField,
  nmiPending: booleanField,
  timer: apicTimerField,
});
