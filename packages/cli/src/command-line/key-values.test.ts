import { expect, test } from "vitest";
import { parseKeyValues, splitAtCommas } from "./key-values.ts";

test.each([
  ["a,b", ["a", "b"]],
  ["a,,b,c", ["a,b", "c"]],
  ["a,,,b", ["a,", "b"]],
  ["a,", ["a", ""]],
  ["", [""]],
])("%j splits into %j", (text, parts) => {
  expect(splitAtCommas(text)).toEqual(parts);
});

const syntax = { option: "-m", keys: ["size", "slots"], impliedKey: "size" };

test("reads keys, the implied one, and the last of two", () => {
  expect([...parseKeyValues("1G,slots=2", syntax)]).toEqual([
    ["size", "1G"],
    ["slots", "2"],
  ]);
  expect(parseKeyValues("size=1G,size=2G", syntax).get("size")).toBe("2G");
  expect(parseKeyValues("size=a=b", syntax).get("size")).toBe("a=b");
});

test("names what is wrong", () => {
  expect(() => parseKeyValues("1G,solts=2", syntax)).toThrow(
    "-m 1G,solts=2: unknown property 'solts'; did you mean 'slots'?",
  );
  expect(() => parseKeyValues("1G,slots", syntax)).toThrow("-m 1G,slots: 'slots' needs a value: 'slots=...'");
});
