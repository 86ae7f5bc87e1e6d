import { describe, expect, test } from "vitest";
import { allRows } from "../instructions/all-rows.ts";
import { evexRows } from "../instructions/evex.ts";
import { type Row, row } from "../instructions/row.ts";
import { OpcodeMap } from "./opcode-map.ts";

const nothing = (): void => {};
const made = (encoding: string, options?: Parameters<typeof row>[4]): Row =>
  row(encoding, "MADE", [], nothing, options);

describe("the opcode maps", () => {
  test("have no bytes that two instructions claim", () => {
    expect(() => new OpcodeMap([...allRows, ...evexRows]).refuseOverlaps()).not.toThrow();
  });

  test("refuse such rows by name, also among the eight opcodes of a register", () => {
    expect(() => new OpcodeMap([made("0F 0B"), made("0F 0B")]).refuseOverlaps()).toThrow(
      "rows overlap: MADE 0F 0B and MADE 0F 0B",
    );
    expect(() => new OpcodeMap([made("B8 +r"), made("BB +r")]).refuseOverlaps()).toThrow("rows overlap");
  });

  test("take rows apart by mode", () => {
    expect(() => new OpcodeMap([made("0E", { i64: true }), made("0E", { o64: true })]).refuseOverlaps()).not.toThrow();
  });

  test("have the row with a mandatory prefix in front", () => {
    const [plain, prefixed] = [made("0F 10 /r"), made("F3 0F 10 /r")];
    const map = new OpcodeMap([plain, prefixed]);
    expect(map.candidates(1, 0x10).map((parsed) => parsed.row)).toEqual([prefixed, plain]);
    expect(map.candidates(1, 0x11)).toEqual([]);
  });
});
