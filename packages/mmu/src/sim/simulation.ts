import { ACCESS_USER, type AccessBits } from "../access.ts";
import type { GuestFault, HypervisorExit } from "../lab/translator.ts";
import { DEFAULT_L2_CYCLES, type TlbGeometry } from "../structures/tlb-hierarchy.ts";
import { type WalkGeometry, WalkStructures } from "../structures/walk-structures.ts";
import { TRACE_EXIT, TRACE_FORK, TRACE_SWITCH, TRACE_UNMAP, type TraceBatch } from "../trace/batch.ts";
import { type Costs, DEFAULT_COSTS } from "./costs.ts";
import { GuestKernel } from "./guest-kernel.ts";
import { reportOf, type SimulationReport, type SimulationSums } from "./report.ts";
import { createSchemeMachine, PAGE_SHIFTS, type SchemeMachine, type SchemeOptions } from "./scheme-machine.ts";
import { createSimulatedMmu, type SimulatedMmu } from "./simulated-mmu.ts";

/** A guest, its scheme and its processor. */
export interface SimulationOptions extends SchemeOptions {
  /** Default: none. */
  readonly tlb?: TlbGeometry;
  /** Default: none; 50 cycles a reference. */
  readonly walk?: WalkGeometry;
  /** CR4.PCIDE. Default true. */
  readonly pcid?: boolean;
  /** What differs from {@link DEFAULT_COSTS}. */
  readonly costs?: Partial<Costs>;
}

/** A trace being simulated. */
export interface Simulation {
  /** Takes the next records. May be called as long as one likes; memory grows with the pages touched only. */
  run(batch: TraceBatch): void;
  /** Sums from here on: what was there before was warming up. */
  forget(): void;
  /** What has been counted so far. */
  report(): SimulationReport;
  readonly mmu: SimulatedMmu;
}

const DEFAULT_MEMORY_CYCLES = 50;
/** A page fault for each dimension, copy-on-write after a read, and again with the other dimension's. */
const MOST_ATTEMPTS = 80;

/**
 * Begins a simulation: a guest kernel that gives out pages at the first touch, the scheme's tables, and an MMU.
 * @throws RangeError (code `MMU_GEOMETRY`)
 */
export function createSimulation(options: SimulationOptions): Simulation {
  return new TraceSimulation(options);
}

class TraceSimulation implements Simulation {
  readonly mmu: SimulatedMmu;
  readonly #options: SimulationOptions;
  readonly #costs: Costs;
  readonly #machine: SchemeMachine;
  readonly #kernel: GuestKernel;
  #violations = 0;
  #pagingExits = 0;
  #nonCanonical = 0;
  #base: SimulationSums;

  constructor(options: SimulationOptions) {
    const { walk = {}, tlb, pcid = true, guestPages = "4K" } = options;
    this.#options = options;
    this.#costs = { ...DEFAULT_COSTS, ...options.costs };
    const structures = new WalkStructures({ memoryCycles: DEFAULT_MEMORY_CYCLES, ...walk });
    this.#machine = createSchemeMachine(options, structures);
    this.mmu = createSimulatedMmu({ translator: this.#machine.translator, pcide: pcid, ...(tlb && { tlb }) });
    this.#kernel = new GuestKernel({
      port: {
        load32: this.#machine.port.load32,
        storeEntry: (gpa, low, high) => {
          this.#machine.port.storeEntry(gpa, low, high);
          this.mmu.settle();
        },
      },
      instructions: {
        invlpg: (low, high) => this.#invlpg(low, high),
        writeCr3: (cr3, noFlush) => this.#writeCr3(cr3, noFlush),
      },
      tables: (port) => this.#machine.tablesOf(port),
      pageShift: PAGE_SHIFTS[guestPages],
      pcid,
    });
    this.#base = this.#sums();
  }

  run(batch: TraceBatch): void {
    const { ops, low, high, args, length } = batch;
    const { mmu } = this;
    for (let i = mmu.passHits(batch, 0); i < length; i = mmu.passHits(batch, i + 1)) {
      const op = ops[i] as number;
      if (op < TRACE_SWITCH) {
        const access = op | ACCESS_USER;
        if (!mmu.access(low[i] as number, high[i] as number, access)) {
          this.#resolve(low[i] as number, high[i] as number, access);
        }
      } else this.#event(op, low[i] as number, high[i] as number, args[i] as number);
    }
    this.#machine.pass(length);
    mmu.settle();
  }

  forget(): void {
    this.#base = this.#sums();
  }

  report(): SimulationReport {
    return reportOf(this.#options, this.#costs, this.#sums(), this.#base);
  }

  #event(op: number, low: number, high: number, arg: number): void {
    if (op === TRACE_SWITCH) this.#kernel.switchTo(arg);
    else if (op === TRACE_UNMAP) this.#kernel.unmap(low, high, arg);
    else if (op === TRACE_FORK) this.#kernel.fork(arg);
    else if (op === TRACE_EXIT) this.#kernel.exit(arg);
  }

  /** Lets kernel and hypervisor do what they must until the access goes through. */
  #resolve(low: number, high: number, access: AccessBits): void {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const failure = this.mmu.failure as GuestFault | HypervisorExit;
      if (failure.receiver === "guest" && failure.vector === 13) {
        this.#nonCanonical++;
        return;
      }
      if (failure.receiver === "guest") {
        if (this.#machine.interceptsPaging) this.#pagingExits++;
        this.#kernel.fault(low, high, access);
      } else {
        this.#violations++;
        this.#machine.back(failure.gpa);
      }
      if (this.mmu.retry(low, high, access)) return;
    }
    throw new Error(`no end of faults at 0x${(high >>> 0).toString(16)}:${(low >>> 0).toString(16)}`);
  }

  #invlpg(low: number, high: number): void {
    if (this.#machine.interceptsPaging) this.#pagingExits++;
    this.mmu.invlpg(low, high);
  }

  #writeCr3(cr3: number, noFlush: boolean): void {
    if (this.#machine.interceptsPaging) this.#pagingExits++;
    // The first look at a root that was never stored to: its frame must be there.
    this.#machine.back(cr3 - (cr3 % 0x1000));
    this.mmu.writeCr3(cr3, noFlush);
  }

  /** Whatever the first level does not have is looked for in the second, if there is one, before there is a walk. */
  #secondTlbCycles(): number {
    const { l2 = [], l2Cycles = DEFAULT_L2_CYCLES } = this.#options.tlb ?? { l1: [] };
    const { l2Hits, walks } = this.mmu.counters;
    return l2.length === 0 ? 0 : (l2Hits + walks) * l2Cycles;
  }

  #sums(): SimulationSums {
    const { counters } = this.mmu;
    const { totals } = this.#machine.translator.log;
    return {
      ...counters,
      ...this.#kernel.counters,
      nativeReferences: totals[0] as number,
      guestReferences: (totals[1] as number) + (totals[4] as number),
      hostReferences: totals[2] as number,
      shadowReferences: totals[3] as number,
      violations: this.#violations,
      pagingExits: this.#pagingExits + this.#machine.interceptedFaults(),
      tracingFaults: this.#machine.tracingFaults(),
      nonCanonical: this.#nonCanonical,
      secondTlbCycles: this.#secondTlbCycles(),
      tableFrames: this.#kernel.tableFrames,
      pages: this.#kernel.pages,
      hostPages: this.#machine.hostPages(),
    };
  }
}
