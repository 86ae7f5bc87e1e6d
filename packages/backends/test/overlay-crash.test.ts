// A persistent overlay through power failures: what was flushed is there, and the file is never found damaged.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createBlobBlock } from "../src/web-block/blob-block.ts";
import { openPersistentOverlay, type PersistentOverlay } from "../src/web-block/persistent-overlay.ts";
import { createFakeSyncFile, type FakeSyncFile } from "./fake-sync-file.ts";

const SECTORS = 6000;
/** Sectors of the largest write: a few of them fill a group of the file. */
const LONGEST = 600;
const base = createBlobBlock(new Blob([new Uint8Array(SECTORS * 512)]));
const open = (file: FakeSyncFile): PersistentOverlay => openPersistentOverlay({ name: "disk", base, file });

type Step = { readonly sector: number; readonly count: number } | "flush";
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ sector: fc.nat(SECTORS - LONGEST), count: fc.integer({ min: 1, max: LONGEST }) }),
  },
  // Most of a file system's writes go to few places.
  { weight: 4, arbitrary: fc.record({ sector: fc.nat(40), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.constant("flush" as const) },
);

/** Each write is of a value of its own; `possible` tells per sector which of them a crash may leave, the last one last. */
async function play(disk: PersistentOverlay, steps: readonly Step[], possible: number[][], values: Iterator<number>) {
  for (const one of steps) {
    if (one === "flush") {
      await disk.flush();
      for (const [sector, all] of possible.entries()) if (all.length > 1) possible[sector] = all.slice(-1);
    } else {
      const value = values.next().value as number;
      await disk.write(one.sector, new Uint8Array(one.count * 512).fill(value));
      for (let sector = one.sector; sector < one.sector + one.count; sector++) possible[sector]?.push(value);
    }
  }
}

/** What each sector holds; -1 if it is torn. */
async function valuesOf(disk: PersistentOverlay): Promise<number[]> {
  const all = new Uint8Array(SECTORS * 512);
  await disk.read(0, all);
  return Array.from({ length: SECTORS }, (_, sector) => {
    const value = all[sector * 512] as number;
    return Buffer.compare(all.subarray(sector * 512, (sector + 1) * 512), Buffer.alloc(512, value)) === 0 ? value : -1;
  });
}

test("whatever a crash leaves of unflushed writes, every sector is one that was written to it since the flush", async () => {
  const run = fc.array(step, { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(run, run, fc.infiniteStream(fc.boolean()), async (first, second, coins) => {
      const values = Array.from({ length: 50 }, (_, i) => i + 1).values();
      let possible = Array.from({ length: SECTORS }, () => [0]);
      let file = createFakeSyncFile();
      for (const steps of [first, second]) {
        await play(open(file), steps, possible, values);
        file = createFakeSyncFile(file.crash(() => coins.next().value as boolean));
        const found = await valuesOf(open(createFakeSyncFile(file.bytes)));
        const wrong = found.flatMap((value, sector) => (possible[sector]?.includes(value) ? [] : [{ sector, value }]));
        expect(wrong).toEqual([]);
        possible = found.map((value) => [value]);
      }
    }),
    { numRuns: 40 },
  );
});

test.each([true, false])(
  "a crash within the first opening, the header %s, leaves a file that can be opened",
  (survives) => {
    const file = createFakeSyncFile();
    const { flush } = file;
    file.flush = () => {};
    open(file);
    file.flush = flush;
    let size = true;
    const left = file.crash(() => {
      const first = size;
      size = false;
      return first || survives;
    });
    expect(left).toHaveLength(4096);
    open(createFakeSyncFile(left));
  },
);
