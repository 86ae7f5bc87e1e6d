import { expect, it } from "vitest";
import { ENVIRONMENTS, type Environment } from "../environment.ts";
import { FAMILIES } from "../forms/all-forms.ts";
import type { Form } from "../forms/form.ts";
import type { Draft } from "../generate/draft.ts";
import { draftInstruction } from "../generate/generate.ts";
import { createRandom } from "../random.ts";
import { isOtherInQemu } from "./other-in-qemu.ts";

/** Some hundred of a form, without prefixes. */
function draftsOf(form: Form, environment: Environment): readonly Draft[] {
  const random = createRandom(1);
  const drafts = Array.from({ length: 200 }, () => draftInstruction(form, environment, random));
  return drafts.filter((draft) => draft !== undefined).filter(({ prefixes }) => prefixes.length === 0);
}

const formsNamed = (family: string, mnemonic: string): readonly Form[] =>
  (FAMILIES[family] as readonly Form[]).filter((form) => form.mnemonic === mnemonic);

it.each([
  ["shift", "RCL"],
  ["shift", "RCR"],
  ["data-movement", "SETBE"],
])("leaves out %s, %s of memory, not of registers", (family, mnemonic) => {
  const drafts = formsNamed(family, mnemonic).flatMap((form) => draftsOf(form, ENVIRONMENTS.long));
  const [registers, memory] = [
    drafts.filter(({ modrm }) => modrm?.mod === 3),
    drafts.filter(({ modrm }) => modrm?.mod !== 3),
  ];
  expect(registers.length).toBeGreaterThan(50);
  expect(memory.length).toBeGreaterThan(50);
  expect(registers.filter(isOtherInQemu)).toEqual([]);
  expect(memory.filter((draft) => !isOtherInQemu(draft))).toEqual([]);
});

it.each([
  ["64-bit", ENVIRONMENTS.long, [0x26, 0x2e, 0x36, 0x3e]],
  ["32-bit", ENVIRONMENTS.flat32, [0x26, 0x2e, 0x64, 0x65]],
  ["16-bit", ENVIRONMENTS.segmented16stack32, [0x26, 0x2e, 0x64, 0x65]],
])("leaves out prefixes in %s code", (_, environment, left) => {
  const [draft] = draftsOf(formsNamed("alu", "ADD")[0] as Form, environment) as [Draft];
  expect(isOtherInQemu(draft)).toBe(false);
  const prefixes = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
  expect(prefixes.filter((prefix) => isOtherInQemu({ ...draft, prefixes: [prefix] }))).toEqual(left);
});

it.each([
  ["bmi", "ANDN"],
  ["data-movement", "MOVBE"],
])("leaves out %s, %s in 16-bit code alone", (family, mnemonic) => {
  const others = (environment: Environment): readonly boolean[] =>
    formsNamed(family, mnemonic).flatMap((form) => draftsOf(form, environment).map(isOtherInQemu));
  expect(new Set(others(ENVIRONMENTS.segmented16stack32))).toEqual(new Set([true]));
  expect(new Set(others(ENVIRONMENTS.flat32))).toEqual(new Set([false]));
});

it("leaves out RORX with a register that it does not have", () => {
  const drafts = formsNamed("bmi", "RORX").flatMap((form) => draftsOf(form, ENVIRONMENTS.long));
  const others = drafts.filter(isOtherInQemu);
  expect([others.length > 0, others.length < drafts.length]).toEqual([true, true]);
  for (const { vex } of others) expect(vex?.register).not.toBe(0);
});

it("leaves out SHLD by an immediate where the address is relative to RIP", () => {
  const others = formsNamed("shift", "SHLD").flatMap((form) => draftsOf(form, ENVIRONMENTS.long).filter(isOtherInQemu));
  expect(others.length).toBeGreaterThan(0);
  for (const { modrm, immediates } of others) expect([modrm?.mod, modrm?.rm, immediates.length]).toEqual([0, 5, 1]);
});

it("leaves out what loads segments, in 64-bit code FS and GS", () => {
  const loads = (["stack", "system"] as const)
    .flatMap((family) => FAMILIES[family] as readonly Form[])
    .filter((form) => form.options.modes !== "legacy" && draftsOf(form, ENVIRONMENTS.long).some(isOtherInQemu));
  expect(loads.map(({ encoding }) => encoding)).toEqual(["0F A1", "0F A9", "0F B4 /r", "0F B5 /r"]);
});
