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

describe("BMI1, with VEX prefixes", () => {
  it("ANDN takes its first source from vvvv", () => {
    m.set({ rax: -1n, rcx: 0xff00ff00, rdx: 0x0ff00ff0 }).run("c4e270f2c2");
    expect(m.get("rax")).toBe(0x00f000f0n);
    expect(m.flags & (FLAG.CF | FLAG.OF | FLAG.ZF | FLAG.SF)).toBe(0);
  });

  it("BLSR BLSMSK BLSI work on the lowest set bit, 64-bit by VEX.W", () => {
    const cases: [string, bigint, bigint, number][] = [
      ["c4e2f8f3c9", 0x8000_0000_0000_0010n, 0x8000_0000_0000_0000n, FLAG.SF],
      ["c4e2f8f3c9", 0n, 0n, FLAG.ZF | FLAG.CF],
      ["c4e2f8f3d1", 0x10n, 0x1fn, 0],
      ["c4e2f8f3d1", 0n, 0xffff_ffff_ffff_ffffn, FLAG.SF | FLAG.CF],
      ["c4e2f8f3d9", 0x50n, 0x10n, FLAG.CF],
      ["c4e2f8f3d9", 0n, 0n, FLAG.ZF],
      ["c4e278f3c9", 0xf_0000_0001n, 0n, FLAG.ZF],
    ];
    for (const [code, source, result, flags] of cases) {
      m.set({ rax: 0x5555n, rcx: source }).run(code);
      expect(m.get("rax"), code).toBe(result);
      expect(m.flags & (FLAG.CF | FLAG.OF | FLAG.ZF | FLAG.SF), code).toBe(flags);
    }
  });

  it("BEXTR takes a field out, and nothing where it begins beyond the operand", () => {
    m.set({ rcx: 0x0804, rdx: 0x12345678 }).run("c4e270f7c2");
    expect(m.get("rax")).toBe(0x67n);
    m.set({ rcx: 0xff28, rdx: 0x12345678 }).run("c4e270f7c2");
    expect(m.get("rax")).toBe(0n);
    m.set({ rcx: 0xff08, rdx: 0x12345678 }).run("c4e270f7c2");
    expect(m.get("rax")).toBe(0x123456n);
  });

  it("are #UD with a legacy prefix before VEX, and with an unused vvvv", () => {
    for (const code of ["66c4e270f2c2", "f3c4e270f2c2", "48c4e270f2c2", "c4e274f2c2"]) {
      m.run(code);
      expect(m.fault, code).toBe("#UD");
    }
  });

  it("work in 32-bit code, where C4 with a memory operand is LES", () => {
    const flat = new InsnMachine(32);
    flat.set({ rax: -1n, rcx: 0xf0, rdx: 0xff }).run("c4e270f2c2");
    expect(flat.get("rax") & 0xffff_ffffn).toBe(0x0fn);
    // LES eax, [ebx] with a null selector.
    flat.ram.fill(0, 0x4000, 0x4006);
    flat.ram[0x4000] = 0x2a;
    flat.set({ rbx: 0x4000 }).run("c403");
    expect(flat.get("rax") & 0xffff_ffffn).toBe(0x2an);
  });
});
