import { expect, test } from "vitest";
import { fieldNameAt } from "./field-names.ts";
import { AT, GPR, STATE_BASE, STATE_END } from "./layout.ts";

test("registers, fields and their elements have names", () => {
  expect(fieldNameAt(AT.gpr + GPR.rsi * 8)).toBe("rsi");
  expect(fieldNameAt(AT.gpr + GPR.rsi * 8 + 4)).toBe("rsi+4");
  expect(fieldNameAt(AT.gpr + GPR.pageRip * 8)).toBe("pageRip");
  expect(fieldNameAt(AT.rip)).toBe("rip");
  expect(fieldNameAt(AT.fuel)).toBe("fuel");
  expect(fieldNameAt(AT.segBase + 8)).toBe("segBase[1]");
});

test("every byte of CPU state has a name, and none beside it", () => {
  for (let at = STATE_BASE; at < STATE_END; at++) expect(fieldNameAt(at), `${at}`).toMatch(/^\w+(\[\d+\])?(\+\d+)?$/);
  expect(fieldNameAt(STATE_BASE - 1)).toBeUndefined();
  expect(fieldNameAt(STATE_END)).toBeUndefined();
});
