import { createNestedTranslator } from "../lab/nested.ts";
import type { GuestPaging, Translator } from "../lab/translator.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { AddressSpace } from "./address-space.ts";
import type { HostState } from "./host-state.ts";
import type { KvmCounters } from "./kvm-counters.ts";
import { HVA_BASE } from "./memory-slots.ts";
import type { FlushListener, SecondaryMmu } from "./secondary-mmu.ts";

/** What {@link ProcessMmu} stands between. */
export interface ProcessMmuOptions {
  readonly host: HostState;
  readonly space: AddressSpace;
  readonly counters: KvmCounters;
  readonly flush: FlushListener;
  readonly guest: GuestPaging;
  readonly structures: WalkStructures;
}

/**
 * Naive nesting: the second dimension is the process's own tables. There is nothing to enter and nothing to drop, only
 * caches to be told; and nothing that dirty logging could take away.
 */
export class ProcessMmu implements SecondaryMmu {
  readonly translator: Translator;
  readonly logging = undefined;
  readonly tableFrames = 0;
  readonly #options: ProcessMmuOptions;

  constructor(options: ProcessMmuOptions) {
    const { host, space, guest, structures } = options;
    this.#options = options;
    const registers = { cr3: space.tables.root, wp: true, nxe: true };
    const process = { kind: "process", mode: "long4", registers, hvaBase: HVA_BASE } as const;
    this.translator = createNestedTranslator({ memory: host.memory, guest, host: process, structures });
  }

  enter(): void {
    this.#options.counters.pf_fixed++;
  }

  invalidateRange(start: number, end: number): void {
    this.#options.counters.remote_tlb_flush++;
    this.#options.flush((start - HVA_BASE) / 0x1000, (end - start) / 0x1000);
  }

  store(hpa: number, value: number): void {
    this.#options.host.memory.store32(hpa, value);
  }

  dispose(): void {}
}
