import { describe, expect, it } from "vitest";
import { SnapshotError } from "./errors.ts";
import {
  booleanField,
  bytesField,
  choiceField,
  finiteField,
  integerField,
  listField,
  optionalField,
  recordField,
  u8Field,
} from "./state-fields.ts";

const chip = recordField<{ index: number; on: boolean; ram: Uint8Array; mode: "a" | "b"; since: number | undefined }>({
  index: u8Field,
  on: booleanField,
  ram: bytesField(4),
  mode: choiceField("a", "b"),
  since: optionalField(finiteField),
});
const good = { index: 3, on: true, ram: Uint8Array.of(1, 2, 3, 4), mode: "b", since: -1.5 } as const;

describe("state fields", () => {
  it("answers a copy that shares nothing with what was read", () => {
    const copy = chip(good, "chip");
    expect(copy).toEqual(good);
    copy.ram[0] = 99;
    expect(good.ram[0]).toBe(1);
  });

  it.each([
    ["out of range", { ...good, index: 256 }, "chip.index"],
    ["a fraction", { ...good, index: 0.5 }, "chip.index"],
    ["a string for a number", { ...good, index: "3" }, "chip.index"],
    ["a short block", { ...good, ram: new Uint8Array(3) }, "chip.ram"],
    ["a list for bytes", { ...good, ram: [1, 2, 3, 4] }, "chip.ram"],
    ["an unknown choice", { ...good, mode: "c" }, "chip.mode"],
    ["not a number at all", { ...good, since: Number.NaN }, "chip.since"],
    ["beyond exact doubles", { ...good, since: 2 ** 60 }, "chip.since"],
    ["a missing field", { index: 3 }, "chip.on"],
    ["a field too many", { ...good, extra: 1 }, "chip.extra"],
    ["null", null, "chip"],
    ["an array", [], "chip"],
  ])("refuses %s and says where", (_, value, path) => {
    let caught: unknown;
    try {
      chip(value, "chip");
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SnapshotError);
    expect((caught as SnapshotError).code).toBe("SNAPSHOT_FIELD");
    expect((caught as SnapshotError).message).toContain(`${path} is not`);
  });

  it("names the item of a list", () => {
    const list = listField(integerField(-1, 1), 0, 3);
    expect(list([-1, 0, 1], "x")).toEqual([-1, 0, 1]);
    expect(() => list([0, 5], "x")).toThrow("x[1]");
    expect(() => list([0, 0, 0, 0], "x")).toThrow("0 to 3 items");
  });

  it("does not take a sparse array for a list of numbers", () => {
    expect(() => listField(u8Field, 2)(new Array(2), "x")).toThrow("x[0]");
  });
});
