import { describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";
import { CONDITION_NAMES } from "./condition-names.ts";

const ALL = [FLAG.CF, FLAG.PF, FLAG.AF, FLAG.ZF, FLAG.SF, FLAG.OF];
/** Every combination of the six arithmetic flags. */
const IMAGES = Array.from({ length: 64 }, (_, i) =>
  ALL.reduce((image, flag, bit) => image | ((i >> bit) & 1 ? flag : 0), 0),
);

/** SDM vol. 1, "EFLAGS Condition Codes": the even ones; each odd one is its neighbour's opposite. */
const CONDITIONS: readonly ((f: (flag: number) => boolean) => boolean)[] = [
  (f) => f(FLAG.OF),
  (f) => f(FLAG.CF),
  (f) => f(FLAG.ZF),
  (f) => f(FLAG.CF) || f(FLAG.ZF),
  (f) => f(FLAG.SF),
  (f) => f(FLAG.PF),
  (f) => f(FLAG.SF) !== f(FLAG.OF),
  (f) => f(FLAG.ZF) || f(FLAG.SF) !== f(FLAG.OF),
];

describe("any combination of flags", () => {
  const m = new InsnMachine(32);

  it.each(CONDITION_NAMES.map((name, i) => [`SET${name}`, i] as const))("%s", (_, code) => {
    for (const image of IMAGES) {
      m.flags = image;
      m.set({ rax: 0xffff }).run(`0f${(0x90 + code).toString(16)}c0`);
      const holds = CONDITIONS[code >> 1]!((flag) => (image & flag) !== 0) !== ((code & 1) === 1);
      expect(m.get("rax"), image.toString(16)).toBe(holds ? 0xff01n : 0xff00n);
    }
  });

  it.each([
    ["CLC", "f8", (image: number) => image & ~FLAG.CF],
    ["STC", "f9", (image: number) => image | FLAG.CF],
    ["CMC", "f5", (image: number) => image ^ FLAG.CF],
  ])("%s changes CF alone", (_, code, change) => {
    for (const image of IMAGES) {
      m.flags = image;
      m.run(code);
      expect(m.flags).toBe(change(image));
    }
  });

  it("LAHF and SAHF move all but OF", () => {
    for (const image of IMAGES) {
      m.flags = image;
      m.set({ rax: 0 }).run("9f");
      expect(m.get("rax")).toBe(BigInt((image & 0xff) | 2) << 8n);
      m.flags = image & FLAG.OF;
      m.run("9e");
      expect(m.flags).toBe(image);
    }
  });
});

it("CLD and STD change DF alone", () => {
  const m = new InsnMachine(32);
  m.run("fd");
  expect(m.cpu.get32("rflags") & FLAG.DF).toBe(FLAG.DF);
  const others = m.cpu.rflags & ~FLAG.DF;
  m.run("fc");
  expect(m.cpu.rflags).toBe(others);
});

it("SALC makes AL of CF", () => {
  const m = new InsnMachine(32);
  m.flags = FLAG.CF;
  m.set({ rax: 0x1200 }).run("d6");
  expect(m.get("rax")).toBe(0x12ffn);
});
