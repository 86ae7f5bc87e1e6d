import {
  BusError,
  type Disposable,
  type FrameObserver,
  type Gpa,
  type HostMemory,
  invariant,
  type MemorySlot,
  type ObservableMemory,
} from "@tsvm/contracts";

/**
 * Guest RAM and ROM: several ranges of guest physical memory that lie in one host memory.
 *
 * Invariants:
 * 1. `ranges` is sorted by gpa and no two overlap.
 * 2. A transfer is checked as a whole before its first byte moves: a BusError leaves memory as it was.
 */
export interface Ram extends ObservableMemory {
  /** The slots in use, in ascending order of gpa; what the board hands to `Vm.setMemorySlot`. */
  readonly slots: readonly MemorySlot[];
  /** Puts, replaces or (undefined) takes away slot `index`, a small number chosen by the caller. Views taken before are stale. */
  setSlot(index: number, slot: MemorySlot | undefined): void;
  /** As `write`, but reaches read-only slots as well: how loaders fill ROM. @throws BusError if any byte has no slot. */
  program(gpa: Gpa, src: Uint8Array): void;
}

interface Range {
  readonly slot: MemorySlot;
  readonly end: Gpa;
  readonly bytes: Uint8Array;
}

export interface RamOptions {
  readonly host: HostMemory;
  /** Initial slots; their index is their place in this list. */
  readonly slots: readonly MemorySlot[];
}

/** RAM over `host`. Slots must be page-aligned, inside the host memory and disjoint in gpa. */
export function createRam(options: RamOptions): Ram {
  const { host } = options;
  const byIndex: (Range | undefined)[] = options.slots.map((slot) => toRange(host, slot));
  const observers = new Set<FrameObserver>();
  let ranges: readonly Range[] = sortRanges(byIndex);

  function store(gpa: Gpa, src: Uint8Array, evenReadOnly: boolean): void {
    checkCovered(ranges, gpa, src.length, evenReadOnly);
    for (let done = 0; done < src.length; ) {
      const range = rangeAt(ranges, gpa + done) as Range;
      const count = Math.min(src.length - done, range.end - gpa - done);
      range.bytes.set(src.subarray(done, done + count), gpa + done - range.slot.gpa);
      done += count;
    }
    for (const observer of observers) observer(gpa, src.length);
  }

  return {
    get slots() {
      return ranges.map((range) => range.slot);
    },
    setSlot(index, slot) {
      const next = byIndex.slice();
      next[index] = slot && toRange(host, slot);
      ranges = sortRanges(next);
      byIndex[index] = next[index];
    },
    read(gpa, dst) {
      checkCovered(ranges, gpa, dst.length, true);
      for (let done = 0; done < dst.length; ) {
        const range = rangeAt(ranges, gpa + done) as Range;
        const start = gpa + done - range.slot.gpa;
        const part = range.bytes.subarray(start, start + dst.length - done);
        dst.set(part, done);
        done += part.length;
      }
    },
    write: (gpa, src) => store(gpa, src, false),
    program: (gpa, src) => store(gpa, src, true),
    view(gpa, length) {
      const range = rangeAt(ranges, gpa);
      if (range === undefined || gpa + length > range.end) return undefined;
      return range.bytes.subarray(gpa - range.slot.gpa, gpa - range.slot.gpa + length);
    },
    observe(observer): Disposable {
      // Wrapped, so that the same function may observe twice and each registration ends on its own.
      const registered: FrameObserver = (gpa, length) => observer(gpa, length);
      observers.add(registered);
      return { dispose: () => void observers.delete(registered) };
    },
  };
}

function toRange(host: HostMemory, slot: MemorySlot): Range {
  const { gpa, length, hva } = slot;
  invariant(length > 0 && gpa % 4096 === 0 && hva % 4096 === 0 && length % 4096 === 0, "slots are page-aligned");
  invariant(hva + length <= host.memory.buffer.byteLength, "slots lie inside the host memory");
  return { slot, end: gpa + length, bytes: new Uint8Array(host.memory.buffer, hva, length) };
}

function sortRanges(byIndex: readonly (Range | undefined)[]): readonly Range[] {
  const ranges = byIndex.filter((range) => range !== undefined).sort((a, b) => a.slot.gpa - b.slot.gpa);
  for (let i = 1; i < ranges.length; i++) {
    invariant((ranges[i - 1] as Range).end <= (ranges[i] as Range).slot.gpa, "slots do not overlap");
  }
  return ranges;
}

// A machine has a handful of ranges, most accesses go to the first two: a scan beats a binary search.
function rangeAt(ranges: readonly Range[], gpa: Gpa): Range | undefined {
  for (const range of ranges) {
    if (gpa < range.end) return gpa >= range.slot.gpa ? range : undefined;
  }
  return undefined;
}

function checkCovered(ranges: readonly Range[], gpa: Gpa, length: number, evenReadOnly: boolean): void {
  for (let at = gpa; at < gpa + length; ) {
    const range = rangeAt(ranges, at);
    if (range === undefined || (range.slot.readOnly && !evenReadOnly)) {
      throw new BusError("BUS_RANGE", `gpa 0x${at.toString(16)} is not RAM`);
    }
    at = range.end;
  }
}
