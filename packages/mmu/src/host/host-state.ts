import type { LabMemory } from "../lab/lab-memory.ts";
import type { AddressSpace } from "./address-space.ts";
import type { SwapMap } from "./backing-store.ts";
import type { HostCounters } from "./host-counters.ts";
import type { HostFrames } from "./host-frames.ts";
import type { ReverseMap } from "./reverse-map.ts";

/** What the parts of a host's memory management share. */
export interface HostState {
  readonly memory: LabMemory;
  readonly frames: HostFrames;
  readonly swap: SwapMap;
  readonly rmap: ReverseMap<AddressSpace>;
  readonly counters: HostCounters;
  /**
   * Sees to it that so many frames are free, by reclaim if it must. Called before tables and entries are changed and never
   * in between, so that reclaim does not pull away what is being built.
   * @throws RangeError (code `MMU_MEMORY`)
   */
  reserve(frames: number): void;
}

/** Frames that resolving one fault can take: tables of both dimensions, of five levels each, the page, a deposit. */
export const FAULT_FRAMES = 12;
