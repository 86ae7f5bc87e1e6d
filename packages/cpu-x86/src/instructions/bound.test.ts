import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";

describe("BOUND", () => {
  it("raises #BR outside the bounds, which are signed", () => {
    const m = new InsnMachine(32);
    new DataView(m.ram.buffer, m.ram.byteOffset).setInt32(0x4000, -5, true);
    new DataView(m.ram.buffer, m.ram.byteOffset).setInt32(0x4004, 5, true);
    const faultOf = (index: number): string => {
      m.set({ rax: BigInt.asUintN(32, BigInt(index)), rbx: 0x4000 }).run("6203");
      return m.fault;
    };
    expect([-6, -5, 0, 5, 6].map(faultOf)).toEqual(["#BR", "none", "none", "none", "#BR"]);
  });
});
