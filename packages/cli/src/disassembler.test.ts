import type { Disassemble } from "@tsvm/vm";
import { expect, test } from "vitest";
import { loadDisassembler } from "./disassembler.ts";

const disassemble = (await loadDisassembler()) as Disassemble;
const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));

test("64-bit code is spelled as QEMU spells it", () => {
  const code = bytes("48 89 c3 e8 00 00 00 00 48 8d 05 01 00 00 00 c3");
  expect(disassemble(code, 0xffffffff81000000n, 64)).toEqual([
    { length: 3, text: "movq %rax, %rbx" },
    { length: 5, text: "callq 0xffffffff81000008" },
    { length: 7, text: "leaq 1(%rip), %rax" },
    { length: 1, text: "retq" },
  ]);
});

test("the same bytes mean other things in other modes", () => {
  expect(disassemble(bytes("b8 01 00 00 00"), 0n, 32)).toEqual([{ length: 5, text: "movl $1, %eax" }]);
  expect(disassemble(bytes("ea 5b e0 00 f0"), 0xfff0n, 16)[0]?.length).toBe(5);
});

test("what is no instruction, or only its beginning, covers all bytes and stops nothing", () => {
  for (const hex of ["0f", "c5 fd", "ff ff 90", "0f 0b 48"]) {
    const insns = disassemble(bytes(hex), 0n, 64);
    expect(insns.reduce((sum, { length }) => sum + length, 0)).toBe(hex.split(" ").length);
  }
});
