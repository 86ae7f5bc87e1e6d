import { expect, test } from "vitest";
import { FLAGS } from "./cpu-state.ts";
import { ENVIRONMENTS, type Environment } from "./environment.ts";
import { undefinedConditionBits, undefinedFlags } from "./undefined-results.ts";
import type { VectorInput } from "./vector.ts";

function input(
  mnemonic: string,
  operands: readonly string[],
  code: readonly number[],
  environment: Environment = ENVIRONMENTS.long,
  cl = 0n,
): VectorInput {
  return {
    form: { encoding: "C1 /4", mnemonic, operands },
    environment,
    codeAddress: 0x8100,
    code: Uint8Array.from(code),
    seed: 1,
    flavour: "integer",
    overrides: new Map([[1, cl]]),
    patches: [],
  };
}

test("a shift by nothing defines every flag, one by one keeps OF, one by more loses it", () => {
  const shl = (count: number): number => undefinedFlags(input("SHL", ["Ev", "Ib"], [0xc1, 0xe0, count]));
  expect(shl(0)).toBe(0);
  expect(shl(32)).toBe(0);
  expect(shl(1)).toBe(FLAGS.AF);
  expect(shl(33)).toBe(FLAGS.AF);
  expect(shl(2)).toBe(FLAGS.AF | FLAGS.OF);
});

test("the count's mask follows the operand size", () => {
  const wide = input("SHL", ["Ev", "Ib"], [0x48, 0xc1, 0xe0, 32]);
  expect(undefinedFlags(wide)).toBe(FLAGS.AF | FLAGS.OF);
});

test("CF is lost when a shift is as long as its operand", () => {
  const word = input("SHR", ["Ev", "CL"], [0x66, 0xd3, 0xe8], ENVIRONMENTS.long, 16n);
  expect(undefinedFlags(word)).toBe(FLAGS.AF | FLAGS.OF | FLAGS.CF);
  const sameIn16 = input("SHR", ["Ev", "CL"], [0xd3, 0xe8], ENVIRONMENTS.segmented16, 16n);
  expect(undefinedFlags(sameIn16)).toBe(FLAGS.AF | FLAGS.OF | FLAGS.CF);
  const byte = input("SHL", ["Eb", "CL"], [0xd2, 0xe0], ENVIRONMENTS.flat32, 8n);
  expect(undefinedFlags(byte)).toBe(FLAGS.AF | FLAGS.OF | FLAGS.CF);
  const arithmetic = input("SAR", ["Eb", "CL"], [0xd2, 0xf8], ENVIRONMENTS.flat32, 8n);
  expect(undefinedFlags(arithmetic)).toBe(FLAGS.AF | FLAGS.OF);
});

test("instructions without a rule define all flags", () => {
  expect(undefinedFlags(input("ADD", ["Ev", "Gv"], [0x01, 0xd8]))).toBe(0);
});

test("x87 condition bits: comparisons define them, arithmetic keeps C1 only", () => {
  const x87 = (mnemonic: string): VectorInput => ({ ...input(mnemonic, [], [0xd8]), flavour: "x87" });
  expect(undefinedConditionBits(x87("FCOMP"))).toBe(0);
  expect(undefinedConditionBits(x87("FADD"))).toBe(0x4500);
  expect(undefinedConditionBits(x87("FNOP"))).toBe(0x4700);
  expect(undefinedConditionBits(input("PADDB", [], []))).toBe(0);
});
