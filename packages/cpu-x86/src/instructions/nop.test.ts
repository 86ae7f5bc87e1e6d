import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";

describe("90", () => {
  const m = new InsnMachine(64);

  it("is NOP, and does not cut RAX", () => {
    m.set({ rax: -1 }).run("90");
    expect(m.get("rax")).toBe(0xffff_ffff_ffff_ffffn);
  });

  it("with REX.B exchanges r8 and rAX", () => {
    m.set({ rax: 1, r8: 2 }).run("4990");
    expect([m.get("rax"), m.get("r8")]).toEqual([2n, 1n]);
  });

  it("with F3 is PAUSE", () => {
    m.set({ rax: -1 }).run("f390");
    expect([m.fault, m.get("rax")]).toEqual(["none", 0xffff_ffff_ffff_ffffn]);
  });
});

it("hints touch no memory, whatever they point at", () => {
  const m = new InsnMachine(32).limit("ds", 0);
  for (const code of ["0f1f00", "0f1804", "0f0d08", "f30f1efb", "0f1f8400ffffff7f"]) {
    m.set({ rax: 0xffff_0000 }).run(`${code}00`);
    expect(m.fault, code).toBe("none");
  }
});
