import { runFuzzCampaign } from "@tsvm-testing/fakes";
import { expect, it } from "vitest";
import { fuzzEveryRegister } from "../fuzz/every-register.ts";
import { fuzzKernelImages } from "../fuzz/kernel-images.ts";
import { fuzzPciAccesses } from "../fuzz/pci-accesses.ts";

/** Seeds that once found something stay here for ever. */
const FOUND: readonly number[] = [];

it.each(FOUND)("seed %i finds nothing any more", async (seed) => {
  await fuzzPciAccesses(seed);
});

it("a guest that plays with PCI throws nothing, and after a reset all is well", async () => {
  const { counts } = await runFuzzCampaign(fuzzPciAccesses, { firstSeed: 1, accesses: 30_000 });
  // Most accesses must reach something, or nothing is tested.
  expect(counts["hits"]).toBeGreaterThan(counts.accesses / 10);
});

it("registers take whatever is written to them, at any offset and in any size", async () => {
  const { counts } = await runFuzzCampaign(fuzzEveryRegister, { firstSeed: 6, accesses: 200_000 });
  expect(counts["hits"]).toBeGreaterThan(counts.accesses / 50);
});

it("spoilt kernels are loaded or refused", async () => {
  const { counts } = await runFuzzCampaign(fuzzKernelImages, { firstSeed: 1, accesses: 400 });
  expect(counts["loaded"]).toBeGreaterThan(20);
  expect(counts["refused"]).toBeGreaterThan(20);
});
