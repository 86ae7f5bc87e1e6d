import type { Disassemble } from "@tsvm/accel-tcg";
import type { Chardev } from "@tsvm/contracts";
import type { VirtioBlockOptions } from "@tsvm/devices-virtio";
import type { MachineHost } from "@tsvm/machine-pc";

/** A disk of the machine; its name is the board's. */
export type DiskOptions = Omit<VirtioBlockOptions, "name">;

/** A device beyond those every board has. */
export interface DeviceOptions {
  /** A name of {@link DEVICE_TYPES}, for example `isa-debug-exit`. */
  readonly driver: string;
  /** As {@link DEVICE_TYPES} lists them. Numbers may be written as text: `0xf4` or `244`. */
  readonly properties?: Readonly<Record<string, number | string>>;
}

/** Where a machine tells what it does, for finding faults in guests and in tsvm. */
export interface LogOptions {
  /** Names of {@link LOG_CATEGORIES}. */
  readonly categories: readonly string[];
  /** Gets whole lines, each ended by a line feed. */
  write(text: string): void;
  /** Puts guest code into words, for `in_asm`; without it, bytes are shown. */
  readonly disassemble?: Disassemble;
}

/** How the accelerator translates hot code. */
export interface TranslationOptions {
  /** How often a block is interpreted before it is translated; 0 to 65535, 0: never. The accelerator has a default. */
  readonly heatLimit?: number;
  /**
   * Whatever translated code does is done again by the interpreter; at the first difference `run` rejects, with both states
   * in the message. Very slow. Default false.
   */
  readonly verify?: boolean;
  /** Counts what translated code does, for {@link VirtualMachine.profile}; guests run slower. Default false. */
  readonly profile?: boolean;
}

/** What {@link createVm} builds. Everything has a default but the kernel, or the firmware in its place. */
export interface VmOptions {
  /** What people call the machine; default empty. */
  readonly name?: string;
  /** Board; default `pc`. */
  readonly machine?: string;
  /** What executes the guest; default `tcg`. */
  readonly accelerator?: string;
  readonly translation?: TranslationOptions;
  /** `MODEL[,+FEATURE|,-FEATURE]...`; default `max`. */
  readonly cpu?: string;
  /** Guest RAM in bytes, a multiple of 1 MiB; default 512 MiB. */
  readonly memoryBytes?: number;
  /** A Linux bzImage, an ELF file with a PVH entry, or a multiboot image. Read again at every reset: must not change. */
  readonly kernel?: Uint8Array;
  /** A ROM of 64 or 128 KiB that the CPU starts in, instead of a kernel. Must not change. */
  readonly firmware?: Uint8Array;
  /** Initial RAM disk: one or more cpio archives, each plain or compressed. Must not change either. */
  readonly initrd?: Uint8Array;
  /** Kernel command line; default empty. */
  readonly commandLine?: string;
  /** The serial ports ttyS0, ttyS1...; at most 4. A port without a chardev exists and has nothing plugged in. */
  readonly serial?: readonly Chardev[];
  /** Virtio disks: the guest's vda, vdb...; at most 30. Their backends are the caller's, to close when the machine is gone. */
  readonly disks?: readonly DiskOptions[];
  /** What the guest writes to port 0xe9. */
  readonly debugConsole?: Chardev;
  /** Further devices; the guest finds those on the PCI bus in this order, after the disks. */
  readonly devices?: readonly DeviceOptions[];
  /** Contents of virtio-blk-pci devices, by the names in their property `drive`. Closing them is the caller's. */
  readonly drives?: Readonly<Record<string, DiskOptions>>;
  /** The other ends of virtconsole and virtserialport devices, by the names in their property `chardev`. */
  readonly chardevs?: Readonly<Record<string, Chardev>>;
  /** What the guest reads as the machine's UUID, like 550e8400-e29b-41d4-a716-446655440000; none by default. */
  readonly uuid?: string;
  /**
   * 'realtime': guest time runs as the host's. 'virtual': it counts instructions, and the same input gives the same run.
   * Default 'realtime'. Random numbers of the CPU follow: the engine's own, or a sequence.
   */
  readonly clock?: "realtime" | "virtual";
  /** With the virtual clock: one instruction takes 2^shift nanoseconds; 0 to 10, default 0. */
  readonly icountShift?: number;
  /** What the battery-backed clock shows at power-on, in milliseconds since 1970 as its own face shows it; default: UTC now. */
  readonly rtcBaseMs?: number;
  /** What a reset asked for by the guest does; default 'reset'. 'stop' ends `run`. */
  readonly onReboot?: "reset" | "stop";
  /** What a triple fault does; default 'reset'. */
  readonly onCrash?: "reset" | "stop";
  /** What power-off does; default 'stop': `run` ends. 'pause' holds the machine; letting it go on powers it on anew. */
  readonly onShutdown?: "stop" | "pause";
  readonly log?: LogOptions;
  /** Replaces what the engine's globals would be used for. */
  readonly host?: Partial<MachineHost>;
}
