// With a clock that counts instructions, whoever asks it learns how many came before, in the middle of a block, too.
import { describe, expect, it } from "vitest";
import { CODE, TinyMachine } from "./tiny-machine.ts";

/** A clock of instructions instead of a constant. */
class CountingMachine extends TinyMachine {
  count(): this {
    Object.defineProperty(this, "nowNs", { get: () => this.vcpu.instructionCount });
    return this;
  }
}

describe.each([
  ["interpreted", 0],
  ["in regions", 2],
])("%s", (_, heatLimit) => {
  it("RDTSC reads the number of instructions before it", () => {
    const m = new CountingMachine(64, { heatLimit }).count();
    // mov ecx, 20; (5) nop; nop; rdtsc; mov ebx, eax; nop; rdtsc; sub eax, ebx; add esi, eax; sub ecx, 1; jnz 5; hlt
    m.set({ rsi: 0n });
    m.runToHalt("b9 14 00 00 00 90 90 0f 31 89 c3 90 0f 31 29 d8 01 c6 83 e9 01 75 ee f4");
    expect(m.reg("rsi")).toBe(20n * 3n);
    // RBX is what was read first in the last turn: 1 before the loop, 19 turns of 10, and 2 NOPs.
    expect(m.reg("rbx")).toBe(1n + 19n * 10n + 2n);
  });

  it("a port sees the time of its access", () => {
    const m = new CountingMachine(64, { heatLimit }).count();
    const times: number[] = [];
    m.onAccess = () => times.push(m.nowNs);
    // nop; nop; in al, 42h; nop; in al, 42h; jmp to itself
    m.code(CODE, "90 90 e4 42 90 e4 42 90 90 eb f5").run(40);
    expect(times.slice(0, 6)).toEqual([2, 4, 10, 12, 18, 20]);
  });
});
