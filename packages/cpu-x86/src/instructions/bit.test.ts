import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

const m = new InsnMachine(64);

describe("BT BTS BTR BTC", () => {
  it("count modulo the operand size in a register", () => {
    m.set({ rax: 0b1000, rcx: 32 + 3 }).run("0fa3c8");
    expect(m.flags & FLAG.CF).toBe(FLAG.CF);
    m.set({ rax: 0b1000, rcx: 64 + 3 }).run("480fb3c8");
    expect(m.get("rax")).toBe(0n);
    m.run("480fbbc8");
    expect(m.get("rax")).toBe(0b1000n);
  });

  it("reach beyond a memory operand, in both directions", () => {
    m.ram.fill(0);
    for (const bit of [5n, 1000n, -1n, -4097n]) {
      m.set({ rbx: 0x4000, rcx: bit }).run("480fab0b");
      expect(m.flags & FLAG.CF).toBe(0);
      const byte = 0x4000 + Number(bit >> 3n);
      expect(m.ram[byte]).toBe(1 << Number(bit & 7n));
      m.run("480fb30b");
      expect(m.flags & FLAG.CF).toBe(FLAG.CF);
      expect(m.ram[byte]).toBe(0);
    }
  });

  it("take a 16-bit number as signed, and wrap around in 16-bit addresses", () => {
    const real = new InsnMachine(16);
    real.ram[0xffff] = 0x80;
    real.set({ rbx: 2, rcx: 0xffff - 16 }).run("0fa30f");
    expect(real.flags & FLAG.CF).toBe(FLAG.CF);
  });

  it("check the limit where the bit is, not where the operand is", () => {
    const narrow = new InsnMachine(32).limit("ds", 0xfff);
    narrow.set({ rbx: 0x1000, rcx: -32 }).run("0fa30b");
    expect(narrow.fault).toBe("none");
    narrow.set({ rbx: 0xff0, rcx: 128 }).run("0fa30b");
    expect(narrow.fault).toBe("#GP(0)");
  });

  it("keep the flags that the manual leaves undefined, and ZF", () => {
    m.set({ rax: 1, rcx: 0 }).flags = FLAG.OF | FLAG.ZF | FLAG.PF | FLAG.AF;
    m.run("0fa3c8");
    expect(m.flags).toBe(FLAG.OF | FLAG.ZF | FLAG.PF | FLAG.AF | FLAG.CF);
  });
});

describe("scans and counts", () => {
  it("BSF and BSR find the ends, and leave the destination alone when there is none", () => {
    m.set({ rax: 0x5555, rcx: 0x0010_0800 }).run("0fbcc1");
    expect([m.get("rax"), m.flags & FLAG.ZF]).toEqual([11n, 0]);
    m.run("0fbdc1");
    expect(m.get("rax")).toBe(20n);
    m.set({ rax: -1, rcx: 0xffff_ffff_0000_0000n }).run("0fbcc1");
    expect([m.get("rax"), m.flags & FLAG.ZF]).toEqual([0xffff_ffff_ffff_ffffn, FLAG.ZF]);
  });

  it.each([
    ["66", 16],
    ["", 32],
    ["48", 64],
  ])("TZCNT and LZCNT count to the operand size (prefix '%s')", (prefix, width) => {
    const run = (opcode: string, value: bigint): [bigint, number] => {
      m.set({ rax: 0, rcx: value }).run(`f3${prefix}0f${opcode}c1`);
      return [m.get("rax"), m.flags & (FLAG.CF | FLAG.ZF)];
    };
    expect(run("bc", 0n)).toEqual([BigInt(width), FLAG.CF]);
    expect(run("bd", 0n)).toEqual([BigInt(width), FLAG.CF]);
    expect(run("bc", 1n)).toEqual([0n, FLAG.ZF]);
    expect(run("bd", -1n)).toEqual([0n, FLAG.ZF]);
    expect(run("bd", 4n)).toEqual([BigInt(width - 3), 0]);
  });

  it("POPCNT clears all flags but ZF", () => {
    m.set({ rcx: 0xf0f0_0000_0000_0001n }).flags = 0x8d5;
    m.run("f3480fb8c1");
    expect([m.get("rax"), m.flags]).toEqual([9n, 0]);
    m.set({ rcx: 0 }).run("f3480fb8c1");
    expect([m.get("rax"), m.flags]).toEqual([0n, FLAG.ZF]);
  });
});
