// On the virtual clock a machine is the same in regions as interpreted, at every million instructions of a kernel's start.
// TSVM_DETERMINISM=2000 compares so many millions.
import { readFileSync } from "node:fs";
import { buildDefaultGuest } from "@tsvm/guest-images";
import { expect, test } from "vitest";
import { SteppedMachine } from "./stepped-machine.ts";

const MILLION = 1_000_000;
const MILLIONS = Number(process.env["TSVM_DETERMINISM"] ?? 100);
/** Memory takes longer to look at than a million instructions to execute. */
const MEMORY_EVERY = 50;
const HEAT_LIMIT = 50;

test(`regions leave the state that the interpreter leaves, ${MILLIONS} times`, {
  timeout: 60_000 * MILLIONS,
}, async () => {
  const { kernelPath, initrdPath, commandLine } = await buildDefaultGuest();
  const [kernel, initrd] = [readFileSync(kernelPath), readFileSync(initrdPath)];
  const build = (heatLimit: number): SteppedMachine =>
    new SteppedMachine({ kernel, initrd, commandLine, memoryBytes: 192 << 20, heatLimit });
  const [regions, interpreted] = [build(HEAT_LIMIT), build(0)];
  for (let millions = 1; millions <= MILLIONS; millions++) {
    const goesOn = [regions, interpreted].map((machine) => machine.runTo(millions * MILLION));
    expect({ millions, goesOn }).toEqual({ millions, goesOn: [true, true] });
    expect({ millions, state: regions.hashOfState() }).toEqual({ millions, state: interpreted.hashOfState() });
    if (millions % MEMORY_EVERY === 0)
      expect({ millions, memory: regions.hashOfMemory() }).toEqual({ millions, memory: interpreted.hashOfMemory() });
  }
  expect(regions.transcript).toBe(interpreted.transcript);
  expect(regions.regionsMade).toBeGreaterThan(20);
  expect(interpreted.regionsMade).toBe(0);
});
