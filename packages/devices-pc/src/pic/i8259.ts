/**
 * One 8259A, by the data sheet's "Programming the 8259A". Only the 8086 mode of its vectoring exists.
 *
 * A request in edge mode stays latched until it is acknowledged even if the input falls before: the chip would answer
 * with the spurious vector then, which boards avoid by holding the line and we by remembering it.
 */

import type { StateField } from "@tsvm/contracts";
import { booleanField, choiceField, integerField, recordField, u8Field } from "@tsvm/contracts";

const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1 = 0x10;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW2_LEVEL = 0x07;
const OCW3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;

/** OCW2's operations by its bits R, SL and EOI; the eighth is no operation. */
const OCW2_EOI = 0b001;
const OCW2_SPECIFIC_EOI = 0b011;
const OCW2_ROTATE_ON_EOI = 0b101;
const OCW2_ROTATE_ON_SPECIFIC_EOI = 0b111;
const OCW2_SET_PRIORITY = 0b110;
const OCW2_SET_AEOI_ROTATION = 0b100;
const OCW2_CLEAR_AEOI_ROTATION = 0b000;

/** No request stands out: what `acknowledge` reports as the spurious level. */
export const SPURIOUS_LEVEL = 7;

export interface I8259State {
  irr: number;
  isr: number;
  imr: number;
  elcr: number;
  /** Levels on the inputs. */
  inputs: number;
  /** Vector of level 0: bits 7:3 of ICW2. */
  base: number;
  /** The level with the lowest priority; the next one up has the highest. */
  lowest: number;
  /** What the next write to the data port is: an initialisation word or OCW1. */
  expects: "icw2" | "icw3" | "icw4" | "ocw1";
  icw4Follows: boolean;
  single: boolean;
  autoEoi: boolean;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  specialFullyNested: boolean;
  poll: boolean;
  readsIsr: boolean;
}

const levelField = integerField(0, 7);

export const i8259Field: StateField<I8259State> = recordField<I8259State>({
  irr: u8Field,
  isr: u8Field,
  imr: u8Field,
  elcr: u8Field,
  inputs: u8Field,
  base: u8Field,
  lowest: levelField,
  expects: choiceField("icw2", "icw3", "icw4", "ocw1"),
  icw4Follows: booleanField,
  single: booleanField,
  autoEoi: booleanField,
  rotateOnAutoEoi: booleanField,
  specialMask: booleanField,
  specialFullyNested: booleanField,
  poll: booleanField,
  readsIsr: booleanField,
});

const POWER_ON: I8259State = {
  irr: 0,
  isr: 0,
  imr: 0,
  elcr: 0,
  inputs: 0,
  base: 0,
  lowest: 7,
  expects: "ocw1",
  icw4Follows: false,
  single: false,
  autoEoi: false,
  rotateOnAutoEoi: false,
  specialMask: false,
  specialFullyNested: false,
  poll: false,
  readsIsr: false,
};

export interface I8259 {
  /** INT: a request stands above everything in service. */
  readonly output: boolean;
  setInput(level: number, on: boolean): void;
  /** The acknowledge cycle: the level taken into service, or {@link SPURIOUS_LEVEL} with nothing changed. */
  acknowledge(): number;
  vector(level: number): number;
  read(offset: number): number;
  write(offset: number, value: number): void;
  elcr: number;
  reset(): void;
  save(): I8259State;
  /** `state` was validated. */
  restore(state: I8259State): void;
}

/**
 * @param elcrMask inputs that can be made level-triggered
 * @param cascade input of the second chip, whose requests the special fully nested mode lets through; 0 for none
 */
export function createI8259(elcrMask: number, cascade: number): I8259 {
  return new Chip(elcrMask, cascade);
}

class Chip implements I8259 {
  readonly #elcrMask: number;
  readonly #cascade: number;
  #s: I8259State = { ...POWER_ON };

  constructor(elcrMask: number, cascade: number) {
    this.#elcrMask = elcrMask;
    this.#cascade = cascade;
  }

  get output(): boolean {
    return this.#candidate() >= 0;
  }

  setInput(level: number, on: boolean): void {
    const s = this.#s;
    const bit = 1 << level;
    const was = (s.inputs & bit) !== 0;
    s.inputs = on ? s.inputs | bit : s.inputs & ~bit;
    if ((this.#unlatched & bit) !== 0) s.irr = on ? s.irr | bit : s.irr & ~bit;
    else if (on && !was) s.irr |= bit;
  }

  acknowledge(): number {
    const level = this.#candidate();
    if (level < 0) return SPURIOUS_LEVEL;
    const s = this.#s;
    const bit = 1 << level;
    if ((this.#unlatched & bit) === 0) s.irr &= ~bit;
    if (!s.autoEoi) s.isr |= bit;
    else if (s.rotateOnAutoEoi) s.lowest = level;
    return level;
  }

  vector(level: number): number {
    return this.#s.base | level;
  }

  read(offset: number): number {
    const s = this.#s;
    if (s.poll) {
      s.poll = false;
      return this.output ? 0x80 | this.acknowledge() : 0;
    }
    if (offset !== 0) return s.imr;
    return s.readsIsr ? s.isr : s.irr;
  }

  write(offset: number, value: number): void {
    if (offset !== 0) this.#writeData(value);
    else if ((value & ICW1) !== 0) this.#initialise(value);
    else if ((value & OCW3) !== 0) this.#writeOcw3(value);
    else this.#writeOcw2(value >>> 5, value & OCW2_LEVEL);
  }

  get elcr(): number {
    return this.#s.elcr;
  }

  set elcr(value: number) {
    const s = this.#s;
    s.elcr = value & this.#elcrMask;
    // A level-triggered input has no latch: its request is its level.
    s.irr = (s.irr & ~s.elcr) | (s.inputs & s.elcr);
  }

  reset(): void {
    this.#s = { ...POWER_ON };
  }

  save(): I8259State {
    return { ...this.#s };
  }

  restore(state: I8259State): void {
    this.#s = { ...state, elcr: state.elcr & this.#elcrMask, base: state.base & 0xf8 };
  }

  /** Inputs whose request is their level: level-triggered ones, and the second chip's INT, which falls in between. */
  get #unlatched(): number {
    return this.#s.elcr | this.#cascade;
  }

  /** The unmasked request of the highest priority if it may interrupt what is in service, else -1. */
  #candidate(): number {
    const s = this.#s;
    const requests = s.irr & ~s.imr;
    if (requests === 0) return -1;
    let inService = s.specialMask ? s.isr & ~s.imr : s.isr;
    if (s.specialFullyNested) inService &= ~this.#cascade;
    for (let i = 1; i <= 8; i++) {
      const level = (s.lowest + i) & 7;
      const bit = 1 << level;
      if ((inService & bit) !== 0 && !s.specialMask) return -1;
      if ((requests & bit) !== 0 && (inService & bit) === 0) return level;
    }
    return -1;
  }

  /** ICW1: "The following automatically occur", of which the edge latches start empty. */
  #initialise(icw1: number): void {
    const s = this.#s;
    this.#s = {
      ...POWER_ON,
      elcr: s.elcr,
      inputs: s.inputs,
      irr: s.inputs & this.#unlatched,
      base: s.base,
      expects: "icw2",
      icw4Follows: (icw1 & ICW1_IC4) !== 0,
      single: (icw1 & ICW1_SNGL) !== 0,
    };
  }

  #writeData(value: number): void {
    const s = this.#s;
    const last = s.icw4Follows ? "icw4" : "ocw1";
    switch (s.expects) {
      case "icw2":
        s.base = value & 0xf8;
        s.expects = s.single ? last : "icw3";
        break;
      case "icw3":
        // How the two chips are joined is soldered on a PC's board.
        s.expects = last;
        break;
      case "icw4":
        s.autoEoi = (value & ICW4_AEOI) !== 0;
        s.specialFullyNested = (value & ICW4_SFNM) !== 0;
        s.expects = "ocw1";
        break;
      default:
        s.imr = value;
    }
  }

  #writeOcw2(operation: number, level: number): void {
    const s = this.#s;
    switch (operation) {
      case OCW2_EOI:
      case OCW2_ROTATE_ON_EOI: {
        const served = this.#highestInService();
        if (served >= 0) this.#endOfInterrupt(served, operation === OCW2_ROTATE_ON_EOI);
        break;
      }
      case OCW2_SPECIFIC_EOI:
      case OCW2_ROTATE_ON_SPECIFIC_EOI:
        this.#endOfInterrupt(level, operation === OCW2_ROTATE_ON_SPECIFIC_EOI);
        break;
      case OCW2_SET_PRIORITY:
        s.lowest = level;
        break;
      case OCW2_SET_AEOI_ROTATION:
      case OCW2_CLEAR_AEOI_ROTATION:
        s.rotateOnAutoEoi = operation === OCW2_SET_AEOI_ROTATION;
        break;
    }
  }

  #endOfInterrupt(level: number, rotate: boolean): void {
    this.#s.isr &= ~(1 << level);
    if (rotate) this.#s.lowest = level;
  }

  /** What a non-specific EOI ends. In special mask mode it does not clear a bit that is masked. */
  #highestInService(): number {
    const s = this.#s;
    const inService = s.specialMask ? s.isr & ~s.imr : s.isr;
    for (let i = 1; i <= 8; i++) {
      const level = (s.lowest + i) & 7;
      if ((inService & (1 << level)) !== 0) return level;
    }
    return -1;
  }

  #writeOcw3(value: number): void {
    const s = this.#s;
    if ((value & OCW3_POLL) !== 0) s.poll = true;
    else if ((value & OCW3_RR) !== 0) s.readsIsr = (value & OCW3_RIS) !== 0;
    if ((value & OCW3_ESMM) !== 0) s.specialMask = (value & OCW3_SMM) !== 0;
  }
}
