import { CONTRACT_SECTORS, testBlockBackend } from "@tsvm-testing/fakes";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createSparseBlock } from "./sparse-block.ts";

testBlockBackend("createSparseBlock", async () => createSparseBlock(CONTRACT_SECTORS));

it("holds what a plain array holds, whatever is written and zeroed", async () => {
  const range = fc.tuple(fc.nat(599), fc.integer({ min: 1, max: 300 }), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(range, { maxLength: 12 }), async (ranges) => {
      const disk = createSparseBlock(600);
      const model = new Uint8Array(600 * 512);
      for (const [sector, wanted, value] of ranges) {
        const count = Math.min(wanted, 600 - sector);
        model.fill(value, sector * 512, (sector + count) * 512);
        if (value < 64) model.fill(0, sector * 512, (sector + count) * 512);
        if (value < 64) await disk.writeZeroes?.(sector, count, true);
        else await disk.write(sector, new Uint8Array(count * 512).fill(value));
      }
      const all = new Uint8Array(model.length).fill(9);
      await disk.read(0, all);
      expect(Buffer.compare(all, model)).toBe(0);
    }),
    { numRuns: 50 },
  );
});

it("is as large as it says without taking memory for it", async () => {
  const disk = createSparseBlock(2 ** 40);
  await disk.write(2 ** 40 - 1, new Uint8Array(512).fill(7));
  await disk.writeZeroes?.(5, 2 ** 16, true);
  const sector = new Uint8Array(512);
  await disk.read(2 ** 40 - 1, sector);
  expect(sector[511]).toBe(7);
});
