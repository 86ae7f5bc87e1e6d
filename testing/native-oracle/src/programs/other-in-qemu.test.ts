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

it.each(["RCL", "RCR"])("leaves out %s of memory, not of registers", (mnemonic) => {
  const drafts = formsNamed("shift", mnemonic).flatMap((form) => draftsOf(form, ENVIRONMENTS.long));
  const [registers, memory] = [
    drafts.filter(({ modrm }) => modrm?.mod === 3),
    drafts.filter(({ modrm }) => modrm?.mod !== 3),
  ];
  expect(registers.length).toBeGreaterThan(100);
  expect(memory.length).toBeGreaterThan(100);
  expect(registers.filter(isOtherInQemu)).toEqual([]);
  expect(memory.filter((draft) => !isOtherInQemu(draft))).toEqual([]);
});

it("leaves out prefixes of ES, CS, SS and DS in 64-bit code alone", () => {
  const others = (environment: Environment, prefix: number): boolean => {
    const draft = draftsOf(formsNamed("alu", "ADD")[0] as Form, environment)[0] as Draft;
    expect(isOtherInQemu(draft)).toBe(false);
    return isOtherInQemu({ ...draft, prefixes: [prefix] });
  };
  for (const prefix of [0x26, 0x2e, 0x36, 0x3e]) {
    expect(others(ENVIRONMENTS.long, prefix)).toBe(true);
    expect(others(ENVIRONMENTS.flat32, prefix)).toBe(false);
  }
  for (const prefix of [0x64, 0x65]) expect(others(ENVIRONMENTS.long, prefix)).toBe(false);
});

it("leaves out what loads FS and GS", () => {
  const loads = (["stack", "system"] as const)
    .flatMap((family) => FAMILIES[family] as readonly Form[])
    .filter((form) => draftsOf(form, ENVIRONMENTS.flat32).some(isOtherInQemu));
  expect(loads.map(({ encoding }) => encoding)).toEqual(["0F A1", "0F A9", "0F B4 /r", "0F B5 /r"]);
});
