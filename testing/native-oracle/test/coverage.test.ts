import { allRows } from "@tsvm/cpu-x86";
import { expect, test } from "vitest";
import { FAMILIES } from "../src/forms/all-forms.ts";
import { WITHOUT_VECTORS } from "../src/without-vectors.ts";

/** Rows and forms write encodings a little differently: immediates, NP, and VEX fields that are ignored. */
function plain(encoding: string): string {
  return encoding
    .replace(/^NP /, "")
    .replace(/( i[bwdzvop])+$/, "")
    .replace(/REX\.W /, "")
    .replace(/\.(WIG|LZ|L0|LIG|NP)\b/g, "")
    .replace(" +r", "+r")
    .toUpperCase();
}

const forms = new Set(
  Object.values(FAMILIES)
    .flat()
    .map(({ encoding }) => plain(encoding)),
);
const excused = new Set(WITHOUT_VECTORS.flatMap(({ mnemonics }) => mnemonics.flatMap((name) => [name, `V${name}`])));

/** What user code runs, except for rows that say #UD where another prefix is meant. */
const userRows = allRows.filter(({ cpl0, mnemonic }) => !cpl0 && mnemonic !== "UD");
const uncovered = userRows.filter(({ encoding }) => !forms.has(plain(encoding)));

test("every row that user code can run has a form, or a reason why not", () => {
  const unexplained = uncovered.filter(({ mnemonic }) => !excused.has(mnemonic));
  expect(unexplained.map(({ encoding, mnemonic }) => `${encoding} ${mnemonic}`)).toEqual([]);
});

test("reasons are given for nothing else", () => {
  const names = new Set(uncovered.map(({ mnemonic }) => mnemonic));
  const needless = WITHOUT_VECTORS.flatMap(({ mnemonics }) => mnemonics).filter((name) => !names.has(name));
  expect(needless).toEqual([]);
});
