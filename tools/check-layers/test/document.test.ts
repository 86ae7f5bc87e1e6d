import { describe, expect, test } from "vitest";
import type { Room } from "../src/architecture.ts";
import { printGraph, printTable, updateDocument } from "../src/document.ts";

const room = (imports: readonly string[]): Room => ({ owns: "this", doesNotOwn: "that", imports });
const rooms = { low: room([]), mid: room(["low"]), top: room(["mid", "low"]), lone: room([]) };

describe("printGraph", () => {
  test("draws direct imports once and lone rooms too", () => {
    expect(printGraph(rooms)).toBe("```mermaid\ngraph TD\n  lone\n  mid --> low\n  top --> mid\n```");
  });
});

describe("printTable", () => {
  test("has a row per room", () => {
    const rows = printTable(rooms).split("\n").slice(2);
    expect(rows).toHaveLength(4);
    expect(rows[2]).toBe("| [`top`](packages/top) | this | that | mid, low |");
  });
});

describe("updateDocument", () => {
  const once = updateDocument(
    "before\n<!-- printed by tools/check-layers: change the table there, then `pnpm run layers:write` -->\nold\n<!-- end of the printed part -->\nafter\n",
    rooms,
  );
  test("replaces what is between the markers only", () => {
    expect(once).toMatch(/^before\n/);
    expect(once).toMatch(/\nafter\n$/);
    expect(once).not.toContain("old");
    expect(once).toContain("top --> mid");
  });
  test("changes nothing the second time", () => {
    expect(updateDocument(once, rooms)).toBe(once);
  });
  test("refuses a document without markers", () => {
    expect(() => updateDocument("text", rooms)).toThrow("markers");
  });
});
