import { createMemoryChardev } from "@tsvm/backends";
import { ECHO, HELLO, RESET, SPIN, TRIPLE_FAULT, tinyKernel } from "@tsvm-testing/fakes";
import { expect, test } from "vitest";
import { CPU_MODELS } from "../src/catalog.ts";
import { createVm } from "../src/create-vm.ts";
import type { VmOptions } from "../src/options.ts";
import type { VirtualMachine } from "../src/virtual-machine.ts";

const MEMORY_BYTES = 4 << 20;
const devices = [{ driver: "isa-debug-exit", properties: { iobase: 0xf4, iosize: 4 } }];

const boot = (code: readonly number[], options: VmOptions = {}): Promise<VirtualMachine> =>
  createVm({ kernel: tinyKernel(code), memoryBytes: MEMORY_BYTES, devices, ...options });

test.each(Object.keys(CPU_MODELS))("a kernel prints and exits on %s", async (cpu) => {
  const serial = createMemoryChardev();
  const vm = await boot(HELLO, { cpu, serial: [serial] });
  expect(await vm.run()).toEqual({ reason: "debug-exit", value: 5 });
  expect(serial.text()).toBe("Hi");
  // Nothing is executed behind the OUT that ends the machine.
  expect(vm.counters().instructions).toBe(8);
});

test("everything pasted at once is echoed", async () => {
  const serial = createMemoryChardev();
  // The clock that counts instructions jumps over nothing here: it makes the pace of the line independent of the host.
  const vm = await boot(ECHO, { serial: [serial], clock: "virtual", icountShift: 10 });
  const pasted = Uint8Array.from({ length: 20_000 }, (_, index) => 32 + (index % 90));
  serial.send(pasted);
  serial.send("\x04");
  expect(await vm.run()).toEqual({ reason: "debug-exit", value: 4 });
  expect(serial.takeOutput()).toEqual(pasted);
});

test("a triple fault ends the run with the registers of the fault", async () => {
  const vm = await boot(TRIPLE_FAULT, { onCrash: "stop" });
  expect(await vm.run()).toEqual({ reason: "crash" });
  expect(vm.describe()).toMatch(/[RE]IP=[0-9a-f]*100028/i);
});

test("a triple fault resets by default, and so does the guest itself", async () => {
  for (const [code, cause] of [
    [TRIPLE_FAULT, "crash"],
    [RESET, "guest"],
  ] as const) {
    const vm = await boot(code);
    const again = new Promise<string>((resolve) => {
      vm.on((event) => {
        if (event.type === "reset" && vm.counters().resets === 3) resolve(event.cause);
      });
    });
    void vm.run();
    expect(await again).toBe(cause);
    await vm.pause();
  }
});

test("a busy guest can be paused, looked at, and stands still", async () => {
  const vm = await boot(SPIN);
  const instructions = (): number => vm.counters().instructions;
  void vm.run();
  await expect.poll(instructions).toBeGreaterThan(1000);
  await vm.pause();
  const before = vm.counters();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(vm.counters()).toEqual(before);
  vm.resume();
  await expect.poll(instructions).toBeGreaterThan(before.instructions);
  await vm.pause();
});

test("with the virtual clock two runs are the same", async () => {
  const runOnce = async (): Promise<unknown> => {
    const serial = createMemoryChardev();
    const vm = await boot(ECHO, { serial: [serial], clock: "virtual", icountShift: 10, rtcBaseMs: 0 });
    serial.send(`${"tsvm ".repeat(100)}\x04`);
    await vm.run();
    return { ...vm.counters(), registers: vm.describe() };
  };
  expect(await runOnce()).toEqual(await runOnce());
});

test("what is no kernel is refused in one line", async () => {
  await expect(createVm({ kernel: new Uint8Array(4096) })).rejects.toMatchObject({
    code: "CONFIG_KERNEL_FORMAT",
    message: expect.not.stringContaining("\n"),
  });
});

test("an unknown model is refused before memory is taken", async () => {
  await expect(boot(HELLO, { cpu: "pentium9" })).rejects.toMatchObject({ code: "CONFIG_CPU" });
});
