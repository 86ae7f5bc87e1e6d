import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";

describe("ARPL", () => {
  it("asks whether the segment can be written only where it changes the selector", () => {
    const m = new InsnMachine(32);
    m.ram.set([0x11, 0], 0x4000);
    const faultOf = (source: number): string => {
      m.set({ rax: source, rbx: 0x4000 }).run("2e6303"); // arpl cs:[ebx], ax
      return m.fault;
    };
    expect([0, 1, 2].map(faultOf)).toEqual(["none", "none", "#GP(0)"]);
    expect(m.ram[0x4000]).toBe(0x11);
  });
});
