import { DirtyLog, type DirtyLogOptions, dirtyLogError } from "./dirty-log.ts";

/** A range of guest physical memory. */
export interface MemorySlot {
  /** First address; a multiple of 4096. */
  readonly gpa: number;
  /** A multiple of 4096. */
  readonly bytes: number;
}

/** Where gpa 0 is in the process that holds a guest's memory. */
export const HVA_BASE: number = 2 ** 46;
/** Guest physical addresses end here, so that the process's stay below 2^47. */
const GPA_LIMIT = 2 ** 46;

/** A guest's slots, each with its dirty log while it has one. */
export class MemorySlots {
  readonly slots: readonly MemorySlot[];
  readonly #logs: (DirtyLog | undefined)[];

  /** @throws RangeError (code `MMU_SLOTS`) for slots that are misaligned, empty, out of range, or overlap. */
  constructor(slots: readonly MemorySlot[]) {
    if (slots.length === 0) throw slotsError("a guest has at least one slot");
    for (const [i, slot] of slots.entries()) checkSlot(i, slot, slots.slice(0, i));
    this.slots = slots.map(({ gpa, bytes }) => ({ gpa, bytes }));
    this.#logs = slots.map(() => undefined);
  }

  /** Index of the slot that has `gpa`; -1: none, a device's address. */
  indexOf(gpa: number): number {
    return this.slots.findIndex((slot) => gpa >= slot.gpa && gpa < slot.gpa + slot.bytes);
  }

  /** Whether [gpa, gpa + bytes) lies in one slot. */
  contains(gpa: number, bytes: number): boolean {
    const slot = this.slots[this.indexOf(gpa)];
    return slot !== undefined && gpa + bytes <= slot.gpa + slot.bytes;
  }

  /** @throws RangeError (code `MMU_SLOTS`) */
  slot(index: number): MemorySlot {
    const slot = this.slots[index];
    if (slot === undefined) throw slotsError(`there is no slot ${index}; there are ${this.slots.length}`);
    return slot;
  }

  /** The log of the slot that has `gpa`, while there is one. */
  logAt(gpa: number): DirtyLog | undefined {
    return this.#logs[this.indexOf(gpa)];
  }

  /** The page at `gpa` was written to. */
  mark(gpa: number): void {
    const index = this.indexOf(gpa);
    this.#logs[index]?.mark(Math.floor((gpa - this.slot(index).gpa) / 0x1000));
  }

  /** The log of slot `index`. @throws RangeError (code `MMU_SLOTS` or `MMU_DIRTY_LOG`) */
  log(index: number): DirtyLog {
    this.slot(index);
    const log = this.#logs[index];
    if (log === undefined) throw dirtyLogError(`slot ${index} is not logged`);
    return log;
  }

  /** Begins a log, in the place of any before. */
  begin(index: number, options: DirtyLogOptions): DirtyLog {
    const log = new DirtyLog(this.slot(index).bytes / 0x1000, options);
    this.#logs[index] = log;
    return log;
  }

  end(index: number): void {
    this.slot(index);
    this.#logs[index] = undefined;
  }
}

function checkSlot(index: number, { gpa, bytes }: MemorySlot, others: readonly MemorySlot[]): void {
  for (const [name, value] of Object.entries({ gpa, bytes })) {
    if (!Number.isInteger(value / 0x1000))
      throw slotsError(`slot ${index}: ${name} is a multiple of 4096, not ${value}`);
  }
  if (gpa < 0 || bytes <= 0 || gpa + bytes > GPA_LIMIT) {
    throw slotsError(`slot ${index} is some memory below 2^46, not ${bytes} bytes at ${gpa}`);
  }
  const other = others.findIndex((slot) => gpa < slot.gpa + slot.bytes && slot.gpa < gpa + bytes);
  if (other >= 0) throw slotsError(`slots ${other} and ${index} overlap`);
}

function slotsError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_SLOTS" });
}
