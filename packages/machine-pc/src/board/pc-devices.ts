import type { IrqLine, MsiTarget } from "@tsvm/contracts";
import {
  createI440fxHostBridge,
  createI8042,
  createPiix3IsaBridge,
  createPiix4PowerManagement,
  createResetControl,
  createSystemControlPortA,
} from "@tsvm/devices-pc";
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
import { type InterruptLines, PCI_ROUTES } from "./interrupt-lines.ts";
import type { GpaRange } from "./memory-map.ts";
import { createPciBus, type PciBus } from "./pci-bus.ts";
import { plugDevices } from "./pci-devices.ts";
import { setUpPci } from "./pci-setup.ts";
import { IRQ, PORT } from "./port-map.ts";

/** The address line 20 gate: always open, which is what every guest of today asks for first. */
const A20_ALWAYS_OPEN: IrqLine = { set: () => {} };

/** What stands on the `pc` board. */
export function createPcDevices(wiring: BoardWiring): BoardDevices {
  const bus = createBoardBus();
  const { interrupts, lines, msi } = plugInterruptControllers(bus, wiring);
  const power = plugAcpiPm(bus, lines, wiring, true);
  plugTimers(bus, lines, wiring, power.rtcAlarm);
  plugResetPorts(bus, lines, wiring);
  const pci = plugPci(bus, lines, msi, wiring);
  plugFwCfg(bus, wiring);
  if (wiring.options.testDevice) plugTestDevice(bus, lines);
  if (wiring.options.vga) plugVga(bus, wiring);
  const outputs = plugOutputs(bus, lines, wiring);
  return {
    bus,
    interrupts,
    power,
    setUp: () => setUpPci(pci.functions, largest(wiring.map.pciHoles)),
    flush() {
      for (const output of outputs) output.flush();
    },
  };
}

/** The ways to reset that on a PC grew in every corner, beside that of the PCI bridge. */
function plugResetPorts(bus: BoardBus, lines: InterruptLines, { stop }: BoardWiring): void {
  const onReset = (): void => stop({ reason: "reset" });
  bus.plug(createSystemControlPortA({ a20: A20_ALWAYS_OPEN, onReset }), PORT.SYSTEM_CONTROL_A);
  bus.plug(
    createI8042({
      keyboardIrq: lines.isa(IRQ.KEYBOARD),
      auxIrq: lines.isa(IRQ.MOUSE),
      a20: A20_ALWAYS_OPEN,
      onReset,
    }),
    PORT.I8042_DATA,
    PORT.I8042_COMMAND,
  );
}

/** A 440FX host bridge, a PIIX with its ISA and power management functions, and the devices behind them. */
function plugPci(bus: BoardBus, lines: InterruptLines, msi: MsiTarget, wiring: BoardWiring): PciBus {
  const { memory, clock, options, stop } = wiring;
  const resetControl = bus.plug(createResetControl({ onReset: () => stop({ reason: "reset" }) }));
  const pci = createPciBus({ bus, lines, memory, msi, clock, resetControl: resetControl.regions[0] });
  const pirqRoutes = PCI_ROUTES.map(({ irq }) => irq);
  pci.plug(0, 0, createI440fxHostBridge(pci.slot(0)));
  pci.plug(1, 0, createPiix3IsaBridge(pci.slot(1), { pirqRoutes }));
  pci.plug(1, 3, createPiix4PowerManagement(pci.slot(1), { pmBase: PORT.ACPI_PM }));
  plugDevices(pci, options.devices);
  return pci;
}

/** With much RAM the hole below the ECAM window is small. */
function largest(ranges: readonly GpaRange[]): GpaRange {
  return ranges.reduce((best, range) => (range.last - range.first > best.last - best.first ? range : best));
}
