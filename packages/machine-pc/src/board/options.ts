import { type Chardev, ConfigError } from "@tsvm/contracts";
import type { BootModule } from "../boot/boot-image.ts";
import { parseUuid, UUID_NONE } from "../smbios/uuid.ts";
import type { BoardDevice } from "./board-device.ts";
import { checkFirmware } from "./firmware-rom.ts";
import { listDevices, type PlacedDevice, placeDevices } from "./place-devices.ts";
import type { MachineHost } from "./run-loop.ts";

/** Properties of the CPU model that reach into the board; they must agree with what CPUID says. */
export interface CpuTraits {
  /** 64-bit mode; true by default. False: 64-bit kernels are entered by the 32-bit protocol and can say what they miss. */
  readonly longMode?: boolean;
  /** Ticks of the time-stamp counter a second, counted from power-on. Without it the local APIC has no TSC-deadline mode. */
  readonly tscHz?: number;
  /** True by default. */
  readonly x2apic?: boolean;
  /** 32 to 52; 52 by default. */
  readonly physicalAddressBits?: number;
}

/** Options of the boards `pc` and `microvm`. */
export interface PcOptions {
  /** Guest RAM; a multiple of 4096, at least 2 MiB. What the accelerator reserves and this together may be 4 GiB. */
  readonly memoryBytes: number;
  /** 1, the default: more are not there yet. */
  readonly cpuCount?: number;
  /** A Linux bzImage, an ELF file with a PVH entry, or a multiboot image. Read again at every reset: must not change. */
  readonly kernel?: Uint8Array;
  /**
   * A ROM of 64 or 128 KiB, which the CPU starts in at the reset vector, instead of a kernel: nobody makes tables for it then.
   * Must not change.
   */
  readonly firmware?: Uint8Array;
  /** What a multiboot kernel sees as its own name, before the command line; "kernel" by default. */
  readonly kernelName?: string;
  /** Initial RAM disk: the first module. */
  readonly initrd?: Uint8Array;
  /** Further files for multiboot and PVH kernels. */
  readonly modules?: readonly BootModule[];
  /** Kernel command line; empty by default. */
  readonly commandLine?: string;
  /** What is plugged into COM1, COM2...: at most 4, each brings its UART. None by default. */
  readonly serial?: readonly Chardev[];
  /** Virtio and PCI devices, in the order in which the guest finds them; 30 slots of PCI on `pc`, 32 on `microvm`. None by default. */
  readonly devices?: readonly BoardDevice[];
  /** What the guest reads as the machine's UUID (SMBIOS): eight, four, four, four and twelve hex digits. None by default. */
  readonly uuid?: string;
  /** Gets what the guest writes to the debug port. */
  readonly debugConsole?: Chardev;
  /** Port of the debug console; 0xe9 by default, some firmware uses 0x402. */
  readonly debugConsolePort?: number;
  /** QEMU's isa-debug-exit: a write to one of `iosize` ports from `iobase` on stops the machine. */
  readonly debugExit?: { readonly iobase: number; readonly iosize: number };
  /** QEMU's pc-testdev; false by default. */
  readonly testDevice?: boolean;
  /** A VGA's registers and text memory, which nobody shows; false by default. */
  readonly vga?: boolean;
  /** Default: true on `pc`, false on `microvm`. */
  readonly hpet?: boolean;
  /** What the board has to know of the accelerator's CPU model. */
  readonly cpu?: CpuTraits;
  /** What the battery-backed clock shows at power-on, in milliseconds since 1970 as its own face shows it; 2000-01-01 by default. */
  readonly rtcBaseMs?: number;
  readonly host: MachineHost;
}

/** {@link PcOptions} checked, with the defaults filled in. */
export interface ResolvedPcOptions {
  readonly memoryBytes: number;
  readonly cpuCount: number;
  /** Undefined with a firmware. */
  readonly kernel: Uint8Array | undefined;
  readonly firmware: Uint8Array | undefined;
  readonly kernelName: string;
  readonly modules: readonly BootModule[];
  readonly commandLine: string;
  readonly serial: readonly Chardev[];
  readonly devices: readonly PlacedDevice[];
  /** Sixteen bytes as SMBIOS has them. */
  readonly uuid: Uint8Array;
  readonly debugConsole: { readonly chardev: Chardev; readonly port: number } | undefined;
  readonly debugExit: { readonly iobase: number; readonly iosize: number } | undefined;
  readonly testDevice: boolean;
  readonly vga: boolean;
  readonly hpet: boolean;
  readonly cpu: CpuTraits;
  readonly rtcBaseMs: number;
  readonly host: MachineHost;
}

const MEMORY_MIN_BYTES = 2 << 20;
const SERIAL_MAX = 4;
const YEAR_2000_MS = 946_684_800_000;
/** Of Bochs, and by now of everybody. */
const DEBUG_CONSOLE_PORT = 0xe9;

/** What of the options hangs on the board. */
export interface BoardTraits {
  readonly board: string;
  readonly hasPci: boolean;
  /** Default of the option. */
  readonly hpet: boolean;
}

/** @throws ConfigError naming the option and what it may be. */
export function resolvePcOptions(options: PcOptions, traits: BoardTraits): ResolvedPcOptions {
  const { board, hasPci } = traits;
  const { memoryBytes, cpuCount = 1, kernel, firmware, serial = [], devices = [], debugConsole, debugExit } = options;
  if (!Number.isInteger(memoryBytes) || memoryBytes < MEMORY_MIN_BYTES || memoryBytes % 4096 !== 0) {
    throw new ConfigError("CONFIG_MEMORY_SIZE", "guest memory must be a multiple of 4 KiB, at least 2 MiB");
  }
  if (cpuCount !== 1) {
    throw new ConfigError("CONFIG_OPTION", `the ${board} board has 1 CPU for now, not ${cpuCount}`);
  }
  if (kernel !== undefined && firmware !== undefined)
    throw new ConfigError("CONFIG_OPTION", "firmware and kernel: one of them is what the machine starts");
  if (kernel === undefined && firmware === undefined)
    throw new ConfigError(
      "CONFIG_KERNEL",
      "no kernel given, no firmware either, and none of our own to boot from a disk yet",
    );
  if (serial.length > SERIAL_MAX) {
    throw new ConfigError("CONFIG_OPTION", `the ${board} board has ${SERIAL_MAX} serial ports, not ${serial.length}`);
  }
  checkPorts("debugConsolePort", options.debugConsolePort ?? DEBUG_CONSOLE_PORT, 1);
  if (debugExit !== undefined) checkPorts("isa-debug-exit", debugExit.iobase, debugExit.iosize);
  return {
    memoryBytes,
    cpuCount,
    kernel,
    firmware: firmware && checkFirmware(firmware),
    kernelName: options.kernelName ?? "kernel",
    modules: resolveModules(options),
    commandLine: resolveCommandLine(options.commandLine ?? ""),
    serial,
    devices: hasPci ? placeDevices(devices) : listDevices(devices, board),
    uuid: options.uuid === undefined ? UUID_NONE : parseUuid(options.uuid),
    debugConsole: debugConsole && { chardev: debugConsole, port: options.debugConsolePort ?? DEBUG_CONSOLE_PORT },
    debugExit,
    testDevice: options.testDevice ?? false,
    vga: options.vga ?? false,
    hpet: options.hpet ?? traits.hpet,
    cpu: options.cpu ?? {},
    rtcBaseMs: options.rtcBaseMs ?? YEAR_2000_MS,
    host: options.host,
  };
}

function resolveModules(options: PcOptions): readonly BootModule[] {
  const { initrd, modules = [] } = options;
  if (initrd === undefined) return modules;
  if (initrd.length === 0) throw new ConfigError("CONFIG_INITRD", "initrd is empty");
  return [{ bytes: initrd, commandLine: "" }, ...modules];
}

/** The kernel reads up to the first zero: whatever stands behind one would be lost without a word. */
function resolveCommandLine(text: string): string {
  if (text.includes("\0")) throw new ConfigError("CONFIG_COMMAND_LINE", "kernel command line contains a zero byte");
  return text;
}

function checkPorts(what: string, first: number, count: number): void {
  const fits =
    Number.isInteger(first) && Number.isInteger(count) && first >= 0 && count >= 1 && first + count <= 0x10000;
  if (!fits) throw new ConfigError("CONFIG_OPTION", `${what}: ports ${first} to ${first + count - 1} do not exist`);
}
