import { ACCESS_WRITE, type AccessBits } from "../access.ts";
import { PTE_A, PTE_D, PTE_P, PTE_RW, PTE_US } from "../pte.ts";
import { FrameAllocator } from "./frame-allocator.ts";
import {
  frameOf,
  type GuestPageShift,
  type Leaf,
  type ProcessTables,
  type TablePort,
  type TablesSource,
} from "./process-tables.ts";

/** The instructions a kernel has for the processor's translations. */
export interface KernelInstructions {
  invlpg(gvaLow: number, gvaHigh: number): void;
  writeCr3(cr3: number, noFlush: boolean): void;
}

/** What {@link GuestKernel} needs. */
export interface GuestKernelOptions {
  readonly port: TablePort;
  /** The format of tables, given the way that stores to them take. */
  readonly tables: (port: TablePort) => TablesSource;
  readonly instructions: KernelInstructions;
  readonly pageShift: GuestPageShift;
  /** Processes keep their translations over switches. */
  readonly pcid: boolean;
}

/** What a kernel has done. */
export interface KernelCounters {
  /** Pages given out for a first touch. */
  demandFaults: number;
  /** Writes to shared pages that got a copy, or became the last owner's. */
  copyFaults: number;
  /** Entries stored, those of tables too. */
  tableStores: number;
  invlpgs: number;
  cr3Writes: number;
  forks: number;
}

interface Process {
  readonly space: ProcessTables;
  readonly pcid: number;
  hasRun: boolean;
}

/** Pages of each size come from regions of their own. */
const GUEST_PAGES: Readonly<Record<GuestPageShift, number>> = { 12: 2 ** 36, 21: 2 ** 40, 30: 2 ** 44 };
/** As Linux does (`tlb_single_page_flush_ceiling`): more pages than these and the whole address space is flushed. */
const MOST_INVLPGS = 33;
const PAGE_FLAGS: number = PTE_P | PTE_US | PTE_A;

/**
 * As much of an operating system as a trace needs: processes, pages given out at the first touch, copy-on-write, and
 * the invalidations that keep the processor honest.
 */
export class GuestKernel {
  readonly counters: KernelCounters = {
    demandFaults: 0,
    copyFaults: 0,
    tableStores: 0,
    invlpgs: 0,
    cr3Writes: 0,
    forks: 0,
  };
  readonly #options: GuestKernelOptions;
  readonly #tables: TablesSource;
  readonly #pages: FrameAllocator;
  readonly #pageVpns: number;
  readonly #processes = new Map<number, Process>();
  /** Owners beyond the first of frames that have more than one. */
  readonly #sharers = new Map<number, number>();
  #running: Process;
  #runningNumber = 1;

  constructor(options: GuestKernelOptions) {
    const { port, pageShift } = options;
    this.#options = options;
    this.#tables = options.tables({
      load32: (gpa) => port.load32(gpa),
      storeEntry: (gpa, low, high) => {
        this.counters.tableStores++;
        port.storeEntry(gpa, low, high);
      },
    });
    this.#pages = new FrameAllocator(GUEST_PAGES[pageShift], 2 ** pageShift);
    this.#pageVpns = 2 ** (pageShift - 12);
    this.#running = this.#create(1);
    this.switchTo(1);
  }

  /** 4-KByte frames that tables take. */
  get tableFrames(): number {
    return this.#tables.frames;
  }

  /** Pages in use, of the guest's page size. */
  get pages(): number {
    return this.#pages.used;
  }

  /** #PF: afterwards the access goes through. */
  fault(gvaLow: number, gvaHigh: number, access: AccessBits): void {
    const vpn = vpnOf(gvaLow, gvaHigh);
    const { space } = this.#running;
    const leaf = space.find(vpn);
    const isWrite = (access & ACCESS_WRITE) !== 0;
    if (leaf === undefined || (leaf.low & PTE_P) === 0) {
      this.counters.demandFaults++;
      space.map(vpn - (vpn % this.#pageVpns), this.#pages.take(), PAGE_FLAGS | PTE_RW | (isWrite ? PTE_D : 0));
    } else if (isWrite && (leaf.low & PTE_RW) === 0) {
      this.counters.copyFaults++;
      space.store(leaf.gpa, this.#unshare(leaf), flagsOf(leaf.low) | PTE_RW | PTE_D);
      this.#invlpg(leaf.vpn);
    }
  }

  /** Unmaps what is mapped of `pages` 4-KByte pages. */
  unmap(gvaLow: number, gvaHigh: number, pages: number): void {
    const start = vpnOf(gvaLow, gvaHigh);
    const { space } = this.#running;
    const unmapped: number[] = [];
    for (let vpn = start - (start % this.#pageVpns); vpn < start + pages; vpn += this.#pageVpns) {
      const leaf = space.find(vpn);
      if (leaf === undefined || (leaf.low & PTE_P) === 0) continue;
      space.store(leaf.gpa, 0, 0);
      this.#release(frameOf(leaf.low, leaf.high));
      unmapped.push(leaf.vpn);
    }
    this.#flush(unmapped);
  }

  /** Makes a process with the running one's pages, which both may read and neither may write without a copy. */
  fork(child: number): void {
    this.counters.forks++;
    this.exit(child);
    const { space } = this.#create(child);
    const changed: number[] = [];
    for (const leaf of [...this.#running.space.leaves()]) {
      const frame = frameOf(leaf.low, leaf.high);
      const flags = flagsOf(leaf.low) & ~PTE_RW;
      if ((leaf.low & PTE_RW) !== 0) {
        this.#running.space.store(leaf.gpa, frame, flags);
        changed.push(leaf.vpn);
      }
      space.map(leaf.vpn, frame, flags);
      this.#sharers.set(frame, (this.#sharers.get(frame) ?? 0) + 1);
    }
    this.#flush(changed);
  }

  /** Ends a process; one that is running or unknown is passed by. */
  exit(number: number): void {
    const process = this.#processes.get(number);
    if (process === undefined || process === this.#running) return;
    for (const leaf of process.space.leaves()) this.#release(frameOf(leaf.low, leaf.high));
    process.space.free();
    this.#processes.delete(number);
  }

  /** Another process runs; it is made if there is none of that number. */
  switchTo(number: number): void {
    this.#running = this.#processes.get(number) ?? this.#create(number);
    this.#runningNumber = number;
    // A number may have been another process before: its first run drops what that one left.
    this.#loadCr3(this.#options.pcid && this.#running.hasRun);
    this.#running.hasRun = true;
  }

  /** Number of the process that runs. */
  get running(): number {
    return this.#runningNumber;
  }

  #create(number: number): Process {
    const { pcid } = this.#options;
    const process = { space: this.#tables.create(), pcid: pcid ? 1 + (number % 0xffe) : 0, hasRun: false };
    this.#processes.set(number, process);
    return process;
  }

  #unshare(leaf: Leaf): number {
    const frame = frameOf(leaf.low, leaf.high);
    if (!this.#sharers.has(frame)) return frame;
    this.#release(frame);
    return this.#pages.take();
  }

  #release(frame: number): void {
    const sharers = this.#sharers.get(frame);
    if (sharers === undefined) this.#pages.give(frame);
    else if (sharers === 1) this.#sharers.delete(frame);
    else this.#sharers.set(frame, sharers - 1);
  }

  #flush(vpns: readonly number[]): void {
    if (vpns.length > MOST_INVLPGS) this.#loadCr3(false);
    else for (const vpn of vpns) this.#invlpg(vpn);
  }

  #invlpg(vpn: number): void {
    this.counters.invlpgs++;
    this.#options.instructions.invlpg((vpn << 12) | 0, Math.floor(vpn / 2 ** 20) | 0);
  }

  #loadCr3(noFlush: boolean): void {
    this.counters.cr3Writes++;
    this.#options.instructions.writeCr3(this.#running.space.root + this.#running.pcid, noFlush);
  }
}

/** Address bits 63:12, unsigned. */
function vpnOf(low: number, high: number): number {
  return (high >>> 0) * 2 ** 20 + (low >>> 12);
}

/** Bits 11:0 of an entry. */
function flagsOf(low: number): number {
  return low & 0xfff;
}
