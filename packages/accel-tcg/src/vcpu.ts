import type { Clock, InterruptPort, IoPort, Vcpu, VcpuExit, VcpuState } from "@tsvm/contracts";
import {
  AT,
  type CpuModel,
  Cpu,
  deliverInterrupt,
  deliverNmi,
  describe,
  DR6,
  EXIT,
  FLAG,
  HELPERS,
  interruptDeliverable,
  nmiDeliverable,
  raiseDebug,
  resetState,
  restoreRegisters,
  saveRegisters,
  takePendingException,
} from "@tsvm/cpu-x86";
import type { GuestFrames } from "./guest-frames.ts";
import { instantiateInterpreter } from "./interpreter-module.ts";
import { RecordCache } from "./record-cache.ts";

const INTR = { reason: "intr" } as const;
const HLT = { reason: "hlt" } as const;
const SHUTDOWN = { reason: "shutdown" } as const;

/** Helpers by the number generated code knows them by. */
const HELPER_FUNCTIONS = Object.values(HELPERS);

/** What a vCPU is made of. */
export interface VcpuParts {
  readonly memory: { readonly buffer: ArrayBufferLike };
  readonly frames: GuestFrames;
  readonly model: CpuModel;
  readonly clock: Clock;
  readonly interrupts: InterruptPort;
  readonly io: IoPort;
}

/** Counters of one vCPU, for the facade. */
export interface VcpuCounters {
  readonly instructions: number;
  readonly decodedInstructions: number;
  readonly invalidations: number;
  readonly tlbFills: number;
  readonly undefinedOpcodes: number;
}

/** One processor, run by the interpreter. */
export class TcgVcpu implements Vcpu {
  readonly cpu: Cpu;
  readonly #interrupts: InterruptPort;
  readonly #records: RecordCache;
  readonly #run: (record: number) => number;
  /** Instructions retired before the current `run` call. */
  #retired = 0;
  /** Fuel the current call has been given, less what `kick` took away. */
  #granted = 0;
  /** Fuel put aside so that the run loop looks at interrupts; given back there. */
  #deferred = 0;

  constructor(parts: VcpuParts) {
    const { frames, interrupts, io, clock } = parts;
    frames.io = io;
    this.cpu = new Cpu(parts.memory.buffer, {
      physical: frames,
      portIn: (port, size) => io.in(port, size),
      portOut: (port, size, value) => io.out(port, size, value),
      now: () => clock.now(),
      get taskPriority() {
        return interrupts.tpr;
      },
      set taskPriority(value: number) {
        interrupts.tpr = value;
      },
      readApicMsr: (index) => interrupts.readMsr(index),
      writeApicMsr: (index, value) => interrupts.writeMsr(index, value),
      undefinedOpcode: () => {},
    }, parts.model);
    const { features } = parts.model;
    this.#records = new RecordCache(this.cpu, frames, (name) => features.has(name));
    this.#interrupts = interrupts;
    interrupts.onRaise(() => this.#requestInterrupt());
    const { linear } = this.cpu;
    this.#run = instantiateInterpreter(parts.memory, {
      readMiss: (low, high, size, record) => linear.readMiss(low, high, size, record),
      modifyMiss: (low, high, size, record) => linear.modifyMiss(low, high, size, record),
      writeMiss: (low, high, size, record) => linear.writeMiss(low, high, size, record),
      helper: (number) => this.#helper(number),
      resolve: () => this.#resolve(),
      resolveNear: (record) => this.#faultUnless(this.#records.resolveNear(record)),
    });
    this.reset();
  }

  get instructionCount(): number {
    return this.#retired + this.#spent();
  }

  get counters(): VcpuCounters {
    const { instructions, invalidations } = this.#records.counters;
    return {
      instructions: this.instructionCount,
      decodedInstructions: instructions,
      invalidations,
      tlbFills: this.cpu.linear.fills,
      undefinedOpcodes: this.cpu.get32("undefinedCount"),
    };
  }

  run(budget: number): VcpuExit {
    const { cpu } = this;
    this.#granted = budget;
    cpu.set32("fuel", budget);
    const exit = this.#loop();
    this.#retired += this.#spent();
    this.#granted = 0;
    cpu.set32("fuel", 0);
    return exit;
  }

  kick(): void {
    this.#yield();
    this.#granted -= this.#deferred;
    this.#deferred = 0;
  }

  reset(): void {
    resetState(this.cpu);
    this.#records.flush();
  }

  save(): VcpuState {
    return { regs: saveRegisters(this.cpu) };
  }

  restore(state: VcpuState): void {
    restoreRegisters(this.cpu, state.regs);
    this.#records.flush();
  }

  describe(): string {
    return describe(this.cpu);
  }

  /** Drops everything decoded and translated; for changes of the memory map. */
  memoryMapChanged(): void {
    this.#records.flush();
    this.cpu.linear.flushAll();
  }

  #spent(): number {
    return this.#granted - this.#deferred - (this.cpu.i32[AT.fuel >> 2] as number);
  }

  #loop(): VcpuExit {
    const { cpu } = this;
    const records = this.#records;
    for (;;) {
      this.#resumeFuel();
      if (cpu.faulted && takePendingException(cpu) === "shutdown") return SHUTDOWN;
      if (cpu.get32("interruptRequest") !== 0) this.#acceptInterrupt();
      if (cpu.faulted) continue;
      if (cpu.get32("halted") !== 0) return HLT;
      if ((cpu.i32[AT.fuel >> 2] as number) <= 0) return INTR;
      if (this.#mustStep()) {
        this.#step();
        continue;
      }
      const record = records.lookup();
      if (record === 0) continue;
      records.enter(record);
      this.#run(record);
    }
  }

  /** Single steps are for TF, interrupt shadows, and budgets that must be met exactly. */
  #mustStep(): boolean {
    const { cpu } = this;
    return (
      this.#granted === 1 ||
      cpu.get32("interruptShadow") !== 0 ||
      (cpu.get32("rflags") & FLAG.TF) !== 0 ||
      (cpu.low("dr", 7) & 0xff) !== 0
    );
  }

  #step(): void {
    const { cpu } = this;
    const trap = (cpu.get32("rflags") & FLAG.TF) !== 0;
    const shadow = cpu.get32("interruptShadow");
    const record = this.#records.lookupSingle();
    if (record === 0) return;
    this.#records.enter(record);
    this.#run(record);
    // The shadow lasts for one instruction; one that starts a new shadow keeps that.
    if (cpu.get32("interruptShadow") === shadow) cpu.set32("interruptShadow", 0);
    if (trap) raiseDebug(cpu, DR6.BS);
  }

  #acceptInterrupt(): void {
    const { cpu } = this;
    const interrupts = this.#interrupts;
    if (interrupts.nmiPending && nmiDeliverable(cpu)) {
      interrupts.acknowledgeNmi();
      deliverNmi(cpu);
    } else if (interrupts.pending && interruptDeliverable(cpu)) deliverInterrupt(cpu, interrupts.acknowledge());
    cpu.set32("interruptRequest", interrupts.pending || interrupts.nmiPending ? 1 : 0);
  }

  /** Ends the current block; the run loop then sees what can be delivered. */
  #requestInterrupt(): void {
    const { cpu } = this;
    cpu.set32("interruptRequest", 1);
    if (interruptDeliverable(cpu) || this.#interrupts.nmiPending) this.#yield();
  }

  /** Makes generated code return at the end of the block without ending `run`. */
  #yield(): void {
    const fuel = AT.fuel >> 2;
    const left = this.cpu.i32[fuel] as number;
    if (left <= 0) return;
    this.#deferred += left;
    this.cpu.i32[fuel] = 0;
  }

  #resumeFuel(): void {
    (this.cpu.i32[AT.fuel >> 2] as number) += this.#deferred;
    this.#deferred = 0;
  }

  #helper(number: number): number {
    const helper = HELPER_FUNCTIONS[number];
    return helper === undefined ? this.cpu.raise("UD") : helper(this.cpu);
  }

  #resolve(): number {
    return this.#faultUnless(this.#records.lookup());
  }

  /** Generated code returns at once on 0; the exit reason is ours to give then. */
  #faultUnless(record: number): number {
    if (record === 0) this.cpu.set32("exitReason", EXIT.exception);
    return record;
  }
}
