import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

const WIDTHS = [8, 16, 32, 64] as const;
type Width = (typeof WIDTHS)[number];
const VALUES = [0x8000_0000_0000_0001n, 0x1234_5678_9abc_def0n, 0xffff_ffff_7fff_807fn, 0n];
const NAMES = ["ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SHL", "SAR"] as const;
const PREFIX = { 8: "", 16: "66", 32: "", 64: "48" } as const;

const m = new InsnMachine(64);
const hex = (byte: number): string => byte.toString(16).padStart(2, "0");
const cut = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);

/** As the manual's Operation sections: bit by bit. */
function stepwise(name: (typeof NAMES)[number], width: Width, value: bigint, count: number, carryIn: bigint) {
  let x = cut(value, width);
  let carry = carryIn;
  const top = BigInt(width - 1);
  for (let i = 0; i < count; i++) {
    const [msb, lsb] = [x >> top, x & 1n];
    if (name === "ROL") [x, carry] = [cut(x << 1n, width) | msb, msb];
    else if (name === "ROR") [x, carry] = [(x >> 1n) | (lsb << top), lsb];
    else if (name === "RCL") [x, carry] = [cut(x << 1n, width) | carry, msb];
    else if (name === "RCR") [x, carry] = [(x >> 1n) | (carry << top), lsb];
    else if (name === "SHL") [x, carry] = [cut(x << 1n, width), msb];
    else [x, carry] = [(x >> 1n) | (name === "SAR" ? msb << top : 0n), lsb];
  }
  return { x, carry };
}

/** SF ZF PF of a result. */
function resultFlags(x: bigint, width: number): number {
  const sign = x >> BigInt(width - 1) === 1n ? FLAG.SF : 0;
  const ones = cut(x, 8).toString(2).replaceAll("0", "").length;
  return sign | (x === 0n ? FLAG.ZF : 0) | (ones % 2 === 0 ? FLAG.PF : 0);
}

/** What a write of `width` bits makes of RAX. */
function written(before: bigint, width: Width, x: bigint): bigint {
  return width >= 32 ? x : (before & ~((1n << BigInt(width)) - 1n)) | x;
}

describe.each(NAMES.map((name, digit) => [`/${digit} ${name}`, digit] as const))("%s", (_, digit) => {
  const name = NAMES[digit]!;
  const rotates = digit < 4;

  it.each(WIDTHS)("of %i bits gives what single steps give, for every count", (width) => {
    for (const value of VALUES)
      for (const carryIn of [0, FLAG.CF])
        for (let count = 0; count < 72; count++) {
          m.set({ rax: value }).flags = carryIn | FLAG.OF;
          m.run(`${PREFIX[width]}${width === 8 ? "c0" : "c1"}${hex(0xc0 | (digit << 3))}${hex(count)}`);
          const masked = count & (width === 64 ? 63 : 31);
          const { x, carry } = stepwise(name, width, value, masked, BigInt(carryIn));
          const what = `${value.toString(16)} by ${count}`;
          expect(m.get("rax"), what).toBe(written(value, width, x));
          if (masked === 0) expect(m.flags, what).toBe(carryIn | FLAG.OF);
          else {
            expect(m.flags & FLAG.CF, what).toBe(Number(carry));
            const others = FLAG.SF | FLAG.ZF | FLAG.PF;
            expect(m.flags & others, what).toBe(rotates ? 0 : resultFlags(x, width));
          }
        }
  });

  it("by 1 sets OF when the sign changes (rotations to the left and SHL: when CF is not the new sign)", () => {
    for (const value of VALUES) {
      m.set({ rax: value, rcx: 1 }).flags = 0;
      m.run(`48d1${hex(0xc0 | (digit << 3))}`);
      const changed = (value ^ m.get("rax")) >> 63n === 1n;
      expect((m.flags & FLAG.OF) !== 0, value.toString(16)).toBe(changed);
      const flags = m.flags;
      m.set({ rax: value }).flags = 0;
      m.run(`48d3${hex(0xc0 | (digit << 3))}`);
      expect(m.flags, "CL as 1").toBe(flags);
    }
  });
});

describe.each([
  ["SHLD", "0fa4", true],
  ["SHRD", "0fac", false],
] as const)("%s", (_, opcode, left) => {
  it.each([
    [16, 17],
    [32, 32],
    [64, 64],
  ] as const)("of %i bits moves in the other operand's bits, for counts below %i", (width, counts) => {
    for (const value of VALUES)
      for (let count = 0; count < counts; count++) {
        const fill = 0x5a3c_0ff0_9966_8001n;
        m.set({ rax: value, rdx: fill }).flags = FLAG.CF;
        m.run(`${PREFIX[width]}${opcode}d0${hex(count)}`);
        const [x, y, n] = [cut(value, width), cut(fill, width), BigInt(width)];
        const pair = left ? (x << n) | y : (y << n) | x;
        const shifted = left ? (pair << BigInt(count)) >> n : pair >> BigInt(count);
        expect(m.get("rax")).toBe(written(value, width, cut(shifted, width)));
        if (count === 0) expect(m.flags).toBe(FLAG.CF);
        else {
          const out = left ? x >> BigInt(width - count) : x >> BigInt(count - 1);
          expect(m.flags & FLAG.CF).toBe(Number(out & 1n));
        }
      }
  });
});

it("writes memory even by a count of 0, so that it faults alike", () => {
  const narrow = new InsnMachine(32).limit("ds", 0xfff);
  narrow.set({ rcx: 0, rbx: 0x1000 }).run("d323");
  expect(narrow.fault).toBe("#GP(0)");
});
