import { expect, test } from "vitest";
import { createMonitorCommands } from "./monitor-commands.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

function run(name: string): { readonly answer: string | undefined; readonly calls: string[] } {
  const calls: string[] = [];
  const vm = {
    name: "web server",
    state: "running",
    describe: () => "RAX=0",
    pause: async () => void calls.push("pause"),
    resume: () => void calls.push("resume"),
    reset: () => void calls.push("reset"),
    counters: () => ({ instructions: 12, guestNs: 1.5e9, resets: 1, accelerator: { instructions: 12, tlbFills: 3 } }),
  } as unknown as VirtualMachine;
  const command = createMonitorCommands(vm, () => calls.push("quit")).find((one) => one.name === name);
  return { answer: command?.run(), calls };
}

test.each([
  ["info registers", "RAX=0"],
  ["info status", "VM status: running"],
  ["info name", "web server"],
  ["info counters", "instructions: 12\nguest time: 1.500 s\nresets: 1\ntlbFills: 3"],
])("%s answers", (name, answer) => {
  expect(run(name).answer).toBe(answer);
});

test.each([
  ["stop", "pause"],
  ["cont", "resume"],
  ["system_reset", "reset"],
  ["quit", "quit"],
  ["q", "quit"],
])("%s does it", (name, call) => {
  expect(run(name)).toEqual({ answer: undefined, calls: [call] });
});
