import type { Vcpu, VcpuExit, VcpuState } from "@tsvm/contracts";
import { type Clock, type InterruptPort, type IoPort, SnapshotError } from "@tsvm/contracts";
import {
  AT,
  Cpu,
  type CpuHost,
  type CpuModel,
  CpuStateError,
  DR6,
  deliverInterrupt,
  deliverNmi,
  describe,
  EXIT,
  FLAG,
  HELPERS,
  interruptDeliverable,
  MODE,
  mnemonicAt,
  nmiDeliverable,
  RECORD,
  raiseAtBreakpoint,
  raiseDebug,
  resetState,
  restoreRegisters,
  saveRegisters,
  takePendingException,
  timeStampLead,
  type XstateRoutines,
} from "@tsvm/cpu-x86";
import { DataBreakpoints } from "./data-breakpoints.ts";
import { ExecutionLog, type LogSink } from "./execution-log.ts";
import type { GuestFrames } from "./guest-frames.ts";
import { type InterpreterImports, instantiateInterpreter } from "./interpreter-module.ts";
import { RecordCache } from "./record-cache.ts";
import { REGION_SLOTS, RegionCache } from "./region-cache.ts";
import { RegionProfile, type TranslationProfile } from "./region-profile.ts";
import { RegionVerifier } from "./region-verifier.ts";
import { Settling } from "./settling.ts";
import { holdsBreakpoints, makesDebugTrap, SHADOW_SS, singleStepDue, sysretTraps } from "./single-step.ts";
import { type CodeBits, TranslationLog } from "./translation-log.ts";
import { createEventCounts, regionExitCounters, type VcpuCounters } from "./vcpu-counters.ts";

const INTR = { reason: "intr" } as const;
const HLT = { reason: "hlt" } as const;
const SHUTDOWN = { reason: "shutdown" } as const;

/** Helpers by the number generated code knows them by. */
const HELPER_FUNCTIONS = Object.values(HELPERS);
/** L0 G0 .. L3 G3: instructions are executed one by one while any is set. */
const DR7_ENABLES = 0xff;

/** MXCSR: an inexact result was rounded. SDM vol. 1, "MXCSR Control and Status Register". */
const MXCSR_PE = 0x20;

/**
 * Making a region takes 2 ms and having it optimised 7, as long as interpreting 100,000 of its blocks; those that are executed
 * so often share it. Boot with 10,000, 20,000, 40,000 and 60,000: 11.1, 10.4, 9.7 and 9.7 s of CPU.
 */
const DEFAULT_HEAT_LIMIT = 40_000;

/** What a vCPU is made of. */
export interface VcpuParts {
  readonly memory: { readonly buffer: ArrayBufferLike };
  readonly frames: GuestFrames;
  readonly model: CpuModel;
  readonly clock: Clock;
  readonly interrupts: InterruptPort;
  readonly io: IoPort;
  readonly options: VcpuOptions;
}

/** What a vCPU may have besides. */
export interface VcpuOptions {
  /** 32 random bits a call, for RDRAND and RDSEED; without it they report that they have none. */
  readonly random?: () => number;
  /** Seconds between 1970-01-01 UTC and power-on, for KVM's paravirtual clock; 0 by default. */
  readonly powerOnTime?: number;
  /**
   * How often a block is interpreted before it is translated, up to 65535; 0: it never is. Default 40000. Less than half as
   * often will do while the guest runs no new code.
   */
  readonly heatLimit?: number;
  /** Each run of a region is undone and repeated by the interpreter; a difference is thrown as VerificationError. */
  readonly verify?: boolean;
  /** Regions are counted as they run, for `profile`; they are slower by a call to TypeScript each. */
  readonly profile?: boolean;
  /** Milliseconds from some moment on, for counters of time spent on translating. */
  readonly monotonicMs?: () => number;
  /** What the processor does, in words. */
  readonly log?: LogSink;
}

/** One processor, run by the interpreter. */
export class TcgVcpu implements Vcpu {
  readonly cpu: Cpu;
  readonly #frames: GuestFrames;
  readonly #interrupts: InterruptPort;
  readonly #records: RecordCache;
  readonly #run: (record: number) => number;
  readonly #regions: RegionCache;
  readonly #dataBreakpoints: DataBreakpoints;
  readonly #log: ExecutionLog | undefined;
  /** Instructions retired before the current `run` call. */
  #retired = 0;
  /** Fuel the current call has been given, less what `kick` took away. */
  #granted = 0;
  /** Fuel put aside so that the run loop looks at interrupts; given back there. */
  #deferred = 0;
  readonly #counts = createEventCounts();
  readonly #settling = new Settling();
  /** Number of the last helper called. */
  #lastHelper = -1;
  /** The pending exception is of the next instruction, which could not be fetched. */
  #fetchFaulted = false;
  /** DR6 bits of breakpoints that an SS shadow holds off. */
  #heldConditions = 0;

  constructor(parts: VcpuParts) {
    const { frames, interrupts, io, options } = parts;
    frames.io = io;
    this.#frames = frames;
    this.#log = options.log && new ExecutionLog(options.log);
    this.cpu = new Cpu(parts.memory, this.#createHost(parts), parts.model);
    this.#dataBreakpoints = new DataBreakpoints(this.cpu);
    const { features } = parts.model;
    this.#records = new RecordCache(this.cpu, frames, (name) => features.has(name));
    this.#interrupts = interrupts;
    interrupts.onRaise(() => this.#requestInterrupt());
    const table = new WebAssembly.Table({ element: "anyfunc", initial: REGION_SLOTS });
    const imports = this.#createImports();
    const { run, subroutines } = instantiateInterpreter(parts.memory, imports, table);
    this.#run = run;
    this.cpu.xstate = subroutines as unknown as XstateRoutines;
    this.#regions = new RegionCache(
      this.#records.decoder,
      table,
      { ...subroutines, memory: parts.memory as WebAssembly.Memory, clock: imports.clock },
      options.monotonicMs ?? (() => 0),
    );
    this.#records.regions = this.#regions;
    if (options.verify) this.#regions.verifier = new RegionVerifier(this.cpu, () => this.#interpretOne());
    if (options.log) this.#logTranslations(new TranslationLog(options.log));
    if (options.profile) this.#regions.profile = this.#createProfile();
    this.cpu.set32(AT.heatLimit, options.heatLimit ?? DEFAULT_HEAT_LIMIT);
    this.reset();
  }

  get instructionCount(): number {
    return this.#retired + this.#spent();
  }

  get counters(): VcpuCounters {
    const { instructions, invalidations, lookups } = this.#records.counters;
    return {
      instructions: this.instructionCount,
      decodedInstructions: instructions,
      invalidations,
      lookups,
      tlbFills: this.cpu.linear.fills,
      undefinedOpcodes: this.cpu.get32(AT.undefinedCount),
      ...this.#frames.counters,
      ...this.#counts,
      ...this.#regions.counters,
      ...regionExitCounters(this.cpu.view),
    };
  }

  /** What regions did since the vCPU was made; undefined unless that was asked for. */
  get profile(): TranslationProfile | undefined {
    return this.#regions.profile?.result;
  }

  run(budget: number): VcpuExit {
    const { cpu } = this;
    this.#granted = budget;
    cpu.set32(AT.fuel, budget);
    // Pins that were raised while nobody listened (reset, restore) are seen here.
    cpu.set32(AT.interruptRequest, 1);
    const exit = this.#loop();
    this.#retired += this.#spent();
    this.#granted = 0;
    cpu.set32(AT.fuel, 0);
    return exit;
  }

  kick(): void {
    this.#yield();
    this.#granted -= this.#deferred;
    this.#deferred = 0;
  }

  reset(): void {
    resetState(this.cpu);
    this.#forgetProgress();
  }

  save(): VcpuState {
    return { regs: saveRegisters(this.cpu) };
  }

  restore(state: VcpuState): void {
    try {
      restoreRegisters(this.cpu, state.regs);
    } catch (cause) {
      if (!(cause instanceof CpuStateError)) throw cause;
      throw new SnapshotError("SNAPSHOT_CPU", cause.message, { cause });
    }
    this.#forgetProgress();
    this.#interrupts.timeStampMoved?.(timeStampLead(this.cpu));
  }

  describe(): string {
    return describe(this.cpu);
  }

  /** Drops everything decoded and translated; for changes of the memory map. */
  memoryMapChanged(): void {
    this.#records.flush();
    this.cpu.linear.flushAll();
  }

  #logTranslations(log: TranslationLog): void {
    if (log.isSilent) return;
    this.#regions.log = log;
    this.#records.onDecoded = (code, address, mode) => log.decoded(code, address, codeBits(mode));
  }

  #createProfile(): RegionProfile {
    const { view } = this.cpu;
    const handlerOf = (record: number): number => this.#regions.handlerOf(view, record);
    return new RegionProfile(this.cpu, (record) =>
      mnemonicAt(record, handlerOf, view.getUint8(record + RECORD.following)),
    );
  }

  /** The world as instructions see it. */
  #createHost({ frames, interrupts, io, clock, options }: VcpuParts): CpuHost {
    const log = this.#log;
    return {
      physical: frames,
      portIn: (port, size) => {
        this.#counts.portReads++;
        if (this.#dataBreakpoints.armed) this.#dataBreakpoints.notePort(port, size);
        return io.in(port, size);
      },
      portOut: (port, size, value) => {
        this.#counts.portWrites++;
        if (this.#dataBreakpoints.armed) this.#dataBreakpoints.notePort(port, size);
        io.out(port, size, value);
      },
      now: () => clock.now(),
      get taskPriority() {
        return interrupts.tpr;
      },
      set taskPriority(value: number) {
        interrupts.tpr = value;
      },
      readApicMsr: (index) => interrupts.readMsr(index),
      writeApicMsr: (index, value) => interrupts.writeMsr(index, value),
      timeStampMoved: (ticks) => interrupts.timeStampMoved?.(ticks),
      ...(options.random && { random: options.random }),
      ...(options.powerOnTime !== undefined && { powerOnTime: options.powerOnTime }),
      ...(log && { delivering: (vector, kind, code) => log.delivering(this.cpu, vector, kind, code) }),
    };
  }

  #createImports(): InterpreterImports {
    const { linear } = this.cpu;
    const watch = this.#dataBreakpoints;
    const log = this.#log?.translations === true ? this.#log : undefined;
    // Watched or not, a miss is answered the same; a watched one leaves nothing in the TLB.
    const told = (found: number, what: string, low: number, high: number, size: number): number => {
      this.#counts.tlbMisses++;
      log?.translated(this.cpu, what, low, high, size, found !== 0);
      if (watch.armed) linear.flushAll();
      return found;
    };
    return {
      readMiss: (low, high, size, record) => {
        if (watch.armed) watch.noteMemory(low, high, size, false);
        return told(linear.readMiss(low, high, size, record), "read", low, high, size);
      },
      modifyMiss: (low, high, size, record) => {
        if (watch.armed) watch.noteMemory(low, high, size, true);
        return told(linear.modifyMiss(low, high, size, record), "modify", low, high, size);
      },
      writeMiss: (low, high, size, record) => {
        if (watch.armed) watch.noteMemory(low, high, size, true);
        return told(linear.writeMiss(low, high, size, record), "write", low, high, size);
      },
      helper: (number) => this.#helper(number),
      hot: (record) => this.#hot(record),
      clock: (fuel) => this.#clock(fuel),
      resolve: () => this.#resolved(this.#records.lookup()),
      resolveNear: (record) => this.#resolved(this.#records.resolveNear(record)),
    };
  }

  /** What was decoded, and what is known of the instruction executed last, belong to registers that are no more. */
  #forgetProgress(): void {
    this.#records.flush();
    this.#lastHelper = -1;
    this.#heldConditions = 0;
  }

  #spent(): number {
    return this.#granted - this.#deferred - (this.cpu.i32[AT.fuel >> 2] as number);
  }

  #loop(): VcpuExit {
    const { cpu } = this;
    for (;;) {
      this.#counts.runLoops++;
      this.#resumeFuel();
      if (cpu.faulted && this.#takeException() === "shutdown") return SHUTDOWN;
      if (cpu.get32(AT.interruptRequest) !== 0) this.#acceptInterrupt();
      if (cpu.faulted) continue;
      if (cpu.get32(AT.halted) !== 0) return HLT;
      if ((cpu.i32[AT.fuel >> 2] as number) <= 0) return INTR;
      if (this.#mustStep()) {
        this.#step();
        continue;
      }
      this.#run(0);
      const reason = cpu.i32[AT.exitReason >> 2];
      // A helper looks at the fuel too, where what it did may have been an end or an interrupt.
      if (reason === EXIT.fuel || (reason === EXIT.helper && this.#deferred !== 0)) this.#noteFuelSpent();
      // A record that went stale comes back like a fault of which nothing is known; the jump cache must lead there no more.
      if (!cpu.faulted && reason === EXIT.exception) this.#records.lookup();
      if (sysretTraps(cpu, this.#lastHelper)) raiseDebug(cpu, DR6.BS);
    }
  }

  #noteFuelSpent(): void {
    if (this.#deferred === 0) this.#counts.fuelExpiries++;
    else this.#counts.yields++;
  }

  /** An event costs as much as an instruction, so that a guest which only ever faults does not hold the host. */
  #chargeEvent(): void {
    (this.cpu.i32[AT.fuel >> 2] as number) -= 1;
  }

  #takeException(): "delivered" | "shutdown" {
    this.#chargeEvent();
    this.#counts.exceptions++;
    this.#log?.raised(this.cpu);
    const delivery = takePendingException(this.cpu);
    if (delivery === "shutdown") this.#log?.tripleFault();
    return delivery;
  }

  /** Single steps are for TF, breakpoints, interrupt shadows, traces, and budgets that must be met exactly. */
  #mustStep(): boolean {
    const { cpu } = this;
    return (
      this.#granted === 1 ||
      cpu.get32(AT.interruptShadow) !== 0 ||
      (cpu.get32(AT.rflags) & FLAG.TF) !== 0 ||
      (cpu.low(AT.dr, 7) & DR7_ENABLES) !== 0 ||
      this.#log?.tracing === true
    );
  }

  /** One instruction, or one turn of a repeated one, and the debug exceptions around it. */
  #step(): void {
    const { cpu } = this;
    const flags = cpu.get32(AT.rflags);
    const shadow = cpu.get32(AT.interruptShadow);
    if (!holdsBreakpoints(cpu, shadow) && raiseAtBreakpoint(cpu)) return;
    // RF is for this one instruction; if that faults, the saved image gets it anew.
    cpu.set32(AT.rflags, flags & ~FLAG.RF);
    this.#log?.trace(cpu);
    const record = this.#records.lookupSingle();
    if (record === 0) return;
    this.#records.enter(record);
    const hits = this.#runAlone(record);
    // The shadow lasts for one instruction; one that starts a new shadow keeps that.
    if (cpu.get32(AT.interruptShadow) === shadow) cpu.set32(AT.interruptShadow, 0);
    if (!cpu.faulted) this.#trap(hits | (singleStepDue(cpu, flags, this.#lastHelper) ? DR6.BS : 0));
  }

  /** @returns DR6 bits of the data breakpoints that were hit. */
  #runAlone(record: number): number {
    const { cpu } = this;
    const watch = this.#dataBreakpoints;
    this.#lastHelper = -1;
    this.#fetchFaulted = false;
    if ((cpu.low(AT.dr, 7) & DR7_ENABLES) !== 0) watch.arm();
    // An empty TLB also keeps MOVS and STOS from moving more than one element at a time, which does not spend any fuel: there
    // is none, or they would go on.
    if (watch.armed || (cpu.get32(AT.rflags) & FLAG.TF) !== 0) cpu.linear.flushAll();
    this.#deferFuel();
    this.#run(record);
    // Traps of this instruction come before faults of the next, which will be found again.
    if (this.#fetchFaulted) dropPendingException(cpu);
    return watch.disarm();
  }

  /** Debug exceptions behind an instruction. They end HLT; an SS shadow holds those of breakpoints off. */
  #trap(conditions: number): void {
    const { cpu } = this;
    if (makesDebugTrap(this.#lastHelper)) this.#tellHeldConditions();
    const due = conditions | this.#heldConditions;
    const held = cpu.get32(AT.interruptShadow) === SHADOW_SS;
    this.#heldConditions = held ? due : 0;
    if (held || due === 0) return;
    cpu.set32(AT.halted, 0);
    raiseDebug(cpu, due);
  }

  #tellHeldConditions(): void {
    const { cpu } = this;
    cpu.setLow(AT.dr, cpu.low(AT.dr, 6) | this.#heldConditions, 6);
    this.#heldConditions = 0;
  }

  #acceptInterrupt(): void {
    const { cpu } = this;
    const interrupts = this.#interrupts;
    if (interrupts.nmiPending && nmiDeliverable(cpu)) {
      this.#chargeEvent();
      this.#counts.interrupts++;
      interrupts.acknowledgeNmi();
      deliverNmi(cpu);
    } else if (interrupts.pending && interruptDeliverable(cpu)) {
      this.#chargeEvent();
      this.#counts.interrupts++;
      deliverInterrupt(cpu, interrupts.acknowledge());
    }
    cpu.set32(AT.interruptRequest, interrupts.pending || interrupts.nmiPending ? 1 : 0);
  }

  /** Ends the current block; the run loop then sees what can be delivered. */
  #requestInterrupt(): void {
    const { cpu } = this;
    cpu.set32(AT.interruptRequest, 1);
    if (interruptDeliverable(cpu) || this.#interrupts.nmiPending) this.#yield();
  }

  /** Makes generated code return at the end of the block without ending `run`. */
  #yield(): void {
    if ((this.cpu.i32[AT.fuel >> 2] as number) > 0) this.#deferFuel();
  }

  #deferFuel(): void {
    const at = AT.fuel >> 2;
    this.#deferred += this.cpu.i32[at] as number;
    this.cpu.i32[at] = 0;
  }

  #resumeFuel(): void {
    (this.cpu.i32[AT.fuel >> 2] as number) += this.#deferred;
    this.#deferred = 0;
  }

  #helper(number: number): number {
    this.#lastHelper = number;
    this.#counts.helperCalls++;
    const helper = HELPER_FUNCTIONS[number];
    return helper === undefined ? this.cpu.raise("UD") : helper(this.cpu);
  }

  /** One instruction at rip, without a look at anything that might come between. */
  #interpretOne(): void {
    const { cpu } = this;
    const record = this.#records.lookupSingle();
    if (record === 0) return;
    this.#records.enter(record);
    cpu.i32[AT.fuel >> 2] = 1;
    this.#fetchFaulted = false;
    this.#run(record);
    if (this.#fetchFaulted) dropPendingException(cpu);
    // STI starts a shadow only where one can matter; it takes the end of the fuel for such a place.
    if (cpu.get32(AT.interruptRequest) === 0) cpu.set32(AT.interruptShadow, 0);
  }

  /** The clock, which may count the instructions retired. */
  #clock(fuel: number): number {
    this.cpu.i32[AT.fuel >> 2] = fuel;
    return this.cpu.host.now();
  }

  /** A block has been entered so often that it may be worth a translation. */
  #hot(record: number): void {
    const heat = this.cpu.view.getUint32(record + RECORD.heat, true);
    const { instructions } = this.#records.counters;
    if (!this.#settling.isHot(heat, this.cpu.get32(AT.heatLimit), this.instructionCount, instructions)) return;
    const code = this.#records.hotCode(record, {
      inexactSeen: (this.cpu.get32(AT.mxcsr) & MXCSR_PE) !== 0,
      logsStores: this.#regions.verifier !== undefined,
      countsLooks: this.#regions.profile !== undefined,
    });
    if (code !== undefined) this.#regions.translate(code);
  }

  /** Generated code returns at once on 0; the exit reason is ours to give then. */
  #resolved(record: number): number {
    if (record === 0) {
      this.#fetchFaulted = true;
      this.cpu.set32(AT.exitReason, EXIT.exception);
    }
    return record;
  }
}

function codeBits(mode: number): CodeBits {
  const size = mode & MODE.codeSizeMask;
  return size === MODE.code64 ? 64 : size === MODE.code32 ? 32 : 16;
}

function dropPendingException(cpu: Cpu): void {
  cpu.set32(AT.pendingVector, 0);
  cpu.set64(AT.pendingAddress, 0n);
}
