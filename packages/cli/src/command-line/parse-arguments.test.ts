import { expect, test } from "vitest";
import { createCliConfig } from "./cli-config.ts";
import { OPTIONS } from "./option-table.ts";
import { parseArguments } from "./parse-arguments.ts";

const parse = (line: string): ReturnType<typeof parseArguments> => parseArguments(line.split(" ").filter(Boolean));

test("an empty command line is the default configuration", () => {
  expect(parse("")).toEqual(createCliConfig());
});

test("understands a whole QEMU command line", () => {
  const config = parseArguments([
    ..."-machine pc,accel=tcg -cpu qemu64,+ssse3 -smp 1 -m size=1G -kernel vmlinuz --initrd rd.gz".split(" "),
    ...["-append", "console=ttyS0 -- x", "-name", "guest one"],
    ..."-serial mon:stdio -serial file:/tmp/x -debugcon null -monitor none -nographic -display none".split(" "),
    ..."-device isa-debug-exit,iobase=0xf4,iosize=0x04 -no-reboot -no-shutdown -d cpu_reset -D log.txt".split(" "),
    ..."-rtc base=2006-06-17T16:01:21,clock=vm -icount shift=3".split(" "),
    ..."-drive file=disk.ext4,if=virtio,format=raw -snapshot".split(" "),
  ]);
  expect(config).toEqual({
    machine: "pc",
    accelerator: "tcg",
    cpu: "qemu64,+ssse3",
    memoryBytes: 2 ** 30,
    kernelPath: "vmlinuz",
    initrdPath: "rd.gz",
    append: "console=ttyS0 -- x",
    name: "guest one",
    chardevs: [],
    serial: [
      { spec: { kind: "stdio" }, withMonitor: true },
      { spec: { kind: "file", path: "/tmp/x", append: false }, withMonitor: false },
    ],
    drives: [{ path: "disk.ext4", isRaw: true, readOnly: false, snapshot: false, unsafeFlush: false, direct: false }],
    snapshot: true,
    debugConsole: { spec: { kind: "null" }, withMonitor: false },
    monitor: "none",
    nographic: true,
    noDefaults: false,
    devices: [{ driver: "isa-debug-exit", properties: { iobase: "0xf4", iosize: "0x04" } }],
    noReboot: true,
    noShutdown: true,
    logCategories: ["cpu_reset"],
    logPath: "log.txt",
    rtcBaseMs: Date.UTC(2006, 5, 17, 16, 1, 21),
    icountShift: 3,
  });
});

test.each([
  ["-M pc", { machine: "pc" }],
  ["-machine type=pc", { machine: "pc" }],
  ["-accel tcg", { accelerator: "tcg" }],
  ["-accel tcg,thread=single", { accelerator: "tcg" }],
  ["-nic none -net none -vga none -parallel none -no-user-config", {}],
  ["-m 256", { memoryBytes: 2 ** 28 }],
  ["-m 256 -m 1G", { memoryBytes: 2 ** 30 }],
  ["-smp cpus=1,cores=1", {}],
  ["-icount 5", { icountShift: 5 }],
  ["-rtc base=2026-01-02", { rtcBaseMs: Date.UTC(2026, 0, 2) }],
  ["-append -x", { append: "-x" }],
  ["-serial none", { serial: [{ spec: { kind: "null" }, withMonitor: false }] }],
])("%s", (line, expected) => {
  expect(parse(line)).toEqual({ ...createCliConfig(), ...expected });
});

test.each([
  ["-help", "help"],
  ["--help", "help"],
  ["-h", "help"],
  ["-version", "version"],
  ["-cpu help", "cpu"],
  ["-machine help", "machine"],
  ["-M ?", "machine"],
  ["-device help", "device"],
  ["-device isa-debug-exit,help", { device: "isa-debug-exit" }],
  ["-accel help", "accel"],
  ["-d help", "log"],
  ["-display help", "display"],
  ["-m 1G -cpu help -frobnicate", "cpu"],
])("%s asks for a listing", (line, listing) => {
  expect(parse(line).listing).toEqual(listing);
});

test.each([
  ["-kernal x", "-kernal: unknown option; did you mean -kernel?"],
  ["--nografic", "--nografic: unknown option; did you mean -nographic?"],
  ["-frobnicate", "-frobnicate: unknown option; -help lists them"],
  ["-m=512", "-m=512: unknown option; did you mean -m 512?"],
  ["-kernal=a=b", "-kernal=a=b: unknown option; did you mean -kernel a=b?"],
  ["-kernel", "-kernel: needs a value: -kernel FILE"],
  ["disk.img", "'disk.img': not an option; kernels are given as -kernel FILE, disks are not supported"],
  ["-", "'-': not an option; kernels are given as -kernel FILE, disks are not supported"],
  ["-m lots", "-m lots: not a size; write for example 512M or 1G"],
  ["-m sise=1G", "-m sise=1G: unknown property 'sise'; did you mean 'size'?"],
  ["-smp 2", "-smp 2: one CPU is what there is; write cpus=1"],
  ["-smp cores=4", "-smp cores=4: one CPU is what there is; write cores=1"],
  ["-machine pc,acel=tcg", "-machine pc,acel=tcg: unknown property 'acel'; did you mean 'accel'?"],
  ["-serial stdoi", "-serial stdoi: not a character device; did you mean 'stdio'?"],
  ["-serial file:", "-serial file:: not a character device; did you mean 'file:PATH'?"],
  ["-debugcon mon:stdio", "-debugcon mon:stdio: not a character device"],
  ["-monitor stdoi", "-monitor stdoi: not a character device; did you mean 'stdio'?"],
  ["-mon id=x", "-mon id=x: unknown property 'id'; known: 'chardev', 'mode'"],
  ["-nic user", "-nic user: there is none to be had; write -nic none"],
  ["-accel tcg,thread=multi", "-accel tcg,thread=multi: one thread is what there is; write thread=single"],
  ["-display gtk", "-display gtk: there is no such display; write -display none"],
  ["-device isa-debug-exit,iobase", "-device isa-debug-exit,iobase: 'iobase' needs a value: 'iobase=...'"],
  ["-rtc bas=utc", "-rtc bas=utc: unknown property 'bas'; did you mean 'base'?"],
  ["-rtc base=tomorrow", "-rtc base=tomorrow: 'tomorrow' is no date; write utc, localtime or 2006-06-17T16:01:21"],
  [
    "-rtc base=2006-13-17",
    "-rtc base=2006-13-17: '2006-13-17' is no date; write utc, localtime or 2006-06-17T16:01:21",
  ],
  ["-rtc clock=hots", "-rtc clock=hots: unknown clock 'hots'; did you mean 'host'?"],
  ["-icount shift=11", "-icount shift=11: shift must be 0 to 10; write for example shift=2"],
])("%s is refused in one line", (line, message) => {
  expect(() => parse(line)).toThrow(expect.objectContaining({ code: "CONFIG_USAGE", message }));
});

test("no option is listed twice, and every one has its help", () => {
  const names = OPTIONS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { help } of OPTIONS) expect(help).not.toBe("");
});
