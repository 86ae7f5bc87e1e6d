import { createFakeMemory } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { wakingRegisters } from "./waking.ts";

const FACS = 0xf0040;

function registersFor(vector: number): Readonly<Record<string, bigint>> | undefined {
  const memory = createFakeMemory(0x10_0000);
  memory.write(FACS + 12, new Uint8Array(Uint32Array.of(vector).buffer));
  return wakingRegisters(memory, FACS);
}

describe("wakingRegisters", () => {
  it.each([
    [0x1000, 0x100n, 0n],
    [0x9_a123, 0x9a12n, 3n],
    [0xf_ffff, 0xffffn, 15n],
  ])("splits %x into a segment and the four bits of its offset", (vector, selector, rip) => {
    expect(registersFor(vector)).toMatchObject({ "cs.selector": selector, "cs.base": selector << 4n, rip });
  });

  it("leaves MTRRs as at power-on", () => {
    expect(registersFor(0x1000)).toMatchObject({ "msr.2ff": 0x806n });
  });

  it.each([0, 0x10_0000, 0xffff_ffff])("knows nowhere to go with %x", (vector) => {
    expect(registersFor(vector)).toBeUndefined();
  });
});
