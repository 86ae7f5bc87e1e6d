import fc from "fast-check";
import { expect, it } from "vitest";
import { type PagePlaces, RecordPlaces } from "./record-places.ts";

/** A page as it would be with an array of its own. */
interface Modelled {
  readonly places: PagePlaces;
  readonly records: Map<number, number>;
}

const modelled = (places: RecordPlaces): Modelled => ({ places: places.createPage(), records: new Map() });

function expectSame(places: RecordPlaces, pages: readonly Modelled[]): void {
  for (const { places: page, records } of pages)
    for (let offset = 0; offset < 4096; offset++)
      if (places.at(page, offset) !== (records.get(offset) ?? 0))
        expect([offset, places.at(page, offset)]).toEqual([offset, records.get(offset) ?? 0]);
}

it("pages have their own records, whatever others put and clear", () => {
  const step = fc.record({
    page: fc.nat(7),
    offset: fc.nat(4095),
    record: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    what: fc.constantFrom("put", "put", "put", "clear"),
  });
  const steps = fc.array(step, { maxLength: 300 });
  fc.assert(
    fc.property(steps, steps, (before, after) => {
      const places = new RecordPlaces();
      for (const list of [before, after]) {
        const pages = Array.from({ length: 8 }, () => modelled(places));
        for (const { page, offset, record, what } of list) {
          const { places: page_, records } = pages[page] as Modelled;
          if (what === "put") places.put(page_, offset, record);
          else places.clear(page_);
          if (what === "put") records.set(offset, record);
          else records.clear();
        }
        expectSame(places, pages);
        places.reset();
      }
    }),
    { numRuns: 30 },
  );
});

it("there is room for as many as there are", () => {
  const places = new RecordPlaces();
  const pages = Array.from({ length: 300 }, () => modelled(places));
  for (const [i, { places: page, records }] of pages.entries())
    for (let offset = i & 255; offset < 4096; offset += 256) {
      places.put(page, offset, i * 4096 + offset + 1);
      records.set(offset, i * 4096 + offset + 1);
    }
  expectSame(places, pages);
});
