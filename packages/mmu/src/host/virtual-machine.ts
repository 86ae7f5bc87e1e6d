import type { TableMemory } from "../lab/lab-memory.ts";
import type { ShadowedMode, ShadowSync } from "../lab/shadow.ts";
import { createTableWalker } from "../lab/table-mode.ts";
import type { GuestFault, GuestPaging, HypervisorExit, Mapping, Translator } from "../lab/translator.ts";
import type { Access } from "../mmu.ts";
import { WalkStructures } from "../structures/walk-structures.ts";
import type { PteMemory } from "../walker.ts";
import { AddressSpace } from "./address-space.ts";
import { AsyncFaults, type AsyncPageFault } from "./async-faults.ts";
import { type DirtyLogOptions, dirtyLogError } from "./dirty-log.ts";
import { FAULT_FRAMES, type HostState } from "./host-state.ts";
import { type KvmCounters, kvmCounters } from "./kvm-counters.ts";
import { HVA_BASE, type MemorySlot, MemorySlots } from "./memory-slots.ts";
import type { MmuNotifier } from "./mmu-notifier.ts";
import { ProcessMmu } from "./process-mmu.ts";
import { type FlushListener, missingAt, type SecondaryMmu } from "./secondary-mmu.ts";
import { ShadowMmu } from "./shadow-mmu.ts";
import { TdpMmu } from "./tdp-mmu.ts";
import { countWalk, type WalkCounters, walkCounters } from "./walk-counters.ts";

/** What a guest is made of. */
export interface VmOptions {
  /** How its addresses are translated; default `ept`. `shadow` is for guests that have paging on. */
  readonly scheme?: "ept" | "npt" | "shadow" | "naive";
  /** Its paging; default none. */
  readonly guest?: GuestPaging;
  readonly slots: readonly MemorySlot[];
  /** Whether its memory comes in huge pages where they fit; default false. */
  readonly hugePages?: boolean;
  /** Whether its pages may be merged with equal ones; default false. */
  readonly mergeable?: boolean;
  /** Whether it can be told that a page is being read back, and do something else; default false. */
  readonly asyncFaults?: boolean;
  /** `ept`, `npt`: levels of the hypervisor's tables; default 4. */
  readonly levels?: 4 | 5;
  /** `ept`: accessed and dirty flags; default true. */
  readonly accessedDirty?: boolean;
  /** `shadow`: as in `ShadowOptions`; default `unsync` and `cached`. */
  readonly sync?: ShadowSync;
  readonly roots?: "cached" | "dropped";
  /** Told which guest frames whatever caches translations must forget: a TLB in front, and `structures`. */
  readonly onFlush?: FlushListener;
  /** What walks go through; default none. */
  readonly structures?: WalkStructures;
}

/** Nothing backs the address: a device's register, for the caller to answer. */
export interface DeviceAccess {
  readonly receiver: "device";
  readonly gpa: number;
}

/** Why an access did not come through. */
export type AccessRefusal = GuestFault | AsyncPageFault | DeviceAccess;

/** One walk can miss five tables of the guest and the page, each once for the page and once for the right to write. */
const MOST_EXITS = 64;

const NO_PAGING: GuestPaging = { mode: "bare", registers: {} };
const NO_MEMORY: PteMemory = { load32: () => 0, or32: () => {} };

/** A guest on a host: slots of memory that a process holds, and the tables its addresses are translated by. */
export class VirtualMachine {
  readonly counters: KvmCounters = kvmCounters();
  readonly walks: WalkCounters = walkCounters();
  /** Guest physical memory as devices and loaders reach it, through the process; other addresses read as all ones. */
  readonly memory: TableMemory;
  readonly #host: HostState;
  readonly #slots: MemorySlots;
  readonly #space: AddressSpace;
  readonly #mmu: SecondaryMmu;
  readonly #async: AsyncFaults;
  readonly #waits: boolean;
  readonly #ballooned = new Set<number>();
  readonly #leave: () => void;

  /** @internal As `Host.createVm` makes it. */
  constructor(host: HostState, id: number, options: VmOptions) {
    const { hugePages = false, mergeable = false, asyncFaults = false } = options;
    this.#host = host;
    this.#slots = new MemorySlots(options.slots);
    checkGuest(options);
    host.reserve(FAULT_FRAMES);
    const areas = this.#slots.slots.map(({ gpa, bytes }) => {
      return { start: gpa + HVA_BASE, end: gpa + bytes + HVA_BASE, hugePages, mergeable };
    });
    this.#space = new AddressSpace(id, host, areas);
    this.#mmu = this.#createMmu(options);
    this.#waits = !asyncFaults;
    this.#async = new AsyncFaults(this.#space);
    this.#leave = this.#space.notifiers.add(this.#mmu);
    this.memory = {
      load32: (gpa) => this.#load(gpa),
      or32: (gpa, bits) => this.#store(gpa, this.#load(gpa) | bits),
      store32: (gpa, value) => this.#store(gpa, value),
    };
  }

  /** Walks of its addresses, as the processor makes them; what they miss is an exit, which {@link access} resolves. */
  get translator(): Translator {
    return this.#mmu.translator;
  }

  /** @internal */
  get space(): AddressSpace {
    return this.#space;
  }

  /** @internal */
  get secondary(): SecondaryMmu {
    return this.#mmu;
  }

  /**
   * One access of the guest's processor: walks, and resolves exits, until the page is there or somebody else must act.
   * @throws RangeError (code `MMU_MEMORY`) if the host has neither a frame nor room in its store.
   */
  access(gva: bigint, access: Access): Mapping | AccessRefusal {
    for (let exits = 0; exits < MOST_EXITS; exits++) {
      this.#host.reserve(FAULT_FRAMES);
      const walk = this.translator.translate(gva, access);
      countWalk(this.walks, access.kind, walk);
      this.#syncCounters();
      if (walk.outcome.receiver !== "hypervisor") return walk.outcome;
      const refusal = this.#resolve(walk.outcome);
      if (refusal !== undefined) return refusal;
    }
    throw memoryError("the pages that one access needs do not stay in memory together");
  }

  /** Loads four bytes at a 4-byte aligned address. @returns the number, signed, or why there is none. */
  load32(gva: bigint, user = true): number | AccessRefusal {
    const outcome = this.access(gva, { kind: "read", user });
    return outcome.receiver === "none" ? this.#host.memory.load32(outcome.hpa) | 0 : outcome;
  }

  /** Stores four bytes at a 4-byte aligned address. @returns undefined when it is done. */
  store32(gva: bigint, value: number, user = true): AccessRefusal | undefined {
    const outcome = this.access(gva, { kind: "write", user });
    if (outcome.receiver !== "none") return outcome;
    this.#mmu.store(outcome.hpa, value);
    this.#syncCounters();
    return undefined;
  }

  /** MOV to CR3. @returns the guest's fault, if PAE paging finds bad PDPTEs. */
  writeCr3(cr3: number): AccessRefusal | undefined {
    for (let exits = 0; exits < MOST_EXITS; exits++) {
      const outcome = this.translator.writeCr3(cr3);
      if (outcome === undefined || outcome.receiver === "guest") return outcome;
      const refusal = this.#resolve(outcome);
      if (refusal !== undefined) return refusal;
    }
    throw memoryError("the pages that one access needs do not stay in memory together");
  }

  /** INVLPG. Under shadow paging an exit; otherwise nothing here remembers translations. */
  invalidate(gva: bigint): void {
    const [low, high] = [Number(BigInt.asIntN(32, gva)), Number(BigInt.asIntN(32, gva >> 32n))];
    this.translator.invalidate?.(low, high);
    this.#syncCounters();
  }

  /** Hears of changes of the process's tables, beside the hypervisor itself. @returns a function that ends it. */
  subscribe(notifier: MmuNotifier): () => void {
    return this.#space.notifiers.add(notifier);
  }

  /** Begins to log writes to slot `index`. @throws RangeError (code `MMU_SLOTS` or `MMU_DIRTY_LOG`) */
  startDirtyLog(index: number, options: DirtyLogOptions = {}): void {
    const logging = this.#logging();
    const { gpa, bytes } = this.#slots.slot(index);
    if (options.method === "dirty-flags" && !this.#hasFlags()) {
      throw dirtyLogError("the method dirty-flags needs ept with accessedDirty, or npt");
    }
    this.#slots.begin(index, options);
    const [first, count] = [gpa / 0x1000, bytes / 0x1000];
    logging.breakLargePages(first, count);
    if (options.initiallySet !== true) logging.rearm(framesFrom(first, count));
  }

  /** Ends it. */
  stopDirtyLog(index: number): void {
    this.#slots.end(index);
  }

  /**
   * Which pages of slot `index` were written to: one bit a page, in whole words of 64. Unless the log is `manual`, taking
   * it clears it. @throws RangeError (code `MMU_SLOTS` or `MMU_DIRTY_LOG`)
   */
  takeDirtyLog(index: number): Uint8Array {
    const log = this.#slots.log(index);
    const { gpa, bytes } = this.#slots.slot(index);
    this.#logging().harvest(gpa / 0x1000, bytes / 0x1000);
    const bits = log.copy();
    if (!log.manual) this.#clear(index, 0, bits);
    return bits;
  }

  /**
   * Clears what is set in `bits`, from page `first` of the slot on, and notices writes there again.
   * @param first a multiple of 64. @param bits whole words of 64.
   * @throws RangeError (code `MMU_SLOTS` or `MMU_DIRTY_LOG`)
   */
  clearDirtyLog(index: number, first: number, bits: Uint8Array): void {
    const log = this.#slots.log(index);
    if (!log.manual) throw dirtyLogError("only logs begun as manual are cleared by hand");
    log.check(first, bits);
    this.#clear(index, first, bits);
  }

  /** The guest's balloon takes frame `gfn`: the host may have what was there. @throws RangeError (code `MMU_SLOTS`) */
  inflateBalloon(gfn: number): void {
    this.#checkFrame(gfn);
    if (this.#ballooned.has(gfn)) return;
    this.#ballooned.add(gfn);
    const hva = gfn * 0x1000 + HVA_BASE;
    this.#host.reserve(FAULT_FRAMES);
    this.#space.discard(hva, hva + 0x1000);
    this.#host.counters.balloon_inflate++;
  }

  /** The guest has frame `gfn` back; it reads as zeros. */
  deflateBalloon(gfn: number): void {
    if (this.#ballooned.delete(gfn)) this.#host.counters.balloon_deflate++;
  }

  /** Frames in the balloon. */
  get balloon(): number {
    return this.#ballooned.size;
  }

  /** Tokens of asynchronous faults whose pages have come; each is told once. */
  takeReadyTokens(): readonly number[] {
    return this.#async.takeReady();
  }

  /** Whether the page at `gpa` was used since {@link clearYoung}; false if it is not in memory. */
  testYoung(gpa: number): boolean {
    return this.#space.testYoung(gpa + HVA_BASE);
  }

  /** As {@link testYoung}, and forgets it. */
  clearYoung(gpa: number): boolean {
    return this.#space.clearYoung(gpa + HVA_BASE);
  }

  /** Splits the huge page at `gpa`, if there is one. @returns whether there was. */
  splitHugePage(gpa: number): boolean {
    const page = this.#space.resident(gpa + HVA_BASE);
    if (page === undefined || page.level === 1) return false;
    this.#space.split(page.hva);
    return true;
  }

  /** Where the byte at `gpa` is in host memory; undefined while it is not there. */
  hpaOf(gpa: number): number | undefined {
    const page = this.#space.resident(gpa + HVA_BASE);
    return page === undefined ? undefined : page.hpa + (gpa + HVA_BASE - page.hva);
  }

  /** Reads of the store are answered. @internal */
  completeIo(): number {
    return this.#async.complete();
  }

  /** The guest is gone. @internal */
  dispose(): void {
    this.#leave();
    this.#mmu.dispose();
    this.#space.dispose();
  }

  #createMmu(options: VmOptions): SecondaryMmu {
    const { scheme = "ept", guest = NO_PAGING, levels = 4, accessedDirty = true } = options;
    const [host, space, slots, counters] = [this.#host, this.#space, this.#slots, this.counters];
    const { onFlush: flush = (): void => {}, structures = new WalkStructures() } = options;
    if (scheme === "naive") return new ProcessMmu({ host, space, counters, flush, guest, structures });
    if (scheme !== "shadow") {
      return new TdpMmu({
        host,
        space,
        slots,
        counters,
        flush,
        guest,
        structures,
        kind: scheme,
        levels,
        accessedDirty,
      });
    }
    // As checkGuest has seen.
    const { mode, registers } = guest as GuestPaging & { readonly mode: ShadowedMode };
    const { sync = "unsync", roots = "cached" } = options;
    return new ShadowMmu({ host, space, slots, counters, flush, guest: { mode, registers }, structures, sync, roots });
  }

  /** @returns undefined when the walk may be tried again. */
  #resolve(exit: HypervisorExit): AccessRefusal | undefined {
    this.counters.exits++;
    const missing = missingAt(exit);
    if (missing === undefined) throw new Error("the hypervisor's own tables are well formed");
    const { gpa, kinds } = missing;
    if (this.#slots.indexOf(gpa) < 0) {
      this.counters.mmio_exits++;
      return { receiver: "device", gpa };
    }
    if (!this.#waits) {
      const told = this.#async.begin(gpa);
      if (told !== undefined) return told;
    }
    this.#space.fault(gpa + HVA_BASE, (kinds & 2) !== 0);
    this.#mmu.enter(gpa, kinds);
    return undefined;
  }

  /** Where the byte at `gpa` is for a device that reads or writes it. */
  #reach(gpa: number, isWrite: boolean): number | undefined {
    if (this.#slots.indexOf(gpa) < 0) return undefined;
    const page = this.#space.resident(gpa + HVA_BASE);
    if (page === undefined || (isWrite && !page.writable)) this.#space.fault(gpa + HVA_BASE, isWrite);
    return this.hpaOf(gpa);
  }

  #load(gpa: number): number {
    const hpa = this.#reach(gpa, false);
    return hpa === undefined ? -1 : this.#host.memory.load32(hpa);
  }

  #store(gpa: number, value: number): void {
    const hpa = this.#reach(gpa, true);
    if (hpa === undefined) return;
    this.#slots.mark(gpa);
    this.#mmu.store(hpa, value);
  }

  #clear(index: number, first: number, bits: Uint8Array): void {
    const firstGfn = this.#slots.slot(index).gpa / 0x1000;
    const cleared = this.#slots.log(index).clear(first, bits);
    this.#logging().rearm(cleared.map((page) => firstGfn + page));
  }

  #logging(): NonNullable<SecondaryMmu["logging"]> {
    const { logging } = this.#mmu;
    if (logging === undefined) throw dirtyLogError("naive nesting has no tables to notice writes by");
    return logging;
  }

  #hasFlags(): boolean {
    return this.#mmu instanceof TdpMmu && this.#mmu.hasFlags;
  }

  #checkFrame(gfn: number): void {
    if (Number.isInteger(gfn) && this.#slots.indexOf(gfn * 0x1000) >= 0) return;
    throw Object.assign(new RangeError(`frame ${gfn} is in no slot`), { code: "MMU_SLOTS" });
  }

  /** What shadow tables count themselves. */
  #syncCounters(): void {
    if (this.#mmu instanceof ShadowMmu) Object.assign(this.counters, this.#mmu.translator.counters);
  }
}

/** The host cannot hold what is asked of it. */
export function memoryError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "MMU_MEMORY" });
}

/** Before anything is allocated. */
function checkGuest({ scheme, guest = NO_PAGING }: VmOptions): void {
  createTableWalker(guest.mode, NO_MEMORY, guest.registers);
  if (scheme !== "shadow" || (guest.mode !== "bare" && guest.mode !== "flattened")) return;
  const message = `shadow paging is for guests of mode legacy32, pae, long4 or long5, not ${guest.mode}`;
  throw Object.assign(new RangeError(message), { code: "MMU_HOST" });
}

function* framesFrom(first: number, count: number): Iterable<number> {
  for (let gfn = first; gfn < first + count; gfn++) yield gfn;
}
