import { setImmediate as turn } from "node:timers/promises";
import type { Device } from "@tsvm/contracts";
import { expect, test } from "vitest";
import { type SupervisorOptions, superviseMachine, type VirtualMachine } from "../src/virtual-machine.ts";
import { createFakeMachine, type FakeMachine } from "./fake-machine.ts";

interface Bench {
  readonly machine: FakeMachine;
  readonly vm: VirtualMachine;
  readonly events: string[];
}

function createBench(options: Partial<SupervisorOptions> = {}): Bench {
  const machine = createFakeMachine();
  const vm = superviseMachine({ machine, now: () => 5, ...options });
  const events: string[] = [];
  vm.on((event) => events.push(event.type === "reset" ? `reset by ${event.cause}` : event.type));
  return { machine, vm, events };
}

test("runs until the guest powers off", async () => {
  const { machine, vm, events } = createBench();
  expect(vm.state).toBe("created");
  const run = vm.run();
  expect(vm.run()).toBe(run);
  await turn();
  expect(vm.state).toBe("running");
  machine.stop({ reason: "shutdown" });
  expect(await run).toEqual({ reason: "shutdown" });
  expect(vm.state).toBe("stopped");
  expect(vm.stopReason).toEqual({ reason: "shutdown" });
  expect(events).toEqual(["running", "stopped"]);
});

test("a guest's reset resets and runs on", async () => {
  const { machine, vm, events } = createBench();
  const run = vm.run();
  machine.stop({ reason: "reset" });
  await turn();
  expect(machine.calls).toEqual(["run", "reset", "run"]);
  machine.stop({ reason: "crash" });
  await turn();
  machine.stop({ reason: "debug-exit", value: 3 });
  expect(await run).toEqual({ reason: "debug-exit", value: 3 });
  expect(events).toEqual(["running", "reset by guest", "crash", "reset by crash", "stopped"]);
  expect(vm.counters().resets).toBe(2);
});

test("resets and crashes end the run where the options say so", async () => {
  for (const reason of ["reset", "crash"] as const) {
    const { machine, vm } = createBench({ onReboot: "stop", onCrash: "stop" });
    const run = vm.run();
    machine.stop({ reason });
    expect(await run).toEqual({ reason });
    expect(machine.calls).toEqual(["run"]);
  }
});

test("pause holds, resume goes on, and the run is one", async () => {
  const { machine, vm, events } = createBench();
  const run = vm.run();
  await vm.pause();
  expect(vm.state).toBe("paused");
  await vm.pause();
  vm.resume();
  await turn();
  expect(vm.state).toBe("running");
  machine.stop({ reason: "shutdown" });
  await run;
  expect(events).toEqual(["running", "paused", "running", "stopped"]);
});

test("pause before run starts held", async () => {
  const { machine, vm } = createBench();
  await vm.pause();
  void vm.run();
  await turn();
  expect(machine.calls).toEqual([]);
  vm.resume();
  await turn();
  expect(machine.calls).toEqual(["run"]);
});

test("a pause that meets the end of the run resolves", async () => {
  const { machine, vm } = createBench();
  machine.pause = () => machine.calls.push("pause"); // asleep: it will stop only by itself
  const run = vm.run();
  const pause = vm.pause();
  machine.stop({ reason: "shutdown" });
  await pause;
  expect(await run).toEqual({ reason: "shutdown" });
});

test("resume at once after pause leaves nobody waiting", async () => {
  const { vm } = createBench();
  void vm.run();
  const pause = vm.pause();
  vm.resume();
  await pause;
  await turn();
  expect(vm.state).toBe("running");
});

test("the reset button stops the loop first and goes on by itself", async () => {
  const { machine, vm, events } = createBench();
  void vm.run();
  await turn();
  vm.reset();
  await turn();
  expect(machine.calls).toEqual(["run", "pause", "reset", "run"]);
  expect(events).toEqual(["running", "reset by host"]);
});

test("the reset button on a held machine leaves it held", async () => {
  const { machine, vm } = createBench();
  void vm.run();
  await vm.pause();
  vm.reset();
  await turn();
  expect(machine.calls).toEqual(["run", "pause", "pause", "reset"]);
  expect(vm.state).toBe("paused");
});

test("power-off can hold the machine; going on powers it on anew", async () => {
  const { machine, vm } = createBench({ onShutdown: "pause" });
  void vm.run();
  machine.stop({ reason: "shutdown" });
  await turn();
  expect(vm.state).toBe("paused");
  vm.resume();
  await turn();
  expect(machine.calls).toEqual(["run", "reset", "run"]);
});

test("run after the end powers on anew", async () => {
  const { machine, vm } = createBench();
  const first = vm.run();
  machine.stop({ reason: "shutdown" });
  await first;
  void vm.run();
  expect(vm.stopReason).toBeUndefined();
  expect(machine.calls).toEqual(["run", "reset", "run"]);
});

test("registers before a reset can be seen", async () => {
  const seen: string[] = [];
  const machine = createFakeMachine();
  const vm: VirtualMachine = superviseMachine({
    machine,
    now: () => 0,
    beforeReset: () => seen.push(`${machine.calls.join()} ${vm.describe()}`),
  });
  void vm.run();
  machine.stop({ reason: "reset" });
  await turn();
  expect(seen).toEqual(["run RAX=0000000000000001"]);
});

test("a broken machine rejects the run and is stopped", async () => {
  const { machine, vm } = createBench();
  machine.run = () => Promise.reject(new Error("invariant broken: x"));
  await expect(vm.run()).rejects.toThrow("invariant broken: x");
  expect(vm.state).toBe("stopped");
});

test("counts", () => {
  const { machine, vm } = createBench();
  machine.instructions = 1234;
  expect(vm.counters()).toEqual({ instructions: 1234, guestNs: 5, resets: 0, accelerator: { tlbFills: 7 } });
});

test("a break goes to the serial port meant", () => {
  const { machine, vm } = createBench();
  const breaks: string[] = [];
  for (const name of ["rtc", "com1", "com2"]) {
    machine.devices.push({ name, sendBreak: () => breaks.push(name) } as unknown as Device);
  }
  for (const port of [1, 0, 2]) vm.sendBreak(port);
  expect(breaks).toEqual(["com2", "com1"]);
});

test("only a machine that sleeps can be woken", () => {
  const { machine, vm } = createBench();
  expect(vm.wakeUp()).toBe(false);
  let asleep = true;
  machine.devices.push({ name: "acpi-pm", requestWake: () => asleep } as unknown as Device);
  expect(vm.wakeUp()).toBe(true);
  asleep = false;
  expect(vm.wakeUp()).toBe(false);
});
