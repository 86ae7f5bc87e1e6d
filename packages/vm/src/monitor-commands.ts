import type { MonitorCommand } from "@tsvm/backends";
import type { VirtualMachine } from "./virtual-machine.ts";

/** The commands of a machine's monitor, named as QEMU's; `quit` is the frontend's. */
export function createMonitorCommands(vm: VirtualMachine, quit: () => void): MonitorCommand[] {
  const silently = (action: () => void) => (): undefined => {
    action();
    return undefined;
  };
  return [
    { name: "info registers", help: "show the CPU registers", run: () => vm.describe() },
    { name: "info status", help: "show whether the guest runs", run: () => `VM status: ${vm.state}` },
    { name: "info counters", help: "show what was counted since the start", run: () => countersText(vm) },
    { name: "info name", help: "show what the machine is called", run: () => vm.name },
    { name: "stop", help: "hold the guest", run: silently(() => void vm.pause()) },
    { name: "cont", help: "let a held guest go on", run: silently(() => vm.resume()) },
    { name: "system_reset", help: "press the reset button", run: silently(() => vm.reset()) },
    { name: "quit", help: "end tsvm", run: silently(quit), ends: true },
    { name: "q", help: "end tsvm", run: silently(quit), ends: true },
  ];
}

function countersText(vm: VirtualMachine): string {
  const { instructions, guestNs, resets, accelerator } = vm.counters();
  const rows = Object.entries(accelerator)
    .filter(([name]) => name !== "instructions")
    .map(([name, count]) => `${name}: ${count}`);
  const seconds = (guestNs / 1e9).toFixed(3);
  return [`instructions: ${instructions}`, `guest time: ${seconds} s`, `resets: ${resets}`, ...rows].join("\n");
}
