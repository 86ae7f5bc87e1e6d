// What `-d in_asm,op,out_asm` write, on small programs.
import { describe, expect, it } from "vitest";
import type { Disassemble } from "../src/index.ts";
import { CODE, TinyMachine } from "./tiny-machine.ts";

/** Every byte an instruction: what is told is which bytes, where, and in what mode. */
const byByte: Disassemble = (code, _address, bits) =>
  [...code].map((byte) => ({ length: 1, text: `${bits}:${byte.toString(16)}` }));
const address = (at: number): string => `0x${at.toString(16).padStart(8, "0")}`;
// (0) mov ecx, 30; (5) add eax, 1; sub ecx, 1; jnz 5; hlt
const LOOP = "b9 1e 00 00 00 83 c0 01 83 e9 01 75 f8 f4";

function logOf(bits: 64 | 32, categories: readonly string[], disassemble?: Disassemble): string[] {
  const lines: string[] = [];
  const log = {
    has: (category: string) => categories.includes(category),
    write: (line: string) => void lines.push(line),
    ...(disassemble && { disassemble }),
  };
  new TinyMachine(bits, { heatLimit: 3, log }).runToHalt(LOOP);
  return lines;
}

describe.each([64, 32] as const)("%i-bit code", (bits) => {
  it("is shown when it is decoded, and again when it is translated", () => {
    const lines = logOf(bits, ["in_asm"], byByte);
    const first = lines.indexOf("IN: ");
    expect(lines[first - 1]).toBe("----------------");
    expect(lines[first + 1]).toBe(`${address(CODE)}:  ${"b9".padEnd(24)} ${bits}:b9`);
    const region = lines.findIndex((line) => line.startsWith(`IN: region at ${address(CODE + 5)}, `));
    expect(lines.slice(region + 1, region + 9)).toEqual(
      ["83", "c0", "01", "83", "e9", "01", "75", "f8"].map(
        (byte, i) => `${address(CODE + 5 + i)}:  ${byte.padEnd(24)} ${bits}:${Number.parseInt(byte, 16).toString(16)}`,
      ),
    );
  });

  it("is shown as bytes without a disassembler", () => {
    expect(logOf(bits, ["in_asm"]).some((line) => line.startsWith("OBJD-T: 83c00183e90175f8"))).toBe(true);
  });

  it("is shown as IR that calls registers by their names", () => {
    const lines = logOf(bits, ["op"]);
    expect(lines[0]).toMatch(new RegExp(`^OP: region at ${address(CODE + 5)}, \\d blocks$`));
    expect(lines[1]).toBe(` ---- ${address(CODE + 5)} block 0`);
    expect(lines.some((line) => /\brax = v\d+/.test(line))).toBe(true);
    expect(lines.some((line) => line.includes("goto block 0"))).toBe(true);
  });

  it("is shown as WebAssembly that can be compiled", () => {
    const lines = logOf(bits, ["out_asm"]);
    const [, size] = /^OUT: \[size=(\d+)\]$/.exec(lines[0] as string) as RegExpExecArray;
    const next = lines.findIndex((line, i) => i > 0 && line.startsWith("OUT:"));
    const dump = lines.slice(1, next < 0 ? undefined : next);
    const text = dump.map((line) => line.replace("OBJD-H: ", "")).join("");
    expect(text.length).toBe(Number(size) * 2);
    const bytes = Uint8Array.from(text.match(/../g) as string[], (byte) => Number.parseInt(byte, 16));
    expect(WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map(({ name }) => name)).toEqual(["region"]);
  });
});

it("an instruction across two pages is shown whole", () => {
  const lines: string[] = [];
  const log = { has: (category: string) => category === "in_asm", write: (line: string) => void lines.push(line) };
  const m = new TinyMachine(64, { log });
  // 3 bytes before the end of the page: mov eax, 0x12345678; hlt
  m.code(CODE + 0xffd, "b8 78 56 34 12 f4");
  m.set({ rip: BigInt(CODE + 0xffd) });
  m.run(10);
  expect(lines).toContain("OBJD-T: b878563412");
});
