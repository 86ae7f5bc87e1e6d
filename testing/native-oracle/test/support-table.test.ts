import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { SUPPORT_FILE, supportDocument } from "../src/support-table.ts";

it("docs/support.md says what the files say; `pnpm run support` here writes it anew", () => {
  expect(readFileSync(SUPPORT_FILE, "utf8")).toBe(supportDocument());
});
