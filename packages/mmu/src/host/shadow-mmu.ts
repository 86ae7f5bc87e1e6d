import { createShadowTranslator, type ShadowedMode, type ShadowSync, type ShadowTranslator } from "../lab/shadow.ts";
import type { GuestPaging } from "../lab/translator.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { AddressSpace } from "./address-space.ts";
import type { HostState } from "./host-state.ts";
import type { KvmCounters } from "./kvm-counters.ts";
import { HVA_BASE, type MemorySlots } from "./memory-slots.ts";
import { bytesAt } from "./radix-tables.ts";
import type { DirtyLogging, FlushListener, SecondaryMmu } from "./secondary-mmu.ts";

/** What {@link ShadowMmu} stands between. */
export interface ShadowMmuOptions {
  readonly host: HostState;
  readonly space: AddressSpace;
  readonly slots: MemorySlots;
  readonly counters: KvmCounters;
  readonly flush: FlushListener;
  readonly guest: GuestPaging & { readonly mode: ShadowedMode };
  readonly structures: WalkStructures;
  readonly sync: ShadowSync;
  readonly roots: "cached" | "dropped";
}

/**
 * Shadow tables that follow the tables of a process as well as the guest's. A frame that goes takes along what maps it and,
 * if it held a table of the guest, what was derived from there.
 */
export class ShadowMmu implements SecondaryMmu, DirtyLogging {
  readonly translator: ShadowTranslator;
  readonly logging: DirtyLogging = this;
  readonly #options: ShadowMmuOptions;
  readonly #frames: number[] = [];

  constructor(options: ShadowMmuOptions) {
    const { host, space, slots, guest, structures, sync, roots, counters } = options;
    this.#options = options;
    const registers = { cr3: space.tables.root, wp: true, nxe: true };
    this.translator = createShadowTranslator({
      memory: host.memory,
      guest,
      host: { kind: "process", mode: "long4", registers, hvaBase: HVA_BASE },
      structures,
      sync,
      roots,
      allocateFrame: () => {
        const pfn = host.frames.allocate();
        this.#frames.push(pfn);
        counters.mmu_cache_miss++;
        return pfn * 0x1000;
      },
      dirtyLog: {
        isLogged: (gpa) => slots.logAt(gpa) !== undefined,
        mark: (gpa) => slots.mark(gpa),
      },
    });
  }

  get tableFrames(): number {
    return this.#frames.length;
  }

  /** The page is in the process's tables, where the next attempt of the walk finds it. */
  enter(): void {}

  invalidateRange(start: number, end: number): void {
    const { space, counters, flush } = this.#options;
    const pages = space.residents(start, end);
    if (pages.length === 0) return;
    for (const { hva, hpa, level } of pages) {
      const gfn = gfnAt(hva);
      for (let i = 0; i < framesAt(level); i++) this.translator.dropFrame(gfn + i, hpa / 0x1000 + i);
    }
    counters.remote_tlb_flush++;
    flush(gfnAt(start), (end - start) / 0x1000);
  }

  testYoung(start: number, end: number): boolean {
    for (let gfn = gfnAt(start); gfn < gfnAt(end); gfn++) if (this.translator.testYoung(gfn)) return true;
    return false;
  }

  clearYoung(start: number, end: number): boolean {
    let isYoung = false;
    for (let gfn = gfnAt(start); gfn < gfnAt(end); gfn++) if (this.translator.clearYoung(gfn)) isYoung = true;
    return isYoung;
  }

  store(hpa: number, value: number): void {
    this.translator.storeAt(hpa, value);
  }

  breakLargePages(first: number, count: number): void {
    const { space } = this.#options;
    const start = first * 0x1000 + HVA_BASE;
    for (const { hva, level } of space.residents(start, start + count * 0x1000)) {
      if (level > 1) this.invalidateRange(hva, hva + bytesAt(level));
    }
  }

  rearm(gfns: Iterable<number>): void {
    const { counters, slots, flush } = this.#options;
    let isChanged = false;
    for (const gfn of gfns) if (this.translator.writeProtect(gfn)) isChanged = true;
    if (!isChanged) return;
    counters.remote_tlb_flush++;
    flush(0, Math.max(...slots.slots.map(({ gpa, bytes }) => gpa + bytes)) / 0x1000);
  }

  /** Writes are noticed by protection alone. */
  harvest(): void {}

  dispose(): void {
    for (const pfn of this.#frames) this.#options.host.frames.release(pfn);
  }
}

function gfnAt(hva: number): number {
  return (hva - HVA_BASE) / 0x1000;
}

function framesAt(level: number): number {
  return bytesAt(level) / 0x1000;
}
