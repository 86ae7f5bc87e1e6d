import { LabMemory } from "../lab/lab-memory.ts";
import type { AddressSpace } from "./address-space.ts";
import { type BackingStore, createMemoryStore, SwapMap } from "./backing-store.ts";
import { type HostCounters, hostCounters } from "./host-counters.ts";
import { HostFrames } from "./host-frames.ts";
import type { HostState } from "./host-state.ts";
import { collapseHugePages } from "./huge-pages.ts";
import { HVA_BASE } from "./memory-slots.ts";
import { reclaim } from "./reclaim.ts";
import { ReverseMap } from "./reverse-map.ts";
import { SamePageMerging } from "./same-page-merging.ts";
import { memoryError, VirtualMachine, type VmOptions } from "./virtual-machine.ts";

/** What a host is made of. */
export interface HostOptions {
  /** Frames of 4096 bytes, 32 to 2^24; page tables take some of them. */
  readonly frames: number;
  /** Where pages are swapped out to; default: nowhere. */
  readonly store?: BackingStore;
  /** `always`: guests may have more memory than there is; `never`: no more than frames and store. Default `always`. */
  readonly overcommit?: "always" | "never";
}

/** A frame and what maps it, as {@link Host.reverseMap} tells it. */
export interface FrameUse {
  readonly hpa: number;
  /** Of the mapping: 4096 or 2 MiB. */
  readonly bytes: number;
  readonly kind: "private" | "merged" | "huge";
  readonly mappings: readonly { readonly vm: VirtualMachine; readonly gpa: number }[];
}

/** A host whose memory guests share: pages come at the first touch and go when somebody else needs the frame. */
export interface Host {
  /** All frames, tables included. */
  readonly memory: LabMemory;
  readonly counters: Readonly<HostCounters>;
  readonly frames: { readonly total: number; readonly free: number };
  /** Same-page merging: frames shared, and the mappings beyond their first. Names as in sysfs. */
  readonly shared: { readonly pages_shared: number; readonly pages_sharing: number };
  /** Pages in the store. */
  readonly swapped: number;
  /** @throws RangeError (code `MMU_SLOTS`, `MMU_MEMORY`, `MMU_REGISTERS` or `MMU_HOST`) */
  createVm(options: VmOptions): VirtualMachine;
  /** Ends a guest; everything it had is free. */
  destroyVm(vm: VirtualMachine): void;
  /** Swaps out cold pages. @returns how many frames that freed. */
  reclaim(frames: number): number;
  /** One pass of same-page merging. @returns how many frames that freed. */
  mergePages(): number;
  /** One pass of collapsing small pages into huge ones. @param limit most to make; default all. @returns how many. */
  collapseHugePages(limit?: number): number;
  /** The store answers reads that guests do not wait for. @returns how many. */
  completeIo(): number;
  /** Who maps which frame, least recently used first. */
  reverseMap(): readonly FrameUse[];
}

/**
 * Makes a host without guests. Deterministic: the same calls give the same frames.
 * @throws RangeError (code `MMU_MEMORY`) for a number of frames out of range.
 */
export function createHost(options: HostOptions): Host {
  const { frames } = options;
  if (!Number.isInteger(frames) || frames < 32 || frames > 2 ** 24) {
    throw memoryError(`frames is an integer from 32 to 2^24, not ${frames}`);
  }
  return new HostMachine(options);
}

class HostMachine implements Host, HostState {
  readonly memory = new LabMemory();
  readonly frames: HostFrames;
  readonly swap: SwapMap;
  readonly rmap = new ReverseMap<AddressSpace>();
  readonly counters = hostCounters();
  readonly #merging = new SamePageMerging(this);
  readonly #vms = new Map<VirtualMachine, number>();
  readonly #commitLimit: number;
  #nextId = 0;

  constructor({ frames, store = createMemoryStore(0), overcommit = "always" }: HostOptions) {
    this.frames = new HostFrames(this.memory, frames);
    this.swap = new SwapMap(store);
    this.#commitLimit = overcommit === "never" ? frames + store.slots : Number.POSITIVE_INFINITY;
  }

  get shared(): Host["shared"] {
    return this.#merging.shared;
  }

  get swapped(): number {
    return this.swap.used;
  }

  reserve(frames: number): void {
    const missing = frames - this.frames.free;
    if (missing <= 0 || reclaim(this, missing) >= missing) return;
    throw memoryError(
      `no frame is free, and ${this.swap.free === 0 ? "the store is full" : "nothing can be swapped out"}`,
    );
  }

  createVm(options: VmOptions): VirtualMachine {
    const pages = options.slots.reduce((sum, { bytes }) => sum + bytes / 0x1000, 0);
    const committed = [...this.#vms.values()].reduce((sum, each) => sum + each, pages);
    if (committed > this.#commitLimit) {
      throw memoryError(`guests would have ${committed} pages; frames and store hold ${this.#commitLimit}`);
    }
    const vm = new VirtualMachine(this, this.#nextId++, options);
    this.#vms.set(vm, pages);
    return vm;
  }

  destroyVm(vm: VirtualMachine): void {
    if (this.#vms.delete(vm)) vm.dispose();
  }

  reclaim(frames: number): number {
    return reclaim(this, frames);
  }

  mergePages(): number {
    return this.#merging.scan();
  }

  collapseHugePages(limit: number = Number.POSITIVE_INFINITY): number {
    const spaces = [...this.#vms.keys()].map(({ space }) => space);
    return collapseHugePages(this, spaces, limit);
  }

  completeIo(): number {
    return [...this.#vms.keys()].reduce((sum, vm) => sum + vm.completeIo(), 0);
  }

  reverseMap(): readonly FrameUse[] {
    const vmOf = new Map([...this.#vms.keys()].map((vm) => [vm.space, vm]));
    return [...this.rmap.pages()].map(({ pfn, kind, mappings }) => ({
      hpa: pfn * 0x1000,
      bytes: kind === "huge" ? 2 ** 21 : 0x1000,
      kind,
      mappings: [...mappings.values()].map(({ space, hva }) => ({
        vm: vmOf.get(space) as VirtualMachine,
        gpa: hva - HVA_BASE,
      })),
    }));
  }
}
