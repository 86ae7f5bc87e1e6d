import { describe, expect, it } from "vitest";
import { type PcOptions, resolvePcOptions } from "./options.ts";
import type { MachineHost } from "./run-loop.ts";

const host: MachineHost = {
  monotonicNs: () => 0,
  yieldToHost: async () => {},
  sleep: () => ({ done: Promise.resolve(), wake: () => {} }),
};
const kernel = new Uint8Array(1);
const good: PcOptions = { memoryBytes: 64 << 20, kernel, host };

const PC = { board: "pc", hasPci: true, hpet: true };

describe("resolvePcOptions", () => {
  it("fills in the defaults of a PC", () => {
    expect(resolvePcOptions(good, PC)).toEqual({
      memoryBytes: 64 << 20,
      cpuCount: 1,
      kernel,
      firmware: undefined,
      kernelName: "kernel",
      modules: [],
      commandLine: "",
      serial: [],
      devices: [],
      uuid: new Uint8Array(16),
      debugConsole: undefined,
      debugExit: undefined,
      testDevice: false,
      vga: false,
      hpet: true,
      cpu: {},
      rtcBaseMs: Date.UTC(2000, 0, 1),
      host,
    });
  });

  it("makes the initrd the first module", () => {
    const module = { bytes: new Uint8Array(2), commandLine: "x" };
    const initrd = new Uint8Array(3);
    const resolved = resolvePcOptions({ ...good, initrd, modules: [module] }, PC);
    expect(resolved.modules).toEqual([{ bytes: initrd, commandLine: "" }, module]);
  });

  it.each<[string, Partial<PcOptions>]>([
    ["CONFIG_MEMORY_SIZE", { memoryBytes: (1 << 20) * 1.5 }],
    ["CONFIG_MEMORY_SIZE", { memoryBytes: (4 << 20) + 1 }],
    ["CONFIG_MEMORY_SIZE", { memoryBytes: Number.NaN }],
    ["CONFIG_OPTION", { cpuCount: 2 }],
    ["CONFIG_OPTION", { cpuCount: 0 }],
    ["CONFIG_OPTION", { firmware: new Uint8Array(0x1_0000) }],
    ["CONFIG_INITRD", { initrd: new Uint8Array() }],
    ["CONFIG_COMMAND_LINE", { commandLine: "a\0b" }],
    ["CONFIG_OPTION", { debugExit: { iobase: 0xfff8, iosize: 9 } }],
    ["CONFIG_OPTION", { debugExit: { iobase: 0x501, iosize: 0 } }],
    ["CONFIG_OPTION", { debugConsolePort: 0x10000 }],
    ["CONFIG_OPTION", { serial: new Array(5).fill({}) }],
    ["CONFIG_OPTION", { uuid: "550e8400-e29b-41d4-a716" }],
  ])("refuses with %s: %o", (code, change) => {
    expect(() => resolvePcOptions({ ...good, ...change }, PC)).toThrow(expect.objectContaining({ code }));
  });

  it("needs a kernel", () => {
    const { kernel: _, ...rest } = good;
    expect(() => resolvePcOptions(rest, PC)).toThrow(expect.objectContaining({ code: "CONFIG_KERNEL" }));
  });
});
