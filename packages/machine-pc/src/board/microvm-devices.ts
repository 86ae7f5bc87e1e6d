import { createResetControl } from "@tsvm/devices-pc";
import { createVirtioMmio } from "@tsvm/devices-virtio";
import { type BoardBus, createBoardBus } from "./board-bus.ts";
import {
  type BoardDevices,
  type BoardWiring,
  plugAcpiPm,
  plugFwCfg,
  plugInterruptControllers,
  plugOutputs,
  plugTestDevice,
  plugTimers,
  plugVga,
} from "./chip-set.ts";
import type { InterruptLines } from "./interrupt-lines.ts";
import { virtioWindow } from "./microvm-map.ts";
import { PORT } from "./port-map.ts";

/** What stands on the `microvm` board. */
export function createMicrovmDevices(wiring: BoardWiring): BoardDevices {
  const bus = createBoardBus();
  const { interrupts, lines } = plugInterruptControllers(bus, wiring);
  const power = plugAcpiPm(bus, lines, wiring, false);
  plugTimers(bus, lines, wiring, power.rtcAlarm);
  bus.plug(createResetControl({ onReset: () => wiring.stop({ reason: "reset" }) }), PORT.RESET_CONTROL);
  plugVirtio(bus, lines, wiring);
  plugFwCfg(bus, wiring);
  if (wiring.options.testDevice) plugTestDevice(bus, lines);
  if (wiring.options.vga) plugVga(bus, wiring);
  const outputs = plugOutputs(bus, lines, wiring);
  return {
    bus,
    interrupts,
    power,
    setUp(): void {},
    flush() {
      for (const output of outputs) output.flush();
    },
  };
}

/** Each device behind its window, in the order in which ACPI lists them. */
function plugVirtio(bus: BoardBus, lines: InterruptLines, { options, memory }: BoardWiring): void {
  for (const [i, { device }] of options.devices.entries()) {
    // `resolvePcOptions` takes no others for a board without PCI.
    if (!("virtio" in device)) continue;
    const { gpa, gsi } = virtioWindow(i);
    bus.plug(createVirtioMmio({ model: device.virtio, memory, irq: lines.ioApic(gsi) }), { gpa });
  }
}
