import type { TranslationProfile } from "@tsvm/accel-tcg";
import type { Disposable, Machine, MachineStop } from "@tsvm/contracts";
import type { MemoryBalloon } from "./devices/memory-balloon.ts";

/** 'created': before the first `run`. 'paused': `run` is under way and held. 'stopped': the last `run` has ended. */
export type VmState = "created" | "running" | "paused" | "stopped";

/** What happened to a machine, told as it happens. */
export type VmEvent =
  | { readonly type: "running" | "paused" }
  /** Power-on reset, done. 'crash': after a triple fault. 'host': by `reset()`. */
  | { readonly type: "reset"; readonly cause: "guest" | "crash" | "host" }
  /** A triple fault; the registers are still those of the fault. */
  | { readonly type: "crash" }
  | { readonly type: "stopped"; readonly stop: MachineStop };

/** Numbers since creation; they never decrease. */
export interface VmCounters {
  /** Guest instructions retired. */
  readonly instructions: number;
  /** Guest time in nanoseconds. */
  readonly guestNs: number;
  /** Resets of any cause. */
  readonly resets: number;
  /** What the accelerator counts besides, by its own names: for people, not for programs. */
  readonly accelerator: Readonly<Record<string, number>>;
}

/** A machine with power, pause and reset buttons. */
export interface VirtualMachine {
  /** What people call it; may be empty. */
  readonly name: string;
  readonly state: VmState;
  /** Why the last `run` ended; undefined while none has. */
  readonly stopReason: MachineStop | undefined;
  /**
   * Powers the machine on and resolves when the guest has stopped for good; a pause does not end it. While it is under
   * way, calling it again gives the same promise; afterwards it powers on anew. Rejects only if tsvm itself is broken.
   */
  run(): Promise<MachineStop>;
  /** Holds the guest; resolves when it stands still, has ended, or was resumed before. Before `run`: the machine starts held. */
  pause(): Promise<void>;
  /** Lets a held guest go on. */
  resume(): void;
  /** Presses the reset button; a held machine stays held. */
  reset(): void;
  /** A break condition on serial port `port`, counted from 0; Linux takes it for SysRq. No effect without that port. */
  sendBreak(port: number): void;
  /** Wakes a guest that is suspended to RAM. @returns false: it is not */
  wakeUp(): boolean;
  /** Registers of every vCPU, for people. */
  describe(): string;
  /** Undefined: the machine has none. */
  readonly balloon: MemoryBalloon | undefined;
  counters(): VmCounters;
  /** What translated code has done so far; undefined unless the machine was made with `translation.profile`. */
  profile(): TranslationProfile | undefined;
  on(listener: (event: VmEvent) => void): Disposable;
}

/** What the supervisor does when the guest asks for a reset or breaks down. */
export interface SupervisorOptions {
  readonly machine: Machine;
  /** Default empty. */
  readonly name?: string;
  readonly balloon?: MemoryBalloon;
  /** Guest time in nanoseconds. */
  readonly now: () => number;
  /** Default 'reset'; 'stop' ends `run`. */
  readonly onReboot?: "reset" | "stop";
  /** The same for a triple fault. */
  readonly onCrash?: "reset" | "stop";
  /** What power-off does; default 'stop'. 'pause' holds the machine; letting it go on powers it on anew. */
  readonly onShutdown?: "stop" | "pause";
  /** Called whenever the run loop is asked to stop: ends waits that it may be in. */
  readonly beforePause?: () => void;
  /** Called while the registers are still those before the reset. */
  readonly beforeReset?: () => void;
}

/** Drives a {@link Machine} through pauses and resets until it stops for good. */
export function superviseMachine(options: SupervisorOptions): VirtualMachine {
  const { machine } = options;
  const listeners = new Set<(event: VmEvent) => void>();
  let state: VmState = "created";
  let stopReason: MachineStop | undefined;
  let current: Promise<MachineStop> | undefined;
  let resets = 0;
  let pauseWanted = false;
  let resetWanted = false;
  let poweredOff = false;
  let letGo = (): void => {};
  let pausers: (() => void)[] = [];

  const emit = (event: VmEvent): void => {
    for (const listener of [...listeners]) listener(event);
  };
  const stopLoop = (): void => {
    machine.pause();
    options.beforePause?.();
  };
  const enter = (next: "running" | "paused"): void => {
    if (state === next) return;
    state = next;
    emit({ type: next });
  };
  const answerPausers = (): void => {
    const resolves = pausers;
    pausers = [];
    for (const resolve of resolves) resolve();
  };
  /** A device with abilities that not every one has: they are looked for when used. */
  const deviceNamed = <T>(wanted: string): Partial<T> | undefined =>
    machine.devices.find(({ name }) => name === wanted) as Partial<T> | undefined;
  const reset = (cause: "guest" | "crash" | "host"): void => {
    options.beforeReset?.();
    machine.reset();
    resetWanted = false;
    poweredOff = false;
    resets++;
    emit({ type: "reset", cause });
  };

  /** Waits until a pause is over or a reset wants to be done in it. */
  const hold = async (): Promise<void> => {
    enter("paused");
    const released = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    answerPausers();
    await released;
  };

  /** True when the run is not over: the machine was reset, or is held with its power off. */
  const goesOn = (stop: MachineStop): boolean => {
    if (stop.reason === "crash") emit({ type: "crash" });
    if (stop.reason === "shutdown" && options.onShutdown === "pause") {
      pauseWanted = true;
      poweredOff = true;
      return true;
    }
    const again =
      (stop.reason === "reset" && options.onReboot !== "stop") ||
      (stop.reason === "crash" && options.onCrash !== "stop");
    if (again) reset(stop.reason === "crash" ? "crash" : "guest");
    return again;
  };

  const supervise = async (): Promise<MachineStop> => {
    for (;;) {
      if (resetWanted) {
        reset("host");
      } else if (pauseWanted) {
        await hold();
      } else if (poweredOff) {
        reset("host");
      } else {
        enter("running");
        const stop = await machine.run();
        if (stop.reason !== "paused" && !goesOn(stop)) return stop;
      }
    }
  };

  const finish = (stop: MachineStop): MachineStop => {
    state = "stopped";
    stopReason = stop;
    current = undefined;
    pauseWanted = false;
    resetWanted = false;
    answerPausers();
    emit({ type: "stopped", stop });
    return stop;
  };

  return {
    name: options.name ?? "",
    get state(): VmState {
      return state;
    },
    get stopReason(): MachineStop | undefined {
      return stopReason;
    },
    run(): Promise<MachineStop> {
      if (current !== undefined) return current;
      if (state === "stopped") reset("host");
      stopReason = undefined;
      current = supervise().then(finish, (error: unknown) => {
        finish({ reason: "internal-error", detail: String(error) });
        throw error;
      });
      return current;
    },
    pause(): Promise<void> {
      pauseWanted = true;
      if (current === undefined || state === "paused") return Promise.resolve();
      const stands = new Promise<void>((resolve) => pausers.push(resolve));
      stopLoop();
      return stands;
    },
    resume(): void {
      pauseWanted = false;
      letGo();
      answerPausers();
    },
    reset(): void {
      if (current === undefined) {
        reset("host");
        return;
      }
      // Never under a running vCPU: the run loop is stopped first, and may be asleep.
      resetWanted = true;
      letGo();
      stopLoop();
    },
    sendBreak(port: number): void {
      deviceNamed<{ sendBreak(): void }>(`com${port + 1}`)?.sendBreak?.();
    },
    wakeUp(): boolean {
      return deviceNamed<{ requestWake(): boolean }>("acpi-pm")?.requestWake?.() ?? false;
    },
    balloon: options.balloon,
    describe: () => machine.vcpus.map((vcpu) => vcpu.describe()).join("\n"),
    counters: () => ({
      instructions: machine.vcpus.reduce((sum, vcpu) => sum + vcpu.instructionCount, 0),
      guestNs: options.now(),
      resets,
      accelerator: acceleratorCounters(machine),
    }),
    profile: () => (machine.vcpus[0] as { readonly profile?: TranslationProfile } | undefined)?.profile,
    on(listener: (event: VmEvent) => void): Disposable {
      listeners.add(listener);
      return { dispose: () => void listeners.delete(listener) };
    },
  };
}

/** A vCPU may have `counters`; the seam does not ask for them. Sums over the vCPUs. */
function acceleratorCounters(machine: Machine): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const vcpu of machine.vcpus) {
    const { counters } = vcpu as { readonly counters?: Readonly<Record<string, number>> };
    for (const [name, count] of Object.entries(counters ?? {})) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}
