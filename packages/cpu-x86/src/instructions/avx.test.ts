import { beforeEach, describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { VectorMachine } from "../../test/vector-machine.ts";
import { CR0, CR4 } from "../state/bits.ts";
import { AT, SEGMENT } from "../state/layout.ts";

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

  it.each([
    ["VPADDB ymm0, ymm1, [rsp]", "c5f5fc0424", "#SS(0)"],
    ["VPADDB xmm0, xmm1, [rbp]", "c5f1fc4500", "#SS(0)"],
    ["VMOVDQU [rsp], ymm0", "c5fe7f0424", "#SS(0)"],
    ["VMASKMOVPS ymm0, ymm1, [rsp]", "c4e2752c0424", "#SS(0)"],
    ["VMOVDQU fs:[rsp], ymm0", "64c5fe7f0424", "#GP(0)"],
    ["VPADDB ymm0, ymm1, [rax]", "c5f5fc00", "#GP(0)"],
  ])("at no canonical address: %s", (_, hex, fault) => {
    const nowhere = 1n << 60n;
    m.set({ rsp: nowhere, rbp: nowhere, rax: nowhere });
    fill(1, 0xff);
    m.run(hex);
    expect(m.fault).toBe(fault);
  });

  it("add the base of FS to what is moved under a mask once", () => {
    m.cpu.set64("segBase", 0x2000n, SEGMENT.fs);
    m.set({ rax: 0x1000 });
    m.ram.fill(7, 0x3000, 0x3020);
    fill(1, 0xff);
    m.run("64c4e2752c00"); // VMASKMOVPS ymm0, ymm1, fs:[rax]
    expect([...ymm(0)]).toEqual(bytes(7, 32));
  });

  it.each([
    ["[ebp]", "c5f5fc4500", "#SS(0)"],
    ["[eax]", "c5f5fc00", "#GP(0)"],
  ])("across the end of a segment of 4 GiB: VPADDB ymm0, ymm1, %s", (_, hex, fault) => {
    const legacy = new InsnMachine(32);
    legacy.cpu.setLow("cr4", CR4.OSFXSR | CR4.OSXSAVE);
    legacy.cpu.setLow("xcr0", 7);
    legacy.set({ rbp: 0xffff_fff0, rax: 0xffff_fff0 }).run(hex);
    expect(legacy.fault).toBe(fault);
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
