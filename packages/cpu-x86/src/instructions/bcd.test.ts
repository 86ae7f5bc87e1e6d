import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

describe("decimal arithmetic", () => {
  const m = new InsnMachine(32);
  const packed = (n: number): number => Math.floor(n / 10) * 16 + (n % 10);

  it("DAA and DAS correct every sum and difference of two packed digits", () => {
    for (let x = 0; x < 100; x++)
      for (let y = 0; y < 100; y++) {
        m.set({ rax: packed(x), rcx: packed(y) }).run("00c8");
        m.run("27");
        expect([m.get("rax"), m.flags & FLAG.CF], `${x} + ${y}`).toEqual([
          BigInt(packed((x + y) % 100)),
          x + y > 99 ? 1 : 0,
        ]);
        m.set({ rax: packed(x) }).run("28c8");
        m.run("2f");
        expect([m.get("rax"), m.flags & FLAG.CF], `${x} - ${y}`).toEqual([
          BigInt(packed((x - y + 100) % 100)),
          x < y ? 1 : 0,
        ]);
      }
  });

  it("AAA and AAS carry into AH", () => {
    m.set({ rax: 0x0205, rcx: 9 }).run("00c8");
    m.run("37");
    expect([m.get("rax"), m.flags & FLAG.CF]).toEqual([0x0304n, FLAG.CF]);
    m.set({ rax: 0x0203, rcx: 7 }).run("28c8");
    m.run("3f");
    expect([m.get("rax"), m.flags & FLAG.CF]).toEqual([0x0106n, FLAG.CF]);
  });

  it("AAM and AAD convert in any base, and base 0 is #DE", () => {
    m.set({ rax: 0x63 }).run("d40a");
    expect(m.get("rax")).toBe(0x0909n);
    m.run("d50a");
    expect(m.get("rax")).toBe(0x63n);
    m.run("d400");
    expect([m.fault, m.get("rax")]).toEqual(["#DE", 0x63n]);
  });

  it("is no part of 64-bit code", () => {
    const long = new InsnMachine(64);
    for (const code of ["27", "2f", "37", "3f", "d40a", "d50a"]) {
      long.run(code);
      expect(long.fault, code).toBe("#UD");
    }
  });
});
