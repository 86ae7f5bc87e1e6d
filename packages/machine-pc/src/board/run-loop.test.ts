import type { Vcpu, VcpuExit } from "@tsvm/contracts";
import { describe, expect, it } from "vitest";
import { createRealTimeClock } from "../clock/real-time-clock.ts";
import { createVirtualClock } from "../clock/virtual-clock.ts";
import { createRunLoop, type HostSleep, type MachineHost } from "./run-loop.ts";

/** A host whose time moves only when told, or by sleeping. */
class FakeHost implements MachineHost {
  ns = 0;
  turns = 0;
  readonly sleeps: number[] = [];
  /** What happens in the event loop during a turn or a sleep. */
  onTurn: () => void = () => {};
  onSleep: (sleep: HostSleep) => void = () => {};

  monotonicNs(): number {
    return this.ns;
  }

  async yieldToHost(): Promise<void> {
    this.turns++;
    this.ns += 1_000;
    this.onTurn();
  }

  sleep(ms: number): HostSleep {
    this.sleeps.push(ms);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const sleep: HostSleep = { done, wake: () => resolve() };
    queueMicrotask(() => {
      if (ms !== Number.POSITIVE_INFINITY) {
        this.ns += ms * 1e6;
        resolve();
      }
      this.onSleep(sleep);
    });
    return sleep;
  }
}

/** A vCPU that runs `budget` instructions at 1 per ns and then says what the script says. */
class FakeVcpu {
  instructionCount = 0;
  kicks = 0;
  readonly budgets: number[] = [];
  readonly #host: FakeHost;
  readonly #script: (slice: number) => VcpuExit;

  constructor(host: FakeHost, script: (slice: number) => VcpuExit) {
    this.#host = host;
    this.#script = script;
  }

  run(budget: number): VcpuExit {
    this.budgets.push(budget);
    const exit = this.#script(this.budgets.length - 1);
    if (exit.reason === "intr") {
      this.instructionCount += budget;
      this.#host.ns += budget;
    }
    return exit;
  }

  kick(): void {
    this.kicks++;
  }
}

function build(script: (slice: number) => VcpuExit, virtual = false) {
  const host = new FakeHost();
  const clock = virtual ? createVirtualClock() : createRealTimeClock(host);
  const vcpu = new FakeVcpu(host, script);
  const sleep = { asleep: false, due: false };
  const suspension = {
    get asleep() {
      return sleep.asleep;
    },
    wakeIfDue() {
      if (sleep.due) sleep.asleep = false;
      return sleep.due;
    },
  };
  const loop = createRunLoop({ vcpu: vcpu as unknown as Vcpu, clock, host, suspension });
  return { host, clock, vcpu, loop, sleep };
}

describe("createRunLoop", () => {
  it("learns the guest's speed until a slice lasts about a millisecond, and gives the host a turn every few", async () => {
    const { host, vcpu, loop } = build((slice) => (slice < 200 ? { reason: "intr" } : { reason: "shutdown" }));
    expect(await loop.run()).toEqual({ reason: "crash" });
    expect(vcpu.budgets[0]).toBeLessThan(100_000);
    expect(vcpu.budgets.at(-1)).toBeGreaterThan(900_000);
    const turnsPerMs = host.turns / (host.ns / 1e6);
    expect(turnsPerMs).toBeGreaterThan(0.15);
    expect(turnsPerMs).toBeLessThan(0.35);
  });

  it("sleeps in HLT until the next timer, and not before it has fired", async () => {
    const fired: number[] = [];
    const { host, clock, loop } = build(() => ({ reason: "hlt" }));
    clock.arm(3_000_000, () => {
      fired.push(clock.now());
      loop.stop({ reason: "shutdown" });
    });
    expect(await loop.run()).toEqual({ reason: "shutdown" });
    expect(host.sleeps).toEqual([3]);
    expect(fired).toEqual([3_000_000]);
  });

  it("sleeps without end when no timer is armed, until an interrupt wakes it", async () => {
    const { host, vcpu, loop } = build((slice) => (slice === 0 ? { reason: "hlt" } : { reason: "shutdown" }));
    host.onSleep = () => loop.wake();
    await loop.run();
    expect(host.sleeps).toEqual([Number.POSITIVE_INFINITY]);
    expect(vcpu.budgets.length).toBe(2);
  });

  it("does not sleep over an interrupt raised in the very slice that halted", async () => {
    const { host, loop } = build((slice) => {
      if (slice === 0) loop.wake();
      return slice < 1 ? { reason: "hlt" } : { reason: "shutdown" };
    });
    await loop.run();
    expect(host.sleeps).toEqual([]);
  });

  it("kicks the vCPU when a nearer timer is armed, and plans a shorter slice", async () => {
    const { clock, vcpu, loop } = build((slice) => {
      if (slice === 0) clock.arm(500, () => {});
      return slice === 0 ? { reason: "intr" } : { reason: "shutdown" };
    }, true);
    clock.arm(600, () => {});
    const kicksBefore = vcpu.kicks;
    await loop.run();
    // One for the timer, one for the end of the run.
    expect(vcpu.kicks - kicksBefore).toBe(2);
    expect(vcpu.budgets[0]).toBe(600);
  });

  it("jumps over idle time with a virtual clock, and still lets the host have its turns", async () => {
    const { host, clock, loop } = build(() => {
      host.ns += 1_000_000;
      return { reason: "hlt" };
    }, true);
    let ticks = 0;
    const tick = (): void => {
      if (++ticks === 20) loop.stop({ reason: "shutdown" });
      clock.arm(clock.now() + 1e9, tick);
    };
    clock.arm(1e9, tick);
    await loop.run();
    expect(clock.now()).toBe(20e9);
    expect(host.sleeps).toEqual([]);
    expect(host.turns).toBe(5);
  });

  it("stops guest time when paused, and runs on afterwards", async () => {
    const { host, clock, loop } = build(() => ({ reason: "intr" }));
    host.onTurn = () => loop.stop({ reason: "paused" });
    expect(await loop.run()).toEqual({ reason: "paused" });
    const at = clock.now();
    host.ns += 1e9;
    expect(clock.now()).toBe(at);
    expect(await loop.run()).toEqual({ reason: "paused" });
    expect(clock.now()).toBeGreaterThan(at);
  });

  it("does not run the vCPU of a machine asleep, whose timers go on, until it wakes", async () => {
    const { clock, vcpu, loop, sleep, host } = build((slice) => {
      if (slice > 0) return { reason: "shutdown" };
      sleep.asleep = true;
      return { reason: "intr" };
    });
    clock.arm(3_000_000, () => {});
    clock.arm(5_000_000, () => {
      sleep.due = true;
    });
    await loop.run();
    expect(vcpu.budgets.length).toBe(2);
    expect(host.ns).toBe(5_000_000);
  });

  it("reports what the guest did first, and passes the accelerator's trouble on", async () => {
    const { loop } = build(() => {
      loop.stop({ reason: "debug-exit", value: 3 });
      loop.stop({ reason: "reset" });
      return { reason: "intr" };
    });
    expect(await loop.run()).toEqual({ reason: "debug-exit", value: 3 });
    const broken = build(() => ({ reason: "internal-error", detail: "bad block" }));
    expect(await broken.loop.run()).toEqual({ reason: "internal-error", detail: "bad block" });
  });
});
