// The long form of test/decoder-fuzz.test.ts: `pnpm --filter @tsvm/cpu-x86 run fuzz [minutes] [seed]`.
import { type DecoderCounts, fuzzDecoder } from "./decoder.ts";
import { createRandom } from "./random.ts";

const [minutes = "1", first = String(Date.now() % 1_000_000_000)] = process.argv.slice(2);
const BATCH = 20_000;

console.log(`decoder: ${minutes} minutes, seeds from ${first} on`);
const end = Date.now() + Number(minutes) * 60_000;
const sums: Record<string, number> = {};
for (let seed = Number(first); Date.now() < end; seed++) {
  try {
    const counts: DecoderCounts = fuzzDecoder(createRandom(seed), BATCH);
    for (const [what, count] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + count;
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}
const counts = Object.entries(sums).map(([what, count]) => `${count} ${what}`);
console.log(`${counts.join(", ")}: nothing found`);
