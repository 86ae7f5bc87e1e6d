import fc from "fast-check";
import { beforeEach } from "vitest";

/** What `pnpm test` tries is the same in every run: a find is news, and never an obstacle to a change that has no part in it. */
const FIXED = 20_261_128;

/** TSVM_SEED: 32 bits with a sign, as fast-check prints them. `random`: another one for each test file. */
function seedOf(given: string): number {
  if (given === "random") return Math.floor(Math.random() * 2 ** 32) | 0;
  const seed = Number(given);
  if (given.trim() === "" || seed !== (seed | 0)) {
    throw new Error(`TSVM_SEED must be "random" or an integer from -2147483648 to 2147483647, not "${given}"`);
  }
  return seed;
}

const given = process.env["TSVM_SEED"] ?? String(FIXED);
const seed = seedOf(given);
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });

// fast-check prints the seed of a property that fails, but not of one that takes too long.
if (given === "random") {
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.error(`TSVM_SEED=${seed} tries the same again`));
  });
}
