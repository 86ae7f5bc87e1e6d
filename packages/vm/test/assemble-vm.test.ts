import type { Accelerator, Board, Clock } from "@tsvm/contracts";
import type { PcOptions } from "@tsvm/machine-pc";
import { expect, test } from "vitest";
import { type AcceleratorChoice, assembleVm, type ChosenAccelerator, type VmParts } from "../src/assemble-vm.ts";
import type { VmOptions } from "../src/options.ts";
import { createFakeMachine, type FakeMachine } from "./fake-machine.ts";

interface Built {
  readonly machine: FakeMachine;
  readonly parts: VmParts;
  choice?: AcceleratorChoice;
  options?: PcOptions;
  clock?: Clock;
}

function createParts(): Built {
  const machine = createFakeMachine();
  const board: Board<PcOptions> = {
    name: "pc",
    build(_accelerator, options, clock) {
      Object.assign(built, { options, clock });
      return machine;
    },
  };
  const tcg = (choice: AcceleratorChoice): ChosenAccelerator => {
    built.choice = choice;
    return { ...({} as Accelerator), cpu: { longMode: choice.cpu !== "486" } };
  };
  const built: Built = { machine, parts: { boards: { pc: board }, accelerators: { tcg } } };
  return built;
}

const kernel = new Uint8Array(4);

async function build(options: VmOptions): Promise<Built> {
  const built = createParts();
  await assembleVm({ kernel, ...options }, built.parts);
  return built;
}

test("a kernel is enough", async () => {
  const { choice, options } = await build({});
  expect(choice).toMatchObject({ cpu: "max" });
  expect(choice?.log).toBeUndefined();
  expect(options).toMatchObject({ kernel, memoryBytes: 2 ** 29, commandLine: "", cpu: { longMode: true } });
  expect(Math.abs((options?.rtcBaseMs ?? 0) - Date.now())).toBeLessThan(60_000);
});

test("a CPU without 64-bit mode is told to the board", async () => {
  const { choice, options } = await build({ cpu: "486" });
  expect(choice?.cpu).toBe("486");
  expect(options?.cpu).toEqual({ longMode: false });
});

test("the virtual clock is deterministic and jumps over waits", async () => {
  const { choice, clock } = await build({ clock: "virtual", icountShift: 3 });
  const again = (await build({ clock: "virtual" })).choice;
  const [one, two] = [choice, again].map((made) => [made?.random?.(), made?.random?.()]);
  expect(one).toEqual(two);
  expect(clock).toHaveProperty("instructionsPerNs", 1 / 8);
});

test("time comes from the caller's host where it has one", async () => {
  const { options, clock } = await build({ host: { monotonicNs: () => 42 } });
  expect(options?.host.monotonicNs()).toBe(42);
  expect(clock).toHaveProperty("instructionsPerNs", undefined);
});

test("random numbers are the engine's while time is", async () => {
  const [one, two] = await Promise.all([build({}), build({})]);
  expect(one.choice?.random?.()).not.toBe(two.choice?.random?.());
});

test("the CPU's wall clock begins where the battery-backed one does", async () => {
  const { choice, options } = await build({ rtcBaseMs: 1_500 });
  expect([choice?.powerOnTime, options?.rtcBaseMs]).toEqual([1.5, 1_500]);
});

test("what the processor does is logged by line", async () => {
  let log = "";
  const write = (text: string): void => {
    log += text;
  };
  const { choice } = await build({ log: { categories: ["int"], write } });
  expect([choice?.log?.has("int"), choice?.log?.has("exec")]).toEqual([true, false]);
  choice?.log?.write("v=0e");
  expect(log).toBe("v=0e\n");
});

test("a cut initrd is refused before anything is built", async () => {
  const built = createParts();
  const initrd = new TextEncoder().encode("070701");
  await expect(assembleVm({ kernel, initrd }, built.parts)).rejects.toMatchObject({ code: "CONFIG_INITRD" });
  expect(built.choice).toBeUndefined();
});

test("logs the registers before a reset, when asked to", async () => {
  for (const categories of [[], ["cpu_reset"]]) {
    const built = createParts();
    let log = "";
    const write = (text: string): void => {
      log += text;
    };
    const vm = await assembleVm({ kernel, log: { categories, write } }, built.parts);
    vm.reset();
    expect(built.machine.calls).toEqual(["reset"]);
    expect(log).toBe(categories.length > 0 ? "CPU Reset (CPU 0)\nRAX=0000000000000001\n" : "");
  }
});
