/**
 * The 82093AA I/O APIC with the EOI register of later chip sets (version 0x20).
 *
 * Input lines carry "asserted", whatever the voltage: a board inverts nothing, so the polarity bit of an entry is kept
 * for software to read and has no effect. An edge that comes while its entry is masked is lost, as the data sheet says
 * of "Interrupt Mask"; software that masks edges has its own means to replay them.
 */
import {
  type AccessSize,
  booleanField,
  type Device,
  type IoRegion,
  type IrqLine,
  integerField,
  listField,
  partOfDword,
  recordField,
  u32Field,
} from "@tsvm/contracts";
import { type ApicBus, widenDestination } from "./apic-bus.ts";
import { DELIVERY_LOWEST_PRIORITY } from "./apic-registers.ts";

/** Redirection table entry, low half. */
const RTE_LOGICAL = 0x800;
const RTE_REMOTE_IRR = 0x4000;
const RTE_LEVEL = 0x8000;
const RTE_MASKED = 0x1_0000;
const RTE_LOW_MASK = 0x1_ffff;
/** Delivery status and remote IRR. */
const RTE_READ_ONLY = 0x5000;
const RTE_HIGH_MASK = 0xff00_0000;

const WINDOW_LENGTH = 0x1000;
const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOIR = 0x40;
const IOAPICID = 0;
const IOAPICVER = 1;
const IOAPICARB = 2;
const IOREDTBL = 0x10;
const VERSION = 0x20;

export interface IoApicOptions {
  readonly bus: ApicBus;
  /** Bits 27:24 of IOAPICID after reset, 0 to 15. Default 0. */
  readonly id?: number;
  /** Number of inputs. Default 24. */
  readonly pins?: number;
  /** Default "ioapic". */
  readonly name?: string;
}

export interface IoApicState {
  id: number;
  select: number;
  /** Redirection table: low halves, then high halves. */
  low: number[];
  high: number[];
  /** Levels on the inputs. */
  levels: boolean[];
}

export interface IoApic extends Device<IoApicState> {
  /** Interrupt inputs, by pin. */
  readonly inputs: readonly IrqLine[];
}

export function createIoApic({ bus, id = 0, pins = 24, name = "ioapic" }: IoApicOptions): IoApic {
  const stateField = recordField<IoApicState>({
    id: integerField(0, 15),
    select: integerField(0, 0xff),
    low: listField(integerField(0, RTE_LOW_MASK), pins),
    high: listField(u32Field, pins),
    levels: listField(booleanField, pins),
  });
  const powerOn = (): IoApicState => ({
    id,
    select: 0,
    low: new Array(pins).fill(RTE_MASKED),
    high: new Array(pins).fill(0),
    levels: new Array(pins).fill(false),
  });
  let s = powerOn();

  function send(pin: number): void {
    const low = s.low[pin] as number;
    const mode = (low >>> 8) & 7;
    const level = (low & RTE_LEVEL) !== 0;
    const destination = widenDestination((s.high[pin] as number) >>> 24);
    const taken = bus.deliver(destination, (low & RTE_LOGICAL) !== 0, mode, low & 0xff, level);
    // Only what ends by EOI waits for it.
    if (taken && level && mode <= DELIVERY_LOWEST_PRIORITY) s.low[pin] = low | RTE_REMOTE_IRR;
  }

  /** Sends the request of a level-triggered input that is asserted and not yet in the hands of a CPU. */
  function serveLevel(pin: number): void {
    const low = s.low[pin] as number;
    const ready = (low & (RTE_LEVEL | RTE_MASKED | RTE_REMOTE_IRR)) === RTE_LEVEL;
    if (ready && s.levels[pin] === true) send(pin);
  }

  function setInput(pin: number, level: boolean): void {
    const rose = level && s.levels[pin] === false;
    s.levels[pin] = level;
    if (!rose) return;
    if (((s.low[pin] as number) & (RTE_LEVEL | RTE_MASKED)) === 0) send(pin);
    else serveLevel(pin);
  }

  function endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < pins; pin++) {
      const low = s.low[pin] as number;
      if ((low & RTE_REMOTE_IRR) === 0 || (low & 0xff) !== vector) continue;
      s.low[pin] = low & ~RTE_REMOTE_IRR;
      serveLevel(pin);
    }
  }

  function readSelected(): number {
    const pin = (s.select - IOREDTBL) >>> 1;
    if (s.select >= IOREDTBL && pin < pins) {
      return ((s.select & 1) === 0 ? s.low[pin] : s.high[pin]) as number;
    }
    if (s.select === IOAPICVER) return VERSION | ((pins - 1) << 16);
    return s.select === IOAPICID || s.select === IOAPICARB ? s.id << 24 : 0;
  }

  function writeSelected(value: number): void {
    const pin = (s.select - IOREDTBL) >>> 1;
    if (s.select === IOAPICID) s.id = (value >>> 24) & 15;
    else if (s.select >= IOREDTBL && pin < pins) {
      if ((s.select & 1) === 0) writeLow(pin, value);
      else s.high[pin] = (value & RTE_HIGH_MASK) >>> 0;
    }
  }

  function writeLow(pin: number, value: number): void {
    const kept = (s.low[pin] as number) & RTE_READ_ONLY;
    let low = (value & RTE_LOW_MASK & ~RTE_READ_ONLY) | kept;
    // Software that has no EOI register frees a stuck entry by making it edge-triggered for a moment.
    if ((low & RTE_LEVEL) === 0) low &= ~RTE_REMOTE_IRR;
    s.low[pin] = low;
    serveLevel(pin);
  }

  const region: IoRegion = {
    name,
    length: WINDOW_LENGTH,
    read(offset: number, size: AccessSize): number {
      const register = offset & ~3;
      const value = register === IOREGSEL ? s.select : register === IOWIN ? readSelected() : 0;
      return partOfDword(value, offset, size);
    },
    write(offset: number, size: AccessSize, value: number): void {
      if (offset === IOREGSEL) s.select = value & 0xff;
      else if (offset === EOIR) endOfInterrupt(value & 0xff);
      else if (offset === IOWIN && size === 4) writeSelected(value);
    },
  };

  bus.onEndOfInterrupt(endOfInterrupt);
  return {
    name,
    regions: [region],
    inputs: Array.from({ length: pins }, (_, pin) => ({
      set: (level: boolean) => setInput(pin, level),
    })),
    reset(): void {
      s = powerOn();
    },
    save: () => stateField(s, name),
    restore(state: IoApicState): void {
      s = stateField(state, name);
    },
  };
}
