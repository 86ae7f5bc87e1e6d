import { expect, test } from "vitest";
import type { VmOptions } from "./options.ts";
import { resolveOptions } from "./resolve-options.ts";

const kernel = new Uint8Array(1);
const MIB = 2 ** 20;

test("fills in the defaults", () => {
  expect(resolveOptions({ kernel })).toMatchObject({
    machine: "pc",
    accelerator: "tcg",
    cpu: "max",
    memoryBytes: 512 * MIB,
    commandLine: "",
    serial: [],
    debugExit: undefined,
    testDevice: false,
    clock: "realtime",
    onReboot: "reset",
    onShutdown: "stop",
  });
});

test.each<[string, unknown, string]>([
  [
    "an option with a typing error",
    { kernel, comandLine: "" },
    "option 'comandLine' is unknown; did you mean 'commandLine'?",
  ],
  ["no kernel", {}, "kernel: nothing to boot"],
  ["a path for a kernel", { kernel: "vmlinuz" }, "kernel: must be a Uint8Array, not string"],
  ["an unknown board", { kernel, machine: "pcc" }, "machine 'pcc' is unknown; did you mean 'pc'?"],
  ["an unknown accelerator", { kernel, accelerator: "xen" }, "accelerator 'xen' is unknown; known: 'tcg'"],
  ["a CPU that is no string", { kernel, cpu: 486 }, "cpu: must be a string, not number"],
  ["half a MiB", { kernel, memoryBytes: MIB / 2 }, "memoryBytes 524288: must be whole MiB; nearest: 1048576 (1 MiB)"],
  ["no memory", { kernel, memoryBytes: Number.NaN }, "memoryBytes NaN: must be whole MiB; nearest: 1048576 (1 MiB)"],
  ["a NUL in the command line", { kernel, commandLine: "a\0b" }, "commandLine: must not contain a NUL character"],
  ["five serial ports", { kernel, serial: [1, 2, 3, 4, 5] }, "serial: a PC has 4 serial ports, not 5"],
  ["an unknown clock", { kernel, clock: "virtaul" }, "clock 'virtaul' is unknown; did you mean 'virtual'?"],
  ["a shift without its clock", { kernel, icountShift: 1 }, "icountShift needs clock 'virtual'"],
  ["a shift out of range", { kernel, clock: "virtual", icountShift: 11 }, "icountShift 11: must be 0 to 10"],
  ["an invalid date", { kernel, rtcBaseMs: Number.NaN }, "rtcBaseMs NaN: must be milliseconds since 1970"],
  ["an unknown reaction", { kernel, onCrash: "restart" }, "onCrash 'restart' is unknown; known: 'reset', 'stop'"],
  [
    "an unknown device",
    { kernel, devices: [{ driver: "isa-debugexit" }] },
    "device 'isa-debugexit' is unknown; did you mean 'isa-debug-exit'?",
  ],
  [
    "an unknown property",
    { kernel, devices: [{ driver: "isa-debug-exit", properties: { iobse: 1 } }] },
    "device isa-debug-exit: no property 'iobse'; did you mean 'iobase'?",
  ],
  [
    "a malformed property",
    { kernel, devices: [{ driver: "isa-debug-exit", properties: { iobase: "f4" } }] },
    "device isa-debug-exit: iobase 'f4': must be a number from 0x0 to 0xffff, for example 0x501",
  ],
  [
    "a device twice",
    { kernel, devices: [{ driver: "isa-debug-exit" }, { driver: "isa-debug-exit" }] },
    "device isa-debug-exit: given twice",
  ],
  [
    "an unknown log category",
    { kernel, log: { categories: ["cpu_rest"], write: () => {} } },
    "log category 'cpu_rest' is unknown; did you mean 'cpu_reset'?",
  ],
])("refuses %s", (_what, options, message) => {
  expect(() => resolveOptions(options as VmOptions)).toThrow(expect.objectContaining({ message, name: "ConfigError" }));
});

test("takes numbers of devices as numbers and as text", () => {
  for (const [iobase, iosize] of [
    [0xf4, 4],
    ["0xf4", "0x04"],
    ["244", "4"],
  ] as const) {
    const devices = [{ driver: "isa-debug-exit", properties: { iobase, iosize } }];
    expect(resolveOptions({ kernel, devices }).debugExit).toEqual({ iobase: 0xf4, iosize: 4 });
  }
  expect(resolveOptions({ kernel, devices: [{ driver: "isa-debug-exit" }] }).debugExit).toEqual({
    iobase: 0x501,
    iosize: 2,
  });
});
