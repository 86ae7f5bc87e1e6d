import { expect, test } from "vitest";
import { createMonitorCommands } from "./monitor-commands.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

function run(
  name: string,
  argument = "",
  balloon?: VirtualMachine["balloon"],
): { readonly answer: string | undefined; readonly calls: string[] } {
  const calls: string[] = [];
  const vm = {
    balloon,
    name: "web server",
    state: "running",
    describe: () => "RAX=0",
    pause: async () => void calls.push("pause"),
    resume: () => void calls.push("resume"),
    reset: () => void calls.push("reset"),
    wakeUp: () => calls.push("wake") > 0 && argument !== "awake",
    counters: () => ({ instructions: 12, guestNs: 1.5e9, resets: 1, accelerator: { instructions: 12, tlbFills: 3 } }),
  } as unknown as VirtualMachine;
  const command = createMonitorCommands(vm, () => calls.push("quit")).find((one) => one.name === name);
  return { answer: command?.run(argument), calls };
}

test.each([
  ["info registers", "RAX=0"],
  ["info status", "VM status: running"],
  ["info name", "web server"],
  ["info counters", "instructions: 12\nguest time: 1.500 s\nresets: 1\ntlbFills: 3"],
])("%s answers", (name, answer) => {
  expect(run(name).answer).toBe(answer);
});

test("who is awake cannot be woken", () => {
  expect(run("system_wakeup", "awake").answer).toBe("the guest is not suspended");
});

test("info jit is made of the accelerator's counters", () => {
  expect(run("info jit").answer).toMatch(/^ {2}entries made +3$/m);
});

test.each([
  ["stop", "pause"],
  ["cont", "resume"],
  ["system_reset", "reset"],
  ["system_wakeup", "wake"],
  ["quit", "quit"],
  ["q", "quit"],
])("%s does it", (name, call) => {
  expect(run(name)).toEqual({ answer: undefined, calls: [call] });
});

test("the balloon is asked for memory and statistics", () => {
  const asked: number[] = [];
  const balloon = {
    actualBytes: 384 << 20,
    statistics: { freeMemory: 5, majorFaults: 6 },
    setTarget: (bytes: number) => void asked.push(bytes),
    requestStatistics: () => void asked.push(0),
  };
  expect(run("info balloon", "", balloon).answer).toBe("balloon: actual=384\nfreeMemory: 5\nmajorFaults: 6");
  expect(run("balloon", "256", balloon).answer).toBeUndefined();
  expect(run("balloon", "much", balloon).answer).toBe("'much' is no number of MiB");
  expect(asked).toEqual([0, 256 << 20]);
  expect(run("balloon", "256").answer).toContain("-device virtio-balloon-pci");
});
