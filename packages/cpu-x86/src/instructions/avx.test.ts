import { beforeEach, describe, expect, it } from "vitest";
import { VectorMachine } from "../../test/vector-machine.ts";
import { CR0, CR4 } from "../state/bits.ts";
import { AT } from "../state/layout.ts";

let m: VectorMachine;
beforeEach(() => {
  m = new VectorMachine();
  m.cpu.setLow("cr4", m.cpu.low("cr4") | CR4.OSXSAVE);
  m.cpu.setLow("xcr0", 7);
});

/** All 256 bits of a register, live. */
const ymm = (number: number): Uint8Array => m.cpu.u8.subarray(AT.zmm + number * 64, AT.zmm + number * 64 + 32);
const fill = (number: number, byte: number): Uint8Array => ymm(number).fill(byte);
const bytes = (value: number, count: number): number[] => new Array(count).fill(value);

describe("VEX forms", () => {
  it("keep both sources and clear what is above 128 bits", () => {
    fill(0, 0xff);
    fill(1, 3);
    fill(2, 4);
    m.run("c5f1fcc2"); // VPADDB xmm0, xmm1, xmm2
    expect([...ymm(0)]).toEqual([...bytes(7, 16), ...bytes(0, 16)]);
    expect([...ymm(1)]).toEqual(bytes(3, 32));
  });

  it("have 256 bits", () => {
    fill(1, 3);
    fill(2, 4);
    m.run("c5f5fcc2"); // VPADDB ymm0, ymm1, ymm2
    expect([...ymm(0)]).toEqual(bytes(7, 32));
  });

  it("legacy forms leave the upper half alone", () => {
    fill(0, 1);
    fill(1, 2);
    m.run("660ffcc1"); // PADDB xmm0, xmm1
    expect([...ymm(0)]).toEqual([...bytes(3, 16), ...bytes(1, 16)]);
  });

  it("scalars take the rest from the first source", () => {
    fill(0, 0xee);
    fill(1, 0);
    ymm(1).fill(0x11, 4, 16);
    fill(2, 0);
    m.run("c5f258c2"); // VADDSS xmm0, xmm1, xmm2
    expect([...ymm(0)]).toEqual([...bytes(0, 4), ...bytes(0x11, 12), ...bytes(0, 16)]);
  });

  it("VZEROUPPER clears the upper halves, VZEROALL everything", () => {
    fill(5, 9);
    m.run("c5f877");
    expect([...ymm(5)]).toEqual([...bytes(9, 16), ...bytes(0, 16)]);
    m.run("c5fc77");
    expect([...ymm(5)]).toEqual(bytes(0, 32));
  });

  it("are #UD unless the system saves AVX state, and #NM under CR0.TS", () => {
    const outcome = (): string => {
      m.run("c5f5fcc2");
      return m.fault;
    };
    m.cpu.setLow("cr0", m.cpu.low("cr0") | CR0.TS);
    expect(outcome()).toBe("#NM");
    m.cpu.setLow("xcr0", 3);
    expect(outcome()).toBe("#UD");
    m.cpu.setLow("xcr0", 7);
    m.cpu.setLow("cr4", m.cpu.low("cr4") & ~CR4.OSXSAVE);
    expect(outcome()).toBe("#UD");
  });
});
