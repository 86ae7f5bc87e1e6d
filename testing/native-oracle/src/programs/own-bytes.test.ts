import { expect, it } from "vitest";
import { overwritesItself } from "./own-bytes.ts";
import { FIRST_SLOT } from "./program.ts";
import { createProgramEngine } from "./program-engine.ts";
import { writtenProgram } from "./written-program.ts";

const engine = createProgramEngine("interpreter", { heatLimit: 0 });
const hexOf = (address: number): string => Buffer.from(Uint32Array.of(address).buffer).toString("hex");
/** mov edi, FIRST_SLOT */
const TO_CODE = `bf${hexOf(FIRST_SLOT)}`;

const overwrites = (hex: string): boolean => overwritesItself(engine, writtenProgram(hex));

it("a repeated store that reaches its own bytes is told", () => {
  // mov ecx, N; mov al, 90; rep stosb
  expect(overwrites(`${TO_CODE}b920000000b090f3aa`)).toBe(true);
  // The byte of its opcode, 0d, is the last one.
  expect(overwrites(`${TO_CODE}b90e000000b090f3aa`)).toBe(true);
  // REX in front of stosq
  expect(overwrites(`${TO_CODE}b902000000b090f348ab`)).toBe(true);
});

it("one that ends in front of them is not, nor one that leaves them as they were, nor a single one", () => {
  expect(overwrites(`${TO_CODE}b90c000000b090f3aa`)).toBe(false);
  // mov esi, FIRST_SLOT; rep movsb
  expect(overwrites(`${TO_CODE}be${hexOf(FIRST_SLOT)}b920000000f3a4`)).toBe(false);
  // mov edi, FIRST_SLOT + 7; mov al, 90; stosb
  expect(overwrites(`bf${hexOf(FIRST_SLOT + 7)}b090aa`)).toBe(false);
});
