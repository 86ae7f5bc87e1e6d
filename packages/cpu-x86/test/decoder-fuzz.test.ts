import { expect, it } from "vitest";
import { fuzzDecoder } from "../fuzz/decoder.ts";
import { createRandom } from "../fuzz/random.ts";

it("takes the same bytes for instructions as iced-x86, and for as many bytes", () => {
  const counts = fuzzDecoder(createRandom(1), 60_000);
  expect(counts.decoded).toBe(180_000);
  expect(counts.instructions).toBeGreaterThan(50_000);
  expect(counts.undefinedOpcodes).toBeGreaterThan(5_000);
  expect(counts.truncated).toBeGreaterThan(1_000);
});
