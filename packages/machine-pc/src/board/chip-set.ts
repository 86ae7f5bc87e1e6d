import type { Clock, GuestMemory, InterruptPort, IrqLine, MachineStop, MsiTarget } from "@tsvm/contracts";
import {
  type AcpiPm,
  createAcpiPm,
  createApicBus,
  createDebugExit,
  createFwCfg,
  createHpet,
  createIoApic,
  createIsaVga,
  createPcTestDevice,
  createPicPair,
  createPit,
  createRtc,
  createSystemControlPortB,
  KEY_CPU_COUNT,
  KEY_MAX_CPUS,
  KEY_RAM_SIZE,
  KEY_UUID,
  type LocalApic,
} from "@tsvm/devices-pc";
import { createDebugConsole, createUart16550 } from "@tsvm/devices-serial";
import { u16, u64 } from "../bytes/fields.ts";
import type { BoardBus } from "./board-bus.ts";
import { createInterruptLines, GSI_COUNT, HPET_ROUTES, type InterruptLines } from "./interrupt-lines.ts";
import { plugLocalApic } from "./local-apic-wiring.ts";
import { GPA, type MemoryMap } from "./memory-map.ts";
import type { ResolvedPcOptions } from "./options.ts";
import { IRQ, PORT, SERIAL_PORTS } from "./port-map.ts";

/** What a board's devices are made from. */
export interface BoardWiring {
  readonly options: ResolvedPcOptions;
  readonly map: MemoryMap;
  readonly clock: Clock;
  readonly memory: GuestMemory;
  /** The guest turned the machine off, or reset it. */
  readonly stop: (why: MachineStop) => void;
  /** The guest fell asleep: the vCPU is to stop behind its instruction. */
  readonly suspend: () => void;
  /** Something wants it awake. */
  readonly wake: () => void;
}

/** Everything on a board but CPU and RAM. */
export interface BoardDevices {
  readonly bus: BoardBus;
  /** The CPU's interrupt pins. */
  readonly interrupts: InterruptPort;
  /** Knows whether the machine sleeps. */
  readonly power: AcpiPm;
  /** Does to devices that were just reset what firmware would do before it hands over. */
  setUp(): void;
  /** Hands output that waits for company to its chardevs. */
  flush(): void;
}

/** The way from devices to the CPU. */
export interface InterruptControllers {
  readonly interrupts: LocalApic;
  readonly lines: InterruptLines;
  readonly msi: MsiTarget;
}

/** PIC pair behind LINT0 of the local APIC, IOAPIC beside them. */
export function plugInterruptControllers(bus: BoardBus, { clock, options, stop }: BoardWiring): InterruptControllers {
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

/**
 * The HPET, where there is one, stands between the old timers and their interrupts, which it can take over; the RTC's reaches
 * `rtcAlarm` all the same.
 */
export function plugTimers(
  bus: BoardBus,
  lines: InterruptLines,
  { clock, options }: BoardWiring,
  rtcAlarm: IrqLine,
): void {
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
  bus.plug(createRtc({ clock, irq: joined(irqs.rtc, rtcAlarm), epochSeconds }), PORT.RTC);
}

/** One wire to two places. */
const joined = (one: IrqLine, other: IrqLine): IrqLine => ({
  set(level) {
    one.set(level);
    other.set(level);
  },
});

/** ACPI's power button side: turning off by software, and suspending to RAM on a board that has that. */
export function plugAcpiPm(
  bus: BoardBus,
  lines: InterruptLines,
  { clock, stop, suspend, wake }: BoardWiring,
  hasS3: boolean,
): AcpiPm {
  const onPowerOff = (): void => stop({ reason: "shutdown" });
  const s3 = hasS3 ? { onSuspend: suspend, onWakeEvent: wake } : {};
  return bus.plug(createAcpiPm({ clock, sci: lines.isa(IRQ.SCI), onPowerOff, acpiMode: true, ...s3 }), PORT.ACPI_PM);
}

/** What guests ask without firmware of ours in between: the size of the machine, and which one it is. */
export function plugFwCfg(bus: BoardBus, { memory, options }: BoardWiring): void {
  const { items } = bus.plug(createFwCfg({ memory }), PORT.FW_CFG);
  items.set(KEY_RAM_SIZE, Uint8Array.from(u64(options.memoryBytes)));
  items.set(KEY_UUID, options.uuid);
  items.set(KEY_CPU_COUNT, Uint8Array.from(u16(options.cpuCount)));
  items.set(KEY_MAX_CPUS, Uint8Array.from(u16(options.cpuCount)));
}

/** The device that test programs of processors look for. */
export function plugTestDevice(bus: BoardBus, interruptLines: InterruptLines): void {
  const lines = Array.from({ length: GSI_COUNT }, (_, gsi) => interruptLines.gsi(gsi));
  const { TEST_DEVICE, TEST_DEVICE_FLUSH, TEST_DEVICE_BYTES, TEST_DEVICE_INTERRUPTS } = PORT;
  bus.plug(createPcTestDevice({ lines }), TEST_DEVICE, TEST_DEVICE_FLUSH, TEST_DEVICE_BYTES, TEST_DEVICE_INTERRUPTS, {
    gpa: GPA.TEST_DEVICE,
  });
}

/** Where guests that write text on a screen expect one. */
export function plugVga(bus: BoardBus, { clock }: BoardWiring): void {
  const { VGA, VGA_MONOCHROME, VGA_COLOUR } = PORT;
  bus.plug(createIsaVga({ clock }), VGA, VGA_MONOCHROME, VGA_COLOUR, { gpa: GPA.VGA_TEXT });
}

/** A device that collects output before it hands it on. */
export interface BufferedOutput {
  flush(): void;
}

/** COM1 and its fellows, and the ports for debugging. */
export function plugOutputs(bus: BoardBus, lines: InterruptLines, wiring: BoardWiring): readonly BufferedOutput[] {
  return [...plugSerial(bus, lines, wiring), ...plugDebugPorts(bus, wiring)];
}

function plugSerial(bus: BoardBus, lines: InterruptLines, { clock, options }: BoardWiring): readonly BufferedOutput[] {
  return options.serial.map((chardev, i) => {
    const { port, irq } = SERIAL_PORTS[i] as { readonly port: number; readonly irq: number };
    return bus.plug(createUart16550({ name: `com${i + 1}`, irq: lines.isa(irq), chardev, clock }), port);
  });
}

function plugDebugPorts(bus: BoardBus, { clock, options, stop }: BoardWiring): readonly BufferedOutput[] {
  const { debugConsole, debugExit } = options;
  if (debugExit !== undefined) {
    const onExit = (value: number): void => stop({ reason: "debug-exit", value });
    bus.plug(createDebugExit({ onExit, length: debugExit.iosize }), debugExit.iobase);
  }
  if (debugConsole === undefined) return [];
  return [bus.plug(createDebugConsole({ chardev: debugConsole.chardev, clock }), debugConsole.port)];
}
