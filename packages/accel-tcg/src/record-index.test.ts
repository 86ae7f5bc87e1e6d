import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordIndex } from "./record-index.ts";

test("finds what was set, also after growing, and nothing else", () => {
  const index = new RecordIndex();
  const reference = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 0x7ffff }), fc.integer({ min: 0, max: 4095 }), fc.nat()), {
        maxLength: 2000,
      }),
      (entries) => {
        for (const [page, offset, record] of entries) {
          index.set(page, offset, record);
          reference.set(`${page}:${offset}`, record);
        }
        for (const [page, offset] of entries) expect(index.get(page, offset)).toBe(reference.get(`${page}:${offset}`));
      },
    ),
    { numRuns: 60 },
  );
  for (let i = 1; i < 60_000; i++) {
    index.set(i, 7, i * 3);
    reference.set(`${i}:7`, i * 3);
  }
  for (const [key, record] of reference) {
    const [page, offset] = key.split(":").map(Number) as [number, number];
    expect(index.get(page, offset)).toBe(record);
  }
  const absent = Array.from({ length: 1000 }, (_, i) => [i + 1, 4095 - i] as const).filter(
    ([page, offset]) => !reference.has(`${page}:${offset}`),
  );
  for (const [page, offset] of absent) expect(index.get(page, offset)).toBe(0);
  index.clear();
  expect(index.get(1, 7)).toBe(0);
});
