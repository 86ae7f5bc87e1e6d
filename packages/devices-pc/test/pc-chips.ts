import type { IrqLine } from "@tsvm/contracts";
import { createFakeClock, type FakeClock } from "@tsvm-testing/fakes";
import {
  type AcpiPm,
  createAcpiPm,
  createApicBus,
  createHpet,
  createIoApic,
  createLocalApic,
  createPicPair,
  createPit,
  createRtc,
  createSystemControlPortB,
  createTscWire,
  type Hpet,
  type IoApic,
  type LocalApic,
  type PicPair,
  type Pit,
  type Rtc,
} from "../src/index.ts";

export const TSC_HZ = 1_000_000_000;

/** The interrupt and timer chips of a PC, wired as its board wires them. */
export interface PcChips {
  readonly clock: FakeClock;
  readonly pic: PicPair;
  readonly lapic: LocalApic;
  readonly ioapic: IoApic;
  readonly pit: Pit;
  readonly hpet: Hpet;
  readonly rtc: Rtc;
  readonly pm: AcpiPm;
  /** Register access by chip: offset in its region number `region`. */
  read(chip: keyof PcChips | "port61", offset: number, size?: 1 | 2 | 4, region?: number): number;
  write(chip: keyof PcChips | "port61", offset: number, value: number, size?: 1 | 2 | 4, region?: number): void;
}

export function createPcChips(): PcChips {
  const clock = createFakeClock();
  const bus = createApicBus();
  const pic = createPicPair({ intr: { set: (level) => lapic.lint0.set(level) } });
  const lapic = createLocalApic({
    id: 0,
    bus,
    clock,
    tsc: createTscWire(clock, TSC_HZ),
    virtualWire: true,
    acknowledgeExternal: () => pic.acknowledge(),
  });
  const ioapic = createIoApic({ bus });
  const isa = (irq: number): IrqLine => ({
    set(level) {
      pic.inputs[irq]?.set(level);
      ioapic.inputs[irq === 0 ? 2 : irq]?.set(level);
    },
  });
  const hpet = createHpet({ clock, timerIrq: isa(0), rtcIrq: isa(8) });
  const pit = createPit({ clock, irq: hpet.pitInput });
  const rtc = createRtc({ clock, irq: hpet.rtcInput, epochSeconds: 1_786_000_000 });
  const pm = createAcpiPm({ clock, sci: isa(9), onPowerOff: () => {}, acpiMode: true });
  const port61 = createSystemControlPortB({ clock, counter: pit });
  const chips = { clock, pic, lapic, ioapic, pit, hpet, rtc, pm, port61 };
  const regionOf = (chip: string, region: number) => {
    const found = (chips as unknown as Record<string, LocalApic>)[chip]?.regions[region];
    if (found === undefined) throw new Error(`${chip} has no region ${region}`);
    return found;
  };
  return {
    ...chips,
    read: (chip, offset, size = 4, region = 0) => regionOf(chip, region).read(offset, size),
    write: (chip, offset, value, size = 4, region = 0) => regionOf(chip, region).write(offset, size, value),
  };
}
