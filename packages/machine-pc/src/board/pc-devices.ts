import type { Clock, GuestMemory, InterruptPort, IrqLine, MachineStop, MsiTarget } from "@tsvm/contracts";
import {
  createAcpiPm,
  createApicBus,
  createDebugExit,
  createFwCfg,
  createHpet,
  createI440fxHostBridge,
  createI8042,
  createIoApic,
  createPicPair,
  createPiix3IsaBridge,
  createPiix4PowerManagement,
  createPit,
  createResetControl,
  createRtc,
  createSystemControlPortA,
  createSystemControlPortB,
  KEY_CPU_COUNT,
  KEY_MAX_CPUS,
  KEY_RAM_SIZE,
  type LocalApic,
} from "@tsvm/devices-pc";
import { createDebugConsole, createUart16550 } from "@tsvm/devices-serial";
import { u16, u64 } from "../bytes/fields.ts";
import { type BoardBus, createBoardBus } from "./board-bus.ts";
import { createInterruptLines, HPET_ROUTES, type InterruptLines, PCI_ROUTES } from "./interrupt-lines.ts";
import { plugLocalApic } from "./local-apic-wiring.ts";
import { GPA } from "./memory-map.ts";
import type { ResolvedPcOptions } from "./options.ts";
import { createPciBus } from "./pci-bus.ts";
import { plugDevices } from "./pci-devices.ts";
import { IRQ, PORT, SERIAL_PORTS } from "./port-map.ts";

export interface PcWiring {
  readonly options: ResolvedPcOptions;
  readonly clock: Clock;
  readonly memory: GuestMemory;
  /** The guest turned the machine off, or reset it. */
  readonly stop: (why: MachineStop) => void;
}

/** Everything on the board but CPU and RAM. */
export interface PcDevices {
  readonly bus: BoardBus;
  /** The CPU's interrupt pins. */
  readonly interrupts: InterruptPort;
  /** Hands output that waits for company to its chardevs. */
  flush(): void;
}

/** The address line 20 gate: always open, which is what every guest of today asks for first. */
const A20_ALWAYS_OPEN: IrqLine = { set: () => {} };

export function createPcDevices(wiring: PcWiring): PcDevices {
  const bus = createBoardBus();
  const { interrupts, lines, msi } = plugInterruptControllers(bus, wiring);
  plugTimers(bus, lines, wiring);
  plugPower(bus, lines, wiring);
  plugPci(bus, lines, msi, wiring);
  plugFwCfg(bus, wiring);
  const outputs = [...plugSerial(bus, lines, wiring), ...plugDebugPorts(bus, wiring)];
  return {
    bus,
    interrupts,
    flush() {
      for (const output of outputs) output.flush();
    },
  };
}

/** PIC pair behind LINT0 of the local APIC, IOAPIC beside them. */
function plugInterruptControllers(
  bus: BoardBus,
  { clock, options, stop }: PcWiring,
): { readonly interrupts: LocalApic; readonly lines: InterruptLines; readonly msi: MsiTarget } {
  const apicBus = createApicBus();
  const pic = createPicPair({ intr: { set: (level) => interrupts.lint0.set(level) } });
  const interrupts = plugLocalApic({
    bus,
    apicBus,
    clock,
    cpu: options.cpu,
    acknowledgeExternal: () => pic.acknowledge(),
    // The only processor resets itself: for the machine that is a reset.
    onInit: () => stop({ reason: "reset" }),
  });
  bus.plug(pic, PORT.PIC_MASTER, PORT.PIC_SLAVE, PORT.ELCR);
  const ioApic = bus.plug(createIoApic({ bus: apicBus }), { gpa: GPA.IOAPIC });
  return { interrupts, lines: createInterruptLines({ pic: pic.inputs, ioApic: ioApic.inputs }), msi: apicBus };
}

/** The HPET, where there is one, stands between the old timers and their interrupts, which it can take over. */
function plugTimers(bus: BoardBus, lines: InterruptLines, { clock, options }: PcWiring): void {
  let irqs = { pit: lines.isa(IRQ.PIT), rtc: lines.isa(IRQ.RTC) };
  if (options.hpet) {
    const routes = new Map(HPET_ROUTES.map((pin) => [pin, lines.ioApic(pin)]));
    const hpet = createHpet({ clock, timerIrq: irqs.pit, rtcIrq: irqs.rtc, routes });
    bus.plug(hpet, { gpa: GPA.HPET });
    irqs = { pit: hpet.pitInput, rtc: hpet.rtcInput };
  }
  const pit = bus.plug(createPit({ clock, irq: irqs.pit }), PORT.PIT);
  bus.plug(createSystemControlPortB({ clock, counter: pit }), PORT.SYSTEM_CONTROL_B);
  const epochSeconds = Math.floor(options.rtcBaseMs / 1000);
  bus.plug(createRtc({ clock, irq: irqs.rtc, epochSeconds }), PORT.RTC);
}

/** The ways to turn off and to reset, which on a PC grew in every corner. */
function plugPower(bus: BoardBus, lines: InterruptLines, { clock, stop }: PcWiring): void {
  const onReset = (): void => stop({ reason: "reset" });
  const onPowerOff = (): void => stop({ reason: "shutdown" });
  bus.plug(createAcpiPm({ clock, sci: lines.isa(IRQ.SCI), onPowerOff, acpiMode: true }), PORT.ACPI_PM);
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
function plugPci(bus: BoardBus, lines: InterruptLines, msi: MsiTarget, wiring: PcWiring): void {
  const { memory, clock, options, stop } = wiring;
  const resetControl = bus.plug(createResetControl({ onReset: () => stop({ reason: "reset" }) }));
  const pci = createPciBus({ bus, lines, memory, msi, clock, resetControl: resetControl.regions[0] });
  const pirqRoutes = PCI_ROUTES.map(({ irq }) => irq);
  pci.plug(0, 0, createI440fxHostBridge(pci.slot(0)));
  pci.plug(1, 0, createPiix3IsaBridge(pci.slot(1), { pirqRoutes }));
  pci.plug(1, 3, createPiix4PowerManagement(pci.slot(1), { pmBase: PORT.ACPI_PM }));
  plugDevices(pci, options.devices);
}

/** What guests ask without firmware of ours in between: the size of the machine. */
function plugFwCfg(bus: BoardBus, { memory, options }: PcWiring): void {
  const { items } = bus.plug(createFwCfg({ memory }), PORT.FW_CFG);
  items.set(KEY_RAM_SIZE, Uint8Array.from(u64(options.memoryBytes)));
  items.set(KEY_CPU_COUNT, Uint8Array.from(u16(options.cpuCount)));
  items.set(KEY_MAX_CPUS, Uint8Array.from(u16(options.cpuCount)));
}

interface Output {
  flush(): void;
}

function plugSerial(bus: BoardBus, lines: InterruptLines, { clock, options }: PcWiring): readonly Output[] {
  return options.serial.map((chardev, i) => {
    const { port, irq } = SERIAL_PORTS[i] as { readonly port: number; readonly irq: number };
    return bus.plug(createUart16550({ name: `com${i + 1}`, irq: lines.isa(irq), chardev, clock }), port);
  });
}

function plugDebugPorts(bus: BoardBus, { clock, options, stop }: PcWiring): readonly Output[] {
  const { debugConsole, debugExit } = options;
  if (debugExit !== undefined) {
    const onExit = (value: number): void => stop({ reason: "debug-exit", value });
    bus.plug(createDebugExit({ onExit, length: debugExit.iosize }), debugExit.iobase);
  }
  if (debugConsole === undefined) return [];
  return [bus.plug(createDebugConsole({ chardev: debugConsole.chardev, clock }), debugConsole.port)];
}
