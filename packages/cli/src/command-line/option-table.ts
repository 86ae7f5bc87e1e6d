import * as chardev from "./chardev-option.ts";
import type { CliConfig } from "./cli-config.ts";
import { drive, snapshot } from "./drive-option.ts";
import * as read from "./option-values.ts";

/** One option of the command line. */
export interface OptionRow {
  /** Without the dash. */
  readonly name: string;
  /** What follows, for `-help`; undefined when nothing does. */
  readonly value?: string;
  readonly help: string;
  /** Takes `value` into `config`; `option` is as typed, for messages. @throws ConfigError */
  readonly apply: (config: CliConfig, value: string, option: string) => void;
}

/** Every option, in the order of `-help`. Names and values are QEMU's. */
export const OPTIONS: readonly OptionRow[] = [
  { name: "help", help: "show this help", apply: read.listing("help") },
  { name: "h", help: "the same", apply: read.listing("help") },
  { name: "version", help: "show the version", apply: read.listing("version") },
  { name: "machine", value: "TYPE[,accel=NAME]", help: "board (-machine help lists)", apply: read.machine },
  { name: "M", value: "TYPE", help: "the same", apply: read.machine },
  {
    name: "accel",
    value: "NAME[,thread=single]",
    help: "what executes the guest (-accel help lists); also regions=, heat=, verify=, profile=, symbols= (translation)",
    apply: read.accelerator,
  },
  { name: "cpu", value: "MODEL[,+F][,-F]", help: "CPU model and features (-cpu help lists)", apply: read.cpu },
  { name: "smp", value: "1", help: "number of CPUs", apply: read.smp },
  { name: "m", value: "[size=]SIZE", help: "memory: 512 (MiB), 512M, 1G; default 512M", apply: read.memory },
  { name: "uuid", value: "UUID", help: "what the guest reads as the machine's UUID", apply: read.uuid },
  { name: "name", value: "NAME", help: "name of the guest", apply: read.name },
  {
    name: "kernel",
    value: "FILE",
    help: "bzImage, PVH ELF or multiboot kernel; default: the built-in guest",
    apply: read.kernel,
  },
  { name: "bios", value: "FILE", help: "a ROM of 64 or 128 KiB to start in, instead of a kernel", apply: read.bios },
  { name: "initrd", value: "FILE", help: "initial RAM disk", apply: read.initrd },
  { name: "append", value: "TEXT", help: "kernel command line", apply: read.append },
  {
    name: "chardev",
    value: "BACKEND,id=ID[,PROP=VALUE]",
    help: "a character stream for serial ports and devices (-chardev help lists)",
    apply: chardev.chardev,
  },
  {
    name: "serial",
    value: "DEV",
    help: "mon:stdio (default), stdio, null, pty, file:PATH, pipe:PATH, unix:PATH, tcp:HOST:PORT, chardev:ID; up to four times",
    apply: chardev.serial,
  },
  { name: "monitor", value: "DEV", help: "as -serial, or none", apply: chardev.monitor },
  { name: "mon", value: "chardev=ID", help: "the monitor on a -chardev", apply: chardev.mon },
  { name: "debugcon", value: "DEV", help: "output of port 0xe9; as -serial", apply: chardev.debugConsole },
  { name: "device", value: "NAME[,PROP=VALUE]", help: "add a device (-device help lists)", apply: read.device },
  {
    name: "drive",
    value: "file=FILE,if=virtio|none[,PROP=VALUE]",
    help: "a raw disk image; also id= (for if=none), format=raw, readonly=, snapshot=, cache=, serial=",
    apply: drive,
  },
  { name: "snapshot", help: "drop what the guest writes to its disks", apply: snapshot },
  { name: "nographic", help: "no display; serial port and monitor on the terminal", apply: read.nographic },
  { name: "display", value: "none", help: "no display", apply: read.display },
  { name: "vga", value: "none", help: "no graphics adapter", apply: read.absent },
  { name: "nic", value: "none", help: "no network", apply: read.absent },
  { name: "net", value: "none", help: "the same", apply: read.absent },
  { name: "parallel", value: "none", help: "no parallel port", apply: read.absent },
  { name: "nodefaults", help: "no serial port and monitor but those asked for", apply: read.noDefaults },
  { name: "no-user-config", help: "no effect: there are no configuration files", apply: read.noUserConfig },
  {
    name: "rtc",
    value: "[base=utc|localtime|DATE][,clock=host|rt|vm]",
    help: "what the battery-backed clock shows at the start",
    apply: read.rtc,
  },
  { name: "icount", value: "shift=N", help: "virtual clock: 2^N ns an instruction, 0 to 10", apply: read.icount },
  { name: "no-reboot", help: "exit instead of rebooting", apply: read.noReboot },
  { name: "no-shutdown", help: "stay when the guest powers off", apply: read.noShutdown },
  { name: "d", value: "ITEM[,...]", help: "write a log (-d help lists)", apply: read.logCategories },
  { name: "D", value: "FILE", help: "write it to a file; default standard error", apply: read.logPath },
];
