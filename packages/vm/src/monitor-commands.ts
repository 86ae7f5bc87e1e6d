import type { MonitorCommand } from "@tsvm/backends";
import { translationText } from "./translation-report.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

const MIB = 0x10_0000;

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
    {
      name: "info jit",
      help: "show what was translated, and why translations were left",
      run: () => translationText(vm.counters().accelerator),
    },
    { name: "info balloon", help: "show the memory that the guest's balloon leaves it", run: () => balloonText(vm) },
    { name: "info name", help: "show what the machine is called", run: () => vm.name },
    {
      name: "balloon",
      argument: "MIB",
      help: "ask the guest to get along with so much memory",
      run: (mib) => setBalloon(vm, mib),
    },
    { name: "stop", help: "hold the guest", run: silently(() => void vm.pause()) },
    { name: "cont", help: "let a held guest go on", run: silently(() => vm.resume()) },
    { name: "system_reset", help: "press the reset button", run: silently(() => vm.reset()) },
    {
      name: "system_wakeup",
      help: "wake a guest that is suspended to RAM",
      run: () => (vm.wakeUp() ? undefined : "the guest is not suspended"),
    },
    { name: "quit", help: "end tsvm", run: silently(quit), ends: true },
    { name: "q", help: "end tsvm", run: silently(quit), ends: true },
  ];
}

const NO_BALLOON = "there is no balloon; start with -device virtio-balloon-pci";

function setBalloon({ balloon }: VirtualMachine, mib: string): string | undefined {
  if (balloon === undefined) return NO_BALLOON;
  const isWhole = /^\d+$/.test(mib);
  if (!isWhole) return `'${mib}' is no number of MiB`;
  balloon.setTarget(Number(mib) * MIB);
  return undefined;
}

/** As far as the guest's driver has told; what it is asked for here is there the next time. */
function balloonText({ balloon }: VirtualMachine): string {
  if (balloon === undefined) return NO_BALLOON;
  const statistics = Object.entries(balloon.statistics).map(([name, value]) => `${name}: ${value}`);
  balloon.requestStatistics();
  return [`balloon: actual=${balloon.actualBytes / MIB}`, ...statistics].join("\n");
}

function countersText(vm: VirtualMachine): string {
  const { instructions, guestNs, resets, accelerator } = vm.counters();
  const rows = Object.entries(accelerator)
    .filter(([name]) => name !== "instructions")
    .map(([name, count]) => `${name}: ${count}`);
  const seconds = (guestNs / 1e9).toFixed(3);
  return [`instructions: ${instructions}`, `guest time: ${seconds} s`, `resets: ${resets}`, ...rows].join("\n");
}
